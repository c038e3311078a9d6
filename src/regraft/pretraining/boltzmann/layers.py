"""Where a machine's parameters live in a network: a `Dense` layer and the biases of what it is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.core.errors import RequestError
from regraft.graph import flow
from regraft.pretraining.boltzmann import starting
from regraft.pretraining.boltzmann.energy import Hidden, Machine, Visible

Array = np.ndarray[Any, Any]

VISIBLE = "visible"
_KINDS: dict[str, Hidden] = {"sigmoid": "binary", "relu": "rectified"}
# What hardly ever differs from its mean is not blown up: its deviation counts as this part of its range at least.
_LEAST_DEVIATION = 0.05
# How far means may be from 0 and deviations from 1 for inputs to count as standardised already.
_STANDARDISED = 0.25
_BATCH = 500


@keras.saving.register_keras_serializable("regraft")
class VisibleUnits(keras.layers.Layer):
    """Holds the biases of the visible units, and adds them to what it is given."""

    def build(self, input_shape: Any) -> None:
        """Make the biases (visible,)."""
        self.bias = self.add_weight(name="bias", shape=(input_shape[-1],), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Inputs (n, visible) and the biases."""
        return inputs + self.bias


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A machine in a network.

    Attributes:
        model: from the network's input to the hidden units, and the visible biases beside them.
        below: from the network's input to what the hidden units are given (n, visible).
        hidden: the layer that has kernel and hidden biases.
        kinds: of the visible and of the hidden units.
        mean: (visible,) that Gaussian units are seen from; 0 for binary ones.
        deviation: (visible,) that they are measured in; 1 for binary ones.
    """

    model: keras.Model
    below: keras.Model
    hidden: Any
    kinds: tuple[Visible, Hidden]
    mean: Array
    deviation: Array

    @property
    def units(self) -> tuple[int, int]:
        """How many visible and hidden ones."""
        width, count = self.hidden.kernel.shape
        return int(width), int(count)

    def machine(self, model: keras.Model) -> Machine:
        """The parameters as they are now, as tensors through which gradients go; of visible values as `visible` gives.

        The layer takes values as they come, the machine standardised ones, so that its parameters are the layer's in
        other units. A gradient comes back divided by the square of those units: the layer learns as fast as one that
        is given standardised values.
        """
        ops: Any = keras.ops
        kernel, hidden = ops.convert_to_tensor(self.hidden.kernel), ops.convert_to_tensor(self.hidden.bias)
        visible: Any = model.get_layer(VISIBLE)
        if self.kinds[0] == "gaussian":
            unit = ops.convert_to_tensor(self.deviation[:, None])
            kernel = kernel + (1 / unit**2 - 1) * (kernel - ops.stop_gradient(kernel))
            hidden = hidden + ops.matmul(self.mean, kernel)
            kernel = unit * kernel
        return Machine(kernel, hidden, ops.convert_to_tensor(visible.bias), *self.kinds)

    def visible(self, x: Any) -> Any:
        """The visible values (n, visible) of inputs of the network."""
        ops: Any = keras.ops
        values = self.below(x)
        if self.kinds[0] == "gaussian":
            values = ops.divide(ops.subtract(values, self.mean), self.deviation)
        return values


def place(
    trunk: keras.Model, x: Array, visible: Visible | None, *, sparsity: float, random: np.random.Generator
) -> Placed:
    """Make the only layer of a network that learns the hidden units of a machine, at its start.

    Args:
        trunk: whose last layers are a `Dense` one and its activation; its weights are set.
        x: examples of what it takes (some, ...).
        visible: the kind of units; None: binary where all values are from 0 to 1, else Gaussian.
        sparsity: how often a hidden unit should be on; 0: no matter.
        random: of the weights.

    Raises:
        RequestError: the network is not such a one, or the values are none for binary units.
    """
    hidden, kind = _hidden(trunk)
    below: Any = keras.Model(trunk.inputs[0], _given(trunk, hidden), name="below")
    values = _outputs(below, x)
    found = _visible_kind(hidden, values, visible)
    mean, deviation = _scale(values) if found == "gaussian" else (np.zeros(1, np.float32), np.ones(1, np.float32))
    width, count = hidden.kernel.shape
    kernel = starting.kernel(width, count, random)
    if found == "gaussian":
        kernel = kernel / deviation[:, None]
    hidden.kernel.assign(kernel)
    hidden.bias.assign(starting.hidden_bias(count, sparsity) - (mean @ kernel if mean.any() else 0))
    units = VisibleUnits(name=VISIBLE)
    model: keras.Model = keras.Model(trunk.inputs[0], [trunk.outputs[0], units(below.outputs[0])], name="machine")
    units.bias.assign(starting.visible_bias((values - mean) / deviation, found))
    return Placed(model, below, hidden, (found, kind), mean, deviation)


def _given(trunk: keras.Model, hidden: Any) -> Any:
    """The symbolic tensor that the hidden units are given in this network, which may share its layers with others."""
    nodes = flow.nodes(flow.functional(trunk))
    return next(node.input_tensors[0] for node in nodes if node.operation is hidden)


def _outputs(model: Any, x: Array) -> Array:
    batches = [model(x[start : start + _BATCH]) for start in range(0, len(x), _BATCH)]
    return np.concatenate([np.asarray(keras.ops.convert_to_numpy(batch)) for batch in batches])


def _visible_kind(hidden: Any, values: Array, asked: Visible | None) -> Visible:
    """The kind of visible units for such values."""
    if values.ndim != 2:
        raise RequestError(
            f"expected vectors below layer '{hidden.name}', found {values.shape[1:]}; put a Flatten layer there"
        )
    are_chances = bool((values >= 0).all() and (values <= 1).all())
    if asked == "binary" and not are_chances:
        raise RequestError(
            f"binary visible units take values from 0 to 1, found {values.min():g} to {values.max():g} below layer "
            f"'{hidden.name}'; scale them, or set visible=gaussian"
        )
    return asked or ("binary" if are_chances else "gaussian")


def _scale(values: Array) -> tuple[Array, Array]:
    """Mean and deviation (visible,) float32 that values are to be standardised by; 0 and 1 where they are already."""
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    varying = deviation > 0
    if (np.abs(mean) < _STANDARDISED).all() and (np.abs(deviation[varying] - 1) < _STANDARDISED).all():
        return np.zeros_like(mean), np.ones_like(deviation)
    least = _LEAST_DEVIATION * np.ptp(values, axis=0)
    return mean, np.where(varying, np.maximum(deviation, least), 1).astype(np.float32)


def _no_machine(weighted: Sequence[Any]) -> str:
    """Why layers that learn are not those of one machine."""
    others = [layer for layer in weighted if not isinstance(layer, keras.layers.Dense)]
    bare = [layer for layer in weighted if layer not in others and not layer.use_bias]
    if len(weighted) > 1 and not others and not bare:
        return (
            f"expected a network with one layer that learns, a Dense one with biases, found {_listed(weighted)}; "
            "several Dense layers are trained one after the other by the method dbn"
        )
    found = f"{_listed(bare)} without biases" if bare and not others else _listed(others) or "none"
    return (
        f"the hidden units of a machine are a Dense layer with biases, found {found}; take a network of such layers "
        "alone, such as --architecture 'mlp?activation=sigmoid'"
    )


def _listed(layers: Sequence[Any]) -> str:
    return ", ".join(f"{layer.name} ({type(layer).__name__})" for layer in layers)


def _hidden(trunk: keras.Model) -> tuple[Any, Hidden]:
    """The layer with the hidden units, and their kind by its activation."""
    layers: list[Any] = list(trunk.layers)
    weighted = [layer for layer in layers if layer.weights]
    if len(weighted) != 1 or not isinstance(weighted[0], keras.layers.Dense) or not weighted[0].use_bias:
        raise RequestError(_no_machine(weighted))
    hidden: Any = weighted[0]
    after = layers[layers.index(hidden) + 1 :]
    functions = [hidden.activation, *(layer.activation if hasattr(layer, "activation") else layer for layer in after)]
    names = [getattr(function, "__name__", type(function).__name__.lower()) for function in functions]
    applied = [name for name in names if name != "linear"]
    if len(applied) != 1 or applied[0] not in _KINDS:
        raise RequestError(
            f"expected layer '{hidden.name}' to have the activation sigmoid (binary hidden units) or relu (rectified "
            f"ones), found {' and '.join(applied) or 'none'}; choose such an architecture"
        )
    return hidden, _KINDS[applied[0]]
