"""Law 14: steps taken in a loop of one's own by `regraft.updates` are the steps of Regraft's own loop, to the bit."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.phase import Phase, Rate
from regraft.graph import names
from regraft.surgery.copy import copy_model
from regraft.training.custom import updates
from regraft.training.feeds import Feed, lesson
from regraft.training.loop import train
from regraft.training.model_updates import ModelUpdates
from regraft.training.step import cross_entropy

Array = np.ndarray[Any, Any]

_LABELS = np.arange(40) % 3
_X = (np.random.default_rng(0).normal(size=(40, 6, 6, 2)) + _LABELS[:, None, None, None]).astype("float32")
_BATCH, _EPOCHS, _SEED = 16, 3, 7
_WORDS: dict[str, Any] = {
    "adam": {"optimizer": "adam", "schedule": "cosine", "warmup": 0.2, "clip_norm": 0.5},
    "centred": {"optimizer": "rmsprop", "options": {"centered": True, "momentum": 0.9}, "batch_norm": "adapt"},
    "nesterov": {"optimizer": "nesterov", "schedule": "linear", "weight_decay": 0.01, "batch_norm": "affine"},
}
_RATES = {"head/.*": 0.05, "conv1/.*": 0.01, "norm1/.*": 0.01, ".*": 0.0}


def _network() -> keras.Model:
    inputs = keras.Input((6, 6, 2))
    x = inputs
    for block in range(2):
        x = keras.layers.Conv2D(4, 3, padding="same", name=f"conv{block}")(x)
        x = keras.layers.BatchNormalization(name=f"norm{block}")(x)
        x = keras.layers.ReLU(name=f"relu{block}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="averaged")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(x))
    random = np.random.default_rng(1)
    for variable in model.variables:
        variable.assign(random.uniform(0.2, 0.9, variable.shape))
    return model


def _batches() -> Iterator[tuple[Array, Array]]:
    targets = np.eye(3, dtype="float32")[_LABELS]
    for epoch in range(1, _EPOCHS + 1):
        order, _ = lesson(_SEED, epoch, len(_LABELS), 1)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            yield _X[chosen], targets[chosen]


def _tensorflow(made: ModelUpdates) -> None:
    import tensorflow as tf

    # One graph for all sizes of batch, and it gives the loss, as Regraft's does: TensorFlow optimizes a graph whole,
    # and rounds otherwise where it is another one.
    @tf.function(input_signature=(tf.TensorSpec((None, 6, 6, 2)), tf.TensorSpec((None, 3))))
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = cross_entropy(y, made.model(x, training=True))
        made.apply(tape.gradient(loss, made.variables))
        return loss

    for x, y in _batches():
        step(tf.constant(x), tf.constant(y))


def _jax(made: ModelUpdates) -> None:
    import jax

    def loss(learning: Any, others: Any, x: Any, y: Any) -> Any:
        logits, others = made.call(learning, others, x)
        return cross_entropy(y, logits), others

    @jax.jit
    def step(values: Any, x: Any, y: Any) -> Any:
        (_, others), gradients = jax.value_and_grad(loss, has_aux=True)(values.learning, values.others, x, y)
        return made.stateless_apply(values, gradients, others)

    values = made.values()
    for x, y in _batches():
        values = step(values, x, y)
    made.put(values)


def _torch(made: ModelUpdates) -> None:
    import torch

    for x, y in _batches():
        # To where the network is.
        given, targets = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
        loss = cross_entropy(targets, made.model(given, training=True))
        made.apply(torch.autograd.grad(loss, [variable.value for variable in made.variables]))


_LOOPS: dict[str, Callable[[ModelUpdates], None]] = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def _bytes(model: keras.Model) -> dict[str, bytes]:
    found = names.variables(model).items()
    return {name: np.asarray(keras.ops.convert_to_numpy(variable)).tobytes() for name, variable in found}


@pytest.mark.parametrize("words", _WORDS)
def test_steps_are_those_of_the_loop(words: str) -> None:
    said = {"schedule": "constant", "warmup": 0.0, **_WORDS[words]}
    model = _network()
    rates = dict(_RATES) if said.get("batch_norm") else {key: rate for key, rate in _RATES.items() if "norm" not in key}
    rules = tuple(Rate(pattern, rate) for pattern, rate in rates.items())
    # On a GPU, steps would be computed in bfloat16 otherwise, and those of the loops below in float32.
    phase = Phase(
        rates=rules, precision="float32", epochs=_EPOCHS, batch_size=_BATCH, keep="last", state="reset", **said
    )
    feed = Feed(lambda chosen, view: _X[chosen], _LABELS)
    expected = train(model, phase, feed, Feed(feed.fetch, _LABELS[:0]), seed=_SEED)
    mine = copy_model(model)
    made = updates(mine, rates, steps=_EPOCHS * 3, **said)
    _LOOPS[keras.backend.backend()](made)
    assert _bytes(mine) == _bytes(expected.model)
    assert _bytes(mine)["head/kernel"] != _bytes(model)["head/kernel"]
    made.verify()
    ours, theirs = made.state().variables, expected.state.variables
    assert {name: own.steps for name, own in ours.items()} == dict.fromkeys(expected.learnt, 9)
    for name, own in theirs.items():
        for slot, value in own.slots.items():
            np.testing.assert_array_equal(ours[name].slots[slot], value)
