"""Machines on top of each other: each learns from what the layers below make of the examples."""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.core.pretraining import Spec
from regraft.pretraining import dbn, greedy, trunks
from regraft.pretraining.boltzmann.layers import VISIBLE
from regraft.pretraining.learner import Sample
from regraft.pretraining.rbm import Settings
from tests.activations.said import saying
from tests.pretraining.small_data import InMemory, bits

# Machines begin by knowing how often each unit is on, and know no more for some passes.
_SPEC = Spec(epochs=16, batch_size=20, optimizer="sgd", rate=0.2, momentum=0.9)


def _numpy(tensor: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(tensor))


def _trunk(activation: Any = "sigmoid") -> keras.Model:
    inputs: Any = keras.Input((12,))
    x = inputs
    for number, units in enumerate((10, 8, 6), 1):
        x = keras.layers.Dense(units, activation=activation, name=f"hidden{number}")(x)
    return keras.Model(inputs, x)


def _stacked(
    x: np.ndarray, trunk: keras.Model, settings: Settings, spec: Spec = _SPEC
) -> tuple[greedy.Layered, list[np.ndarray]]:
    seen: list[np.ndarray] = []

    def rows(below: Any) -> Any:
        made = x if below is None else _numpy(below(x))
        seen.append(made)
        return InMemory(made[:240]), InMemory(made[240:])

    sample = Sample(kind="numbers", x=x[:240], count=240)
    return greedy.pretrain(dbn, trunk, rows, sample, settings, spec, 0, checkpoint=lambda _number: None), seen


@dataclass(frozen=True, slots=True)
class _Stack:
    """Three machines that have learnt, what they began with, what each learnt on, and what was said."""

    x: np.ndarray
    trunk: keras.Model
    layered: greedy.Layered
    seen: list[np.ndarray]
    lines: list[str]


@pytest.fixture(scope="module")
def stack() -> _Stack:
    x, trunk = bits(300), _trunk()
    with saying() as lines:
        layered, seen = _stacked(x, trunk, Settings())
    return _Stack(x, trunk, layered, seen, lines)


def test_each_layer_learns_on_the_outputs_of_those_below(stack: _Stack) -> None:
    x, trunk, layered, seen = stack.x, stack.trunk, stack.layered, stack.seen
    assert [stage.name for stage in layered.stages] == ["hidden1", "hidden2", "hidden3"]
    assert [made.shape for made in seen] == [(300, 12), (300, 10), (300, 8)]
    # What the second machine learnt from is what the finished first layer says.
    first = _numpy(keras.Model(trunk.inputs[0], trunk.get_layer("hidden1").output)(x))
    np.testing.assert_array_equal(seen[1], first)
    for stage in layered.stages:
        assert stage.history[stage.best].held_out < 0.8 * stage.history[0].held_out, stage.name
        assert "pseudo_likelihood" in stage.history[0].measures
    assert layered.trunk is trunk
    # Four patterns are four clusters in the topmost layer still.
    made = _numpy(trunk(bits(4000)[:200]))
    assert made.std(axis=0).max() > 0.2


def test_what_is_said_of_visible_units_is_said_of_the_examples() -> None:
    x = (10 * bits(300) + 3).astype("float32")
    layered, _ = _stacked(x, _trunk(), Settings(visible="gaussian"), replace(_SPEC, epochs=1))
    assert ["pseudo_likelihood" in stage.history[0].measures for stage in layered.stages] == [False, True, True]


def test_a_stage_begins_with_the_log_odds_of_the_units_below() -> None:
    below = np.random.default_rng(1).random((100, 10)).astype("float32")
    inputs = keras.Input((10,))
    piece = keras.Model(inputs, keras.layers.Dense(4, activation="sigmoid", name="hidden2")(inputs))
    sample = Sample(kind="numbers", x=below, count=100, stage=1)
    learner = dbn.learner(piece, sample, Settings(), 0)
    total = below.sum(axis=0)
    visible = keras.ops.convert_to_numpy(learner.model.get_layer(VISIBLE).bias)
    np.testing.assert_allclose(visible, np.log((total + 0.5) / (100.5 - total)), rtol=1e-4, atol=1e-5)
    assert dbn.whole(piece, [learner], sample, Settings(), 0) is None


def test_layers_that_are_no_machines_are_refused() -> None:
    with pytest.raises(RequestError, match=r"'hidden1' to have the activation sigmoid .* found tanh"):
        _stacked(bits(300), _trunk("tanh"), Settings())


def test_each_layer_that_has_learnt_is_one_line(stack: _Stack) -> None:
    assert stack.lines == [
        f"hidden{number} ({number} of 3): epoch {stage.best} is kept, held-out loss {stage.kept.held_out:.4g}"
        for number, stage in enumerate(stack.layered.stages, 1)
    ]


def test_layers_that_are_no_machine_are_named() -> None:
    piece = trunks.build("cnn?filters=4", (8, 8, 1), "pictures", 0)
    first = greedy.stages(piece)[0]
    sample = Sample(kind="pictures", x=np.zeros((4, 8, 8, 1), np.float32), count=4)
    with pytest.raises(RequestError, match=r"are a Dense layer with biases, found \S+ \(Conv2D\); take") as told:
        dbn.learner(first, sample, Settings(), 0)
    assert "dbn" not in str(told.value)
    inputs = keras.Input((5,))
    bare = keras.Model(inputs, keras.layers.Dense(3, "sigmoid", use_bias=False, name="bare")(inputs))
    with pytest.raises(RequestError, match=r"found bare \(Dense\) without biases; take"):
        dbn.learner(bare, Sample(kind="numbers", x=np.zeros((4, 5), np.float32), count=4), Settings(), 0)
