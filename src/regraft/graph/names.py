"""One canonical, unique name for every variable of a model.

The name is the path of the layer, joined by "/", and the variable's own name: `base/conv1/kernel`. Layers of
Functional and Sequential models, which Keras saves and restores by name, contribute their names; layers held by other
layers (a MultiHeadAttention's projections, a Bidirectional's halves) contribute the attribute that holds them,
because their own names are made from a counter of the process. So a name survives saving, loading and copying, which
`variable.path` does not; and it is unique, which `variable.path` is not.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from regraft.graph import variable_values

_COUNTED = re.compile(r"variable(_\d+)?")
# What Keras keeps about a layer, as opposed to what the layer's author put there.
_ABOUT = {"_modules", "_layers", "_metrics", "_tracker", "_inbound_nodes", "_outbound_nodes", "_functional"}
_MAY_HOLD = (dict, list, tuple, keras.Layer)


def variables(model: keras.Layer) -> dict[str, keras.Variable]:
    """Every variable of a model or layer by its canonical name, each variable once.

    A variable that is shared, because its layer is used in several places, has the name of the first place.

    >>> inputs = keras.Input((4,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="top")(inputs))
    >>> list(variables(model))
    ['top/kernel', 'top/bias']
    """
    named: dict[str, keras.Variable] = {}
    seen: set[int] = set()
    for path, layer in layers(model):
        below = {id(variable) for child in _children(layer).values() for variable in child.variables}
        for variable in layer.variables:
            if id(variable) in seen or id(variable) in below:
                continue
            seen.add(id(variable))
            own = _own_name(layer, variable)
            named[_unused(f"{path}/{own}" if path else own, named)] = variable
    return named


def layers(model: keras.Layer) -> Iterator[tuple[str, keras.Layer]]:
    """Every layer, once each, with its canonical path, outermost first; the model itself has the empty path."""
    seen: set[int] = set()

    def walk(path: str, layer: keras.Layer) -> Iterator[tuple[str, keras.Layer]]:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        yield path, layer
        for name, child in _children(layer).items():
            yield from walk(f"{path}/{name}" if path else name, child)

    yield from walk("", model)


def trainable(model: keras.Layer) -> list[str]:
    """The canonical names of the variables that an optimizer would change, in order."""
    ids = {id(variable) for variable in model.trainable_variables}
    return [name for name, variable in variables(model).items() if id(variable) in ids]


def arrays(named: Mapping[str, keras.Variable]) -> dict[str, np.ndarray[Any, Any]]:
    """Copies of the values of variables, by the same names."""
    return {name: variable_values.read(variable) for name, variable in named.items()}


def values(model: keras.Layer) -> dict[str, np.ndarray[Any, Any]]:
    """Copies of the values of all variables of a model, by canonical name."""
    return arrays(variables(model))


def copy_values(source: keras.Layer, target: keras.Layer) -> None:
    """Give every variable of `target` the value of the variable of the same name in `source`, in place.

    Raises:
        KeyError: `target` has a variable whose name `source` lacks.
    """
    values = variables(source)
    for name, variable in variables(target).items():
        # A copy of the array too: on JAX two variables could share one, and Keras gives it away when either model runs.
        variable.assign(keras.ops.copy(values[name]))
    refresh(target)


def refresh(model: keras.Layer) -> None:
    """Let layers work out anew, in place, what they keep besides their variables; for after assigning to these.

    Keras' Normalization computes with constants that it makes of its variables, and makes them only when it adapts or
    is loaded from a file.
    """
    for _, layer in layers(model):
        finalize = getattr(layer, "finalize_state", None)
        if callable(finalize) and layer.built:
            finalize()


def _children(layer: keras.Layer) -> dict[str, keras.Layer]:
    if isinstance(layer, (keras.Sequential, keras.Model)) and hasattr(layer, "_operations"):
        return {child.name: child for child in layer.layers}
    if isinstance(layer, keras.Sequential):
        return {child.name: child for child in layer.layers}
    children: dict[str, keras.Layer] = {}
    # PyTorch keeps the layers that are attributes in a dictionary of its own.
    attributes = {**vars(layer), **vars(layer).get("_modules", {})}
    # Most attributes hold no layers; and `_self_...` is TensorFlow's.
    may_hold = [
        name
        for name, value in attributes.items()
        if isinstance(value, _MAY_HOLD) and name not in _ABOUT and not name.startswith("_self_")
    ]
    for attribute in sorted(may_hold):
        for name, child in _layers_in(attribute.lstrip("_"), attributes[attribute]):
            children.setdefault(name, child)
    return children


def _own_name(layer: keras.Layer, variable: keras.Variable) -> str:
    """The variable's name, or the attribute that holds it where its name is only a counter of the process."""
    if not _COUNTED.fullmatch(variable.name):
        return variable.name
    held = [attribute for attribute, value in sorted(vars(layer).items()) if value is variable]
    return held[0].lstrip("_") if held else "variable"


def _layers_in(name: str, value: Any) -> Iterator[tuple[str, keras.Layer]]:
    if isinstance(value, keras.Layer):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _layers_in(f"{name}/{key}", item)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _layers_in(f"{name}/{index}", item)


def _unused(name: str, named: dict[str, Any]) -> str:
    if name not in named:
        return name
    count = 2
    while f"{name}#{count}" in named:
        count += 1
    return f"{name}#{count}"
