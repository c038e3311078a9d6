"""How the scores of sources become one, and how sure that is: the rule of a ranking, written down.

The probe's accuracy is what the figures mean: all is averaged on its log-odds. Any other score only says an order. It
is put on the probe's scale by giving the source that it puts in place k the k-th highest log-odds of all probes. So it
does not matter in what units a score is, nor how far apart two sources are by it; and where all scores agree on the
order, each source keeps the log-odds of its own probe. Weights are those of `WEIGHTS`, over the scores that a source
has.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from regraft.core import metrics
from regraft.core.ranking import Ranked

Floats = NDArray[np.float64]

# What each score weighs; docs/rank.md says why. Of single scores the probe gives up least by far. H-score and SFDA are
# high for wide activations of few examples whatever these hold, and NLEEP goes wrong with few examples of many classes.
WEIGHTS: dict[str, float] = {
    "probe": 4.0,
    "neighbours": 1.0,
    "logme": 0.5,
    "h_score": 0.25,
    "sfda": 0.25,
    "nleep": 0.1,
    "quality": 0.25,
}
_FIRST = "probe"
# Of the range of a score: one network in two files has scores that differ by rounding.
_ALIKE = 1e-6


def weights(table: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The parts of a whole that the scores of some sources have, by name."""
    there = {name: weight for name, weight in WEIGHTS.items() if any(name in scores for scores in table)}
    total = sum(there.values())
    return {name: weight / total for name, weight in there.items()}


def combined(table: Sequence[Mapping[str, float]], examples: Sequence[int]) -> list[tuple[float, tuple[float, float]]]:
    """The score of each source, and its 95 % interval, as parts of one.

    The interval has what the number of examples leaves open of the probe (Wilson's, in log-odds), and how much the
    scores disagree, as if they were drawn at random.

    Args:
        table: for each source, its scores by name; all have `probe`.
        examples: how many each probe was judged on.
    """
    if not table:
        return []
    counts = np.asarray(examples, np.float64)
    own = _log_odds(np.array([scores[_FIRST] for scores in table]), counts)
    values, parts = [own], [np.full(len(table), WEIGHTS[_FIRST])]
    for name, weight in WEIGHTS.items():
        holders = np.array([place for place, scores in enumerate(table) if name in scores], np.int64)
        if name == _FIRST or not len(holders):
            continue
        value, part = own.copy(), np.zeros(len(table))
        value[holders] = _matched(np.array([table[place][name] for place in holders]), own[holders])
        part[holders] = weight
        values.append(value)
        parts.append(part)
    said, weigh = np.stack(values), np.stack(parts)
    weigh /= weigh.sum(axis=0)
    mean = (weigh * said).sum(axis=0)
    # Of a weighted mean of so many opinions, the standard error.
    spread = (np.square(weigh) * np.square(said - mean)).sum(axis=0)
    low, high = metrics.wilson(np.array([scores[_FIRST] for scores in table]) * counts, counts)
    half = (_log_odds(high, counts) - _log_odds(low, counts)) / 2
    error = np.sqrt(np.square(half) + metrics.Z**2 * spread)
    return [
        (_share(middle), (_share(middle - wide), _share(middle + wide)))
        for middle, wide in zip(mean.tolist(), error.tolist(), strict=True)
    ]


def order(ranked: Sequence[Ranked]) -> tuple[Ranked, ...]:
    """The best first: those that were really fitted by what that gave, then those of the last round, then the others.

    Scores of different rounds are of different numbers of examples, so that they are never compared. What has learnt
    from these very examples comes last: it remembers them.
    """

    def place(item: Ranked) -> tuple[float, ...]:
        fitted = item.confirmed.value if item.confirmed is not None else -1.0
        reached = np.inf if item.dropped_at is None else float(item.dropped_at)
        return (-float(not item.trained_on_these), -fitted, -reached, -item.score)

    return tuple(sorted(ranked, key=place))


def _matched(score: Floats, onto: Floats) -> Floats:
    """The values of `onto` in the order of the scores; scores that rounding tells apart get the mean of theirs."""
    places = np.argsort(score, kind="stable")
    made, spread = np.empty(len(score)), float(np.ptp(score)) or 1.0
    ranked, groups = np.sort(onto), np.cumsum(np.diff(score[places], prepend=score[places[0]]) > _ALIKE * spread)
    for group in np.unique(groups):
        made[places[groups == group]] = ranked[groups == group].mean()
    return made


def _log_odds(share: Floats, counts: Floats) -> Floats:
    """Half an example is added on either side, so that none is infinite."""
    right = share * counts
    return np.log((right + 0.5) / (counts - right + 0.5))


def _share(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))
