"""What a depth search gives up against trying everything, and what part of the cost it takes.

Digits 5 to 9 on a five-layer network that learnt 0 to 4 from pictures moved a little (`digits.py`). `search` is
`regraft.depth`. `everything` is the same space without a shortcut: every way, at every rate, with every number of
steps, on every fold; of all that, what has the lowest out-of-fold log loss. Both then fit what they found to all
labelled pictures, and the rest is the test. Cost is the seconds that lessons took, each side with a cache of its own.
"""

import contextlib
import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

import numpy as np

from benchmarks import digits, fit, frame
from benchmarks.frame import Bar, Result, Settings, Table

if TYPE_CHECKING:
    from regraft.core.depth import Trial
    from regraft.core.plan import Plan
    from regraft.core.records import RunRecord

NAME = "depth"
SEARCH, EVERYTHING = "search", "everything"
WAYS = (SEARCH, EVERYTHING)
REGRET, COST, REACHED = 0.005, 1 / 5, 0.94


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search came to.

    Attributes:
        way: `search` or `everything`.
        seed: of the pictures, the source and the training.
        found: the way of reusing the source that it recommends.
        steps: of training.
        rate: the learning rate; None where only the head is fitted.
        average: see `Trial.average`.
        accuracy: of the fitted model on the test.
        seconds: of a processor or more, that lessons took.
        lessons: how many there were.
    """

    way: str
    seed: int
    found: str
    steps: int
    rate: float | None
    average: float | None
    accuracy: float
    seconds: float
    lessons: int


_Outcome = TypeVar("_Outcome", bound=Outcome)


def run(settings: Settings) -> Iterator[Result]:
    """Both with a seed, and again for the next; the result so far after each seed."""
    fit.ready()
    measured = frame.earlier(NAME, settings, Outcome)
    if measured:
        yield compare(measured, settings)
    done = {item.seed for item in measured}
    for seed in range(settings.splits):
        if seed in done:
            continue
        given, model = digits.task(seed), digits.well_trained(seed)
        with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as name:
            for way in WAYS:
                outcome, _ = found_by(way, model, digits.data(given), seed, Path(name) / way)
                measured.append(outcome)
                say(outcome)
        yield compare(measured, settings)


@contextlib.contextmanager
def of_steps(steps: Sequence[int], rates: Sequence[float] = ()) -> Generator[None]:
    """While the block runs, the search and everything have these numbers of steps, and these rates, if any."""
    from regraft.recipes.depth import halving

    with mock.patch.object(halving, "LADDER", halving.Ladder(tuple(steps), tuple(rates) or halving.LADDER.rates)):
        yield


def found_by(
    way: str,
    model: Any,
    given: Any,
    seed: int,
    folder: Path,
    folds: int | None = None,
    **asked: Any,
) -> "tuple[Outcome, Plan]":
    """What the search or trying everything comes to, in a new folder, and the plan that it found.

    Args:
        way: `search` or `everything`.
        model: the source.
        given: the examples, test split included.
        seed: of all choices.
        folder: where caches and results go.
        folds: for `everything`: how many are left out in turn; None: all of the search.
        asked: of the plan, besides.
    """
    import regraft

    plan = regraft.Plan(source="", baselines="no", seed=seed, **asked)
    cache = folder / "cache"
    if way == SEARCH:
        record = regraft.depth(given, model, plan=plan, out=folder / "out", cache=cache, forecast=False)
        best, found, run = record.recommended, record.plan, regraft.load(record.run).record
    else:
        best, found, run = everything(model, given, plan, cache, folder / "out", folds)
    accuracy = right_on_test(run)
    return Outcome(way, seed, best.way.name, best.steps, best.rate, best.average, accuracy, *spent(cache)), found


def everything(
    model: Any, given: Any, plan: Any, cache: Path, out: Path, folds: int | None = None
) -> "tuple[Trial, Plan, RunRecord]":
    """The best of every way at every rate with every number of steps, the plan that does it, and its fit."""
    import regraft
    from regraft.activations.store import Store
    from regraft.recipes.depth import halving, recommending
    from regraft.recipes.depth.searching import prepare
    from regraft.recipes.running import open_for
    from regraft.recipes.transfer import transfer

    examples, pretrained, store = regraft.open_data(given), open_for(plan, model), Store(cache)
    plan = replace(plan, data=examples.origin, data_digest=examples.digest())
    prepared = prepare(pretrained, examples, plan, store)
    made = halving.begin(prepared.study, prepared.ways)
    left_out = prepared.trier.lessons.judged_by[:folds]
    tried = [
        recommending.weighed(made, prepared.trier, way, rung, left_out)
        for way in prepared.ways
        for rung in _rungs(made.ladder, bool(way.tuned))
    ]
    best = min(tried, key=lambda item: item.trial.log_loss.value)
    found = recommending.plan_of(best.trial, plan, len(examples.indices("train")))
    _, record = transfer(pretrained, examples, found, out, store)
    return best.trial, found, record


def _rungs(ladder: Any, learns: bool) -> list[Any]:
    from regraft.recipes.depth.halving import Rung

    return [Rung(steps, rate) for steps in ladder.steps for rate in ladder.rates] if learns else [Rung(0, None)]


def spent(cache: Path) -> tuple[float, int]:
    """The seconds that the lessons took whose answers are in a cache, and how many there are."""
    taken: list[float] = []
    for file in sorted((cache / "depth" / "answers").glob("*.npz")):
        with np.load(file) as kept:
            taken.append(float(kept["seconds"]))
    return sum(taken), len(taken)


def right_on_test(record: "RunRecord") -> float:
    """The share of a run's answers for its test that are right."""
    return float(record.metrics["test"].accuracy.value)


def compare(measured: Sequence[Outcome], settings: Settings) -> Result:
    """What both found with each seed, the regret, the part of the cost, and the bars."""
    table, bars = compared(measured)
    median = statistics.median(item.accuracy for item in measured if item.way == SEARCH)
    reached = Bar(
        f"the search ends at {frame.percent(REACHED)} % or more, median of {len(measured) // 2}",
        f"{frame.percent(median)} %",
        median >= REACHED,
    )
    return Result(NAME, str(__doc__), (table,), tuple(map(row, measured)), (reached, *bars), settings=settings)


def compared(
    measured: Sequence[_Outcome], of: str = "", cost_of: Callable[[_Outcome], float] = lambda outcome: outcome.seconds
) -> tuple[Table, tuple[Bar, Bar]]:
    """What both found with each seed as a table, and the bars of regret and cost.

    Args:
        measured: by turns the outcome of the search and of everything.
        of: goes before the table's title and the bars.
        cost_of: what an outcome counts as having cost.
    """
    search, everything_ = ([item for item in measured if item.way == way] for way in WAYS)
    regrets = frame.differences([item.accuracy for item in search], [item.accuracy for item in everything_])
    costs = [cost_of(one) / cost_of(other) for one, other in zip(search, everything_, strict=True)]
    table = Table(
        f"{of}seed by seed: accuracy of the fit on the test, %",
        ("seed", "search", "way, steps, rate, average", "everything", "way, steps, rate, average", "regret", "cost"),
        tuple(
            (
                str(one.seed),
                frame.percent(one.accuracy),
                _found(one),
                frame.percent(other.accuracy),
                _found(other),
                frame.points(regret),
                f"1/{1 / cost:.1f}",
            )
            for one, other, regret, cost in zip(search, everything_, regrets, costs, strict=True)
        ),
    )
    regret, cost = statistics.mean(regrets), statistics.median(costs)
    return table, (
        Bar(
            f"{of}regret of at most {frame.points(REGRET)} points, mean of {len(search)}",
            f"{frame.points(regret)}",
            regret <= REGRET,
        ),
        Bar(f"{of}at most 1/{1 / COST:.0f} of the cost of everything, median", f"1/{1 / cost:.1f}", cost <= COST),
    )


def row(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain data."""
    return dataclasses.asdict(outcome)


def _found(outcome: Outcome) -> str:
    if outcome.rate is None:
        return outcome.found
    return f"{outcome.found}, {outcome.steps}, {outcome.rate:g}, {outcome.average:g}"


def say(outcome: Outcome, of: str = "") -> None:
    """Tell of an outcome at once; the others take their time."""
    print(
        f"{of}{' ' if of else ''}seed {outcome.seed} {outcome.way}: "
        f"{frame.percent(outcome.accuracy)} % by {_found(outcome)}; "
        f"{outcome.lessons} lessons, {frame.seconds(outcome.seconds)} s",
        file=sys.stderr,
        flush=True,
    )
