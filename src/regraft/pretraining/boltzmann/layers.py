"""Where a machine's parameters live in a network: a `Dense` layer and the biases of what it is given."""

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
# What hardly varies is not blown up to the variance of the rest: a hundredth of the usual deviation at least.
_LEAST_DEVIATION = 0.01
# How far means may be from 0 and deviations from 1 for inputs to count as standardised already.
_STANDARDISED = 0.25


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
        trunk: the part that is kept.
        below: from the network's input to the visible values (n, visible).
        hidden: the layer that has kernel and hidden biases.
        kinds: of the visible and of the hidden units.
    """

    model: keras.Model
    trunk: keras.Model
    below: keras.Model
    hidden: Any
    kinds: tuple[Visible, Hidden]

    @property
    def units(self) -> tuple[int, int]:
        """How many visible and hidden ones."""
        width, count = self.hidden.kernel.shape
        return int(width), int(count)

    def machine(self, model: keras.Model | None = None) -> Machine:
        """The parameters as they are now, as tensors through which gradients go."""
        ops: Any = keras.ops
        visible: Any = (model or self.model).get_layer(VISIBLE)
        kernel, hidden, biases = map(ops.convert_to_tensor, (self.hidden.kernel, self.hidden.bias, visible.bias))
        return Machine(kernel, hidden, biases, *self.kinds)


def place(
    trunk: keras.Model, x: Array, visible: Visible | None, *, sparsity: float, random: np.random.Generator
) -> Placed:
    """Make the only layer of a network that learns the hidden units of a machine, at its start.

    Inputs of Gaussian units that are not about standardised get a `Normalization` layer, which stays in the trunk.

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
    entry, given = trunk.inputs[0], _given(trunk, hidden)
    below: Any = keras.Model(entry, given, name="below")
    values = _outputs(below, x)
    if values.ndim != 2:
        raise RequestError(
            f"expected vectors below layer '{hidden.name}', found {values.shape[1:]}; put a Flatten layer there"
        )
    found = visible or ("binary" if _are_chances(values) else "gaussian")
    if found == "binary" and not _are_chances(values):
        raise RequestError(
            f"binary visible units take values from 0 to 1, found {values.min():g} to {values.max():g} below layer "
            f"'{hidden.name}'; scale them, or set visible=gaussian"
        )
    if found == "gaussian" and not _is_standardised(values):
        trunk, values = _standardised(trunk, hidden, values)
        below = keras.Model(trunk.inputs[0], _given(trunk, hidden), name="below")
    _start(hidden, values, sparsity, random)
    units = VisibleUnits(name=VISIBLE)
    made: Any = [trunk.outputs[0], units(below.outputs[0])]
    model: keras.Model = keras.Model(trunk.inputs[0], made, name="machine")
    units.bias.assign(starting.visible_bias(values, found))
    return Placed(model, trunk, below, hidden, (found, kind))


def _hidden(trunk: keras.Model) -> tuple[Any, Hidden]:
    """The layer with the hidden units, and their kind by its activation."""
    layers: list[Any] = list(trunk.layers)
    weighted = [layer for layer in layers if layer.weights]
    if len(weighted) != 1 or not isinstance(weighted[0], keras.layers.Dense) or not weighted[0].use_bias:
        raise RequestError(
            "expected a network with one layer that learns, a Dense one with biases, found "
            f"{', '.join(f'{layer.name} ({type(layer).__name__})' for layer in weighted) or 'none'}; "
            "several Dense layers are trained one after the other by the method dbn"
        )
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


def _given(trunk: keras.Model, hidden: Any) -> Any:
    """The symbolic tensor that the hidden units are given in this network, which may share its layers with others."""
    nodes = flow.nodes(flow.functional(trunk))
    return next(node.input_tensors[0] for node in nodes if node.operation is hidden)


def _outputs(model: Any, x: Array) -> Array:
    return np.asarray(model.predict(x, batch_size=500, verbose=0))


def _standardised(trunk: keras.Model, hidden: Any, values: Array) -> tuple[keras.Model, Array]:
    """The trunk with a layer that standardises below the hidden units, and the values above that layer."""
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    varying = deviation[deviation > 0]
    least = _LEAST_DEVIATION * float(np.median(varying)) if len(varying) else 1.0
    variance = np.maximum(deviation, least) ** 2
    layer: Any = keras.layers.Normalization(
        mean=mean.tolist(), variance=variance.tolist(), name=f"{hidden.name}_standardised"
    )
    made: Any = hidden(layer(_given(trunk, hidden)))
    for after in trunk.layers[trunk.layers.index(hidden) + 1 :]:
        made = after(made)
    new: keras.Model = keras.Model(trunk.inputs[0], made, name=trunk.name)
    return new, (values - mean) / np.sqrt(variance)


def _start(hidden: Any, values: Array, sparsity: float, random: np.random.Generator) -> None:
    width, count = hidden.kernel.shape
    hidden.kernel.assign(starting.kernel(width, count, random))
    hidden.bias.assign(starting.hidden_bias(count, sparsity))


def _are_chances(values: Array) -> bool:
    return bool((values >= 0).all() and (values <= 1).all())


def _is_standardised(values: Array) -> bool:
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    varying = deviation > 0
    return bool((np.abs(mean) < _STANDARDISED).all() and (np.abs(deviation[varying] - 1) < _STANDARDISED).all())
