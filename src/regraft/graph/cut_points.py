"""The cut points of a model: where one tensor separates its input from its output, inside nested models too."""

from math import prod
from typing import Any

import keras

from regraft.core.errors import SourceError, nearest
from regraft.core.records import CutPoint
from regraft.graph.flow import Call, Flow, Value, read

# The word for the network's input, where layers from the very first on learn: there is no cut point below these.
INPUT = "input"


def cut_points(model: keras.Model) -> tuple[CutPoint, ...]:
    """Every place where the model can be cut in two, from the input upwards; the last one is its output.

    Args:
        model: Functional or Sequential, with any number of nested models.

    Returns:
        One `CutPoint` for each separating tensor; names are canonical layer paths such as `base/conv_pw_9_relu`.

    Raises:
        SourceError: the model has no graph to read.

    >>> inputs = keras.Input((4,))
    >>> hidden = keras.layers.Dense(3, name="hidden")(inputs)
    >>> [point.name for point in cut_points(keras.Model(inputs, keras.layers.Dense(2, name="top")(hidden)))]
    ['hidden', 'top']
    """
    flow = read(model)
    found: list[CutPoint] = []
    parameters, flops, counted, done = 0, 0, set[int](), 0
    positions = {id(call): index for index, call in enumerate(flow.calls)}
    known = True
    for depth, call in enumerate(flow.separating()):
        end = positions[id(call)] + 1
        for below in flow.calls[done:end]:
            for variable in getattr(below.operation, "variables", ()):
                # The state of a random layer's seed is no parameter, and files do not hold it.
                if id(variable) not in counted and variable.name != "seed_generator_state":
                    counted.add(id(variable))
                    parameters += prod(variable.shape)
            cost = _flops(flow, below)
            known = known and cost is not None
            flops += cost or 0
        done = end
        shape = tuple(flow.tensors[call.makes[0]].shape[1:])
        found.append(CutPoint(call.name, depth, shape, parameters, flops if known else None))
    return tuple(found)


def find(flow: Flow, name: str) -> Call:
    """The call that makes the separating tensor of this name.

    Raises:
        SourceError: there is no such cut point; the message names the nearest ones.
    """
    calls = {call.name: call for call in flow.separating()}
    if name in calls:
        return calls[name]
    inside = any(call.name == name for call in flow.calls)
    reason = "other paths lead around that layer" if inside else "there is no such layer"
    raise SourceError(f"'{name}' is not a cut point: {reason}{nearest(name, calls)}")


def is_input(flow: Flow, name: str) -> bool:
    """Whether a name stands for the network's input; a cut point that is called so goes before."""
    return name == INPUT and all(call.name != INPUT for call in flow.separating())


def value_of(flow: Flow, name: str) -> Value:
    """The value at a cut point, or at the network's input.

    Raises:
        SourceError: see `find`.
    """
    return flow.inputs[0] if is_input(flow, name) else find(flow, name).makes[0]


def input_point(model: keras.Model) -> CutPoint:
    """The network's input as if it was a cut point, below all others."""
    return CutPoint(INPUT, -1, tuple(model.inputs[0].shape[1:]), 0, 0)


def _flops(flow: Flow, call: Call) -> int | None:
    """Two for every multiplication with a weight at every position, one for every element made otherwise."""
    total = 0
    for value in call.makes:
        shape = flow.tensors[value].shape[1:]
        if any(size is None for size in shape):
            return None
        kernels = [variable for variable in getattr(call.operation, "variables", ()) if _is_kernel(variable)]
        positions = prod(shape[:-1])
        total += sum(2 * prod(kernel.shape) * positions for kernel in kernels) if kernels else prod(shape)
    return total


def _is_kernel(variable: Any) -> bool:
    return "kernel" in variable.name and len(variable.shape) > 1
