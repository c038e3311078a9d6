"""One step of pretraining and one look at loss and figures, compiled, on each backend; any loss of one model."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import keras
import numpy as np

from regraft.graph import names
from regraft.graph.gradients import whole
from regraft.pretraining.learner import Array, Batch, Learner


class Stepper(Protocol):
    """Changes a learner's model step by step; keeps what is carried from one step to the next."""

    carried: dict[str, Array]

    def step(self, batch: Batch) -> float:
        """Take one step; returns the loss before it."""
        ...

    def look(self, batch: Batch) -> tuple[float, dict[str, float]]:
        """The loss in inference mode, and the learner's figures; nothing is changed, what is carried is as it is."""
        ...

    def synchronise(self) -> None:
        """Write the state back into the variables of the model and the optimizer."""
        ...


def stepper(learner: Learner, optimizer: keras.optimizers.Optimizer) -> Stepper:
    """The stepper of the backend that Keras runs on.

    Args:
        learner: its model is changed.
        optimizer: built for the model's trainable variables in the order of `learning`.
    """
    return _STEPPERS[keras.backend.backend()](learner, optimizer)


def learning(model: keras.Model) -> dict[str, keras.Variable]:
    """What learns, by canonical name."""
    every = names.variables(model)
    return {name: every[name] for name in names.trainable(model)}


def _looked(learner: Learner, batch: tuple[Any, ...], order: Mapping[str, Array]) -> tuple[Any, list[Any]]:
    """The loss and the figures of a batch, which what is carried stands behind."""
    drawn = batch[: len(batch) - len(order)]
    loss, _ = _told(learner.loss(learner.model, batch, False), order)
    return loss, [measure(learner.model, drawn) for measure in learner.measures.values()]


def _named(learner: Learner, figures: Iterable[Any]) -> dict[str, float]:
    return {name: float(figure) for name, figure in zip(learner.measures, figures, strict=True)}


def _told(told: Any, order: Mapping[str, Array]) -> tuple[Any, list[Any]]:
    """The loss, and what is carried on, in order."""
    if not order:
        return told, []
    loss, carried = told
    return loss, [carried[name] for name in order]


class _TensorFlow:
    def __init__(self, learner: Learner, optimizer: Any) -> None:
        self.carried = {name: np.array(value) for name, value in learner.carried.items()}
        self._learner, self._optimizer = learner, optimizer
        self._variables = list(learning(learner.model).values())
        self._compiled: dict[bool, Any] = {}

    def step(self, batch: Batch) -> float:
        loss, carried = self._run(batch, True)
        self.carried = {name: value.numpy() for name, value in zip(self.carried, carried, strict=True)}
        return float(loss)

    def look(self, batch: Batch) -> tuple[float, dict[str, float]]:
        loss, figures = self._run(batch, False)
        return float(loss), _named(self._learner, figures)

    def synchronise(self) -> None:
        """Nothing to do: TensorFlow's steps change the variables themselves."""

    def _run(self, batch: Batch, training: bool) -> Any:
        given = [*batch, *self.carried.values()]
        if training not in self._compiled:
            self._compiled[training] = self._compile(given, len(batch), training)
        return self._compiled[training](*given)

    def _compile(self, given: list[Array], drawn: int, training: bool) -> Any:
        import tensorflow as tf

        learner = self._learner

        def step(*batch: Any) -> Any:
            values = [variable.value for variable in self._variables]
            with tf.GradientTape() as tape:
                loss, carried = _told(learner.loss(learner.model, batch, True), self.carried)
            found = tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            self._optimizer.apply([whole(gradient) for gradient in found], self._variables)
            return loss, carried

        def look(*batch: Any) -> Any:
            # Recurrent layers of Keras advance their seeds in inference too; looking at a model is to leave no trace.
            with keras.StatelessScope():
                return _looked(learner, batch, self.carried)

        specs = [
            tf.TensorSpec((None, *item.shape[1:]) if item.ndim and place < drawn else item.shape, item.dtype)
            for place, item in enumerate(given)
        ]
        # Concrete at once: TensorFlow warns of functions that are made anew, as ours are for every model.
        function: Any = tf.function(step if training else look, specs, autograph=False)
        made = function.get_concrete_function()
        return lambda *batch: made(*(tf.constant(item) for item in batch))


class _Jax:
    def __init__(self, learner: Learner, optimizer: Any) -> None:
        import jax

        self.carried = {name: np.array(value) for name, value in learner.carried.items()}
        self._learner, self._optimizer = learner, optimizer
        self._learning = list(learning(learner.model).values())
        ids = {id(variable) for variable in self._learning}
        self._others = [variable for variable in learner.model.variables if id(variable) not in ids]
        every = [*self._learning, *self._others]

        def scope(values: Any, others: Any) -> Any:
            return keras.StatelessScope(state_mapping=list(zip(every, [*values, *others], strict=True)))

        def told(values: Any, others: Any, batch: Any) -> Any:
            with scope(values, others) as entered:
                loss, carried = _told(learner.loss(learner.model, batch, True), self.carried)
            return loss, (carried, [entered.get_current_value(variable) for variable in self._others])

        gradient: Any = jax.value_and_grad(told, has_aux=True)

        def step(values: Any, others: Any, state: Any, batch: Any) -> Any:
            (loss, (carried, updated)), found = gradient(values, others, batch)
            moved, kept = optimizer.stateless_apply(state, found, values)
            return loss, carried, moved, updated, kept

        def look(values: Any, others: Any, batch: Any) -> Any:
            with scope(values, others):
                return _looked(learner, batch, self.carried)

        self._step, self._look = jax.jit(step), jax.jit(look)
        self._held: tuple[list[Any], list[Any], list[Any]] | None = None

    def step(self, batch: Batch) -> float:
        given = (*batch, *self.carried.values())
        loss, carried, *held = self._step(*self._state(), given)
        self._held = (held[0], held[1], held[2])
        self.carried = {name: np.asarray(value) for name, value in zip(self.carried, carried, strict=True)}
        return float(loss)

    def look(self, batch: Batch) -> tuple[float, dict[str, float]]:
        values, others, _ = self._state()
        loss, figures = self._look(values, others, (*batch, *self.carried.values()))
        return float(loss), _named(self._learner, figures)

    def synchronise(self) -> None:
        for variables, values in zip(self._variables(), self._state(), strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        # Keras' own predict gives the arrays of the variables away and puts others in their place: none is held on to.
        self._held = None

    def _variables(self) -> tuple[list[Any], list[Any], list[Any]]:
        return self._learning, self._others, list(self._optimizer.variables)

    def _state(self) -> tuple[list[Any], list[Any], list[Any]]:
        """What the steps since the last `synchronise` came to, else what the variables hold."""
        if self._held is not None:
            return self._held
        learning_, others, optimizer = self._variables()
        return [v.value for v in learning_], [v.value for v in others], [v.value for v in optimizer]


class _Torch:
    def __init__(self, learner: Learner, optimizer: Any) -> None:
        self.carried = {name: np.array(value) for name, value in learner.carried.items()}
        self._learner, self._optimizer = learner, optimizer
        self._variables = list(learning(learner.model).values())

    def step(self, batch: Batch) -> float:
        import torch

        loss, carried = _told(self._learner.loss(self._learner.model, self._tensors(batch), True), self.carried)
        values = [variable.value for variable in self._variables]
        found = list(torch.autograd.grad(loss, values, allow_unused=True, materialize_grads=True))
        with torch.no_grad():
            self._optimizer.apply(found, self._variables)
        self.carried = {
            name: np.array(keras.ops.convert_to_numpy(value)) for name, value in zip(self.carried, carried, strict=True)
        }
        return float(loss.detach())

    def look(self, batch: Batch) -> tuple[float, dict[str, float]]:
        import torch

        with torch.inference_mode(), keras.StatelessScope():
            loss, figures = _looked(self._learner, self._tensors(batch), self.carried)
        return float(loss), _named(self._learner, figures)

    def synchronise(self) -> None:
        """Nothing to do: PyTorch's steps change the variables themselves."""

    def _tensors(self, batch: Batch) -> tuple[Any, ...]:
        return tuple(keras.ops.convert_to_tensor(item) for item in (*batch, *self.carried.values()))


_STEPPERS: dict[str, Callable[[Learner, Any], Stepper]] = {
    "tensorflow": _TensorFlow,
    "jax": _Jax,
    "torch": _Torch,
}
