"""Drawing pairs of digits, half of them of one digit: the textbook's loop with rejection, and our arithmetic.

The loop draws two examples again and again, and keeps the pair if there is still room for its kind; nine of ten drawn
pairs of ten digits are thrown away until the same ones are full. Both give the rows of 500 pairs; fetching the pictures
is not measured. Then ours alone for more examples: time for a batch, and memory at the worst moment, sorting included.
"""

import dataclasses
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import digits, frame
from benchmarks.frame import Bar, Result, Settings, Table

Array = np.ndarray[Any, Any]

PAIRS, TIMES = 500, 10.0
SIZES, GROUPS = (10_000, 100_000, 1_000_000), 1000
# What sorting and a batch may take for each example; all pairs of a million would be 1e12.
BYTES = 150


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds for 500 pairs in one round, each way."""

    loop: float
    ours: float


@dataclass(frozen=True, slots=True)
class Scale:
    """What many examples take: seconds to sort, seconds for a batch, bytes for each example at the worst moment."""

    examples: int
    sorting: float
    batch: float
    bytes_each: float


def run(settings: Settings) -> Iterator[Result]:
    """As many rounds as were asked for, in turn; then larger and larger data."""
    labels = digits.pool()[1]
    timings = [time_both(labels, round_) for round_ in range(settings.repeats)]
    yield compare(timings, [], settings)
    sizes = SIZES[:1] if settings.reduced else SIZES
    yield compare(timings, [scale(size) for size in sizes], settings)


def by_rejection(labels: Array, count: int, random: np.random.Generator) -> tuple[list[int], list[int]]:
    """Rows of pairs, the first half of one digit each, the others of two: by the textbook's loop."""
    same: list[tuple[int, int]] = []
    different: list[tuple[int, int]] = []
    while len(same) < count // 2 or len(different) < count - count // 2:
        one, other = random.integers(0, len(labels), 2)
        if one == other:
            continue
        if labels[one] == labels[other]:
            if len(same) < count // 2:
                same.append((one, other))
        elif len(different) < count - count // 2:
            different.append((one, other))
    firsts, seconds = zip(*same, *different, strict=True)
    return list(firsts), list(seconds)


def time_both(labels: Array, seed: int, most: float = 0.5) -> Timing:
    """Both ways in one round: batches for about so many seconds, and the processor time of one."""
    from regraft.pretraining.pair_sampling import Sampler

    random = np.random.default_rng(seed)
    sampler = Sampler.of(labels)
    return Timing(
        _seconds(lambda: by_rejection(labels, PAIRS, random), most),
        _seconds(lambda: sampler.pairs(sampler.any(PAIRS, random), random), most),
    )


def _seconds(work: Callable[[], Any], most: float) -> float:
    """Processor time of one piece of work, the mean over as many as take so long."""
    work()
    started = time.process_time()
    count = 0
    while time.process_time() - started < most:
        work()
        count += 1
    return (time.process_time() - started) / count


def scale(size: int) -> Scale:
    """Sort so many examples of a thousand groups, and draw a batch."""
    from regraft.pretraining.pair_sampling import Sampler

    random = np.random.default_rng(0)
    labels = random.integers(0, GROUPS, size)
    started = time.process_time()
    sampler = Sampler.of(labels)
    sorting = time.process_time() - started
    batch = _seconds(lambda: sampler.pairs(sampler.any(PAIRS, random), random), 0.2)
    tracemalloc.start()
    again = Sampler.of(labels)
    again.pairs(again.any(PAIRS, random), random)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Scale(size, sorting, batch, peak / size)


def compare(timings: Sequence[Timing], scales: Sequence[Scale], settings: Settings) -> Result:
    """Rounds, sizes and bars."""
    ratios = frame.ratios([item.loop for item in timings], [item.ours for item in timings])
    rounds = Table(
        f"{PAIRS} pairs of digits, microseconds of processor time",
        ("round", "loop with rejection", "ours", "ratio"),
        tuple(
            (str(number), f"{1e6 * item.loop:.0f}", f"{1e6 * item.ours:.0f}", frame.times(ratio))
            for number, (item, ratio) in enumerate(zip(timings, ratios, strict=True))
        ),
    )
    sizes = Table(
        f"More examples, of {GROUPS:,} groups",
        ("examples", "sorting once, s", f"{PAIRS} pairs, microseconds", "bytes for each example"),
        tuple(
            (f"{item.examples:,}", f"{item.sorting:.3f}", f"{1e6 * item.batch:.0f}", f"{item.bytes_each:.0f}")
            for item in scales
        ),
    )
    median = statistics.median(ratios)
    bars = [Bar(f"at least {TIMES:.0f} times the loop's pairs", f"{frame.times(median)} (median)", median >= TIMES)]
    if scales:
        worst = max(item.bytes_each for item in scales)
        bars.append(
            Bar(f"at most {BYTES} bytes for each example, whatever their number", f"{worst:.0f}", worst <= BYTES)
        )
    rows = tuple(dataclasses.asdict(item) for item in (*timings, *scales))
    return Result("pair_sampling", str(__doc__), (rounds, sizes)[: 1 + bool(scales)], rows, tuple(bars), (), settings)
