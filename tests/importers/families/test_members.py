"""Every published member at its true size, told by shapes alone; the parameters are as many as is stated."""

from functools import partial

import pytest

from regraft.core.tensors import TensorArchive, TensorEntry
from regraft.importers import families
from tests.importers.families.conftest import torch
from tests.importers.families.torch_networks import (
    VGG_COUNTS,
    CifarResNet,
    ConvNext,
    DenseNet,
    EfficientNet,
    MobileNetV2,
    ResNet,
    TimmConvNext,
    Vgg,
    timm_mobilenet_v2,
)

MEMBERS = {
    "resnet18": (partial(ResNet, (2, 2, 2, 2)), 11_689_512, 224),
    "resnet34": (partial(ResNet, (3, 4, 6, 3)), 21_797_672, 224),
    "resnet50": (partial(ResNet, (3, 4, 6, 3), deep=True), 25_557_032, 224),
    "resnet101": (partial(ResNet, (3, 4, 23, 3), deep=True), 44_549_160, 224),
    "resnet152": (partial(ResNet, (3, 8, 36, 3), deep=True), 60_192_808, 224),
    "resnet56_cifar": (partial(CifarResNet, 9), 853_018, 32),
    "vgg11": (partial(Vgg, VGG_COUNTS["vgg11"]), 132_863_336, 224),
    "vgg13_bn": (partial(Vgg, VGG_COUNTS["vgg13"], normed=True), 133_053_736, 224),
    "vgg16": (partial(Vgg, VGG_COUNTS["vgg16"]), 138_357_544, 224),
    "vgg19": (partial(Vgg, VGG_COUNTS["vgg19"], head="timm"), 143_667_240, 224),
    "mobilenet_v2": (MobileNetV2, 3_504_872, 224),
    "mobilenet_v2 of timm": (timm_mobilenet_v2, 3_504_872, 224),
    "densenet121": (partial(DenseNet, (6, 12, 24, 16)), 7_978_856, 224),
    "densenet161": (partial(DenseNet, (6, 12, 36, 24), 48, 96), 28_681_000, 224),
    "densenet169": (partial(DenseNet, (6, 12, 32, 32)), 14_149_480, 224),
    "densenet201": (partial(DenseNet, (6, 12, 48, 32)), 20_013_928, 224),
    "efficientnet_b0": (partial(EfficientNet, 1.0, 1.0), 5_288_548, 224),
    "efficientnet_b1": (partial(EfficientNet, 1.0, 1.1), 7_794_184, 240),
    "efficientnet_b2": (partial(EfficientNet, 1.1, 1.2), 9_109_994, 260),
    "efficientnet_b3": (partial(EfficientNet, 1.2, 1.4), 12_233_232, 300),
    "efficientnet_b4": (partial(EfficientNet, 1.4, 1.8), 19_341_616, 380),
    "efficientnet_b5": (partial(EfficientNet, 1.6, 2.2), 30_389_784, 456),
    "efficientnet_b6": (partial(EfficientNet, 1.8, 2.6), 43_040_704, 528),
    "efficientnet_b7": (partial(EfficientNet, 2.0, 3.1), 66_347_960, 600),
    "convnext_tiny": (partial(ConvNext, (3, 3, 9, 3)), 28_589_128, 224),
    "convnext_small": (partial(ConvNext, (3, 3, 27, 3)), 50_223_688, 224),
    "convnext_base": (partial(ConvNext, (3, 3, 27, 3), 128), 88_591_464, 224),
    "convnext_large": (partial(TimmConvNext, (3, 3, 27, 3), 192), 197_767_336, 224),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_is_told_by_its_shapes(name):
    make, parameters, size = MEMBERS[name]
    # Shapes without numbers.
    with torch.device("meta"):
        module = make()
    assert sum(value.numel() for value in module.parameters()) == parameters
    entries = {
        key: TensorEntry(key, tuple(value.shape), "float32", lambda: None) for key, value in module.state_dict().items()
    }
    found = families.recognised(TensorArchive("pytorch", entries, metadata={"path": "weights.pth"}))
    assert found.member.name == name.partition(" ")[0]
    assert found.member.size == size
    epsilons = {node.settings["epsilon"] for node in found.graph.nodes if "epsilon" in node.settings}
    large = name[-2:] in ("b5", "b6", "b7")
    assert epsilons <= {1e-3 if large else 1e-6 if "convnext" in name else 1e-5}
