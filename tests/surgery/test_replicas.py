"""Optimizers of networks that nobody needs any more hold nothing, and take the steps that they took before."""

import gc
from typing import Any

import keras
import numpy as np
import pytest

from regraft.surgery.replicas import sum_over_replicas_only

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow keeps graphs")


def _trained(prepare: bool) -> list[Any]:
    import tensorflow as tf

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, kernel_initializer="ones")])
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    if prepare:
        sum_over_replicas_only(optimizer)
    own = [variable.value for variable in model.trainable_variables]

    def step(x: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x) ** 2)
        optimizer.apply(tape.gradient(loss, own), model.trainable_variables)

    compiled = tf.function(step, [tf.TensorSpec((None, 4), tf.float32)], autograph=False).get_concrete_function()
    for number in range(3):
        compiled(tf.constant(np.random.default_rng(number).random((5, 4), np.float32)))
    return [variable.numpy() for variable in own]


def _graphs() -> int:
    gc.collect()
    return sum(type(each).__name__ == "FuncGraph" for each in gc.get_objects())


def test_a_graph_goes_when_nobody_needs_it() -> None:
    _trained(True)
    before = _graphs()
    _trained(True)
    assert _graphs() == before


def test_steps_are_the_same() -> None:
    plain, ours = _trained(False), _trained(True)
    assert all(np.array_equal(one, other) for one, other in zip(plain, ours, strict=True))


def test_several_replicas_are_summed_over() -> None:
    import tensorflow as tf

    optimizer: Any = keras.optimizers.SGD(0.1)
    asked: list[Any] = []
    optimizer._all_reduce_sum_gradients = lambda pairs: asked.append(pairs) or list(pairs)
    sum_over_replicas_only(optimizer)
    assert optimizer._all_reduce_sum_gradients([(1, 2)]) == [(1, 2)]
    assert not asked
    with tf.distribute.OneDeviceStrategy("cpu:0").scope():
        assert optimizer._all_reduce_sum_gradients([(1, 2)]) == [(1, 2)]
    assert asked == [[(1, 2)]]
