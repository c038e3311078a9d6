"""Tensors of Keras 1 and 2 as today's layers hold them: one small function for each way in which they differ.

Which values a layer keeps has changed less than how they lie: Theano's kernels have the outputs first and are turned
around, Keras 1 stored the gates of an LSTM one by one, NVIDIA's library transposes them, and hard_sigmoid has become
flatter. Each step says whether it applies by the shapes and the settings, and names itself in the report.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core.tensors import TensorArchive
from regraft.importers.keras_legacy.scope import STEEPER

Array = np.ndarray[Any, Any]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Origin:
    """What wrote the values.

    Attributes:
        major: the first number of Keras' version.
        theano: whether Theano trained them; its convolutions turn the kernel around.
        outputs_first: whether the kernels of convolutions begin with their outputs.
    """

    major: int
    theano: bool = False
    outputs_first: bool = False

    @classmethod
    def of(cls, archive: TensorArchive) -> "Origin":
        """What an archive says of itself; kernels in Theano's order are taken to be Theano's."""
        version = str(archive.metadata.get("keras_version") or "3")
        major = int(version.partition(".")[0])
        stated = major < 2 and '"dim_ordering": "th"' in json.dumps(archive.config)
        outputs_first = stated or any("Theano's order" in line for line in archive.warnings)
        theano = outputs_first or archive.metadata.get("backend") == "theano"
        return cls(major, theano, outputs_first)


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """The tensors of one layer.

    Attributes:
        kind: the layer's class, in today's spelling.
        settings: of the layer.
        tensors: by their names within the layer.
        wanted: shapes of the layer's variables by name; empty where they are not known.
        origin: what wrote them.
    """

    kind: str
    settings: Mapping[str, Any]
    tensors: Mapping[str, Array]
    wanted: Shapes
    origin: Origin


def converted(stored: Stored) -> tuple[dict[str, Array], list[str]]:
    """The values as today's layer holds them, and what was done, in words."""
    tensors, done = dict(stored.tensors), list[str]()
    for title, step in STEPS:
        now = Stored(stored.kind, stored.settings, tensors, stored.wanted, stored.origin)
        changed = step(now)
        if changed is not None:
            tensors = {**tensors, **changed} if set(changed) <= set(tensors) else changed
            done.append(title)
    return tensors, done


_GATES = {"LSTM": "ifco", "GRU": "zrh"}
_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")
_TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
_LINEAR_BEFORE_ACTIVATION = (*_CONVOLUTIONS, *_TRANSPOSED, "Dense", "EinsumDense", "SimpleRNNCell")


def _joined_gates(stored: Stored) -> dict[str, Array] | None:
    order = _GATES.get(stored.kind)
    if order is None or f"W_{order[0]}" not in stored.tensors:
        return None
    names = {"W": "cell/kernel", "U": "cell/recurrent_kernel", "b": "cell/bias"}
    return {
        new: np.concatenate([stored.tensors[f"{old}_{gate}"] for gate in order], axis=-1) for old, new in names.items()
    }


def _with_an_axis_too_many(stored: Stored) -> dict[str, Array] | None:
    kernel, wanted = stored.tensors.get("kernel"), stored.wanted.get("kernel")
    if stored.kind != "Conv1D" or kernel is None or kernel.ndim != 4 or wanted is None:
        return None
    if kernel[:, 0].shape == wanted:
        return {"kernel": kernel[:, 0]}
    turned = kernel[..., 0].transpose(2, 1, 0)
    return {"kernel": turned} if turned.shape == wanted else None


def _outputs_last(stored: Stored) -> dict[str, Array] | None:
    if stored.kind not in (*_CONVOLUTIONS, *_TRANSPOSED) or stored.origin.major > 1:
        return None
    changed = {name: _turned(stored, name) for name in _KERNELS if name in stored.tensors}
    return {name: value for name, value in changed.items() if value is not None} or None


def _turned(stored: Stored, name: str) -> Array | None:
    kernel, wanted = stored.tensors[name], stored.wanted.get(name)
    if kernel.ndim < 4 or wanted is None:
        return None
    spatial = range(2, kernel.ndim)
    ends = (0, 1) if stored.kind in _TRANSPOSED else (1, 0)
    candidate = kernel.transpose(*spatial, *ends)
    first = stored.origin.outputs_first or kernel.shape != wanted
    return candidate if first and candidate.shape == wanted else None


def _turned_around(stored: Stored) -> dict[str, Array] | None:
    if not stored.origin.theano or stored.kind not in (*_CONVOLUTIONS, *_TRANSPOSED):
        return None
    changed: dict[str, Array] = {}
    for name in ("kernel", "depthwise_kernel"):
        kernel = stored.tensors.get(name)
        if kernel is not None and any(side > 1 for side in kernel.shape[:-2]):
            changed[name] = np.flip(kernel, axis=tuple(range(kernel.ndim - 2)))
    return changed or None


def _of_cudnn(stored: Stored) -> dict[str, Array] | None:
    bias, wanted = stored.tensors.get("bias"), stored.wanted.get("bias")
    if stored.kind not in ("LSTMCell", "GRUCell") or bias is None or wanted is None or bias.shape == wanted:
        return None
    gates = 4 if stored.kind == "LSTMCell" else 3
    units = wanted[-1] // gates
    if bias.shape != (2 * gates * units,):
        return None
    kernel, recurrent = stored.tensors["kernel"], stored.tensors["recurrent_kernel"]
    halves = bias.reshape(2, -1)
    return {
        "kernel": _each_gate(kernel, gates, lambda part: part.T.reshape(part.shape, order="F")),
        "recurrent_kernel": _each_gate(recurrent, gates, lambda part: part.T),
        "bias": halves.sum(axis=0) if stored.kind == "LSTMCell" else halves,
    }


def _each_gate(kernel: Array, gates: int, turn: Callable[[Array], Array]) -> Array:
    return np.hstack([turn(part) for part in np.hsplit(kernel, gates)])


def _steeper(stored: Stored) -> dict[str, Array] | None:
    if stored.origin.major > 2 or _activation(stored, "activation") != "hard_sigmoid":
        return None
    if stored.kind not in _LINEAR_BEFORE_ACTIVATION:
        return None
    last = "pointwise_kernel" if "pointwise_kernel" in stored.tensors else "kernel"
    return {
        name: stored.tensors[name] * STEEPER for name in (last, "recurrent_kernel", "bias") if name in stored.tensors
    }


def _steeper_gates(stored: Stored) -> dict[str, Array] | None:
    joined = stored.kind in _GATES and "cell/kernel" in stored.tensors
    if stored.origin.major > 2 or not (joined or stored.kind in ("LSTMCell", "GRUCell", "ConvLSTMCell")):
        return None
    if _activation(stored, "recurrent_activation") != "hard_sigmoid":
        return None
    gates = "zrh" if stored.kind.startswith("GRU") else "ifco"
    factors = [1.0 if gate in "hc" else STEEPER for gate in gates]
    return {name: _times(value, factors) for name, value in stored.tensors.items()}


def _times(value: Array, factors: list[float]) -> Array:
    return value * np.repeat(np.asarray(factors, value.dtype), value.shape[-1] // len(factors))


def _activation(stored: Stored, name: str) -> Any:
    value = stored.settings.get(name)
    return value.get("config") if isinstance(value, Mapping) and isinstance(value.get("config"), str) else value


# In the order in which they are applied.
STEPS: tuple[tuple[str, Callable[[Stored], dict[str, Array] | None]], ...] = (
    ("gates that were stored one by one are joined", _joined_gates),
    ("kernels of Keras 1 lose an empty axis", _with_an_axis_too_many),
    ("kernels with their outputs first are transposed", _outputs_last),
    ("kernels of Theano are turned around", _turned_around),
    ("weights for NVIDIA's library are transposed gate by gate", _of_cudnn),
    ("hard_sigmoid of Keras 1 and 2 is steeper: kernels and biases before it are multiplied by 1.2", _steeper),
    ("hard_sigmoid of Keras 1 and 2 is steeper: what feeds such gates is multiplied by 1.2", _steeper_gates),
)


def outputs_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a kernel of Theano with its outputs last; of anything else, the same.

    >>> outputs_last((64, 3, 5, 7)), outputs_last((64,))
    ((5, 7, 3, 64), (64,))
    """
    return (*shape[2:], shape[1], shape[0]) if len(shape) > 3 else shape


def by_layer(names: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is named `layer/path/leaf`, by layer path: each with its leaves."""
    groups: dict[str, dict[str, Any]] = {}
    for name, item in names.items():
        layer, _, leaf = name.rpartition("/")
        groups.setdefault(layer, {})[leaf] = item
    yield from groups.items()
