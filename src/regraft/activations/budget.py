"""What of the activations is kept, how and where, decided from numbers before anything runs.

What is given up, in this order, until the rest fits: first only the place, because a row in memory is the same row;
then the precision of whole activations (float16, then int8 with a scale for each channel); then views; then lower cut
points for whole ones, up to none at all. Averaged activations are small, every choice is made by them, and they stay
float32. Where the plan leaves nothing to give up, whole activations are kept nowhere and computed whenever training
asks for them; averaged ones only where not even they fit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from regraft.activations.coding import bytes_of
from regraft.activations.store import Left, Store
from regraft.core import storage
from regraft.core.sizes import words

Place = Literal["disk", "memory", "streamed"]

_KEEPING: tuple[Place, ...] = ("disk", "memory")
# Without a budget, no more than this is kept for one run, and no more than this part of what the disk has left.
DEFAULT_BYTES = 12_000_000_000
DISK_SHARE, MEMORY_SHARE = 0.5, 0.4


@dataclass(frozen=True, slots=True)
class Map:
    """Whole activations at a cut point: its name, and how many numbers one example has there."""

    cut_point: str
    numbers: int


@dataclass(frozen=True, slots=True)
class Need:
    """What a run would like to keep.

    Attributes:
        averages: numbers of all averaged activations of one example.
        examples: how many there are.
        learning: of how many there are further views.
        maps: where fine-tuning may start, best first; empty: there will be none.
        views: how many.
        dtypes: how whole activations may be kept, best first.
        fewer_views: whether views may be given up.
        no_map: whether whole activations may be given up altogether.
        beside: bytes that files take beside the rows, at most.
    """

    averages: int
    examples: int
    learning: int
    maps: tuple[Map, ...]
    views: int
    dtypes: tuple[str, ...] = ("float32",)
    fewer_views: bool = True
    no_map: bool = True
    beside: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that there are, those included that hold rows of this run already.

    Attributes:
        budget: that was asked for; None: none was.
        disk: free there.
        memory: free there.
        cache: what the cache may still take; None: whatever the disk has.
    """

    budget: int | None
    disk: int
    memory: int
    cache: int | None = None

    def of(self, place: Place) -> float:
        """What may be used there."""
        return self._least(place)[0]

    def why(self) -> str:
        """What keeps more from being kept on disk, in words."""
        return self._least("disk")[1]

    def _least(self, place: Place) -> tuple[float, str]:
        asked = DEFAULT_BYTES if self.budget is None else self.budget
        free = DISK_SHARE * self.disk if place == "disk" else MEMORY_SHARE * self.memory
        of_budget = f"{words(asked)} is the most without --cache-budget"
        bounds = [
            (asked, of_budget if self.budget is None else f"the budget is {words(asked)}"),
            (free, f"{words(free)} of the {place} may be used"),
        ]
        if place == "disk" and self.cache is not None:
            bounds.append((self.cache, f"the cache may take {words(self.cache)} for this; see --cache-limit"))
        return min(bounds)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is kept.

    Attributes:
        bytes: of all of it.
        averages: where averaged activations are.
        maps: where whole ones are.
        from_cut: the cut point of those; None: there are none.
        dtype: of those.
        views: of those.
    """

    bytes: int
    averages: Place
    maps: Place
    from_cut: str | None = None
    dtype: str = "float32"
    views: int = 1


def decide(need: Need, room: Room) -> Decision:
    """The first of all ways, in the order of what they give up, that fits."""
    for option in _options(need):
        for place in _KEEPING:
            if option.bytes <= room.of(place):
                return replace(option, averages=place, maps=place)
    averages = 4 * need.averages * need.examples + need.beside
    fitting: list[Place] = [place for place in _KEEPING if averages <= room.of(place)]
    place = (*fitting, "streamed")[0]
    kept = 0 if place == "streamed" else averages
    if need.no_map or not need.maps:
        return Decision(kept, place, place)
    return Decision(kept, place, "streamed", need.maps[0].cut_point, need.dtypes[0], need.views)


def _options(need: Need) -> Iterator[Decision]:
    averages = 4 * need.averages * need.examples + need.beside
    for found in need.maps:
        for views in range(need.views, 0 if need.fewer_views else need.views - 1, -1):
            for dtype in need.dtypes:
                rows = need.examples + (views - 1) * need.learning
                size = averages + bytes_of(dtype) * found.numbers * rows
                yield Decision(size, "disk", "disk", found.cut_point, dtype, views)
    if need.no_map or not need.maps:
        yield Decision(averages, "disk", "disk")


def wished(need: Need) -> int:
    """The bytes where nothing is given up."""
    return next(_options(need)).bytes


def sentence(need: Need, room: Room, made: Decision) -> str:
    """The estimate and the decision in plain words, one line."""
    averages = 4 * need.averages * need.examples
    kept = {"disk": "kept on disk", "memory": "kept in memory", "streamed": "computed whenever they are asked for"}
    parts = [f"averages {words(averages)}, {kept[made.averages]}"]
    if made.from_cut is not None:
        views = f", {made.views} views" if made.views > 1 else ""
        parts.append(f"whole ones at '{made.from_cut}' in {made.dtype}{views}, {kept[made.maps]}")
    text = f"activations of {need.examples:,} examples: {'; '.join(parts)}; {words(made.bytes)} in all"
    given = _given_up(need, made)
    if given:
        return f"{text}; {words(wished(need))} would not fit ({room.why()}), given up: {', '.join(given)}"
    return f"{text}; they would not fit on disk ({room.why()})" if "memory" in (made.averages, made.maps) else text


def _given_up(need: Need, made: Decision) -> list[str]:
    given: list[str] = []
    if need.maps and made.from_cut is None:
        return ["fine-tuning"]
    if need.maps and made.from_cut != need.maps[0].cut_point:
        given.append(f"learning from '{need.maps[0].cut_point}' on")
    if need.maps and made.dtype != need.dtypes[0]:
        given.append(need.dtypes[0])
    if need.maps and made.views < need.views:
        given.append(f"{need.views - made.views} of {need.views} views")
    if "streamed" in (made.maps, made.averages):
        given.append("keeping what is computed")
    return given


def room(store: Store, budget: int | None, left: Left | None = None) -> Room:
    """What there is on the disk of a store and in memory now.

    Args:
        store: where activations are kept.
        budget: that was asked for; None: none was.
        left: what the store may still take, where some of its rows are the run's own; None: none of them is.
    """
    left = store.left() if left is None else left
    return Room(budget, storage.free_bytes(store.folder) + left.own, free_memory(), left.bytes)


def free_memory() -> int:
    """Bytes of memory that can be had without swapping; 0 where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return 0
