"""`regraft cache`: the activations on disk."""

import argparse
import time
from collections.abc import Iterator, Sequence
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
        whole: whether people asked for every entry.
    """

    folder: str
    bytes: int
    limit: int | None
    served: int
    saved_seconds: float
    entries: "tuple[Entry, ...]"
    searches: int = 0
    whole: bool = False


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
    parser.add_argument("--all", action="store_true", help="info: every entry, not a line for each network and data")
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
        arguments.all,
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
    lines = [heading, *(map(_described, result.entries) if result.whole else _together(result.entries))]
    if result.served:
        lines.append(
            f"{counted(result.served, 'row')} served instead of computed: about {seconds(result.saved_seconds)} saved"
        )
    if result.searches:
        lines.append(f"{size(result.searches)} of what depth searches know")
    return "\n".join(lines)


def _together(entries: "Sequence[Entry]") -> Iterator[str]:
    """A line or two for each network and the data that it was last used for."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((_network(entry), entry.data[-1] if entry.data else ""), []).append(entry)
    for (network, data), members in groups.items():
        places = len({entry.about.get("cut_point") for entry in members})
        most = max(entry.examples for entry in members)
        what = [
            counted(places, "cut point"),
            f"{counted(most, 'example')} at most",
            f"{size(sum(entry.bytes for entry in members))} in {counted(len(members), 'entry', 'entries')}",
            f"used {_used(max(entry.last_used for entry in members))}",
        ]
        served, saved = (sum(getattr(entry, name) for entry in members) for name in ("served", "saved_seconds"))
        said = ["; ".join(what)]
        said += [f"{counted(served, 'row')} served, about {seconds(saved)} saved"] if served else []
        said += [f"{who} computes for it" for who in dict.fromkeys(entry.in_use for entry in members) if who]
        name = f"{network}, for {data}" if data else network
        yield "\n    ".join([f"  {legible(name)}", *map(legible, said)])


def _network(entry: "Entry") -> str:
    """Where a network came from and what it calls itself."""
    name = str(entry.about.get("network", "?"))
    if not entry.sources:
        return name
    source = entry.sources[-1]
    # A live model came from nowhere but itself.
    return source if source == f"model '{name}'" else f"{source} ('{name}')"


def _used(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))


def _described(entry: "Entry") -> str:
    about, used = entry.about, _used(entry.last_used)
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
    name = legible(f"{_network(entry)} at {about.get('cut_point', '?')}")
    return "\n    ".join([f"  {name}", *map(legible, said)])
