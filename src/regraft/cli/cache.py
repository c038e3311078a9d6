"""`regraft cache`: the activations on disk."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli.text import counted, size, table

if TYPE_CHECKING:
    from regraft.activations.store import Entry

SUMMARY = "show or clear the activations that are kept on disk, so that nothing is computed twice"
EXAMPLE = """
regraft cache info
regraft cache clear
"""


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """Where the activations are, how much they take, and what is there, most recently used first."""

    folder: str
    bytes: int
    entries: "tuple[Entry, ...]"


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
    from regraft.activations.store import Store

    store = Store(Path(arguments.cache) if arguments.cache else None)
    if arguments.action == "clear":
        return Cleared(str(store.folder), store.clear())
    entries = tuple(store.entries())
    return CacheInfo(str(store.folder), sum(entry.bytes for entry in entries), entries)


def show(result: CacheInfo | Cleared) -> str:
    """For people."""
    if isinstance(result, Cleared):
        return f"{size(result.freed)} freed in {result.folder}"
    heading = f"{size(result.bytes)} in {counted(len(result.entries), 'entry', 'entries')} in {result.folder}"
    rows = [_row(entry) for entry in result.entries]
    return f"{heading}\n{table(rows, right=[3, 4])}".rstrip()


def _row(entry: "Entry") -> list[str]:
    about = entry.about
    kind = "pooled" if about.get("pooled") else "whole"
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.last_used))
    return [
        used,
        f"{about.get('network', '?')} at {about.get('cut_point', '?')}",
        f"{kind}, view {about.get('view', 0)}",
        counted(entry.examples, "example"),
        size(entry.bytes),
    ]
