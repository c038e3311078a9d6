"""One step of training and one of prediction, compiled, on each backend.

Regraft does not train through `fit`: what a step does to which variable is said here, in full, and stays the same
whatever a version of Keras does around it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import keras
import numpy as np

from regraft.training.optimizers import Group

Array = np.ndarray[Any, Any]


class Stepper(Protocol):
    """Trains a model step by step; `classes` is the number of its outputs."""

    classes: int

    def step(self, x: Array, y: Array) -> float:
        """Take one step on a batch: x (n, ...) float32, y (n, classes) target probabilities; returns the mean loss."""
        ...

    def logits(self, x: Array) -> Array:
        """The model's outputs (n, classes) in inference mode."""
        ...

    def synchronise(self) -> None:
        """Write the state back into the model's and the optimizers' variables."""
        ...


def stepper(model: keras.Model, groups: Sequence[Group]) -> Stepper:
    """The stepper of the backend that Keras runs on."""
    return _STEPPERS[keras.backend.backend()](model, groups)


def cross_entropy(targets: Any, logits: Any) -> Any:
    """Mean over examples of the cross entropy between target probabilities and the softmax of the logits."""
    likelihoods: Any = keras.ops.log_softmax(keras.ops.cast(logits, "float32"), axis=-1)
    likelihood: Any = keras.ops.sum(targets * likelihoods, axis=-1)
    return keras.ops.mean(-likelihood)


class _TensorFlow:
    def __init__(self, model: Any, groups: Sequence[Group]) -> None:
        import tensorflow as tf

        self.classes = model.output_shape[-1]
        variables = [list(group.variables.values()) for group in groups]

        def step(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = cross_entropy(y, model(x, training=True))
            gradients: Any = tape.gradient(
                loss,
                [[variable.value for variable in chosen] for chosen in variables],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            for group, chosen, found in zip(groups, variables, gradients, strict=True):
                group.optimizer.apply(found, chosen)
            return loss

        # The model itself casts to what it takes, which may be half precision or whole numbers.
        x = tf.TensorSpec(model.inputs[0].shape, tf.float32)
        y = tf.TensorSpec((None, self.classes), tf.float32)
        # Concrete at once: TensorFlow warns of functions that are made anew, as ours are for every model.
        self._step = tf.function(step, [x, y], autograph=False).get_concrete_function() if groups else None

        def logits(x: Any) -> Any:
            # Recurrent layers of Keras advance their seeds in inference too; looking at a model is to leave no trace.
            with keras.StatelessScope():
                return model(x, training=False)

        self._trace = tf.function(logits, [x], autograph=False).get_concrete_function
        self._logits: Any = None
        self._tensor = tf.constant

    def step(self, x: Array, y: Array) -> float:
        assert self._step is not None, "made for looking only: no group of variables learns"
        return float(self._step(self._tensor(x, "float32"), self._tensor(y, "float32")))

    def logits(self, x: Array) -> Array:
        # A phase without validation never asks.
        self._logits = self._logits or self._trace()
        return self._logits(self._tensor(x, "float32")).numpy()

    def synchronise(self) -> None:
        """Nothing to do: TensorFlow's steps change the variables themselves."""


class _Jax:
    def __init__(self, model: Any, groups: Sequence[Group]) -> None:
        import jax

        self.classes = model.output_shape[-1]
        self._learning = [list(group.variables.values()) for group in groups]
        ids = {id(variable) for chosen in self._learning for variable in chosen}
        self._others = [variable for variable in model.variables if id(variable) not in ids]
        self._optimizers = [group.optimizer for group in groups]
        every = [variable for chosen in self._learning for variable in chosen] + self._others

        def run(learning: Any, others: Any, x: Any, training: bool) -> Any:
            values = [value for chosen in learning for value in chosen] + list(others)
            with keras.StatelessScope(state_mapping=list(zip(every, values, strict=True))) as scope:
                outputs = model(x, training=training)
            return outputs, [scope.get_current_value(variable) for variable in self._others]

        def loss(learning: Any, others: Any, x: Any, y: Any) -> Any:
            outputs, updated = run(learning, others, x, True)
            return cross_entropy(y, outputs), updated

        def step(learning: Any, others: Any, states: Any, x: Any, y: Any) -> Any:
            (value, updated), gradients = jax.value_and_grad(loss, has_aux=True)(learning, others, x, y)
            moved = [
                optimizer.stateless_apply(state, gradient, current)
                for optimizer, state, gradient, current in zip(
                    self._optimizers, states, gradients, learning, strict=True
                )
            ]
            return value, [item[0] for item in moved], updated, [item[1] for item in moved]

        self._step = jax.jit(step)
        self._run = jax.jit(lambda learning, others, x: run(learning, others, x, False)[0])
        self._read()

    def _read(self) -> None:
        self._values = [[variable.value for variable in chosen] for chosen in self._learning]
        self._other_values = [variable.value for variable in self._others]
        self._states = [[variable.value for variable in optimizer.variables] for optimizer in self._optimizers]

    def step(self, x: Array, y: Array) -> float:
        loss, self._values, self._other_values, self._states = self._step(
            self._values, self._other_values, self._states, x, y
        )
        return float(loss)

    def logits(self, x: Array) -> Array:
        return np.asarray(self._run(self._values, self._other_values, x))

    def synchronise(self) -> None:
        pairs = [*zip(self._learning, self._values, strict=True), (self._others, self._other_values)]
        pairs += [(optimizer.variables, state) for optimizer, state in zip(self._optimizers, self._states, strict=True)]
        for variables, values in pairs:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


class _Torch:
    def __init__(self, model: Any, groups: Sequence[Group]) -> None:
        self._model, self._groups = model, groups
        self.classes: int = model.output_shape[-1]

    def step(self, x: Array, y: Array) -> float:
        import torch

        loss = cross_entropy(keras.ops.convert_to_tensor(y), self._model(keras.ops.convert_to_tensor(x), training=True))
        chosen = [list(group.variables.values()) for group in self._groups]
        flat = [variable.value for variables in chosen for variable in variables]
        gradients = iter(torch.autograd.grad(loss, flat, allow_unused=True, materialize_grads=True))
        with torch.no_grad():
            for group, variables in zip(self._groups, chosen, strict=True):
                group.optimizer.apply([next(gradients) for _ in variables], variables)
        return float(loss.detach())

    def logits(self, x: Array) -> Array:
        import torch

        with torch.inference_mode(), keras.StatelessScope():
            return np.asarray(keras.ops.convert_to_numpy(self._model(keras.ops.convert_to_tensor(x), training=False)))

    def synchronise(self) -> None:
        """Nothing to do: PyTorch's steps change the variables themselves."""


_STEPPERS: dict[str, Callable[[keras.Model, Sequence[Group]], Stepper]] = {
    "tensorflow": _TensorFlow,
    "jax": _Jax,
    "torch": _Torch,
}
