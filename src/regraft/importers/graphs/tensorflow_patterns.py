"""What TensorFlow writes as arithmetic though one word says it: batch normalisation, dropout, and the answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from regraft.core.tensors import Operation, OperationGraph

# They hand on what they read, and so do not hide a pattern.
SAME = (
    "Identity",
    "ReadVariableOp",
    "StopGradient",
    "Snapshot",
    "PlaceholderWithDefault",
    "PreventGradient",
    "EnsureShape",
)

_ADDITIONS = ("Add", "AddV2")
_NOISE = ("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2")


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """The values that a batch normalisation reads; "" where it has no scale."""

    x: str
    scale: str
    offset: str
    mean: str
    variance: str
    epsilon: str


@dataclass(frozen=True, slots=True)
class Dropout:
    """What is dropped from, and the value that it is multiplied with or divided by."""

    x: str
    factor: str
    divides: bool


class Patterns:
    """Looks backwards from the last operation of a pattern."""

    def __init__(self, graph: OperationGraph) -> None:
        self.makers = {value: operation for operation in graph.operations for value in operation.outputs}
        varying = set(graph.inputs)
        for operation in graph.operations:
            if varying.intersection(operation.inputs):
                varying.update(operation.outputs)
        self.varying = varying

    def maker(self, value: str) -> Operation | None:
        """The operation that computes a value, past those that only hand it on."""
        operation = self.makers.get(value)
        while operation is not None and operation.kind in SAME and operation.inputs:
            operation = self.makers.get(operation.inputs[0])
        return operation

    def made(self, value: str, *kinds: str) -> Operation | None:
        """The operation that computes a value, where it is of one of these kinds."""
        operation = self.maker(value)
        return operation if operation is not None and operation.kind in kinds else None

    def batch_norm(self, last: Operation) -> BatchNorm | None:
        """X * inverse + (offset - mean * inverse), inverse = rsqrt(variance + epsilon) * scale, with constants.

        As `tf.nn.batch_normalization` has written it since 2016.
        """
        for scaled, rest in _both_ways(last, *_ADDITIONS):
            product, difference = self.made(scaled, "Mul"), self.made(rest, "Sub")
            if product is None or difference is None or rest in self.varying:
                continue
            offset, shift = difference.inputs
            for x, inverse in _both_ways(product, "Mul"):
                mean = self._other_factor(shift, inverse)
                root = self._root(inverse)
                if x in self.varying and mean and root:
                    scale, variance, epsilon = root
                    return BatchNorm(x, scale, offset, mean, variance, epsilon)
        return None

    def _other_factor(self, product: str, factor: str) -> str:
        operation = self.made(product, "Mul")
        sides = list(_both_ways(operation, "Mul")) if operation else []
        return next((other for one, other in sides if self.maker(one) is self.maker(factor)), "")

    def _root(self, inverse: str) -> tuple[str, str, str] | None:
        """Scale, variance and epsilon of rsqrt(variance + epsilon) * scale."""
        scaled = self.made(inverse, "Mul")
        for root, scale in _both_ways(scaled, "Mul") if scaled else [(inverse, "")]:
            operation = self.made(root, "Rsqrt")
            inside = self.made(operation.inputs[0], *_ADDITIONS) if operation else None
            if inside is not None:
                variance, epsilon = inside.inputs
                return scale, variance, epsilon
        return None

    def dropout(self, last: Operation) -> Dropout | None:
        """X / keep * mask, or x * factor * mask, where the mask is noise compared with a rate.

        As `tf.nn.dropout` has written it: rounding noise down, later comparing it, at last choosing between x and 0.
        """
        chosen = [(last.inputs[1], last.inputs[0])] if last.kind == "SelectV2" else _both_ways(last, "Mul")
        for scaled, mask in chosen:
            if not self._is_mask(mask):
                continue
            operation = self.made(scaled, "RealDiv", "Div", "Mul")
            if operation is None:
                continue
            ways = list(_both_ways(operation, "Mul")) or [operation.inputs]
            for x, factor in ways:
                if x in self.varying and factor not in self.varying:
                    return Dropout(x, factor, operation.kind != "Mul")
        return None

    def _is_mask(self, value: str) -> bool:
        floor = self.made(value, "Floor")
        if floor is not None:
            added = self.made(floor.inputs[0], *_ADDITIONS)
            return added is not None and any(self._is_noise(side) for side in added.inputs)
        cast = self.made(value, "Cast")
        compared = self.made(cast.inputs[0] if cast else value, "GreaterEqual")
        return compared is not None and self._is_noise(compared.inputs[0])

    def _is_noise(self, value: str) -> bool:
        """Whether it is noise, moved and scaled."""
        operation = self.maker(value)
        while operation is not None and operation.kind in (*_ADDITIONS, "Mul"):
            operation = self.maker(operation.inputs[0])
        return operation is not None and operation.kind in _NOISE


def answers(graph: OperationGraph, patterns: Patterns) -> tuple[str, ...]:
    """The outputs of a graph, as something that can be trained: below the choice of the largest, each of them once.

    A loss reshapes what it is given; beside the value itself, the reshaped one says nothing new.
    """
    below = dict.fromkeys(_below(value, patterns, "ArgMax") for value in graph.outputs)
    kept = [value for value in below if _below(value, patterns, "Reshape") not in set(below) - {value}]
    return tuple(kept) or graph.outputs


def _below(value: str, patterns: Patterns, kind: str) -> str:
    operation = patterns.made(value, kind)
    given = operation.inputs[:1] if operation is not None else ()
    return given[0] if given and given[0] in patterns.varying else value


def _both_ways(operation: Operation, *kinds: str) -> Sequence[tuple[str, str]]:
    """The two operands of an operation of these kinds, in either order."""
    if operation.kind not in kinds or len(operation.inputs) != 2:
        return ()
    one, other = operation.inputs
    return (one, other), (other, one)
