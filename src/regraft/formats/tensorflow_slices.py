"""Slices of partitioned variables, and how TensorFlow's checkpoints write them into keys ("ordered code").

The code: tensorflow/core/lib/strings/ordered_code.h; the keys: core/util/saved_tensor_slice_util.h.
"""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np

from regraft.core.errors import CorruptFileError
from regraft.core.tensors import TensorEntry
from regraft.formats.tensorflow_types import Shape, storage
from regraft.formats.wire import Message

# First index and count along every dimension.
Extent = tuple[tuple[int, int], ...]

_END = b"\0\1"


def name_key(name: str) -> bytes:
    r"""What the keys of all slices of a variable begin with: the number 0, the name, the end of a text.

    >>> name_key("a/b")
    b'\x00a/b\x00\x01'
    """
    return b"\0" + name.encode().replace(b"\0", b"\0\xff") + _END


def sliced_name(key: bytes) -> str:
    """The variable's name in the key of a slice.

    >>> sliced_name(name_key("a/b") + bytes([1, 1, 128, 127]))
    'a/b'
    """
    name, end, _ = key[1:].partition(_END)
    if not end:
        raise ValueError("the key of a slice without a name")
    return name.replace(b"\0\xff", b"\0").decode()


def in_order(slices: Iterable[Message], shape: Shape) -> list[Extent]:
    """Slices (`TensorSliceProto`) of a variable in the order of their keys.

    Raises:
        ValueError: one reaches beyond the variable.
    """
    # A dimension that is not cut has the length -1 in the key.
    return [_within(place, shape) for place in sorted(_stated(message) for message in slices)]


def extent(message: Message | None, shape: Shape) -> Extent:
    """One slice; None where the whole is meant.

    Raises:
        ValueError: it reaches beyond the variable.
    """
    return _within(_stated(message) if message is not None else [(0, -1)] * len(shape), shape)


def _stated(message: Message) -> list[tuple[int, int]]:
    return [(part.integer(1), part.integer(2, -1)) for part in message.messages(1)]


def _within(stated: list[tuple[int, int]], shape: Shape) -> Extent:
    if len(stated) != len(shape):
        raise ValueError(f"a slice of {len(stated)} dimensions of a variable of shape {shape}")
    pairs = zip(stated, shape, strict=True)
    place = tuple((start, size if length < 0 else length) for (start, length), size in pairs)
    if any(start < 0 or start + length > size for (start, length), size in zip(place, shape, strict=True)):
        raise ValueError(f"a slice at {place} of a variable of shape {shape}")
    return place


def extent_shape(place: Extent) -> Shape:
    """The shape of a slice."""
    return tuple(length for _, length in place)


def join(name: str, parts: Mapping[Extent, TensorEntry], dtype: str, shape: Shape) -> np.ndarray[Any, Any]:
    """The whole of a tensor that is stored in slices.

    Args:
        name: for messages.
        parts: the slices, each of the shape of its place.
        dtype: of the whole.
        shape: of the whole.

    Raises:
        CorruptFileError: slices are damaged, overlap, or leave a hole.
    """
    if sum(part.size for part in parts.values()) != prod(shape):
        raise CorruptFileError(f"the slices of tensor '{name}' do not fill its shape {shape}; get the files again")
    whole, filled = np.empty(shape, storage(dtype)), np.zeros(shape, bool)
    for place, part in parts.items():
        region = tuple(slice(start, start + length) for start, length in place)
        whole[region], filled[region] = part.read(), True
    if not filled.all():
        raise CorruptFileError(f"the slices of tensor '{name}' overlap; get the files again")
    return whole
