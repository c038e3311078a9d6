"""What choices of sources gave up, by the truth that was measured."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# By target, the accuracy that each source comes to.
Truth = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What one way of choosing came to on a split of a target.

    Attributes:
        way: what chose.
        target: for which task.
        split: of its pictures.
        chosen: the source; of several that are equally good the one that comes first.
        regret: by how much accuracy it stays below the best source.
        tau: weighted Kendall rank correlation of its order with the true one, the best counting most; None where it
            has no order.
    """

    way: str
    target: str
    split: int
    chosen: str
    regret: float
    tau: float | None = None


def truth_of(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The accuracy of each pair: the mean over its splits, which is known better than that of one.

    A source that cannot be used for a target has no accuracy there.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for line in lines:
        if "accuracy" in line:
            found.setdefault(line["target"], {}).setdefault(line["source"], []).append(line["accuracy"])
    return {target: {source: float(np.mean(values)) for source, values in own.items()} for target, own in found.items()}


def judged(way: str, target: str, split: int, scores: Mapping[str, float], truth: Mapping[str, float]) -> Judged:
    """What the source with the highest score gives up, and how well the scores' order is the true one.

    Args:
        way: what scored.
        target: the task.
        split: of its pictures.
        scores: of sources; those without an accuracy are passed over.
        truth: the accuracy of every source on this target.
    """
    from scipy.stats import weightedtau

    both = [source for source in truth if source in scores]
    said, true = np.array([scores[source] for source in both]), np.array([truth[source] for source in both])
    best = int(np.argmax(said))
    # Of one rank by the truth and one by the scores, as is usual; none where all are scored alike.
    tau = float(np.asarray(weightedtau(true, said))[0]) if len(np.unique(said)) > 1 else None
    return Judged(way, target, split, both[best], max(truth.values()) - float(true[best]), tau)


def always(way: str, source: str, target: str, split: int, truth: Mapping[str, float]) -> Judged:
    """What it gives up to take the same source whatever the task."""
    return Judged(way, target, split, source, max(truth.values()) - truth[source])


def by_way(found: Iterable[Judged]) -> dict[str, list[Judged]]:
    """The same, way by way."""
    ways: dict[str, list[Judged]] = {}
    for item in found:
        ways.setdefault(item.way, []).append(item)
    return ways
