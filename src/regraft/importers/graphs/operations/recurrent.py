"""Recurrent layers: LSTM, GRU and the simple one, in one direction or both."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Array, Node, UnsupportedError
from regraft.importers.graphs.values import Constant, Live, Value

_KINDS: dict[str, Any] = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
# The foreign gates, in Keras' order: input, forget, cell, output; update, reset, candidate.
_GATES = {"lstm": (0, 2, 3, 1), "gru": (0, 1, 2), "rnn": (0,)}


def recurrent(node: Node, build: Builder) -> Sequence[Value]:
    """A recurrent layer; the results are all states, the last state, and the last memory.

    Operands: x (time, batch, features); kernel (directions, gates * units, features); recurrent kernel (directions,
    gates * units, units); bias (directions, 2 * gates * units), that of the kernel first. Gates of an LSTM stand in the
    order input, output, forget, cell, those of a GRU in the order update, reset, candidate, as in ONNX.
    """
    _refuse_states(node, build)
    x = build.live(node)
    if x.rank != 3:
        raise UnsupportedError(f"expected time, batch and features, found {x.said()}")
    x = build.plain(node, build.arranged(node, x, (1, 0, 2)))
    wanted = [bool(name) and (name in build.graph.outputs or bool(build.consumers.get(name))) for name in node.outputs]
    wanted += [False] * (3 - len(wanted))
    config: dict[str, Any] = {"units": node.settings["units"], "return_sequences": wanted[0]}
    config |= {"return_state": wanted[2] or (wanted[0] and wanted[1]), **_own_config(node)}
    weights = _weights(node, build)
    directions = len(weights)
    if directions == 2:
        made = _both_ways(node, build, x.tensor, config, weights)
    else:
        config["go_backwards"] = node.settings["direction"] == "reverse"
        made = build.weighted(node, _KINDS[node.settings["cell"]], x.tensor, _placed(weights[0], "cell."), **config)
    return _results(node, build, made, config, wanted, directions)


def _results(
    node: Node, build: Builder, made: Any, config: Any, wanted: Sequence[bool], directions: int
) -> list[Value]:
    tensors = list(made) if isinstance(made, (list, tuple)) else [made]
    first, states = tensors[0], tensors[1:]
    results: list[Any] = [None, None, None]
    if wanted[0]:
        if config.get("go_backwards"):
            first = build.operated(node, keras.ops.flip(first, axis=1), "_forwards")
        results[0] = _all_states(node, build, first, directions)
    elif wanted[1]:
        results[1] = _last_state(node, build, [first], directions, joined=True)
    # Keras gives hidden and memory of the one direction, then of the other.
    per = max(len(states) // directions, 1)
    if states and wanted[1] and results[1] is None:
        results[1] = _last_state(node, build, states[0::per], directions)
    if states and wanted[2]:
        results[2] = _last_state(node, build, states[1::per], directions, "_memory")
    return results[: len(node.outputs)]


def _all_states(node: Node, build: Builder, tensor: Any, directions: int) -> Live:
    """(batch, time, directions * units) as the foreign (time, directions, batch, units)."""
    if directions == 1:
        return Live(tensor, (2, 0, 3), 4)
    tensor = build.reshaped(node, tensor, (tensor.shape[1], 2, tensor.shape[2] // 2), "_directions")
    return Live(tensor, (2, 0, 1, 3), 4)


def _last_state(
    node: Node, build: Builder, tensors: Sequence[Any], directions: int, suffix: str = "_last", joined: bool = False
) -> Live:
    """(batch, directions * units) as the foreign (directions, batch, units)."""
    if directions == 1:
        return Live(tensors[0], (1, 2), 3)
    kind: Any = keras.layers.Concatenate
    tensor = tensors[0] if joined else build.applied(node, kind, list(tensors), f"{suffix}_both")
    tensor = build.reshaped(node, tensor, (2, tensor.shape[1] // 2), suffix)
    return Live(tensor, (1, 0, 2), 3)


def _both_ways(
    node: Node, build: Builder, tensor: Any, config: Any, weights: Sequence[dict[str, Constant | None]]
) -> Any:
    kind = _KINDS[node.settings["cell"]]

    def bidirectional(name: str, **settings: Any) -> keras.Layer:
        return keras.layers.Bidirectional(kind(name=f"{name}_cell", **settings), merge_mode="concat", name=name)

    places = _placed(weights[0], "forward_layer.cell.") | _placed(weights[1], "backward_layer.cell.")
    return build.weighted(node, bidirectional, tensor, places, **config)


def _placed(weights: dict[str, Constant | None], prefix: str) -> dict[str, Constant | None]:
    return {f"{prefix}{name}": values for name, values in weights.items()}


def _own_config(node: Node) -> dict[str, Any]:
    config: dict[str, Any] = {"use_bias": len(node.inputs) > 3 and bool(node.inputs[3])}
    if node.settings["cell"] == "gru":
        config["reset_after"] = bool(node.settings.get("reset_after"))
    return config


def _weights(node: Node, build: Builder) -> list[dict[str, Constant | None]]:
    """Kernel, recurrent kernel and bias of each direction, as Keras has them."""
    kernel, recurrent_kernel = build.constant(node, 1), build.constant(node, 2)
    bias = build.constant_or(node, 3, None)
    _require_sizes(node, build, kernel, recurrent_kernel, bias)
    order = _GATES[node.settings["cell"]]
    return [
        {
            "kernel": _of_direction(kernel, direction, lambda values: _ordered(values, order).T),
            "recurrent_kernel": _of_direction(recurrent_kernel, direction, lambda values: _ordered(values, order).T),
            "bias": None if bias is None else _of_direction(bias, direction, lambda values: _bias(node, values, order)),
        }
        for direction in range(kernel.values.shape[0])
    ]


def _of_direction(weights: Constant, direction: int, arranged: Callable[[Array], Array]) -> Constant:
    own = weights.part(direction)
    return own.of(arranged(own.values))


def _require_sizes(
    node: Node, build: Builder, kernel: Constant, recurrent_kernel: Constant, bias: Constant | None
) -> None:
    units = node.settings["units"]
    rows, ways = len(_GATES[node.settings["cell"]]) * units, 2 if node.settings["direction"] == "bidirectional" else 1
    build.sized(kernel, ways, rows, build.live(node).shape[2])
    build.sized(recurrent_kernel, ways, rows, units)
    if bias is not None:
        build.sized(bias, ways, 2 * rows)


def _bias(node: Node, values: Array, order: Sequence[int]) -> Array:
    """The two biases of every gate in Keras' form: their sum, or side by side where the reset comes between them."""
    halves = np.stack([_ordered(half, order) for half in np.split(values, 2)])
    return halves if node.settings["cell"] == "gru" and node.settings.get("reset_after") else halves.sum(axis=0)


def _ordered(values: Array, order: Sequence[int]) -> Array:
    """Gates along the first axis in Keras' order."""
    gates = np.split(values, len(order))
    return np.concatenate([gates[place] for place in order])


def _refuse_states(node: Node, build: Builder) -> None:
    if build.operand(node, 4) is not None:
        raise UnsupportedError("sequences of several lengths in one batch")
    for index in (5, 6):
        state = build.constant_or(node, index, None)
        if state is not None and np.any(state.values):
            raise UnsupportedError("a first state that is not zero")
    if build.operand(node, 7) is not None:
        raise UnsupportedError("peephole connections")
