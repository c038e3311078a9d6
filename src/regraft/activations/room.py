"""How much the cache may take, and who makes room: what was not used for longest, whole entries at a time."""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from regraft.core import storage
from regraft.core.errors import StorageError
from regraft.core.progress import say
from regraft.core.sizes import words

# Without a limit the cache takes no more than this share of its disk, and never the last part of what is free there.
SHARE = 0.5
_OF_FREE = 0.95
# Seconds: what was used as lately as that may be in use by a process that lives.
_LATELY = 600.0

ABOUT = "about.json"
# How the names of folders begin that are being removed.
REMOVED = ".removed-"

# Entries that this process has opened: they are never removed to make room.
_OPENED: set[Path] = set()


def opened(folder: Path) -> None:
    """Note that this process uses an entry."""
    _OPENED.add(folder)


@dataclass(frozen=True, slots=True)
class Left:
    """What the cache may hold of a run.

    Attributes:
        bytes: that a run's rows may take, those included that are there already.
        own: bytes of rows of the run that are there already.
    """

    bytes: int
    own: int


@dataclass(frozen=True, slots=True)
class _Entry:
    folder: Path
    bytes: int
    used: float


class Room:
    """The room that the entries below one folder may take.

    Args:
        folder: of the store.
        limit: in bytes; above it the least recently used entries go. None: `SHARE` of the disk, and nothing goes.
    """

    def __init__(self, folder: Path, limit: int | None) -> None:
        self._folder, self._limit = folder, limit
        # What may be written before it is looked again how much there is; what was announced and is not written yet.
        self._left = self._due = 0

    def require(self, needed: int) -> None:
        """Make sure that so many bytes can be written, removing entries if there is a limit.

        Raises:
            StorageError: they cannot; nothing was written.
        """
        self._due = needed
        self._grant(needed)

    def claim(self, size: int) -> None:
        """Take room for a file that is about to be written.

        Raises:
            StorageError: there is none.
        """
        self._grant(size)
        self._left -= size
        self._due = max(0, self._due - size)

    def trim(self) -> int:
        """Remove what was not used for longest until the rest keeps to the limit; returns the bytes that went."""
        if self._limit is None:
            return 0
        entries = _entries(self._folder)
        return self._freed(entries, sum(entry.bytes for entry in entries) - self._limit)

    def _grant(self, needed: int) -> None:
        free = storage.free_bytes(self._folder)
        if needed > _OF_FREE * free:
            raise StorageError(
                f"the activations need {words(max(needed, self._due))}, '{self._folder}' has {words(free)} free; free "
                "some space, name another folder with --cache or REGRAFT_CACHE, keep less with --cache-budget, or use "
                "smaller pictures with --input-size"
            )
        if needed > self._left:
            self._left = self._bound() - self._made(needed)

    def left(self, share: Callable[[Path], float]) -> Left:
        """What a run may take in all: what `require` would grant it, and what is its own already.

        Args:
            share: how much of an entry is the run's own, from 0 to 1.
        """
        entries = _entries(self._folder)
        mine = {entry.folder: int(share(entry.folder) * entry.bytes) for entry in entries}
        staying = entries if self._limit is None else [entry for entry in entries if not _is_idle(entry)]
        others = sum(entry.bytes - mine[entry.folder] for entry in staying)
        return Left(max(0, self._bound() - others), sum(mine.values()))

    def _bound(self) -> int:
        if self._limit is not None:
            return self._limit
        return int(SHARE * storage.total_bytes(self._folder))

    def _made(self, needed: int) -> int:
        """Make room; returns the bytes that are taken then."""
        bound = self._bound()
        entries = _entries(self._folder)
        taken = sum(entry.bytes for entry in entries)
        all_of_it = words(max(needed, self._due))
        if self._limit is None:
            if taken + needed > bound:
                raise StorageError(
                    f"the activations need {all_of_it}, '{self._folder}' has {words(taken)} already, and takes no "
                    f"more than {SHARE:.0%} of its disk, {words(bound)}; say --cache-limit, so that old ones make "
                    "room, keep less with --cache-budget, or remove all with `regraft cache clear`"
                )
            return taken
        possible = sum(entry.bytes for entry in entries if _is_idle(entry))
        if taken + needed - possible > bound:
            raise StorageError(
                f"the activations need {all_of_it}, the limit of '{self._folder}' is {words(bound)}, of which "
                f"{words(taken - possible)} are in use; raise it with --cache-limit or REGRAFT_CACHE_LIMIT, keep less "
                "with --cache-budget, or use smaller pictures with --input-size"
            )
        return taken - self._freed(entries, taken + needed - bound)

    def _freed(self, entries: list[_Entry], excess: int) -> int:
        """Remove entries until so many bytes are free that were not, as far as none is in use; how many are."""
        removed = freed = 0
        for entry in sorted(filter(_is_idle, entries), key=lambda entry: entry.used):
            if freed >= excess:
                break
            remove(entry.folder)
            removed, freed = removed + 1, freed + entry.bytes
        if removed:
            what = "the least recently used of the kept activations"
            say(f"{removed} of {what} removed, {words(freed)}: {words(self._bound())} is the limit")
        return freed


def remove(folder: Path) -> None:
    """Remove an entry; who has opened its files reads on, who opens it afterwards finds nothing.

    It is moved away first, in one step: what is left if this process dies meanwhile is no half of an entry.
    """
    away = folder.with_name(f"{REMOVED}{folder.name}-{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        folder.rename(away)
        shutil.rmtree(away, ignore_errors=True)


def size(folder: Path) -> int:
    """The bytes of the files of an entry."""
    found = 0
    for place, _, names in os.walk(folder):
        for name in names:
            # Others may remove it meanwhile.
            with contextlib.suppress(OSError):
                found += Path(place, name).stat().st_size
    return found


def folders(store: Path) -> list[Path]:
    """The folders of all entries below a store's folder, also those that are being made or removed."""
    return [folder for part in listed(store) for folder in listed(part)]


def listed(folder: Path) -> list[Path]:
    """What is in a folder; nothing where it is no folder, or not any more."""
    try:
        return sorted(Path(entry) for entry in os.scandir(folder))
    except OSError:
        return []


def _entries(folder: Path) -> list[_Entry]:
    found: list[_Entry] = []
    for entry in folders(folder):
        if entry.name.startswith(REMOVED):
            shutil.rmtree(entry, ignore_errors=True)
            continue
        try:
            used = (entry / ABOUT).stat().st_mtime
        except OSError:
            # One that is being made, or was never finished.
            used = _changed(entry)
        found.append(_Entry(entry, size(entry), used))
    return found


def _is_idle(entry: _Entry) -> bool:
    """Whether it may go: no process is likely to use it now."""
    return entry.folder not in _OPENED and time.time() - entry.used > _LATELY


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return time.time()
