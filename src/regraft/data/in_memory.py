"""Arrays in memory, in one or several parts, as examples: nothing is copied but the example that is read."""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core import digest, progress
from regraft.core.errors import DataError
from regraft.data import channels as picture_channels
from regraft.data import labels as labels_
from regraft.data import split
from regraft.data.examples import Array
from regraft.data.found import Found, Identified
from regraft.data.names import Names, Numbered

# What is looked at, or digested, at once.
_BLOCK = 1024
_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Examples that belong together.

    Attributes:
        split: the stated one, or None.
        x: (n, ...) array, or n arrays of different shapes.
        y: labels as the user has them.
        where: what messages call `x` and `y`.
    """

    split: str | None
    x: Array | Sequence[Array]
    y: Any
    where: tuple[str, str] = ("x", "y")


@dataclass(frozen=True, slots=True)
class _Values:
    low: float
    high: float
    floating: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    parts: tuple[Array | Sequence[Array], ...]
    starts: tuple[int, ...]
    narrow: bool
    white: float

    def at(self, index: int) -> Array:
        part = bisect.bisect_right(self.starts, index) - 1
        return np.asarray(self.parts[part][index - self.starts[part]])

    def identify(self, start: int, stop: int) -> Identified:
        made: Identified = []
        for part, begin in zip(self.parts, self.starts, strict=True):
            chosen = part[max(start - begin, 0) : max(stop - begin, 0)]
            blocks = [chosen] if isinstance(chosen, np.ndarray) else [np.asarray(item)[np.newaxis] for item in chosen]
            made += [row.tobytes() for block in blocks for row in digest.of_rows(block)]
        return made

    def read(self, index: int, channels: int | None) -> Array:
        raw = self.at(index)
        if raw.dtype == np.bool_:
            raw = raw.astype(np.uint8) * np.uint8(255)
        elif raw.dtype == np.uint16 and not self.narrow:
            raw = raw.astype(np.float32) / np.float32(257)
        elif raw.dtype.kind == "f":
            raw = raw.astype(np.float32)
        raw = raw[:, :, np.newaxis] if raw.ndim == 2 else raw
        if channels is not None and is_picture(raw.shape):
            raw = picture_channels.to_channels(raw, channels, self.white)
        return np.array(raw, dtype=raw.dtype.newbyteorder("="))


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether one example of this shape is taken for a picture."""
    return len(shape) == 2 or (len(shape) == 3 and shape[-1] in picture_channels.COUNTS)


def found(parts: Sequence[Part], class_names: tuple[str, ...] | None, origin: str) -> Found:
    """The examples of arrays.

    Raises:
        DataError: lengths differ, a value is not a number or infinite, or shapes and dtypes do not fit together.
    """
    parts = [part for part in parts if not isinstance(part.x, np.ndarray) or part.x.ndim == 0 or len(part.x)]
    if not parts:
        raise DataError(f"expected examples, found none in {origin}")
    labels = [labels_.flat(part.y, part.where[1]) for part in parts]
    for part, own in zip(parts, labels, strict=True):
        _check(part, len(own), origin)
    _one_kind(parts)
    shape = _common_shape(parts)
    values = [_values(part, origin) for part in parts]
    high, floating = max(value.high for value in values), all(value.floating for value in values)
    # Only pictures have a white; plain features that nowhere exceed 1 are what they are.
    pictures = shape is None or is_picture(shape)
    white = 1.0 if pictures and floating and high <= 1 else 255.0
    _warn_of_range(shape, min(value.low for value in values), high, origin)
    starts = tuple(itertools.accumulate((len(part.x) for part in parts[:-1]), initial=0))
    # 16-bit storage whose values nowhere exceed 255 holds 8-bit pictures; truly 16-bit ones would all be black.
    # What reads examples lives as long as they do; the labels as they were given need not.
    stack = _Stack(tuple(part.x for part in parts), starts, narrow=high <= 255, white=white)
    several = len({part.split for part in parts}) > 1
    counts = [len(part.x) for part in parts]
    return Found(
        names=Names(
            Numbered.of((f"{part.split} " if several else "", count) for part, count in zip(parts, counts, strict=True))
        ),
        labels=labels_.Labels.joined(labels),
        stated=np.repeat(split.stated(part.split for part in parts), counts),
        identify=stack.identify,
        read=stack.read,
        origin=origin,
        class_names=class_names,
        shape=shape,
        full_intensity=white,
        block=max(1, min(_BLOCK, _BLOCK_BYTES // max(1, _first(parts[0]).nbytes))),
    )


def _first(part: Part) -> Array:
    return np.asarray(part.x[0])


def _check(part: Part, labels: int, origin: str) -> None:
    name, label_name = part.where
    first = part.x if isinstance(part.x, np.ndarray) else part.x[0]
    if first.dtype.kind not in "biuf":
        how = "decode the bytes into texts" if first.dtype.kind == "S" else "decode or convert it first"
        raise DataError(f"{name}: expected an array of numbers, found {first.dtype}; {how}")
    if isinstance(part.x, np.ndarray) and part.x.ndim < 2:
        raise DataError(f"{name}: expected examples along the first axis, (n, ...), found shape {part.x.shape}")
    if not first.size:
        raise DataError(f"{name}: expected examples that hold values, found shape {first.shape}")
    if len(part.x) != labels:
        raise DataError(
            f"in {origin} {name} has {len(part.x)} examples, {label_name} has {labels} labels; give one label for each"
        )
    shape = first.shape[1:] if isinstance(part.x, np.ndarray) else first.shape
    if len(shape) == 3 and shape[0] in (1, 3) and shape[-1] not in picture_channels.COUNTS:
        raise DataError(
            f"{name}: expected pictures of shape (height, width, channels), found {shape}; "
            f"move the channels last with {name}.transpose(0, 2, 3, 1)"
        )


def _one_kind(parts: Sequence[Part]) -> None:
    kinds = {_kind(part): part.where[0] for part in parts}
    if len(kinds) > 1:
        stated = ", ".join(f"{name} is {kind}" for kind, name in kinds.items())
        raise DataError(f"expected the same kind of values in every array, found different ones: {stated}")


def _kind(part: Part) -> str:
    dtype = part.x.dtype if isinstance(part.x, np.ndarray) else part.x[0].dtype
    return "floating point" if dtype.kind == "f" else dtype.name


def _common_shape(parts: Sequence[Part]) -> tuple[int, ...] | None:
    shapes = {
        shape: part.where[0]
        for part in parts
        for shape in ([part.x.shape[1:]] if isinstance(part.x, np.ndarray) else [item.shape for item in part.x])
    }
    if len(shapes) == 1:
        shape = next(iter(shapes))
        return (*shape, 1) if len(shape) == 2 else shape
    if all(is_picture(shape) for shape in shapes):
        return None
    stated = ", ".join(f"{name} {shape}" for shape, name in itertools.islice(shapes.items(), 3))
    raise DataError(f"expected examples of one shape, or pictures, found {stated}")


def _blocks(part: Part) -> Iterator[tuple[int, Array]]:
    if not isinstance(part.x, np.ndarray):
        yield from ((index, item[np.newaxis]) for index, item in enumerate(part.x))
        return
    step = max(1, _BLOCK_BYTES // max(1, part.x[:1].nbytes))
    for start in range(0, len(part.x), step):
        yield start, part.x[start : start + step]


def _values(part: Part, origin: str) -> _Values:
    low, high, floating = np.inf, -np.inf, False
    if isinstance(part.x, np.ndarray) and part.x.dtype in (np.bool_, np.uint8):
        return _Values(0.0, 255.0, False)
    for start, block in _blocks(part):
        floating = block.dtype.kind == "f"
        # Neither of them is finite where one of all is not.
        with np.errstate(invalid="ignore"):
            lowest, highest = float(block.min()), float(block.max())
        if floating and not (np.isfinite(lowest) and np.isfinite(highest)):
            row, *place = np.argwhere(~np.isfinite(block))[0].tolist()
            _require_numbers(part, place, origin)
            what = "NaN" if np.isnan(block[(row, *place)]) else "an infinite value"
            found = f"{part.where[0]}[{', '.join(map(str, (start + row, *place)))}]"
            raise DataError(
                f"expected finite numbers in {origin}, found {what} at {found}; repair it, or remove that example"
            )
        low, high = min(low, lowest), max(high, highest)
    return _Values(low, high, floating)


def _require_numbers(part: Part, place: list[int], origin: str) -> None:
    """Refuse a value that no example has: removing examples would not help.

    Raises:
        DataError: it is NaN in all of them.
    """
    if len(place) == 1 and isinstance(part.x, np.ndarray) and np.isnan(part.x[:, place[0]]).all():
        raise DataError(
            f"expected finite numbers in {origin}, found NaN in column {place[0]} of {part.where[0]} for all "
            f"{len(part.x):,} examples; remove that column"
        )


def _warn_of_range(shape: tuple[int, ...] | None, low: float, high: float, origin: str) -> None:
    if low < 0 and (shape is None or is_picture(shape)):
        progress.warn(
            f"pictures in {origin} have values from {low:g} to {high:g}, expected 0 to 255 or 0 to 1: they look scaled "
            "already, and the source's own preprocessing will be applied on top; give raw pictures"
        )
