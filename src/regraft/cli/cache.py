"""`regraft cache`: the activations on disk."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli.text import counted, seconds, size
from regraft.core.errors import legible

if TYPE_CHECKING:
    from regraft.activations.store import Entry

SUMMARY = "show or clear the activations that are kept on disk, so that nothing is computed twice"
EXAMPLE = """
regraft cache info
regraft cache clear
"""


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """Where the activations are, how much they take and may take, what they saved, and what is there.

    Attributes:
        folder: of the store.
        bytes: of its files.
        limit: bytes that it may take, as `REGRAFT_CACHE_LIMIT` says; None where there is no limit.
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
class Cleared:
    """Where the activations were, and how many bytes were freed."""

    folder: str
    freed: int


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `cache` understands."""
    parser.add_argument("action", choices=("info", "clear"), metavar="ACTION", help="info or clear")
    words.cache_argument(parser)


def run(arguments: argparse.Namespace) -> CacheInfo | Cleared:
    """Do it."""
    # Here, because this needs more than the help does.
    from regraft.activations.store import Store, default_limit
    from regraft.recipes.depth import answers

    store = Store(Path(arguments.cache) if arguments.cache else None)
    if arguments.action == "clear":
        return Cleared(str(store.folder), store.clear() + answers.clear(store.folder.parent))
    entries = tuple(store.entries())
    return CacheInfo(
        str(store.folder),
        sum(entry.bytes for entry in entries),
        default_limit(),
        sum(entry.served for entry in entries),
        sum(entry.saved_seconds for entry in entries),
        entries,
        answers.size(store.folder.parent),
    )


def show(result: CacheInfo | Cleared) -> str:
    """For people."""
    if isinstance(result, Cleared):
        return f"{size(result.freed)} freed in {result.folder}"
    of = f" of {size(result.limit)}" if result.limit is not None else ""
    heading = f"{size(result.bytes)}{of} in {counted(len(result.entries), 'entry', 'entries')} in {result.folder}"
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
