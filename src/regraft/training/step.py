"""One step of training and one of prediction, compiled, on each backend.

Regraft does not train through `fit`: what a step does to which variable is said here, in full, and stays the same
whatever a version of Keras does around it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import keras
import numpy as np

from regraft.graph.gradients import whole
from regraft.training.optimizers import Updates

Array = np.ndarray[Any, Any]
# Examples (n, ...) float32 and their target probabilities (n, classes) float32.
Batch = tuple[Array, Array]


class Stepper(Protocol):
    """Trains a model step by step; `classes` is the number of its outputs."""

    classes: int

    def step(self, batches: Sequence[Batch], factor: float = 1.0) -> float:
        """Take one step on one or several batches, as if they were one; returns the mean loss over their examples.

        All rates are multiplied by the factor, for which nothing is compiled again.
        """
        ...

    def gradients(self, batch: Batch) -> list[Array]:
        """The gradients that a step on a batch would be taken by; weights and statistics stay."""
        ...

    def logits(self, x: Array) -> Array:
        """The model's outputs (n, classes) in inference mode."""
        ...

    def synchronise(self) -> None:
        """Write the state back into the model's and the optimizers' variables."""
        ...

    def reload(self) -> None:
        """Take the state from the model's and the optimizers' variables, after they were changed."""
        ...


def stepper(model: keras.Model, updates: Updates | None = None) -> Stepper:
    """The stepper of the backend that Keras runs on; without updates, for looking only."""
    return _STEPPERS[keras.backend.backend()](model, updates)


def cross_entropy(targets: Any, logits: Any) -> Any:
    """Mean over examples of the cross entropy between target probabilities and the softmax of the logits."""
    likelihoods = _log_softmax(keras.ops.cast(logits, "float32"))
    likelihood: Any = keras.ops.sum(targets * likelihoods, axis=-1)
    return keras.ops.mean(-likelihood)


def _log_softmax(logits: Any) -> Any:
    if keras.backend.backend() != "torch":
        return keras.ops.log_softmax(logits, axis=-1)
    # PyTorch's own shares even ten numbers out among all threads. Where other programs keep the cores busy, the step of
    # a small network waits for these threads most of its time: 5 ms instead of 0.3.
    return logits - keras.ops.logsumexp(logits, axis=-1, keepdims=True)


def shares(batches: Sequence[Batch]) -> list[np.float32]:
    """The part of all examples that each batch has."""
    total = sum(len(x) for x, _ in batches)
    return [np.float32(len(x) / total) for x, _ in batches]


class _TensorFlow:
    def __init__(self, model: Any, updates: Updates | None) -> None:
        import tensorflow as tf

        self.classes = model.output_shape[-1]
        chosen = [variable.value for variable in updates.variables] if updates else []

        def gradients(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = cross_entropy(y, model(x, training=True))
            # What nothing depends on gets zeros.
            found = tape.gradient(loss, chosen, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return loss, [whole(gradient) for gradient in found]

        def apply(found: Any, factor: Any) -> None:
            assert updates is not None
            with updates.scaled(factor):
                updates.apply(found)

        def step(x: Any, y: Any, factor: Any) -> Any:
            loss, found = gradients(x, y)
            apply(found, factor)
            return loss

        def add(sums: Any, x: Any, y: Any, share: Any) -> Any:
            loss, found = gradients(x, y)
            return share * loss, [total + share * gradient for total, gradient in zip(sums, found, strict=True)]

        # The model itself casts to what it takes, which may be half precision or whole numbers.
        x = tf.TensorSpec(model.inputs[0].shape, tf.float32)
        y = tf.TensorSpec((None, self.classes), tf.float32)
        number = tf.TensorSpec((), tf.float32)

        def compiled(function: Any, *signature: Any) -> Any:
            # Concrete at once: TensorFlow warns of functions that are made anew, as ours are for every model.
            return tf.function(function, signature, autograph=False).get_concrete_function()

        def logits(x: Any) -> Any:
            # Recurrent layers of Keras advance their seeds in inference too; looking at a model is to leave no trace.
            with keras.StatelessScope():
                return model(x, training=False)

        def looked_at(x: Any, y: Any) -> Any:
            assert updates is not None
            with keras.StatelessScope():
                _, found = gradients(x, y)
            return updates.shaped(found, chosen)

        sums = [tf.TensorSpec(value.shape, value.dtype) for value in chosen]
        self._step = _Once(lambda: compiled(step, x, y, number))
        self._add = _Once(lambda: compiled(add, sums, x, y, number))
        self._apply = _Once(lambda: compiled(apply, sums, number))
        self._gradients = _Once(lambda: compiled(looked_at, x, y))
        self._logits = _Once(lambda: compiled(logits, x))
        self._zeros: Callable[[], list[Any]] = lambda: [tf.zeros(spec.shape, spec.dtype) for spec in sums]
        self._tensor: Any = tf.constant
        self._factor = (1.0, self._tensor(1.0))

    def step(self, batches: Sequence[Batch], factor: float = 1.0) -> float:
        if factor != self._factor[0]:
            self._factor = (factor, self._tensor(factor, "float32"))
        if len(batches) == 1:
            ((x, y),) = batches
            return float(self._step()(self._tensor(x, "float32"), self._tensor(y, "float32"), self._factor[1]))
        sums, total = self._zeros(), 0.0
        for (x, y), share in zip(batches, shares(batches), strict=True):
            loss, sums = self._add()(sums, self._tensor(x, "float32"), self._tensor(y, "float32"), self._tensor(share))
            total += float(loss)
        self._apply()(sums, self._factor[1])
        return total

    def gradients(self, batch: Batch) -> list[Array]:
        x, y = batch
        return [found.numpy() for found in self._gradients()(self._tensor(x, "float32"), self._tensor(y, "float32"))]

    def logits(self, x: Array) -> Array:
        return self._logits()(self._tensor(x, "float32")).numpy()

    def synchronise(self) -> None:
        """Nothing to do: TensorFlow's steps change the variables themselves."""

    def reload(self) -> None:
        """Nothing to do."""


class _Once:
    """What is made when it is first asked for: a phase without validation never asks for logits."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._made = make, None

    def __call__(self) -> Any:
        if self._made is None:
            self._made = self._make()
        return self._made


class _Jax:
    def __init__(self, model: Any, updates: Updates | None) -> None:
        import jax

        self.classes = model.output_shape[-1]
        self._updates = updates
        self._learning = updates.variables if updates else []
        ids = {id(variable) for variable in self._learning}
        self._others = [variable for variable in model.variables if id(variable) not in ids]
        self._optimizers = [group.optimizer for group in updates.groups] if updates else []
        every = [*self._learning, *self._others]

        def run(learning: Any, others: Any, x: Any, training: bool) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(every, [*learning, *others], strict=True))) as scope:
                outputs = model(x, training=training)
            return outputs, [scope.get_current_value(variable) for variable in self._others]

        def loss(learning: Any, others: Any, x: Any, y: Any) -> Any:
            outputs, updated = run(learning, others, x, True)
            return cross_entropy(y, outputs), updated

        gradient = jax.value_and_grad(loss, has_aux=True)

        def apply(states: Any, found: Any, learning: Any, factor: Any) -> Any:
            assert updates is not None
            with updates.scaled(factor):
                return updates.stateless_apply(states, found, learning)

        def step(learning: Any, others: Any, states: Any, x: Any, y: Any, factor: Any) -> Any:
            (value, updated), found = gradient(learning, others, x, y)
            return value, updated, *apply(states, found, learning, factor)

        def add(learning: Any, others: Any, sums: Any, x: Any, y: Any, share: Any) -> Any:
            (value, updated), found = gradient(learning, others, x, y)
            return share * value, updated, [total + share * item for total, item in zip(sums, found, strict=True)]

        def looked_at(learning: Any, others: Any, x: Any, y: Any) -> Any:
            assert updates is not None
            return updates.shaped(gradient(learning, others, x, y)[1], learning)

        self._step = jax.jit(step)
        self._add = jax.jit(add)
        self._apply = jax.jit(apply)
        self._gradients = jax.jit(looked_at)
        self._run = jax.jit(lambda learning, others, x: run(learning, others, x, False)[0])
        self.reload()

    def reload(self) -> None:
        self._values = [variable.value for variable in self._learning]
        self._other_values = [variable.value for variable in self._others]
        self._states = [[variable.value for variable in optimizer.variables] for optimizer in self._optimizers]

    def step(self, batches: Sequence[Batch], factor: float = 1.0) -> float:
        scale = np.float32(factor)
        if len(batches) == 1:
            ((x, y),) = batches
            loss, self._other_values, self._values, self._states = self._step(
                self._values, self._other_values, self._states, x, y, scale
            )
            return float(loss)
        sums, total = [keras.ops.zeros_like(value) for value in self._values], 0.0
        for (x, y), share in zip(batches, shares(batches), strict=True):
            loss, self._other_values, sums = self._add(self._values, self._other_values, sums, x, y, share)
            total += float(loss)
        self._values, self._states = self._apply(self._states, sums, self._values, scale)
        return total

    def gradients(self, batch: Batch) -> list[Array]:
        return [np.asarray(found) for found in self._gradients(self._values, self._other_values, *batch)]

    def logits(self, x: Array) -> Array:
        return np.asarray(self._run(self._values, self._other_values, x))

    def synchronise(self) -> None:
        pairs = [(self._learning, self._values), (self._others, self._other_values)]
        pairs += [(optimizer.variables, state) for optimizer, state in zip(self._optimizers, self._states, strict=True)]
        for variables, values in pairs:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


class _Torch:
    def __init__(self, model: Any, updates: Updates | None) -> None:
        self._model, self._updates = model, updates
        self.classes: int = model.output_shape[-1]

    def step(self, batches: Sequence[Batch], factor: float = 1.0) -> float:
        import torch

        assert self._updates is not None
        sums: list[Any] = []
        total = 0.0
        for batch, share in zip(batches, shares(batches), strict=True):
            loss, found = self._found(batch)
            if len(batches) > 1:
                found = [float(share) * gradient for gradient in found]
            sums = [one + other for one, other in zip(sums, found, strict=True)] if sums else found
            total += float(share) * float(loss.detach())
        with torch.no_grad(), self._updates.scaled(factor):
            self._updates.apply(sums)
        return total

    def _found(self, batch: Batch) -> tuple[Any, list[Any]]:
        import torch

        assert self._updates is not None
        x, y = (keras.ops.convert_to_tensor(item) for item in batch)
        loss = cross_entropy(y, self._model(x, training=True))
        values = [variable.value for variable in self._updates.variables]
        return loss, list(torch.autograd.grad(loss, values, allow_unused=True, materialize_grads=True))

    def gradients(self, batch: Batch) -> list[Array]:
        import torch

        assert self._updates is not None
        with keras.StatelessScope():
            _, found = self._found(batch)
        with torch.no_grad():
            shaped = self._updates.shaped(found, [variable.value for variable in self._updates.variables])
        return [np.array(keras.ops.convert_to_numpy(gradient)) for gradient in shaped]

    def logits(self, x: Array) -> Array:
        import torch

        with torch.inference_mode(), keras.StatelessScope():
            return np.asarray(keras.ops.convert_to_numpy(self._model(keras.ops.convert_to_tensor(x), training=False)))

    def synchronise(self) -> None:
        """Nothing to do: PyTorch's steps change the variables themselves."""

    def reload(self) -> None:
        """Nothing to do."""


_STEPPERS: dict[str, Callable[[keras.Model, Updates | None], Stepper]] = {
    "tensorflow": _TensorFlow,
    "jax": _Jax,
    "torch": _Torch,
}
