import json

import pytest

from regraft import formats, importers
from regraft.importers import families, state_dict
from tests.importers.families.torch_networks import EfficientNet, timm_efficientnet


def test_torchvisions_names(proof):
    opened = proof.holds(EfficientNet(0.25, classes=3), 45)
    assert opened.inputs.name == "torch"


def test_timms_names(proof):
    opened = proof.holds(timm_efficientnet(0.25, classes=3, last=16), 45)
    assert opened.inputs.name == "torch"
    assert any("efficientnet is assumed" in note for note in opened.report.notes)


# Padding at one side only, and at both but not the same.
@pytest.mark.parametrize("size", [32, 45])
def test_the_padding_of_tensorflow_where_the_files_name_says_so(proof, size):
    module = timm_efficientnet(0.25, classes=3, last=16, same=True)
    opened = proof.holds(module, size, "tf_efficientnet_b0_ns-c0e6a31c.pth")
    assert opened.model.name == "tf_efficientnet"


def test_the_padding_of_tensorflow_where_the_checkpoint_says_so(proof):
    module = timm_efficientnet(0.25, classes=3, last=16)
    path = proof.saved(module, wrap=lambda tensors: {"arch": "tf_efficientnet_b0", "state_dict": tensors})
    assert families.recognised(formats.read(path)).member.name == "tf_efficientnet"


def _beside(proof, config):
    (proof.folder / "config.json").write_text(config)
    return proof.saved(timm_efficientnet(0.25, classes=3, last=16), "pytorch_model.bin")


def test_a_configuration_beside_the_file(proof):
    path = _beside(proof, json.dumps({"architecture": "tf_efficientnet_b0", "mean": [0.5] * 3, "std": [0.5] * 3}))
    opened = importers.open(path, input_size=32)
    assert opened.model.name == "tf_efficientnet"
    assert (opened.inputs.name, opened.inputs.origin) == ("tf", "stated")
    asked = importers.open(path, input_size=32, preprocessing="raw")
    assert asked.inputs.origin == "requested"


@pytest.mark.parametrize(
    ("mean", "deviation", "name"),
    [
        ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], "torch"),
        ([0, 0, 0], [1, 1, 1], "unit"),
        ([0.1, 0.2, 0.3], [0.5, 1.0, 2.0], "config.json"),
        ([0.1, 0.2, 0.3], [0.5, 0.0, 2.0], None),
        ([0.1, 0.2, "x"], [0.5, 1.0, 2.0], None),
    ],
)
def test_what_a_configuration_says_of_pictures(proof, mean, deviation, name):
    config = {"architecture": "efficientnet_b0", "pretrained_cfg": {"mean": mean, "std": deviation}}
    found = families.recognised(formats.read(_beside(proof, json.dumps(config))))
    spec = state_dict.convention(found)
    assert (spec and spec.name) == name
    if name == "config.json":
        assert spec.scale == pytest.approx([1 / 127.5, 1 / 255, 1 / 510])
        assert spec.offset == pytest.approx([-0.2, -0.2, -0.15])


@pytest.mark.parametrize(
    "config", ['{"architecture": "resnet50", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}', "[", '["a"]', "{}"]
)
def test_a_configuration_of_something_else_is_left_alone(proof, config):
    found = families.recognised(formats.read(_beside(proof, config)))
    assert found.member.name == "efficientnet"
    assert not found.beside.mean


@pytest.mark.slow
@pytest.mark.parametrize("network", [EfficientNet, timm_efficientnet])
def test_true_size(proof, network):
    module = network()
    assert sum(value.numel() for value in module.parameters()) == 5_288_548
    opened = proof.computes(module, 96)
    assert opened.model.name == "efficientnet_b0"
