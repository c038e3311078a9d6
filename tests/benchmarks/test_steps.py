"""Steps: that every way trains the same branch, what is counted, and the bars."""

import time
from typing import Any

import keras
import numpy as np
import pytest

from benchmarks import native, steps
from benchmarks.frame import FailedError, Settings
from benchmarks.steps import ALONE, KERAS, LAYERS, ONE, PYTORCH, Clock
from regraft.surgery.graft import graft

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")


def _small() -> Any:
    """Every kind of layer that the branch has, on maps of 4 x 4 with 6 channels."""
    inputs = keras.Input((4, 4, 6))
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(epsilon=1e-3)(x)
    x = keras.layers.ReLU(6.0)(x)
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, use_bias=False)(x)
    x = keras.layers.Conv2D(8, 1)(x)
    branch = graft(keras.Model(inputs, x), 5)
    random = np.random.default_rng(0)
    branch.set_weights([random.uniform(0.1, 1, value.shape) for value in branch.get_weights()])
    return branch


def test_pytorchs_branch_answers_as_kerases_does() -> None:
    branch = _small()
    x = np.random.default_rng(1).standard_normal((3, 4, 4, 6)).astype("float32")
    made = native.module(branch)
    # Float32, sums of some hundred products.
    assert native.answers(made, x) == pytest.approx(np.asarray(branch(x)), rel=1e-5, abs=1e-5)
    learning = sum(value.numel() for value in made.parameters() if value.requires_grad)
    held = sum(np.prod(value.shape) for layer in branch.layers if "normal" in layer.name for value in layer.variables)
    assert learning == branch.count_params() - held


def test_a_layer_that_pytorch_is_not_told_of_is_named() -> None:
    branch = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Softmax(name="odd")])
    with pytest.raises(FailedError, match="expected layers of MobileNet, found 'odd', Softmax"):
        native.module(branch)


@pytest.mark.parametrize("way", steps.WAYS)
def test_every_way_is_timed_without_its_first_epoch(way: str) -> None:
    work = steps.activations(40, 4, 6, batch=16, epochs=2)
    found = steps.measure(way, _small(), work)
    assert len(found["wall"]) == len(found["processor"]) == 2
    assert all(seconds > 0 for seconds in found["wall"])


def test_a_clock_counts_from_beginning_to_beginning() -> None:
    clock = Clock()
    for pause in (0.2, 0.05, 0.0):
        clock()
        time.sleep(pause)
    clock()
    (first, _), (second, _) = clock.epochs()
    # The first epoch is left out.
    assert 0.05 <= first < 0.2
    assert second < 0.05


def test_the_profile_has_every_stage() -> None:
    found = steps.profile(_small(), steps.activations(64, 4, 6, batch=8, epochs=2))
    assert set(found) == {"all", *steps.STAGES}
    assert all(found[stage] > 0 for stage in ("all", *steps.STAGES))
    assert found["fetch"] <= found["in_views"] <= found["_batches"] <= found["all"]


def test_the_bars_are_of_medians_and_pytorch_is_taken_at_its_best() -> None:
    def least(way: str, number: int, seconds: float) -> dict[str, Any]:
        return {"round": number, "way": way, "processor": [9.0, seconds], "wall": [seconds]}

    measured = [
        least(way, number, seconds)
        for way, each in {
            ONE: (1.0, 1.2, 1.0),
            KERAS: (1.0, 1.0, 1.0),
            LAYERS: (1.05, 1.26, 1.05),
            ALONE: (2.0, 2.0, 2.0),
            PYTORCH: (4.0, 1.2, 4.0),
        }.items()
        for number, seconds in enumerate(each)
    ]
    result = steps.summarise(measured, {}, Settings())
    assert [(bar.found, bar.holds) for bar in result.bars] == [("1.000", True), ("1.050", False)]
    assert result.tables[0].rows[1][-3:] == ("1.200", "1.050", "1.000")
    # 32 examples in a second of wall time at the best.
    assert result.tables[2].rows[0] == (ONE, "32")
