"""How sure a mean over seeds is."""

import statistics
from collections.abc import Sequence


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
