"""What it costs to keep whole activations in half precision, or in one byte: the whole fit on the same splits.

Upper layers learn from activations that were rounded; the head alone, the choice of the cut and the probes do not,
because averages stay in float32. Differences of accuracy are in percentage points, split by split.
"""

import dataclasses
import statistics
from collections.abc import Iterator, Sequence

from benchmarks import frame, sides
from benchmarks.frame import Result, Settings, Table, points
from benchmarks.sides import Request, Side

DTYPES = ("float32", "float16", "int8")

_DATA = "flowers5_227px"


def run(settings: Settings) -> Iterator[Result]:
    """Every split in every coding; the result so far after each split."""
    measured: list[Side] = []
    for split in range(settings.splits):
        for dtype in DTYPES:
            request = Request(_DATA, split, settings.per_class, fine_tune="yes", dtype=dtype)
            measured.append(sides.fresh("benchmarks.fit", request))
        yield compare(measured, settings)


def compare(measured: Sequence[Side], settings: Settings) -> Result:
    """Accuracies, differences with their standard errors, and how far the activations were off."""
    sets = {dtype: [side for side in measured if side.request.dtype == dtype] for dtype in DTYPES}
    exact = [side.accuracy for side in sets["float32"]]
    rows: list[tuple[str, ...]] = []
    for dtype, found in sets.items():
        gains = frame.differences(exact, [side.accuracy for side in found])
        error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
        rows.append(
            (
                dtype,
                f"{statistics.mean(side.rounded for side in found):.1e}",
                f"{100 * statistics.mean(side.accuracy for side in found):.1f}",
                points(statistics.mean(gains)),
                f"{100 * error:.1f}",
            )
        )
    columns = ("kept as", "error of the activations", "accuracy, %", "to float32, points", "standard error")
    table = Table(f"{_DATA}, {len(exact)} splits", columns, tuple(rows))
    return Result("codings", str(__doc__), (table,), tuple(map(dataclasses.asdict, measured)), settings=settings)
