"""Validation loss after the first epoch of a thaw, over the loss before: our phases, and a new Adam at one rate.

Digits 5 to 9 on a five-layer network that learnt 0 to 4 (`digits.py`): `default` thaws the top two layers and then all,
`gradual` one layer more in each of four phases, both from a head that is solved, with what a plan's phases have by
default.
`new Adam` does as `default` from the same head, but all layers learn at one constant rate, nothing is carried and no
rate rises; `textbook` trains the head in that way too, without anything of ours. Flowers on the MobileNet trunk,
through `regraft.fit`, which thaws what it chooses, layer by layer in `gradual`. Beside them, the default's state
measured beforehand (`calibrate`), and both without the moving average of the weights (`single weights`).
"""

import dataclasses
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import digits, fit, frame, pictures, views
from benchmarks.frame import Bar, Result, Settings, Table
from benchmarks.pictures import SIZE, Pictures

RISE = 0.02
OURS = ("default", "gradual")
WAYS = ("new Adam", "default", "calibrate", "single weights", "gradual", "gradual, single weights", "textbook")
DIGITS, FLOWERS = "digits 5-9", "flowers5_227px"
_ONE_RATE = 0.01


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one way came to with one seed.

    Attributes:
        data: what it learnt.
        way: how.
        seed: of the split and of the training.
        before: validation loss before each thaw.
        after: and after the first epoch of it.
        accuracy: in the end, on pictures that decided nothing.
        log_loss: likewise; NaN where the way does not say.
        seconds: processor time of the training.
    """

    data: str
    way: str
    seed: int
    before: tuple[float, ...]
    after: tuple[float, ...]
    accuracy: float
    log_loss: float
    seconds: float

    @property
    def rises(self) -> list[float]:
        """The part by which the loss rose, for each thaw."""
        return [after / before - 1 for before, after in zip(self.before, self.after, strict=True)]


def run(settings: Settings) -> Iterator[Result]:
    """All ways with a seed, and again for the next; digits, then flowers; the result so far after each seed."""
    fit.ready()
    measured: list[Outcome] = []
    for seed in range(settings.splits):
        measured += on_digits(seed)
        yield compare(measured, settings)
    if FLOWERS not in settings.data:
        return
    given = pictures.pictures(FLOWERS, settings.per_class)
    with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as name:
        folder = Path(name)
        cache = Path(os.environ.get("REGRAFT_CACHE", folder / "cache"))
        for seed in range(settings.splits):
            measured += on_flowers(given, seed, cache, folder)
            yield compare(measured, settings)


def on_digits(seed: int, ways: Collection[str] = WAYS, epochs: int = 20, most: int = 100) -> list[Outcome]:
    """The ways on the digits of a seed.

    Args:
        seed: of the pictures, the network and the training.
        ways: which.
        epochs: of the network on 0 to 4.
        most: epochs of each stage of the textbook.
    """
    from regraft.core.phase import AVERAGED, Phase

    given, source = digits.task(seed), digits.trained(seed, epochs)
    branch = digits.with_head(source, given, seed)
    # As many epochs as `regraft.fit` takes of 500 examples.
    phase = Phase(epochs=4, moving_average=AVERAGED)
    thaws, steps = digits.thawing(branch, phase, (2, 4)), digits.thawing(branch, phase, (1, 2, 3, 4))
    phases = {
        "new Adam": [new_adam(item, item.rates) for item in thaws],
        "default": thaws,
        "calibrate": [dataclasses.replace(item, state="calibrate") for item in thaws],
        "single weights": [dataclasses.replace(item, moving_average=0.0) for item in thaws],
        "gradual": steps,
        "gradual, single weights": [dataclasses.replace(item, moving_average=0.0) for item in steps],
    }
    found: list[Outcome] = []
    for way in ways:
        started = time.process_time()
        if way == "textbook":
            losses, accuracy = digits.textbook(source, given, seed, most)
            ends = tuple(zip(*losses, strict=True))
        else:
            done, accuracy = digits.train(branch, phases[way], given, seed)
            ends = _ends(done.history, phases[way])
        seconds = time.process_time() - started
        found.append(Outcome(DIGITS, way, seed, ends[0], ends[1], accuracy, float("nan"), seconds))
        _say(found[-1])
    return found


def on_flowers(
    given: Pictures, seed: int, cache: Path, folder: Path, ways: Collection[str] = WAYS[:-1]
) -> list[Outcome]:
    """The ways on a split of the flowers, judged by the 20 %; each is a plan for `regraft.fit`."""
    from regraft.core.phase import Rate
    from regraft.core.plan import FineTuneSpec

    default = FineTuneSpec(enabled="yes")
    # The first leaves behind the activations that all learn from; its time says nothing.
    specs: Mapping[str, Callable[[Any], Any]] = {
        "new Adam": lambda resolved: new_adam(default, (Rate(".*", _ONE_RATE),)),
        "default": lambda resolved: default,
        "calibrate": lambda resolved: dataclasses.replace(default, state="calibrate"),
        "single weights": lambda resolved: dataclasses.replace(default, moving_average=0.0),
        "gradual": _gradual,
        "gradual, single weights": lambda resolved: _gradual(resolved, moving_average=0.0),
    }
    found: list[Outcome] = []
    resolved: Any = None
    for way in ways:
        started = time.process_time()
        record = _fitted(given, seed, specs[way](resolved), cache, folder)
        seconds = time.process_time() - started
        spec, test = record.plan.fine_tune, record.metrics["test"]
        resolved = spec if way == "default" else resolved
        judged = (test.accuracy.value, test.log_loss.value)
        found.append(Outcome(FLOWERS, way, seed, *_ends(record.history, spec.sequence), *judged, seconds))
        _say(found[-1])
    return found


def _gradual(resolved: Any, **changes: Any) -> Any:
    """What the default has thawed at once, layer by layer."""
    from regraft.core.phase import Phase
    from regraft.core.plan import FineTuneSpec

    counts = range(1, sum(rule.rate > 0 for rule in resolved.rates))
    phases = [
        Phase.of(resolved, name=f"thaw {count}", rates=digits.upper(resolved.rates, count), **changes)
        for count in counts
    ]
    return FineTuneSpec(enabled="yes", from_cut=resolved.from_cut, phases=tuple(phases))


def new_adam(phase: Any, rates: Sequence[Any]) -> Any:
    """The same phase with one constant rate for all that has any, and nothing carried."""
    same = tuple(dataclasses.replace(rule, rate=_ONE_RATE if rule.rate else 0.0) for rule in rates)
    return dataclasses.replace(phase, rates=same, warmup=0.0, schedule="constant", state="reset", moving_average=0.0)


def compare(measured: Sequence[Outcome], settings: Settings) -> Result:
    """The rise at each thaw by way, what each way came to, and the bars."""
    kinds = list(dict.fromkeys((item.data, item.way) for item in measured))
    groups = [[item for item in measured if (item.data, item.way) == kind] for kind in kinds]
    rises = Table(
        "Rise of the validation loss in the first epoch of each thaw, %: median (smallest to largest)",
        ("data", "way", "1st thaw", "2nd", "3rd", "4th"),
        tuple(_rises(group) for group in groups),
    )
    ends = Table(
        "What it came to: medians",
        ("data", "way", "accuracy, %", "log loss", "processor seconds"),
        tuple(_end(group) for group in groups),
    )
    bars = tuple(_bar(group) for group in groups if group[0].way in OURS)
    rows = tuple(dataclasses.asdict(item) | {"rises": item.rises} for item in measured)
    return Result("thaw", str(__doc__), (rises, ends), rows, bars, settings=settings)


def _medians(group: Sequence[Outcome]) -> list[float]:
    return [statistics.median(each) for each in zip(*(item.rises for item in group), strict=True)]


def _bar(group: Sequence[Outcome]) -> Bar:
    worst = max(_medians(group))
    return Bar(
        f"{group[0].data}, {group[0].way}: the loss rises by at most {100 * RISE:.0f} % at any thaw, median of "
        f"{len(group)}",
        f"{100 * worst:+.1f} %",
        worst <= RISE,
    )


def _rises(group: Sequence[Outcome]) -> tuple[str, ...]:
    cells = [
        f"{100 * statistics.median(each):+.1f} ({100 * min(each):+.1f} to {100 * max(each):+.1f})"
        for each in zip(*(item.rises for item in group), strict=True)
    ]
    return (group[0].data, group[0].way, *cells, *[""] * (4 - len(cells)))


def _end(group: Sequence[Outcome]) -> tuple[str, ...]:
    loss = statistics.median(item.log_loss for item in group)
    return (
        group[0].data,
        group[0].way,
        frame.percent(statistics.median(item.accuracy for item in group)),
        "" if loss != loss else f"{loss:.4f}",
        frame.seconds(statistics.median(item.seconds for item in group)),
    )


def _ends(history: Sequence[Any], phases: Sequence[Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Validation losses before the first epoch of each phase, and after it."""
    rows = {(row.phase, row.epoch): row.validation_loss for row in history}
    return tuple(rows[phase.name, 0] for phase in phases), tuple(rows[phase.name, 1] for phase in phases)


def _fitted(given: Pictures, seed: int, spec: Any, cache: Path, folder: Path) -> Any:
    import regraft

    table = folder / f"{seed}.csv"
    views.write_manifest(table, given, seed)
    plan = regraft.Plan(source=str(pictures.trunk()), input_size=SIZE, baselines="no", seed=seed, fine_tune=spec)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        return regraft.fit(str(table), plan=plan, out=str(Path(out) / "run"), cache=cache).record


def _say(outcome: Outcome) -> None:
    rises = ", ".join(f"{100 * rise:+.1f}" for rise in outcome.rises)
    print(
        f"{outcome.data} seed {outcome.seed} {outcome.way}: rises {rises} %; {frame.percent(outcome.accuracy)} %, "
        f"log loss {outcome.log_loss:.4f}, {frame.seconds(outcome.seconds)} s",
        file=sys.stderr,
        flush=True,
    )
