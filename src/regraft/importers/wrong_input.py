"""Does the stated input convention fit the pictures? The first BatchNormalization remembers what it was trained on.

Its moving mean and variance are those of its own input on the training data. Pictures in a wrong range or channel order
come out differently there. Networks without a BatchNormalization, or with a fresh one, remember nothing: no verdict.

The thresholds were set on ImageNet MobileNets (widths 1.0 and 0.25), ResNet-8 for CIFAR-10 and mini-Xception for
FER-2013, shown photographs of flowers. The right convention came out at a distance of 0.14 to 0.29 with as few as four
pictures, other ranges at 0.6 or more and 3.3 times that and more (but for `caffe` on ResNet-8, which was trained on raw
pictures: 2.3 times). Where only the order of the channels is wrong, the distance hardly grows, but the squared shift of
the mean does: 2.8 times and more. On pictures unlike any training data (hand signs before a wall, washed-out
photographs, MNIST) even the right convention is at 1.0 or more; there only a gross error is reported.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.core.input_spec import CONVENTIONS, InputSpec
from regraft.graph import flow
from regraft.importers.conventions import applied

_MOST_PICTURES = 64
# The data looks like the training data under some convention, and clearly better than under the one asked for.
_PLAUSIBLE = 0.4
_TIMES_WORSE = 3.0
# So far away that no picture of the right range is there.
_GROSS = 5.0
_GROSS_TIMES_WORSE = 2.0
# For the channel order: the squared shift of the mean, in variances.
_SHIFT = 0.1
_SHIFT_TIMES_WORSE = 2.2
_RANGE_STILL_GOOD = 0.7
_SWAPPED = {"raw": "bgr:x", "unit": "bgr:x/255", "tf": "bgr:x/127.5-1"}
_SMALL = 1e-12


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well conventions fit.

    Attributes:
        requested: the name of the convention that was asked for.
        best: the one that fits best.
        distances: by name: mean over channels of ln(1 + Jeffreys divergence) between the normal distributions that the
            layer remembers and that it is given; 0 is a perfect fit.
        warning: one sentence where another convention fits clearly better, else None.
    """

    requested: str
    best: str
    distances: dict[str, float]
    warning: str | None


def judge(model: keras.Model, inputs: InputSpec, pictures: np.ndarray[Any, Any]) -> Verdict | None:
    """Whether the convention fits the pictures, by what the first BatchNormalization remembers.

    Args:
        model: Functional or Sequential, with one input.
        inputs: the convention in question.
        pictures: raw RGB, resized, (n, height, width, channels), 0 to 255; the first 64 are used.

    Returns:
        None where the model has no memory of its input, or remembers only how it was initialised.
    """
    memory = _Memory.of(model)
    if memory is None or not len(pictures):
        return None
    shown = pictures[:_MOST_PICTURES]
    specs = {inputs.name: inputs}
    for name in CONVENTIONS if inputs.channels == 3 else ("raw", "unit", "tf"):
        specs.setdefault(name, inputs.with_convention(name))
    distances = {name: memory.compare(applied(spec, shown)).distance for name, spec in specs.items()}
    best = min(distances, key=lambda name: (distances[name], name != inputs.name))
    warning = _about_range(inputs, distances, best)
    if warning is None and inputs.channels == 3 and distances[inputs.name] < _RANGE_STILL_GOOD:
        reversed_order = dataclasses.replace(inputs, order="rgb" if inputs.order == "bgr" else "bgr")
        shifts = [memory.compare(applied(spec, shown)).shift for spec in (inputs, reversed_order)]
        warning = _about_order(inputs, *shifts)
    return Verdict(inputs.name, best, distances, warning)


@dataclass(frozen=True, slots=True)
class _Comparison:
    distance: float
    shift: float


@dataclass(frozen=True, slots=True, eq=False)
class _Memory:
    """The part of the model below its first BatchNormalization, and that layer's statistics."""

    graph: flow.Flow
    calls: Sequence[flow.Call]
    value: int
    axis: int
    mean: np.ndarray[Any, Any]
    variance: np.ndarray[Any, Any]

    @classmethod
    def of(cls, model: keras.Model) -> "_Memory | None":
        if flow.functional(model) is None:
            return None
        graph = flow.read(model)
        found = next(
            (call for call in graph.calls if isinstance(call.operation, keras.layers.BatchNormalization)), None
        )
        if found is None or len(graph.inputs) != 1:
            return None
        mean, variance = (_numpy(value) for value in (found.operation.moving_mean, found.operation.moving_variance))
        if np.all(mean == 0) and np.all(variance == 1):
            return None
        axis = found.operation.axis
        return cls(graph, graph.needed_for(found.reads), found.reads[0], axis, mean, variance)

    def compare(self, given: np.ndarray[Any, Any]) -> _Comparison:
        kept: list[np.ndarray[Any, Any]] = []

        def keep(value: int, tensor: Any) -> None:
            if value == self.value:
                kept.append(_numpy(tensor))

        flow.evaluate(self.graph, self.calls, {self.graph.inputs[0]: keras.ops.convert_to_tensor(given)}, keep)
        channels_last = np.moveaxis(kept[0], self.axis, -1).astype(np.float64)
        values = channels_last.reshape(-1, channels_last.shape[-1])
        # A channel that never fires in training has no variance to compare with.
        alive = self.variance > 1e-3 * np.median(self.variance)
        mean, variance = values.mean(0)[alive], values.var(0)[alive] + _SMALL
        expected = self.variance[alive].astype(np.float64) + _SMALL
        square = (mean - self.mean[alive]) ** 2
        divergence = 0.5 * ((variance + square) / expected + (expected + square) / variance) - 1
        return _Comparison(float(np.log1p(divergence).mean()), float(np.minimum(square / expected, 100).mean()))


def _about_range(inputs: InputSpec, distances: dict[str, float], best: str) -> str | None:
    asked, least = distances[inputs.name], distances[best]
    clearly = least < _PLAUSIBLE and asked > _TIMES_WORSE * least
    grossly = asked > _GROSS and asked > _GROSS_TIMES_WORSE * least
    if not clearly and not grossly:
        return None
    close = sorted((name for name in distances if distances[name] <= 2 * least), key=distances.__getitem__)
    likely = " or ".join(f"'{name}'" for name in close)
    meaning = f" ({CONVENTIONS[best].partition(' (')[0]})" if best in CONVENTIONS else ""
    return (
        f"the first layer's activations look as if the network expects {likely}{meaning}, not '{inputs.name}' "
        f"(distance {least:.2f} against {asked:.2f}); say --preprocessing {best}, or '{inputs.name}' to keep it"
    )


def _about_order(inputs: InputSpec, shift: float, reversed_shift: float) -> str | None:
    if shift < _SHIFT or shift < _SHIFT_TIMES_WORSE * reversed_shift:
        return None
    other_name = inputs.name.removeprefix("bgr:") if inputs.name.startswith("bgr:") else _SWAPPED.get(inputs.name)
    hint = f"; say --preprocessing {other_name}" if other_name else "; say a formula in that order with --preprocessing"
    order, other = inputs.order.upper(), "RGB" if inputs.order == "bgr" else "BGR"
    return (
        f"the first layer's activations look as if the network expects its channels in the order {other}, not {order} "
        f"(mean shift {reversed_shift:.2f} against {shift:.2f}){hint}"
    )


def _numpy(tensor: Any) -> np.ndarray[Any, Any]:
    return np.asarray(keras.ops.convert_to_numpy(tensor))
