"""How sure a mean over seeds is."""

import statistics
from collections.abc import Sequence

from benchmarks import frame


def of_mean(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a mean by Student's distribution; infinite for one value.

    >>> [round(end, 3) for end in of_mean([1.0, 2.0, 3.0])]
    [-0.484, 4.484]
    """
    from scipy import stats

    if len(values) < 2:
        return -float("inf"), float("inf")
    mean = statistics.fmean(values)
    error = statistics.stdev(values) / len(values) ** 0.5
    reach = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return mean - reach, mean + reach


def points(values: Sequence[float]) -> str:
    """The mean of differences of shares in percentage points, and its interval where there is one.

    >>> points([0.03, 0.04, 0.05]), points([0.03])
    ('+4.0 (+1.5 to +6.5)', '+3.0')
    """
    mean = frame.points(statistics.fmean(values))
    if len(values) < 2:
        return mean
    low, high = of_mean(values)
    return f"{mean} ({frame.points(low)} to {frame.points(high)})"
