"""Where the rows of examples are: a compact index from ids to numbers of rows, in memory once for all keys alike.

An id is a content digest of 128 bits, held as two numbers of 64. The ids stay in the files; of a million of them the
index takes 6 MB, and keys that hold the same examples in the same order share one.
"""

import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from regraft.core.lookup import Lookup

Array = np.ndarray[Any, Any]

# Bytes and hexadecimal digits of an id.
SIZE = 16
_DIGITS = 2 * SIZE
# Ids that are turned into numbers at once: memory for them is bounded.
_BLOCK = 1 << 16


def numbers_of(ids: Sequence[str]) -> Array:
    """Ids as pairs of numbers, little-endian uint64 (n, 2).

    A digest of 32 lower-case hexadecimal digits is itself; any other text is digested first.

    Args:
        ids: n texts, or anything that has `digests`, uint8 (n, 16), beside them: then no text is made.

    >>> numbers_of(["01" + "00" * 15, "any text"]).shape, int(numbers_of(["01" + "00" * 15])[0, 0])
    ((2, 2), 1)
    """
    held = getattr(ids, "digests", None)
    if isinstance(held, np.ndarray):
        return np.ascontiguousarray(held, np.uint8).view("<u8").reshape(-1, 2)
    if len(ids) <= _BLOCK:
        return np.frombuffer(_bytes_of(ids), "<u8").reshape(-1, 2)
    found = np.empty((len(ids), 2), "<u8")
    for start in range(0, len(ids), _BLOCK):
        found[start : start + _BLOCK] = np.frombuffer(_bytes_of(ids[start : start + _BLOCK]), "<u8").reshape(-1, 2)
    return found


def _bytes_of(ids: Sequence[str]) -> bytes:
    text = "".join(ids)
    # `fromhex` passes over spaces and takes capitals: such texts are other ids.
    if len(text) == _DIGITS * len(ids) and set(map(len, ids)) <= {_DIGITS} and text == text.lower():
        try:
            made = bytes.fromhex(text)
        except ValueError:
            made = b""
        if len(made) == SIZE * len(ids):
            return made
    return b"".join(map(_one, ids))


def _one(name: str) -> bytes:
    try:
        made = bytes.fromhex(name)
    except ValueError:
        made = b""
    if made.hex() == name and len(made) == SIZE:
        return made
    return blake2b(name.encode(errors="surrogatepass"), digest_size=SIZE, person=b"not a digest").digest()


# All that is in use, by the digest of the ids in their order: keys that hold the same share it.
_KNOWN: "weakref.WeakValueDictionary[bytes, Lookup]" = weakref.WeakValueDictionary()
_KNOWN_LOCK = threading.Lock()


def index(parts: Iterable[tuple[int, Array]], numbers: Callable[[Array], Array] | None = None) -> Lookup:
    """The index of ids that stand in files one after the other; of several rows of one id it has the first.

    Args:
        parts: for each file the number of its first row, and its ids, uint64 (n, 2); gone through twice.
        numbers: the ids of rows with these numbers, where they can be had without keeping all in memory.
    """
    name, count = _name(parts)
    with _KNOWN_LOCK:
        found = _KNOWN.get(name)
        if found is None:
            found = _KNOWN[name] = Lookup(numbers or _kept(list(parts)), count)
            for start, ids in parts:
                found.add(np.arange(start, start + len(ids), dtype=np.uint32))
    return found


def _name(parts: Iterable[tuple[int, Array]]) -> tuple[bytes, int]:
    """What tells these ids, in this order, from others; and how many there are."""
    state = blake2b(digest_size=SIZE)
    following = count = 0
    for start, ids in parts:
        if not len(ids):
            continue
        if start != following:
            # A gap, where a file is missing.
            state.update(b"gap" + (start - following).to_bytes(SIZE - 3, "little"))
        state.update(np.ascontiguousarray(ids).data)
        following = start + len(ids)
        count += len(ids)
    return state.digest(), count


def _kept(parts: Sequence[tuple[int, Array]]) -> Callable[[Array], Array]:
    """The ids of rows, from memory."""
    if len(parts) == 1 and parts[0][0] == 0:
        return parts[0][1].__getitem__
    starts = np.array([start for start, _ in parts], np.int64)
    gaps = starts - np.cumsum([0, *(len(ids) for _, ids in parts)])[:-1]
    ids = np.concatenate([np.empty((0, 2), "<u8"), *(ids for _, ids in parts)])
    return lambda rows: ids[rows - gaps[np.searchsorted(starts, rows, "right") - 1]]
