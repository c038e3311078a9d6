"""Rows of a batch that TensorFlow treats alike, also on processors whose matrix product does not.

Without AVX-512 a processor multiplies the last two of exactly `BATCH` rows by another kernel than the others, and these
differ in the last bit: measured, of 32 rows with any number of columns, and of no multiple of them up to 197. There the
calls that may multiply so many rows are given half as many more, which are thrown away.
"""

import functools
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import keras
import numpy as np

from regraft.activations.engines.trunk import BATCH
from regraft.graph import flow

Evaluate = Callable[[flow.Call, Mapping[flow.Value, Any]], list[Any]]

# So that there are 48: a multiple of what kernels take at once, be it 4, 6, 8 or 16.
_MORE = BATCH // 2
# Inner and outer sizes that are looked at.
_LOOKED_AT = ((5, 8), (64, 10), (256, 64))
# Layers that multiply all that they are given at once: only that decides how many rows there are.
_AT_ONCE = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Embedding, keras.layers.MultiHeadAttention)


def evaluating() -> Evaluate:
    """What evaluates a call of a trunk, so that no row of its results depends on where in the batch it stands."""
    return flow.evaluate_call if rows_are_alike() else with_more_rows


@functools.cache
def rows_are_alike() -> bool:
    """Whether TensorFlow's product of a whole batch gives the same row, in whatever place, the same result."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    for inner, outer in _LOOKED_AT:
        row, kernel = (random.normal(size=size).astype("float32") for size in ((1, inner), (inner, outer)))
        made = tf.matmul(np.repeat(row, BATCH, axis=0), kernel).numpy()
        if (made != made[0]).any():
            return False
    return True


def with_more_rows(call: flow.Call, values: Mapping[flow.Value, Any]) -> list[Any]:
    """The results of a call in inference mode, as `flow.evaluate_call`, made beside those of some rows again.

    Args:
        call: it gets tensors of `BATCH` rows; one that mixes rows is none of a trunk.
        values: tensors of TensorFlow, of which it reads some.
    """
    read = {value: values[value] for value in call.reads}
    if not _may_multiply(call.operation, [tensor.shape for tensor in read.values()]):
        return flow.evaluate_call(call, values)
    made = flow.evaluate_call(call, {value: _longer(tensor) for value, tensor in read.items()})
    return [_shorter(tensor) for tensor in made]


def _may_multiply(operation: Any, shapes: list[Any]) -> bool:
    """Whether a call may multiply exactly as many rows as a batch has."""
    if any(len(shape) < 2 or shape[0] != BATCH or None in tuple(shape) for shape in shapes):
        return False
    if any(prod(shape[:-1]) == BATCH for shape in shapes):
        return True
    # Step by step, as recurrent layers do, or however a layer of the user's own does it.
    weights = getattr(operation, "variables", ())
    return not isinstance(operation, _AT_ONCE) and any(len(weight.shape) == 2 for weight in weights)


def _longer(tensor: Any) -> Any:
    import tensorflow as tf

    return _changed(tensor, lambda rows: tf.concat([rows, rows[:_MORE]], axis=0))


def _shorter(tensor: Any) -> Any:
    return _changed(tensor, lambda rows: rows[:BATCH] if rows.shape[:1] == (BATCH + _MORE,) else rows)


def _changed(tensor: Any, change: Callable[[Any], Any]) -> Any:
    """A tensor changed, with the mask that Keras has attached to it."""
    changed, mask = change(tensor), getattr(tensor, "_keras_mask", None)
    if mask is not None:
        changed._keras_mask = change(mask)
    return changed
