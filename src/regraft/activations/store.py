"""The activations on disk: a folder for each key, with a readable `about.json` and files of rows.

A key says everything that activations depend on, so an entry never goes stale; a file of rows is written once, whole,
and verified whenever it is opened. Writers share nothing but the folder: two at once may compute an example twice,
and leave two valid files.
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from regraft.activations import coding, shard
from regraft.core import digest, storage
from regraft.core.errors import CorruptFileError
from regraft.core.progress import warn

Array = np.ndarray[Any, Any]

_ABOUT = "about.json"
_ENDING = ".rows"


def default_folder() -> Path:
    """`REGRAFT_CACHE`, or the platform's cache folder."""
    named = os.environ.get("REGRAFT_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("regraft", appauthor=False))


@dataclass(eq=False)
class Rows:
    """Activations of many examples, gathered by id from memory-mapped files.

    Attributes:
        files: the verified files of rows.
        places: where an id's row is: (file, row).
    """

    files: list[np.ndarray[Any, Any]] = field(default_factory=list[np.ndarray[Any, Any]])
    places: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def add(self, ids: Sequence[str], rows: np.ndarray[Any, Any]) -> None:
        """Make known the rows of these examples; an id that is known already keeps its row."""
        self.files.append(rows)
        for index, name in enumerate(ids):
            self.places.setdefault(name, (len(self.files) - 1, index))

    def holds(self, ids: Sequence[str]) -> np.ndarray[Any, Any]:
        """Of which of these examples there is a row: bool (n,)."""
        return np.fromiter((name in self.places for name in ids), bool, len(ids))

    @property
    def row_bytes(self) -> int:
        """Of one row on disk; 0 where there is none."""
        return self.files[0][0].nbytes if self.files else 0

    def gather(self, ids: Sequence[str]) -> np.ndarray[Any, Any]:
        """The rows (n, ...) of these examples, in this order, as a new array."""
        first = self.files[self.places[ids[0]][0]] if len(ids) else self.files[0]
        gathered = np.empty((len(ids), *first.shape[1:]), np.float32)
        for index, name in enumerate(ids):
            file, row = self.places[name]
            gathered[index] = self.files[file][row]
        return gathered


@dataclass(frozen=True, slots=True)
class Entry:
    """What one key's folder holds, for `cache info`."""

    key: str
    about: Mapping[str, Any]
    examples: int
    bytes: int
    last_used: float


class Store:
    """A folder of activations.

    >>> import tempfile
    >>> store = Store(Path(tempfile.mkdtemp()))
    >>> _ = store.append("key", {"cut_point": "conv1"}, ["a", "b"], np.arange(6, dtype="float32").reshape(2, 3))
    >>> store.open("key").gather(["b"])
    array([[3., 4., 5.]], dtype=float32)
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or default_folder()) / "activations"

    def open(self, key: str) -> Rows:
        """Everything that is kept under a key; files that are damaged are removed, with one warning."""
        found = Rows()
        damaged = 0
        for path in sorted(self._of(key).glob(f"*{_ENDING}")):
            try:
                kept = shard.read(path)
            except FileNotFoundError:
                continue
            except CorruptFileError:
                damaged += 1
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            found.add(kept.ids, kept.rows)
        if damaged:
            warn(f"{damaged} damaged file(s) of activations under '{self._of(key)}' removed; they are computed anew")
        # Only for `cache info`; a cache that others filled may be read without being written to.
        with contextlib.suppress(OSError):
            os.utime(self._of(key) / _ABOUT)
        return found

    def append(self, key: str, about: Mapping[str, Any], ids: Sequence[str], rows: Array) -> Array:
        """Keep the rows of these examples under a key.

        Args:
            key: digest of all that the rows depend on.
            about: the same in words, for people.
            ids: n content digests.
            rows: (n, ...).

        Returns:
            The same rows, mapped from the file, so that they need not stay in memory.

        Raises:
            StorageError: no space is left, or the folder cannot be written to.
        """
        folder = self._of(key)
        if not (folder / _ABOUT).exists():
            text = json.dumps({"key": key, **about}, indent=2, default=str)
            storage.write_with(folder / _ABOUT, lambda partial: partial.write_text(text), durable=False)
        name = f"{digest.of_strings(ids)[:12]}-{secrets.token_hex(4)}{_ENDING}"
        coded = coding.encode(rows, str(about.get("dtype", "float32")))
        # A byte needs its scale beside it, which these files do not hold: such rows are rounded, and take four.
        rows = coded.rows if coded.scale is None else coding.decode(coded.rows, coded.scale)
        shard.write(folder / name, ids, rows)
        try:
            return shard.map_rows(folder / name)
        except OSError:
            # Another process has cleared the cache, or too many files are open: what is in memory serves as well.
            return rows

    def entries(self) -> list[Entry]:
        """What is there, most recently used first."""
        found: list[Entry] = []
        for about in self.folder.glob(f"*/*/{_ABOUT}"):
            files = list(about.parent.glob(f"*{_ENDING}"))
            try:
                text = json.loads(about.read_text())
            except ValueError:
                text = {"key": about.parent.name}
            examples = sum(_count(path) for path in files)
            size = sum(path.stat().st_size for path in files)
            found.append(Entry(about.parent.name, text, examples, size, about.stat().st_mtime))
        return sorted(found, key=lambda entry: -entry.last_used)

    def clear(self) -> int:
        """Remove everything; returns the bytes that were freed."""
        freed = sum(entry.bytes for entry in self.entries())
        shutil.rmtree(self.folder, ignore_errors=True)
        return freed

    def _of(self, key: str) -> Path:
        return self.folder / key[:2] / key


def _count(path: Path) -> int:
    try:
        return len(shard.read_ids(path))
    except CorruptFileError:
        return 0
