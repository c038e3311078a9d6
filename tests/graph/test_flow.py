"""A model as a flat list of calls."""

from typing import Any

import keras

from regraft.graph import flow
from tests.laws.networks import built

layers = keras.layers


def test_nested_models_are_opened_and_repeated_calls_numbered() -> None:
    calls = flow.read(built("towers")).calls
    names = [call.name for call in calls]
    assert "tower/conv1" in names
    assert "tower/conv1#2" in names
    paths = {call.name: call.path for call in calls}
    assert paths["tower/conv1#2"] == "tower/conv1"
    assert len(set(names)) == len(names)


def test_only_what_is_needed_is_run() -> None:
    opened = flow.read(built("several"))
    first = next(call for call in opened.calls if call.name == "first")
    assert [call.name for call in opened.needed_for(first.makes)] == ["widened", "together", "hidden", "first"]


def test_every_layer_runs_in_inference_mode_whatever_it_is_called_with() -> None:
    inputs = keras.Input((4,))
    x = layers.Dropout(0.9, name="dropped")(inputs, training=True)
    opened = flow.read(keras.Model(inputs, layers.BatchNormalization(name="norm")(x, training=True)))
    kept: dict[int, Any] = {}
    given = keras.ops.ones((2, 4))
    flow.evaluate(opened, opened.calls, {opened.inputs[0]: given}, kept.__setitem__)
    dropped = keras.ops.convert_to_numpy(kept[opened.calls[0].makes[0]])
    assert (dropped == 1.0).all()


def test_values_are_forgotten_as_soon_as_nothing_reads_them() -> None:
    model = built("perceptron")
    opened = flow.read(model)
    alive: list[int] = []

    def keep(value: int, tensor: Any) -> None:
        alive.append(value)

    given = {opened.inputs[0]: keras.ops.ones((1, 5))}
    flow.evaluate(opened, opened.calls, given, keep)
    assert alive == [*opened.inputs, *(value for call in opened.calls for value in call.makes)]
    assert list(given) == [opened.inputs[0]]


def test_what_takes_training_is_seen_by_its_signature() -> None:
    taking = [layers.Dropout(0.1), layers.BatchNormalization(), layers.LSTM(2), layers.RandomFlip()]
    assert [flow.takes_training(layer) for layer in taking] == [True] * 4
    assert not flow.takes_training(layers.ReLU())
    assert not flow.takes_training(keras.ops.relu)
