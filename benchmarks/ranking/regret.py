"""Which source to reuse: what the first choice gives up against fine-tuning every source, and what choosing costs.

24 sources, of ImageNet, CIFAR-10, faces, traffic signs and digits, and eight that are trained here, some of them on
nothing of worth; five targets with a few hundred pictures to learn from. `regraft.rank` sees these pictures alone. The
truth is `regraft.fit` of every pair at the best of three rates, as `regraft.rank --confirm` finds it, judged by the
pictures that are left (`python -m benchmarks.ranking.truth`, which takes hours and goes on where it stopped; what it
lacks is measured first). Regret is the accuracy of the best source, mean over splits, less that of the chosen one. A
single score chooses at the cut point that `rank` gives it. The cost is processor time of the rankings as a part of that
of the truth.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks import fit, frame
from benchmarks.frame import Bar, Result, Settings, Table, UnavailableError
from benchmarks.ranking import judging, sources, targets, truth
from benchmarks.ranking.judging import Judged
from benchmarks.ranking.targets import TARGETS

OURS, IMAGENET = "regraft.rank", "always the best of ImageNet"
# Points of accuracy, and a part of what fine-tuning everything costs.
MEAN, WORST, COST = 0.005, 0.02, 0.05
# Of a truth that is still being measured, what is enough to judge by: the part of the sources that have an accuracy.
NEARLY = 0.9
# To try the harness out.
FEW, TWO, REDUCED = ("mlp-40", "lenet-caffe", "own-untrained"), ("usps", "mnist"), "reduced.jsonl"


@dataclass(frozen=True, slots=True)
class Ranking:
    """What `regraft.rank` said of all sources for a split of a target, and what that cost."""

    target: str
    split: int
    scores: Mapping[str, float]
    singles: Mapping[str, Mapping[str, float]]
    refused: Mapping[str, str]
    seconds: float
    cpu_seconds: float


def run(settings: Settings) -> Iterator[Result]:
    """The truth as far as it is not known yet, then a ranking for each split of each target; the result so far."""
    fit.ready()
    asked, lines = known(settings)
    names = asked.sources or tuple(sources.SOURCES)
    rankings: list[Ranking] = []
    for target, split in measured(asked, lines):
        rankings.append(ranked(target, split, names, asked.per_class))
        first = max(rankings[-1].scores, key=lambda name: rankings[-1].scores[name])
        print(f"{target} ({split}): {first}, {frame.seconds(rankings[-1].seconds)} s", file=sys.stderr, flush=True)
        yield compare(rankings, lines, settings)


def known(settings: Settings) -> tuple[truth.Asked, list[dict[str, Any]]]:
    """What is asked for and the lines of it: those of a file that was named, or all, and what is not there is measured.

    Raises:
        UnavailableError: the file that was named has no target's truth, or what measures it is not here.
    """
    splits = min(settings.splits, truth.SPLITS)
    if settings.reduced:
        asked = truth.Asked(splits, FEW, TWO, settings.per_class or 5)
        return asked, truth.measure(targets.PLACE / REDUCED, asked)
    asked = truth.Asked(splits)
    if settings.reference is None:
        return asked, truth.measure(truth.FILE, asked)
    keys = {truth.key(pair.line()) for pair in asked.pairs()}
    lines = [line for line in truth.read(settings.reference) if truth.key(line) in keys]
    if not measured(asked, lines):
        raise UnavailableError(
            f"'{settings.reference}' has the truth of no target; python -m benchmarks.ranking.truth --out FILE finds it"
        )
    return asked, lines


def measured(asked: truth.Asked, lines: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """The splits of targets of which the truth is known: of all sources, or of nearly all."""
    wanted = len(asked.sources or sources.SOURCES)
    counts = Counter((line["target"], line["split"]) for line in lines)
    return [
        (target, split)
        for split in range(asked.splits)
        for target in asked.targets or TARGETS
        if counts[target, split] >= NEARLY * wanted
    ]


def ranked(target: str, split: int, names: Sequence[str], per_class: int | None = None) -> Ranking:
    """What `regraft.rank` says, with nothing in its cache."""
    import regraft

    given = targets.data(TARGETS[target], split, per_class)
    # A file has no input convention: what is known of a source is given with it.
    paths = {str(sources.path(sources.SOURCES[name])): name for name in names}
    with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        opened = [sources.opened(sources.SOURCES[name]) for name in names]
        record = regraft.rank(str(given), opened, seed=split, cache=folder)
        spent = time.perf_counter() - wall, time.process_time() - cpu
    singles: dict[str, dict[str, float]] = {}
    for item in record.ranking:
        for score, value in item.scores.items():
            singles.setdefault(score, {})[paths[item.source]] = value
    # The order is the answer: a score of an earlier round is not comparable with one of a later.
    order = {paths[item.source]: float(-place) for place, item in enumerate(record.ranking)}
    refused = {paths[item.source]: item.reason for item in record.refused}
    return Ranking(target, split, order, singles, refused, *spent)


def choices(rankings: Sequence[Ranking], truths: judging.Truth) -> list[Judged]:
    """What every way gives up on every ranking."""
    found: list[Judged] = []
    for item in rankings:
        true, place = truths[item.target], (item.target, item.split)
        found.append(judging.judged(OURS, *place, item.scores, true))
        if sources.BEST_OF_IMAGENET in true:
            found.append(judging.always(IMAGENET, sources.BEST_OF_IMAGENET, *place, true))
        found += [judging.judged(f"{name} alone", *place, said, true) for name, said in item.singles.items()]
    return found


def compare(rankings: Sequence[Ranking], lines: Sequence[Mapping[str, Any]], settings: Settings) -> Result:
    """Regrets and correlations way by way, the truth itself, costs, and the bars."""
    true = judging.truth_of(lines)
    ways = judging.by_way(choices(rankings, true))
    part = cost(rankings, lines)
    rows = tuple(asdict(item) for item in rankings)
    once = cost(rankings, lines, "cpu_seconds_of_one")
    told = (
        (f"one fit of each source, at the first rate, costs {1 / once:.1f} times the ranking",) if 0 < once < 1 else ()
    )
    notes = (*_refusals(rankings, lines), *told)
    tables = (_ways(ways), _targets(ways[OURS], true), _truth(true))
    return Result("regret", str(__doc__), tables, rows, _bars(ways, part), notes, settings)


def cost(rankings: Sequence[Ranking], lines: Sequence[Mapping[str, Any]], of: str = "cpu_seconds") -> float:
    """Processor time of the rankings as a part of that of fine-tuning every source for the same splits."""
    places = {(item.target, item.split) for item in rankings}
    spent = sum(line.get(of, 0.0) for line in lines if (line["target"], line["split"]) in places)
    return sum(item.cpu_seconds for item in rankings) / spent if spent else float("inf")


def _ways(ways: Mapping[str, Sequence[Judged]]) -> Table:
    rows = [
        (
            way,
            f"{100 * np.mean([item.regret for item in found]):.2f}",
            f"{100 * max(item.regret for item in found):.1f}",
            _mean_tau(found),
            str(len(found)),
        )
        for way, found in ways.items()
    ]
    return Table("Regret, points", ("way", "mean", "worst", "weighted tau", "rankings"), tuple(rows))


def _targets(ours: Sequence[Judged], truths: judging.Truth) -> Table:
    rows: list[tuple[str, ...]] = []
    for item in ours:
        true = truths[item.target]
        best = max(true, key=lambda name: true[name])
        tau = "" if item.tau is None else f"{item.tau:.2f}"
        rows.append((f"{item.target} ({item.split})", item.chosen, best, f"{100 * item.regret:.1f}", tau))
    return Table("Our first choice", ("target", "chosen", "best", "regret, points", "weighted tau"), tuple(rows))


def _truth(truths: judging.Truth) -> Table:
    names = [name for name in sources.SOURCES if any(name in true for true in truths.values())]
    rows = tuple(
        (name, *(frame.percent(true[name]) if name in true else "" for true in truths.values())) for name in names
    )
    return Table("Fine-tuned accuracy, %, mean over splits", ("source", *truths), rows)


def _bars(ways: Mapping[str, Sequence[Judged]], part: float) -> tuple[Bar, ...]:
    means = {way: float(np.mean([item.regret for item in found])) for way, found in ways.items()}
    ours, worst = means[OURS], max(item.regret for item in ways[OURS])
    bars = [
        Bar(f"mean regret at most {100 * MEAN:g} points", f"{100 * ours:.2f}", ours <= MEAN + 1e-9),
        Bar(f"regret nowhere above {100 * WORST:g} points", f"{100 * worst:.1f}", worst <= WORST + 1e-9),
    ]
    bars += [
        Bar(f"mean regret below that of: {way}", f"{100 * ours:.2f} against {100 * mean:.2f}", ours < mean)
        for way, mean in means.items()
        if way != OURS
    ]
    said = f"{100 * part:.1f} %"
    return (*bars, Bar(f"costs at most {100 * COST:g} % of fine-tuning every source", said, part <= COST))


def _mean_tau(found: Sequence[Judged]) -> str:
    values = [item.tau for item in found if item.tau is not None]
    return f"{np.mean(values):.2f}" if values else ""


def _refusals(rankings: Sequence[Ranking], lines: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What could not be used, by `rank` or by `fit`."""
    said = [f"`rank` for {item.target}: {name}: {why}" for item in rankings for name, why in item.refused.items()]
    true = judging.truth_of(lines)
    lacking = {item.target: [name for name in item.scores if name not in true[item.target]] for item in rankings}
    said += [f"{target}: no truth of {', '.join(names)}" for target, names in lacking.items() if names]
    said += [f"`fit` for {line['target']}: {line['source']}: {line['refused']}" for line in lines if "refused" in line]
    return tuple(said)
