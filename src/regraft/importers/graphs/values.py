"""What a foreign value has become: a constant, or a Keras tensor whose axes stand in an order of their own.

Transposes are not carried out but written down: a `Live` says which foreign axis each axis of its tensor is. Axes of
size one need not be in the tensor at all. Where several axes were flattened into one, `Fold` says in which order Keras
runs through them, so that the kernel above can have its rows in that order instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from regraft.importers.graphs.neutral import Array, UnsupportedError

# Stands for the size of the batch wherever a foreign graph computes with shapes: a prime beyond every real size, so
# that products of it are recognised, and small enough that two of them multiply within 64 bits.
BATCH = 2_147_483_629
# Stands for a size that is open. What is computed from it is not used, see `Builder.integers`.
OPEN = 2_147_483_587


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A value that does not depend on the input.

    Attributes:
        values: in the foreign order.
        sources: the tensors of the file that it was computed from.
        learns: whether one of them is weights.
        parts: what it was joined from along its first axis, if it was.
    """

    values: Array
    sources: tuple[str, ...] = ()
    learns: bool = False
    parts: "tuple[Constant, ...]" = ()

    def of(self, values: Array) -> "Constant":
        """Other values from the same sources."""
        return Constant(values, self.sources, self.learns)

    def part(self, index: int) -> "Constant":
        """An element along the first axis, with the sources of that element alone where they are known."""
        start = 0
        for part in self.parts:
            if index < start + len(part.values):
                return part.of(part.values[index - start])
            start += len(part.values)
        return self.of(self.values[index])


@dataclass(frozen=True, slots=True)
class Fold:
    """Axes that were flattened into one: their foreign sizes, and the order in which Keras has them.

    >>> Fold((2, 3), (1, 0)).places()
    array([0, 3, 1, 4, 2, 5])
    """

    sizes: tuple[int, ...]
    order: tuple[int, ...]

    def places(self) -> Array:
        """The foreign index of every index of the tensor."""
        return np.arange(prod(self.sizes)).reshape(self.sizes).transpose(self.order).reshape(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """A value that depends on the input.

    Attributes:
        tensor: Keras' symbolic tensor; its first axis is the batch.
        axes: the foreign axis of each of its axes; those of size one may be missing.
        rank: of the foreign value.
        folds: the order within an axis, where it is not the foreign one, by foreign axis.
    """

    tensor: Any
    axes: tuple[int, ...]
    rank: int
    folds: Mapping[int, Fold] = field(default_factory=dict[int, Fold])

    @property
    def batch(self) -> int:
        """The foreign axis of the batch."""
        return self.axes[0]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The foreign shape, with `BATCH` for the batch and None where a size is open."""
        sizes: list[int | None] = [1] * self.rank
        for axis, size in zip(self.axes, self.tensor.shape, strict=True):
            sizes[axis] = size
        sizes[self.batch] = BATCH
        return tuple(sizes)

    @property
    def known_shape(self) -> tuple[int, ...]:
        """The foreign shape where nothing but the batch may be open."""
        shape = [size for size in self.shape if size is not None]
        if len(shape) != self.rank:
            raise UnsupportedError(f"needs a definite size, found {self.said()}; say --input-size")
        return tuple(shape)

    def place(self, axis: int) -> int:
        """Where a foreign axis is in the tensor.

        Raises:
            ValueError: it is not in it; see `Builder.arranged`.
        """
        return self.axes.index(axis % self.rank)

    def with_tensor(self, tensor: Any) -> "Live":
        """Another tensor with the same axes."""
        return Live(tensor, self.axes, self.rank, self.folds)

    def transposed(self, order: Sequence[int]) -> "Live":
        """The same tensor read with foreign axes in another order."""
        order = [axis % self.rank for axis in order]
        axes = tuple(order.index(axis) for axis in self.axes)
        return Live(self.tensor, axes, self.rank, {order.index(axis): fold for axis, fold in self.folds.items()})

    def said(self) -> str:
        """The foreign shape in words."""
        sizes = ["?" if size is None else "batch" if size == BATCH else str(size) for size in self.shape]
        return f"({', '.join(sizes)})"

    def from_foreign(self, values: Array) -> Array:
        """A foreign array of this value, batch included, in the order of the tensor."""
        for axis, fold in self.folds.items():
            values = values.take(fold.places(), axis)
        missing = tuple(axis for axis in range(self.rank) if axis not in self.axes)
        order = (*self.axes, *missing)
        return values.transpose(order).reshape([values.shape[axis] for axis in self.axes])

    def to_foreign(self, values: Array) -> Array:
        """An array in the order of the tensor as the foreign graph has it; of values without folds, such as inputs."""
        missing = [axis for axis in range(self.rank) if axis not in self.axes]
        opened = values.reshape((*values.shape, *(1 for _ in missing)))
        return opened.transpose(np.argsort((*self.axes, *missing)))

    def laid_out(self, values: Array) -> Array:
        """Constants that go with this value element by element, in the order of its tensor.

        Args:
            values: in the foreign order; broadcast against the foreign shape as NumPy does.

        Raises:
            UnsupportedError: they differ between the examples of a batch, or are larger than the value.
        """
        if values.ndim > self.rank:
            raise UnsupportedError(f"constants of shape {values.shape} are larger than {self.said()}")
        values = values.reshape((1,) * (self.rank - values.ndim) + values.shape)
        missing = [axis for axis in range(self.rank) if axis not in self.axes or axis == self.batch]
        if any(values.shape[axis] != 1 for axis in missing):
            raise UnsupportedError(f"constants of shape {values.shape} do not go with {self.said()}")
        for axis, fold in self.folds.items():
            if values.shape[axis] != 1:
                values = values.take(fold.places(), axis)
        return values.transpose((*self.axes, *(axis for axis in missing if axis != self.batch))).reshape(
            [values.shape[axis] for axis in self.axes]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """A value in which the batch and other axes are one, kept with them apart.

    Attributes:
        live: with every axis apart.
        groups: the axes of `live` that make each foreign axis, in order.
    """

    live: Live
    groups: tuple[tuple[int, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The foreign shape, with a multiple of `BATCH` where the batch is."""
        sizes = self.live.known_shape
        return tuple(prod(sizes[axis] for axis in group) for group in self.groups)

    def said(self) -> str:
        """The foreign shape in words."""
        sizes = ["batch" if size == BATCH else str(size) for size in self.live.known_shape]
        return f"({', '.join(' * '.join(sizes[axis] for axis in group) for group in self.groups)})"


Value = Live | Constant | Merged
