"""Layers that draw random numbers although they are told to infer: found in the network where it shows, or by running.

Keras' own random layers (dropout, noise, augmentation) are silent in inference. Code that Keras does not know may be
anything: it is run twice on a few examples, in another order the second time, and has to give each the same.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from regraft.core.errors import SourceError
from regraft.graph import names
from regraft.graph.flow import Call, Flow, Value, evaluate_call, takes_training

# Classes of Keras that run code of others.
_FOREIGN = ("Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer")
_EXAMPLES = 4
# Relative to the largest value of a tensor: what kernels that treat rows unlike differ by, 1e-6, is no randomness.
_TOLERANCE = 1e-4
_DO = "give 'call' the argument 'training' and draw only where it is true, or cut above that layer"


def refuse(calls: Sequence[Call]) -> None:
    """Refuse networks in which a layer keeps a seed and has no way of being told to infer.

    Raises:
        SourceError: naming it.
    """
    for call in calls:
        for path, layer in names.layers(call.operation) if isinstance(call.operation, keras.Layer) else ():
            if getattr(layer, "_seed_generators", None) and not takes_training(layer):
                where = f"{call.path}/{path}" if path else call.path
                raise SourceError(
                    f"layer '{where}' of class {type(layer).__name__} draws random numbers (it has a SeedGenerator) "
                    f"and its 'call' takes no 'training', so that it cannot be told to infer; {_DO}"
                )


def may_be(operation: Any) -> bool:
    """Whether only running can tell if an operation is random: it is or holds code that is not Keras' own."""
    layers = [layer for _, layer in names.layers(operation)] if isinstance(operation, keras.Layer) else [operation]
    return any(
        not _of_keras(type(layer))
        or type(layer).__name__ in _FOREIGN
        or any(inspect.isfunction(value) and not _of_keras(value) for value in vars(layer).values())
        for layer in layers
    )


def refuse_by_running(flow: Flow, calls: Sequence[Call], entry: Value, given: Any) -> None:
    """Refuse networks in which a call gives an example another result the second time, or at another place.

    Both runs go through the network side by side, call by call, so that the first call that differs is the one.

    Args:
        flow: of the network.
        calls: those that are run.
        entry: the value that is given.
        given: a tensor of Keras' backend, (n, ...).

    Raises:
        SourceError: naming the call.
    """
    rows = np.asarray(keras.ops.convert_to_numpy(given))
    rows = np.resize(rows, (max(2, min(_EXAMPLES, len(rows))), *rows.shape[1:]))
    last = {value: index for index, call in enumerate(calls) for value in call.reads}
    one: dict[Value, Any] = {entry: keras.ops.convert_to_tensor(rows)}
    other: dict[Value, Any] = {entry: keras.ops.convert_to_tensor(rows[::-1].copy())}
    with keras.StatelessScope():
        for index, call in enumerate(calls):
            first, second = evaluate_call(call, one), evaluate_call(call, other)
            if may_be(call.operation) and not _alike(first, second, turned=True):
                raise SourceError(_said(call, _alike(first, evaluate_call(call, one))))
            one.update(zip(call.makes, first, strict=True))
            other.update(zip(call.makes, second, strict=True))
            for value in (value for value in call.reads if last[value] == index):
                one.pop(value, None)
                other.pop(value, None)


def _said(call: Call, repeats: bool) -> str:
    what = f"layer '{call.name}' of class {type(call.operation).__name__}"
    if repeats:
        return (
            f"{what} gives an example another result at another place of a batch: it draws the same random numbers "
            f"for each place, or reads an example's neighbours; {_DO}"
        )
    return f"{what} draws random numbers although it runs with training=False; {_DO}"


def _alike(first: Sequence[Any], second: Sequence[Any], *, turned: bool = False) -> bool:
    for one, other in zip(first, second, strict=True):
        left = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(one, "float32")))
        right = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(other, "float32")))
        right = right[::-1] if turned else right
        largest = np.nanmax(np.abs(left), initial=0.0)
        if not np.allclose(left, right, rtol=0, atol=_TOLERANCE * largest, equal_nan=True):
            return False
    return True


def _of_keras(kind: Any) -> bool:
    return kind.__module__.partition(".")[0] in ("keras", "builtins")
