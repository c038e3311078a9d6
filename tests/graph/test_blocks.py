"""Blocks are what their authors call them, each between two cut points; layers count as `model.layers` does."""

from pathlib import Path

import keras
import pytest

from regraft.core.blocks import Reused
from regraft.graph.blocks import reused
from regraft.graph.cut_points import cut_points
from regraft.importers import open as open_source


def _whole(model: keras.Model) -> Reused:
    return reused(model, cut_points(model)[-1].name)


def _names(found: Reused) -> list[str]:
    return [block.name for block in found.blocks]


def test_stretches_with_one_number_are_a_block_and_what_has_none_is_one_by_itself() -> None:
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 255, name="rescaling")(inputs)
    x = layers.Conv2D(4, 3, padding="same", name="stem")(x)
    x = layers.ReLU(name="stem_relu")(x)
    for number in (1, 2):
        y = layers.Conv2D(4, 3, padding="same", name=f"block_{number}_conv_a")(x)
        y = layers.BatchNormalization(name=f"block_{number}_bn")(y)
        y = layers.Conv2D(4, 3, padding="same", name=f"block_{number}_conv_b")(y)
        x = layers.Add(name=f"add_{number}")([x, y])
        x = layers.ReLU(name=f"block_{number}_out")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(2, name="top")(x))
    found = _whole(model)
    assert _names(found) == ["stem", "block_1", "block_2", "top"]
    assert [layer.path for layer in found.blocks[0].layers] == [model.layers[0].name, "rescaling", "stem", "stem_relu"]
    assert [layer.path for layer in found.blocks[2].layers][-1] == "pool"
    assert [layer.path for layer in found.layers] == [layer.name for layer in model.layers]
    assert {layer.path for layer in found.layers if layer.kernel} == {
        "stem", "top", "block_1_conv_a", "block_1_conv_b", "block_2_conv_a", "block_2_conv_b",
    }  # fmt: skip
    assert [layer.path for layer in found.layers if layer.batch_norm] == ["block_1_bn", "block_2_bn"]
    below = reused(model, "block_1_out")
    assert _names(below) == ["stem", "block_1"]
    assert (below.network, below.layers[-1].path) == (len(model.layers), "block_1_out")


def test_models_inside_are_opened_and_a_layer_that_is_shared_stands_where_it_is_used_first() -> None:
    inner = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(8, name="hidden1"), keras.layers.Dense(8, name="hidden2")], name="base"
    )
    shared = keras.layers.Dense(8, name="shared")
    inputs = keras.Input((8,), name="x")
    x = shared(inner(shared(inputs)))
    found = _whole(keras.Model(inputs, keras.layers.Dense(2, name="top")(x)))
    assert _names(found) == ["shared", "base/hidden1", "base/hidden2", "top"]
    assert [layer.path for layer in found.layers] == ["x", "shared", "base/hidden1", "base/hidden2", "top"]


@pytest.mark.parametrize(
    ("network", "size", "expected"),
    [
        ("MobileNet", 32, ["conv1", *(f"conv_dw_{number}" for number in range(1, 14))]),
        ("MobileNetV2", 32, ["Conv1", "expanded_conv", *(f"block_{number}" for number in range(1, 17)), "Conv_1"]),
        ("ResNet50", 32, ["conv1_conv", *(f"conv{stage}_block{number}" for stage, count in
            ((2, 3), (3, 4), (4, 6), (5, 3)) for number in range(1, count + 1))]),
        ("VGG16", 32, [f"block{number}" for number in range(1, 6)]),
    ],
)  # fmt: skip
def test_blocks_of_well_known_networks(network: str, size: int, expected: list[str]) -> None:
    model = getattr(keras.applications, network)(weights=None, include_top=False, input_shape=(size, size, 3))
    found = _whole(model)
    assert _names(found) == expected
    assert [layer.path for layer in found.layers] == [layer.name for layer in model.layers]
    # Every layer is in one block.
    inside = [layer.path for block in found.blocks for layer in block.layers]
    assert sorted(inside) == sorted(layer.name for layer in model.layers)


def test_blocks_of_real_files(shared_folder: Path) -> None:
    nets = shared_folder / "nets"
    mobilenet = open_source(nets / "mobilenet_v1_1.0_224_trunk" / "mobilenet_v1_1.0_224_trunk.keras").model
    assert _names(_whole(mobilenet)) == ["conv1", *(f"conv_dw_{number}" for number in range(1, 13))]
    resnet = open_source(nets / "pytorch_resnet_cifar10" / "resnet20-12fca82f.th").model
    numbered = [f"layer{stage}_{number}" for stage in (1, 2, 3) for number in range(3)]
    assert _names(_whole(resnet)) == ["conv1", *numbered, "linear"]
