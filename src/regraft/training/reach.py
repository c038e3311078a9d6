"""Which variables learn: found by taking the gradient of every trainable one."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from regraft.graph import names

Array = np.ndarray[Any, Any]


def without_gradient(model: keras.Model, x: Sequence[Array]) -> tuple[str, ...]:
    """The names of trainable variables that no gradient reaches.

    Args:
        model: any model; it is not changed.
        x: an array for each of its inputs.

    Returns:
        Canonical names; with JAX, which computes zeros for what is not connected, those whose gradient is zero
        everywhere.
    """
    variables = {name: item for name, item in names.variables(model).items() if item.trainable}
    if not variables:
        return ()
    gradients = _GRADIENTS[keras.backend.backend()](model, list(variables.values()), [*x])
    return tuple(name for name, gradient in zip(variables, gradients, strict=True) if gradient is None)


def _loss(model: keras.Model, x: Any) -> Any:
    """A number that depends on every output, in different ways on different elements."""
    outputs: Any = keras.tree.flatten(model(x[0] if len(x) == 1 else x, training=False))
    ops: Any = keras.ops
    return sum(ops.sum(ops.square(ops.cast(output, "float32") - 0.3)) for output in outputs)


def _tensorflow(model: keras.Model, variables: list[Any], x: list[Any]) -> list[Any]:
    import tensorflow as tf

    found: list[Any] = []

    def traced(*given: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = _loss(model, list(given))
        found.extend(tape.gradient(loss, [variable.value for variable in variables]))
        return loss

    # What is connected is known once it is traced, and nothing need be computed: on processors, TensorFlow 2.21 dies of
    # the gradient of some 1 x 1 convolutions with strides.
    tf.function(traced, autograph=False).get_concrete_function(*[tf.TensorSpec(item.shape, item.dtype) for item in x])
    return found


def _jax(model: keras.Model, variables: list[Any], x: list[Any]) -> list[Any]:
    import jax

    def loss(values: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return _loss(model, x)

    gradients = jax.grad(loss)([variable.value for variable in variables])
    return [gradient if np.any(np.asarray(gradient)) else None for gradient in gradients]


def _torch(model: keras.Model, variables: list[Any], x: list[Any]) -> list[Any]:
    import torch

    loss = _loss(model, [keras.ops.convert_to_tensor(item) for item in x])
    return list(torch.autograd.grad(loss, [variable.value for variable in variables], allow_unused=True))


_GRADIENTS: dict[str, Callable[[keras.Model, list[Any], list[Any]], list[Any]]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
    "torch": _torch,
}
