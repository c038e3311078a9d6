"""`regraft cache`: the activations on disk."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli.text import counted, seconds, size
from regraft.core.errors import RequestError, legible

if TYPE_CHECKING:
    from regraft.activations.store import Entry

SUMMARY = "show, trim or clear the activations that are kept on disk, so that nothing is computed twice"
EXAMPLE = """
regraft cache info
regraft cache trim --cache-limit 20GB
regraft cache clear
"""

_ACTIONS = ("info", "trim", "clear")


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """Where the activations are, how much they take and may take, what they saved, and what is there.

    Attributes:
        folder: of the store.
        bytes: of its files.
        limit: bytes that it may take, as `--cache-limit` or `REGRAFT_CACHE_LIMIT` says; None where there is no limit.
        served: examples whose activations were found here instead of being computed, of all entries; about right.
        saved_seconds: what computing these would have taken.
        entries: most recently used first.
        searches: bytes of what depth searches know: a limit does not count them, `clear` removes them.
    """

    folder: str
    bytes: int
    limit: int | None
    served: int
    saved_seconds: float
    entries: "tuple[Entry, ...]"
    searches: int = 0


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Where the activations are, how many bytes were freed, how many are left, and how many there may be."""

    folder: str
    freed: int
    bytes: int
    limit: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """Where the activations were, and how many bytes were freed."""

    folder: str
    freed: int


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `cache` understands."""
    parser.add_argument("action", choices=_ACTIONS, metavar="ACTION", help="info, trim or clear")
    words.cache_argument(parser)
    words.cache_limit_argument(parser)


def run(arguments: argparse.Namespace) -> CacheInfo | Trimmed | Cleared:
    """Do it.

    Raises:
        RequestError: how much is to be left when trimming is not said.
    """
    # Here, because this needs more than the help does.
    from regraft.activations.store import Store
    from regraft.recipes.depth import answers

    store = Store(Path(arguments.cache) if arguments.cache else None, arguments.cache_limit)
    if arguments.action == "clear":
        return Cleared(str(store.folder), store.clear() + answers.clear(store.folder.parent))
    if arguments.action == "trim" and store.limit is None:
        raise RequestError("expected how much is to be left, --cache-limit 20GB or REGRAFT_CACHE_LIMIT, found neither")
    freed = store.trim() if arguments.action == "trim" else 0
    entries = tuple(store.entries())
    taken = sum(entry.bytes for entry in entries)
    if arguments.action == "trim" and store.limit is not None:
        return Trimmed(str(store.folder), freed, taken, store.limit)
    return CacheInfo(
        str(store.folder),
        taken,
        store.limit,
        sum(entry.served for entry in entries),
        sum(entry.saved_seconds for entry in entries),
        entries,
        answers.size(store.folder.parent),
    )


def show(result: CacheInfo | Trimmed | Cleared) -> str:
    """For people."""
    if isinstance(result, Trimmed):
        busy = "; what was used in the last ten minutes stays" if result.bytes > result.limit else ""
        left = f"{size(result.bytes)} of {size(result.limit)} left"
        return f"{size(result.freed)} freed in {result.folder}, {left}{busy}"
    if isinstance(result, Cleared):
        return f"{size(result.freed)} freed in {result.folder}"
    of = f" of {size(result.limit)}" if result.limit is not None else ""
    heading = f"{size(result.bytes)}{of} in {counted(len(result.entries), 'entry', 'entries')} in {result.folder}"
    if result.limit is not None and result.bytes > result.limit:
        heading += "\nabove the limit: the next run, or `regraft cache trim`, removes what was not used for longest"
    lines = [heading, *(_described(entry) for entry in result.entries)]
    if result.served:
        lines.append(
            f"{counted(result.served, 'row')} served instead of computed: about {seconds(result.saved_seconds)} saved"
        )
    if result.searches:
        lines.append(f"{size(result.searches)} of what depth searches know")
    return "\n".join(lines)


def _described(entry: "Entry") -> str:
    about = entry.about
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.last_used))
    kind = "pooled" if about.get("pooled") else "whole"
    engine = about.get("engine") or about.get("backend", "?")
    what = f"{counted(entry.examples, 'example')}, {size(entry.bytes)}; used {used}"
    if not entry.examples:
        what = f"nothing that this version reads, {size(entry.bytes)}; used {used}"
    said = [what, f"{kind}, view {about.get('view', 0)}, {about.get('dtype', '?')}, {engine}"]
    if entry.data:
        said.append(f"for {', '.join(reversed(entry.data))}")
    if entry.served:
        said.append(f"{counted(entry.served, 'row')} served, about {seconds(entry.saved_seconds)} saved")
    if entry.in_use:
        said.append(f"{entry.in_use} computes for it")
    # Names come from files, and a file may try to steer the terminal.
    name = legible(f"{about.get('network', '?')} at {about.get('cut_point', '?')}")
    return "\n    ".join([f"  {name}", *map(legible, said)])
