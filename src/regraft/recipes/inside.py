"""What a model makes of examples on its way: the tensors at named places, and what its head is given."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from regraft.core.blocks import HEAD
from regraft.graph import flow
from regraft.graph.gradients import without_gradients

Array = np.ndarray[Any, Any]


def inside(opened: flow.Flow, entry: flow.Value, places: Sequence[str]) -> Callable[[Array], dict[str, Array]]:
    """A function from a batch to what the calls of these names make of it, in inference mode.

    Call by call and not compiled: a few hundred examples are through before a graph of them would be made.

    Args:
        opened: a model with one input.
        entry: the value that is given.
        places: names of calls that need nothing below the entry but itself.
    """
    values = {call.makes[0]: call.name for call in opened.calls if call.name in places}
    return _running(opened, entry, values)


def below_head(model: keras.Model) -> Callable[[Array], Array]:
    """A function from a batch to what the head of a branch is given (n, features)."""
    opened = flow.read(model)
    head = next(call for call in reversed(opened.calls) if call.path == HEAD)
    run = _running(opened, opened.inputs[0], {head.reads[0]: HEAD})
    return lambda batch: run(batch)[HEAD]


def _running(opened: flow.Flow, entry: flow.Value, values: dict[int, str]) -> Callable[[Array], dict[str, Array]]:
    below = {id(call) for call in opened.needed_for([entry])}
    calls = [call for call in opened.needed_for(values) if id(call) not in below]

    def run(batch: Array) -> dict[str, Array]:
        found: dict[str, Array] = {}

        def keep(value: int, tensor: Any) -> None:
            if value in values:
                found[values[value]] = np.asarray(keras.ops.convert_to_numpy(tensor), np.float32)

        given = keras.ops.cast(keras.ops.convert_to_tensor(batch), opened.tensors[entry].dtype)
        # Layers that count their calls are not to count these.
        with without_gradients(), keras.StatelessScope():
            flow.evaluate(opened, calls, {entry: given}, keep)
        return found

    return run


def portions(count: int, most: int) -> Iterable[Array]:
    """The indices 0 to `count` in as few portions of at most `most` as there can be, of about one size."""
    return np.array_split(np.arange(count), max(1, -(-count // most)))
