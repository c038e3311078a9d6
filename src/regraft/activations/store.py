"""The activations on disk: a folder for each key, with a readable `about.json` and files of rows.

A key says everything that activations depend on, so an entry never goes stale; a file of rows is written once, whole,
and verified before the first of its rows is used. Writers share nothing but the folder: two at once leave valid files,
and `computing` keeps them from doing the same twice.
"""

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from regraft.activations import lease, room, shard, usage
from regraft.activations.appending import ENDING, Appending
from regraft.activations.places import index, numbers_of
from regraft.activations.room import ABOUT, Left
from regraft.activations.rows import Rows, Selection
from regraft.activations.shard import Shard
from regraft.activations.usage import Usage
from regraft.core import sizes
from regraft.core.errors import CorruptFileError, StorageError
from regraft.core.lookup import Lookup
from regraft.core.progress import warn

__all__ = ["Entry", "Left", "Rows", "Selection", "Store", "default_folder"]

Array = np.ndarray[Any, Any]


def default_folder() -> Path:
    """`REGRAFT_CACHE`, or the platform's cache folder."""
    named = os.environ.get("REGRAFT_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("regraft", appauthor=False))


def default_limit() -> int | None:
    """`REGRAFT_CACHE_LIMIT` in bytes, if it is set.

    Raises:
        RequestError: it is no size.
    """
    named = os.environ.get("REGRAFT_CACHE_LIMIT")
    return sizes.parse(named, "REGRAFT_CACHE_LIMIT") if named else None


@dataclass(frozen=True, slots=True)
class Entry:
    """What one key's folder holds, for `cache info`.

    Attributes:
        key: digest of all that the rows depend on.
        about: the same in words.
        examples: rows in its files.
        bytes: of its files.
        last_used: when, in seconds since 1970.
        data: the sets of examples that it served, the latest last.
        sources: where the networks came from, the latest last.
        served: how many examples were found here instead of being computed; about right.
        saved_seconds: what computing these would have taken.
        in_use: who computes for it just now.
    """

    key: str
    about: Mapping[str, Any]
    examples: int
    bytes: int
    last_used: float
    data: tuple[str, ...] = ()
    served: int = 0
    saved_seconds: float = 0.0
    in_use: str = ""
    sources: tuple[str, ...] = ()


class Store:
    """A folder of activations.

    Args:
        folder: below it; by default `default_folder()`.
        limit: bytes that it may take, above which the least recently used entries are removed; by default
            `default_limit()`. Without one nothing is removed, and `room.SHARE` of the disk is the end.

    >>> import tempfile
    >>> store = Store(Path(tempfile.mkdtemp()))
    >>> _ = store.append("key", {"cut_point": "conv1"}, ["a", "b"], np.arange(6, dtype="float32").reshape(2, 3))
    >>> rows = store.open("key")
    >>> rows.holds(["b", "c"]), rows.gather(["b"])
    (array([ True, False]), array([[3., 4., 5.]], dtype=float32))
    """

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        self.folder = (folder or default_folder()) / "activations"
        self.limit = default_limit() if limit is None else limit
        self._room = room.Room(self.folder, self.limit)
        self._scales: dict[str, Array] = {}
        self._told = False
        self._lock = threading.Lock()

    def open(self, key: str) -> Rows:
        """Everything that is kept under a key; files that are damaged are removed, with one warning in all."""
        folder = self._of(key)
        room.opened(folder)
        found = Rows(self._damaged, lambda: _touch(folder))
        for path in _files(folder):
            try:
                kept = shard.read(path)
            except FileNotFoundError:
                continue
            except CorruptFileError:
                self._remove(path)
                continue
            found.add(kept)
        _touch(folder)
        return found

    def append(self, key: str, about: Mapping[str, Any], ids: Sequence[str], rows: Array) -> Shard:
        """Keep the rows of these examples under a key.

        Args:
            key: digest of all that the rows depend on.
            about: the same in words, for people; its `dtype` says how the rows are coded, by default as they are.
            ids: n content digests.
            rows: float32 (n, ...).

        Returns:
            The file that was written, for `Rows.add`.

        Raises:
            StorageError: no space is left, or the folder cannot be written to.
            WorkError: a number is NaN or infinite, and the coding does not hold it.
            ValueError: there are not as many ids as rows.
        """
        file = self.begin(key, about, len(ids))
        try:
            file.add(ids, rows)
            return file.finish()
        finally:
            file.drop()

    def begin(self, key: str, about: Mapping[str, Any], most: int) -> Appending:
        """Begin a file of rows that are kept under a key: what `append` does, for rows that come in portions.

        Args:
            key: digest of all that the rows depend on.
            about: the same in words; see `append`.
            most: how many rows there will be at most.
        """
        folder = self._of(key)
        room.opened(folder)
        dtype = str(about.get("dtype", "float32"))
        return Appending(
            folder,
            {"key": key, **about},
            dtype,
            most,
            self._scale(key) if dtype == "int8" else None,
            claim=self._room.claim,
            fixed=lambda scale: self._scales.setdefault(key, scale),
        )

    def file(self, key: str, name: str) -> Shard:
        """A file that somebody else wrote into this folder, for `Rows.add`.

        Raises:
            StorageError: it is not here.
        """
        path = self._of(key) / name
        try:
            return shard.read(path)
        except FileNotFoundError:
            raise StorageError(
                f"a worker wrote '{path}', which is not there: expected a folder that all machines share; name one "
                "with --cache or REGRAFT_CACHE"
            ) from None

    def require_room(self, needed: int) -> None:
        """Make sure that so many bytes can be written, before anything is computed.

        Least recently used entries are removed where there is a limit; never one that this process has opened, or that
        was used in the last ten minutes.

        Raises:
            StorageError: they cannot, with the sizes.
        """
        self._room.require(needed)

    def trim(self) -> int:
        """Remove what was not used for longest until the rest keeps to the limit, if there is one.

        What this process has opened, or anybody has used in the last ten minutes, stays.

        Returns:
            The bytes that were freed.
        """
        return self._room.trim()

    def left(self, owns: Callable[[Mapping[str, Any]], bool] = lambda about: False, ids: Sequence[str] = ()) -> Left:
        """What the rows of a run may take here in all, those included that are here already.

        Args:
            owns: whether an entry, by what `about` says of it, is one that the run may read from.
            ids: of the run's examples.
        """
        asked = index([(0, numbers_of(ids))]) if len(ids) else None

        def share(folder: Path) -> float:
            if asked is None or not owns(_about(folder)):
                return 0.0
            there, rows = _held(folder, asked)
            return there / max(1, rows)

        return self._room.left(share)

    def held(self, key: str, ids: Sequence[str]) -> int:
        """How many of these examples, each of them once, have a row under a key; it is not opened by that."""
        return _held(self._of(key), index([(0, numbers_of(ids))]))[0]

    def computing(self, keys: Mapping[str, int]) -> AbstractContextManager[bool]:
        """Say that this process computes for these keys, and wait for others who do; see `lease.computing`.

        Args:
            keys: with how many examples each lacks.
        """
        return lease.computing({self._of(key): count for key, count in keys.items()})

    def note(self, key: str, what: Usage) -> None:
        """Note what an entry was good for, for `cache info`."""
        usage.add(self._of(key), what)

    def entries(self) -> list[Entry]:
        """What is there, most recently used first."""
        folders = [folder for folder in room.folders(self.folder) if not folder.name.startswith(room.REMOVED)]
        found = map(_entry, folders)
        return sorted((entry for entry in found if entry is not None), key=lambda entry: -entry.last_used)

    def clear(self) -> int:
        """Remove everything; returns the bytes that were freed. Who has opened something reads on."""
        freed = room.size(self.folder)
        room.remove(self.folder)
        # And what a process that was killed while it cleared has left.
        for left in room.listed(self.folder.parent):
            if left.name.startswith(f"{room.REMOVED}{self.folder.name}-"):
                shutil.rmtree(left, ignore_errors=True)
        self._scales.clear()
        return freed

    def _scale(self, key: str) -> Array | None:
        """The scale that the first file of a key has fixed."""
        if key not in self._scales:
            for path in _files(self._of(key)):
                with contextlib.suppress(OSError, CorruptFileError):
                    scale = shard.read(path).head.scale
                    if scale is not None:
                        self._scales[key] = scale
                        break
        return self._scales.get(key)

    def _damaged(self, found: Shard) -> None:
        self._remove(found.path)

    def _remove(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()
        with self._lock:
            told, self._told = self._told, True
        if not told:
            warn(f"damaged files of activations under '{self.folder}' removed; what was in them is computed anew")

    def _of(self, key: str) -> Path:
        return self.folder / key[:2] / key


def _files(folder: Path) -> list[Path]:
    """The files of rows in the order in which they were written: so keys of the same passes share an index."""
    found: list[tuple[int, Path]] = []
    for path in room.listed(folder):
        # Another process may remove it.
        with contextlib.suppress(OSError):
            if path.suffix == ENDING:
                found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found)]


def _touch(folder: Path) -> None:
    """Note that an entry is in use; a cache that others filled may be read without being written to."""
    with contextlib.suppress(OSError):
        os.utime(folder / ABOUT)


def _held(folder: Path, asked: Lookup) -> tuple[int, int]:
    """How many rows of an entry belong to these ids, and how many there are; none is verified."""
    there = rows = 0
    for path in _files(folder):
        with contextlib.suppress(OSError, CorruptFileError, StorageError):
            kept = shard.read(path)
            there, rows = there + int((asked.find(kept.ids()) >= 0).sum()), rows + len(kept)
    return there, rows


def _about(folder: Path) -> Mapping[str, Any]:
    """What an entry says that its rows depend on; nothing where it says nothing that can be read."""
    try:
        text: Any = json.loads((folder / ABOUT).read_text())
    except (OSError, ValueError):
        return {}
    return text if isinstance(text, dict) else {}


def _entry(folder: Path) -> Entry | None:
    about = folder / ABOUT
    try:
        used = about.stat().st_mtime
        text: Any = json.loads(about.read_text())
    except OSError:
        # Removed by another process meanwhile.
        return None
    except ValueError:
        used, text = about.stat().st_mtime, {"key": folder.name}
    known, holder = usage.read(folder), lease.holder(folder)
    return Entry(
        folder.name,
        text,
        examples=sum(shard.count(path) for path in _files(folder)),
        bytes=room.size(folder),
        last_used=used,
        data=known.data,
        served=known.served,
        saved_seconds=known.saved_seconds,
        in_use=str(holder) if holder else "",
        sources=known.sources,
    )
