"""Files of rows side by side in this process's address space, so that a batch is gathered from all of them in one step.

NumPy maps one file at a time, and a batch that is gathered from sixteen maps takes ten times as long as from one. Here
the system is asked for a stretch of addresses, and each file is mapped into its own part of it. Pages of files are
memory that the system can take back at any time; of the process's own memory nothing is taken.
"""

import ctypes
import mmap
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# The same number on Linux, macOS and the BSDs; Python's own `mmap` cannot choose addresses.
_MAP_FIXED = 0x10
_FAILED = ctypes.c_void_p(-1).value


@dataclass(frozen=True, slots=True)
class Part:
    """What is mapped of a file.

    Attributes:
        descriptor: of the file, open for reading; it may be closed once the file is mapped.
        start: where it begins.
        size: in bytes; the file must not end before that.
    """

    descriptor: int
    start: int
    size: int


class Region:
    """Parts of several files, mapped; unmapped when nobody holds this any more.

    Attributes:
        firsts: where the part of each file begins, from the start of the region, int64 (files,).
    """

    __slots__ = ("__weakref__", "_content", "_elements", "firsts")

    def __init__(self, address: int, length: int, firsts: Array) -> None:
        self._content: Any = (ctypes.c_char * length).from_address(address)
        self._elements: dict[int, Array] = {}
        self.firsts = firsts
        weakref.finalize(self, _munmap, address, length)

    def take(self, places: Array, size: int, dtype: str) -> Array:
        """Elements of one size as a new array, one after the other, (n * numbers of an element,).

        Args:
            places: where each begins, from the start of the region, int64 (n,).
            size: of an element, in bytes.
            dtype: of the numbers in it.
        """
        try:
            elements = self._elements[size]
        except KeyError:
            elements = self._elements[size] = self._of(size)
        return elements[places].view(dtype)

    def _of(self, size: int) -> Array:
        # One begins at every byte: whatever lies between two files, an element is one index.
        shape = (max(0, len(self._content) - size + 1),)
        elements = np.ndarray(shape, f"V{size}", self._content, strides=(1,))
        elements.flags.writeable = False
        return elements


def mapped(parts: Sequence[Part]) -> Region | None:
    """Map parts of files; None where that cannot be had, and they are to be read in another way."""
    if _LIBRARY is None or not any(part.size for part in parts):
        return None
    page = mmap.PAGESIZE
    begins = [part.start // page * page for part in parts]
    lengths = [-(-(part.start + part.size - begin) // page) * page for part, begin in zip(parts, begins, strict=True)]
    total = sum(lengths)
    address: int | None = _LIBRARY.mmap(None, total, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANON, -1, 0)
    if address is None or address == _FAILED:
        return None
    firsts, offset = np.empty(len(parts), np.int64), 0
    for place, (part, begin, length) in enumerate(zip(parts, begins, lengths, strict=True)):
        firsts[place] = offset + part.start - begin
        if part.size:
            at = _LIBRARY.mmap(
                address + offset, length, mmap.PROT_READ, mmap.MAP_SHARED | _MAP_FIXED, part.descriptor, begin
            )
            if at != address + offset:
                _munmap(address, total)
                return None
        offset += length
    return Region(address, total, firsts)


def _munmap(address: int, length: int) -> None:
    if _LIBRARY is not None:
        _LIBRARY.munmap(address, length)


def _library() -> Any:
    """The functions of the system's own library; None where it has none that we know."""
    if sys.platform == "win32" or ctypes.sizeof(ctypes.c_void_p) < 8:
        return None
    try:
        library = ctypes.CDLL(None)
        library.mmap.restype = ctypes.c_void_p
        library.mmap.argtypes = [
            ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_longlong
        ]  # fmt: skip
        library.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    except (OSError, AttributeError):
        return None
    return library


_LIBRARY: Any = _library()
