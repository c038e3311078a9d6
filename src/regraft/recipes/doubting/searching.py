"""Looking for doubts on the pooled activations at the cut point, which the run has anyway."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core.doubt import KINDS, Doubt, DoubtSearch, Twins
from regraft.core.plan import Plan
from regraft.core.progress import warn
from regraft.data import Examples
from regraft.recipes.doubting import telling
from regraft.recipes.doubting.alike import Alike, alike, contents, twins
from regraft.recipes.doubting.pixels import confirmed, the_same
from regraft.recipes.judging import Judged
from regraft.recipes.survey import Survey
from regraft.training.doubts.labels import label_doubts
from regraft.training.doubts.nearest import centre_of, nearest, nearest_among
from regraft.training.doubts.outliers import isolation, outliers
from regraft.training.doubts.twins import Pairs, pairs, pairs_among
from regraft.training.probes import stratified

Array = np.ndarray[Any, Any]

# Each is compared with each.
COMPARED = 10_000
NEIGHBOURS = 20
# With fewer there is no telling what is usual.
FEWEST = 2 * NEIGHBOURS
# Where there are more than that, so many of those that the run is judged by are compared with all that it learnt from:
# for each of these some million operations, of which the trunk took hundreds.
ASKED = 1_000
_BLOCK = 4_096


@dataclass(frozen=True, slots=True)
class Doubtful:
    """What was found, how it was looked for, and what it does to the accuracy that the run states."""

    doubts: tuple[Doubt, ...]
    search: DoubtSearch
    twins: Twins | None


def doubt(found: Survey, plan: Plan, judged: Judged, learnt: Array) -> Doubtful:
    """Look for leaks, contradictions, wrong labels and outliers, and warn of each kind in one line.

    Nothing is changed for what is found, and nothing is chosen by it.

    Args:
        found: the survey.
        plan: resolved.
        judged: the run's own answers.
        learnt: indices of the examples that what is judged has learnt from.
    """
    examples, content = found.examples, contents(found.examples)
    some, note = compared(found, plan, content)
    looked_at = judged.indices
    close: list[Pairs] = []
    doubts: list[Doubt] = []
    if len(some):
        activations = found.pooled([plan.cut_point], some)
        near = nearest(activations, NEIGHBOURS)
        by_network = confirmed(examples, some, pairs(near))
        close += [_at(some, some, by_network), _at(some, some, the_same(examples, some, near, by_network))]
        if note and judged.split != "train":
            looked_at = judged.indices[stratified(examples.labels[judged.indices], ASKED, plan.seed)]
            close.append(_across(found, plan, looked_at, np.unique(content[learnt]), centre_of(activations)))
        del activations
        doubts += _labels(examples, some, found.pooled(plan.reads, some), alike(content, close), near.indices)
        doubts += _outliers(examples, some, found.pooled([outlook(found, plan)], some), plan.seed)
    groups = alike(content, close)
    doubts = [*telling.of_groups(examples, groups), *doubts]
    leaking = _twins(examples, judged, looked_at, learnt, content, groups)
    counts = Counter(each.kind for each in doubts)
    at = plan.cut_point if len(some) else ""
    searched = DoubtSearch(at, len(some), len(examples), {kind: counts[kind] for kind in KINDS}, note)
    for line in telling.warnings(doubts, searched, leaking, judged.metrics):
        warn(line)
    return Doubtful(telling.strongest(doubts), searched, leaking)


def compared(found: Survey, plan: Plan, content: Array) -> tuple[Array, str]:
    """Indices of the examples to be compared with each other, one of each content, and why not all, in words."""
    if found.budget.averages == "streamed":
        return np.zeros(0, np.int64), "activations were not kept: only identical examples were looked for"
    single = np.flatnonzero(content == np.arange(len(content)))
    if len(single) < FEWEST:
        return np.zeros(0, np.int64), f"fewer than {FEWEST} examples: only identical ones were looked for"
    some = single[stratified(found.examples.labels[single], COMPARED, plan.seed)]
    if len(some) == len(single):
        return some, ""
    return some, f"a sample of {len(some):,}; for leaks, {ASKED:,} at most with all that were learnt from"


def _at(one: Array, other: Array, found: Pairs) -> Pairs:
    return Pairs(one[found.first], other[found.second], found.similarity)


def _across(found: Survey, plan: Plan, asked: Array, learnt: Array, centre: Array) -> Pairs:
    """Pairs of one of the asked and one of all that were learnt from, whose activations are read block by block."""

    def blocks() -> Iterator[Array]:
        for start in range(0, len(learnt), _BLOCK):
            yield found.pooled([plan.cut_point], learnt[start : start + _BLOCK])

    near = nearest_among(found.pooled([plan.cut_point], asked), blocks(), centre, NEIGHBOURS)
    return _at(asked, learnt, pairs_among(near))


def _labels(examples: Examples, some: Array, activations: Array, groups: Alike, near: Array) -> list[Doubt]:
    """Wrong labels, but for examples whose contradiction is told already."""
    answers = label_doubts(activations, examples.labels[some], len(examples.classes))
    told = [members for members, _ in groups.each() if len(np.unique(examples.labels[members])) > 1]
    chosen = answers.doubted()
    chosen = chosen[~np.isin(some[chosen], np.concatenate([*told, np.zeros(0, np.int64)]))]
    return telling.of_labels(examples, some, answers, chosen, near)


def outlook(found: Survey, plan: Plan) -> str:
    """The cut point where strange pictures are looked for: half-way up, or at the head where that stands lower.

    What a picture is of is said at the top, in terms of what the network knows, which makes noise look like something.
    """
    return min(found.halfway, plan.cut_point, key=lambda name: found.points[name].depth)


def _outliers(examples: Examples, some: Array, activations: Array, seed: int) -> list[Doubt]:
    how_far = isolation(activations, seed)
    return telling.of_outliers(examples, some, how_far, outliers(how_far))


def _twins(
    examples: Examples, judged: Judged, looked_at: Array, learnt: Array, content: Array, groups: Alike
) -> Twins | None:
    """What leaks do to the accuracy; None where it is of the examples that were learnt from."""
    if judged.split == "train":
        return None
    correct = judged.correct(examples.labels)[np.isin(judged.indices, looked_at)]
    return twins(judged.split, looked_at, correct, learnt, content, groups)
