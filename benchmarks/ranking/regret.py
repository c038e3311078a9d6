"""Which source to reuse: what the first choice gives up against fine-tuning every source, and what choosing costs.

24 sources, of ImageNet, CIFAR-10, faces, traffic signs and digits, and eight that are trained here, some of them on
nothing of worth; five targets with a few hundred pictures to learn from. `regraft.rank` sees these pictures alone. The
truth is `regraft.fit` of every pair, judged by the pictures that are left (`python -m benchmarks.ranking.truth`, which
takes hours and goes on where it stopped; what it lacks is measured first). Regret is the accuracy of the best source,
mean over splits, less that of the chosen one. A single score chooses at the cut point that `rank` gives it. The cost is
processor time of the rankings as a part of that of the truth.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
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
    asked, file = _asked(settings)
    lines = truth.measure(file, asked)
    names = asked.sources or tuple(sources.SOURCES)
    rankings: list[Ranking] = []
    for split in range(asked.splits):
        for target in asked.targets or TARGETS:
            rankings.append(ranked(target, split, names, asked.per_class))
            first = max(rankings[-1].scores, key=lambda name: rankings[-1].scores[name])
            print(f"{target} ({split}): {first}, {frame.seconds(rankings[-1].seconds)} s", file=sys.stderr, flush=True)
        yield compare(rankings, lines, settings)


def _asked(settings: Settings) -> tuple[truth.Asked, Path]:
    splits = min(settings.splits, truth.SPLITS)
    if settings.reduced:
        return truth.Asked(splits, FEW, TWO, settings.per_class or 5), targets.PLACE / REDUCED
    if settings.reference and not settings.reference.exists():
        raise UnavailableError(f"there is no truth in '{settings.reference}'; python -m benchmarks.ranking.truth")
    return truth.Asked(splits), settings.reference or truth.FILE


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


def choices(rankings: Sequence[Ranking], known: judging.Truth) -> list[Judged]:
    """What every way gives up on every ranking."""
    found: list[Judged] = []
    for item in rankings:
        true, place = known[item.target], (item.target, item.split)
        found.append(judging.judged(OURS, *place, item.scores, true))
        if sources.BEST_OF_IMAGENET in true:
            found.append(judging.always(IMAGENET, sources.BEST_OF_IMAGENET, *place, true))
        found += [judging.judged(f"{name} alone", *place, said, true) for name, said in item.singles.items()]
    return found


def compare(rankings: Sequence[Ranking], lines: Sequence[Mapping[str, Any]], settings: Settings) -> Result:
    """Regrets and correlations way by way, the truth itself, costs, and the bars."""
    known = judging.truth_of(lines)
    ways = judging.by_way(choices(rankings, known))
    part = cost(rankings, lines)
    rows = tuple(asdict(item) for item in rankings)
    notes = _refusals(rankings, lines)
    tables = (_ways(ways), _targets(ways[OURS], known), _truth(known))
    return Result("regret", str(__doc__), tables, rows, _bars(ways, part), notes, settings)


def cost(rankings: Sequence[Ranking], lines: Sequence[Mapping[str, Any]]) -> float:
    """Processor time of the rankings as a part of that of fine-tuning every source for the same splits."""
    places = {(item.target, item.split) for item in rankings}
    spent = sum(line.get("cpu_seconds", 0.0) for line in lines if (line["target"], line["split"]) in places)
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


def _targets(ours: Sequence[Judged], known: judging.Truth) -> Table:
    rows: list[tuple[str, ...]] = []
    for item in ours:
        true = known[item.target]
        best = max(true, key=lambda name: true[name])
        tau = "" if item.tau is None else f"{item.tau:.2f}"
        rows.append((f"{item.target} ({item.split})", item.chosen, best, f"{100 * item.regret:.1f}", tau))
    return Table("Our first choice", ("target", "chosen", "best", "regret, points", "weighted tau"), tuple(rows))


def _truth(known: judging.Truth) -> Table:
    names = [name for name in sources.SOURCES if any(name in true for true in known.values())]
    rows = tuple(
        (name, *(frame.percent(true[name]) if name in true else "" for true in known.values())) for name in names
    )
    return Table("Fine-tuned accuracy, %, mean over splits", ("source", *known), rows)


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
    said += [f"`fit` for {line['target']}: {line['source']}: {line['refused']}" for line in lines if "refused" in line]
    return tuple(said)
