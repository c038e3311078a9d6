"""What views of pictures and disturbed activations buy: the same fine-tuning with each, split by split.

Differences are to learning from the pictures alone, on the same splits: points of accuracy, and log loss, which is
better where it is lower; each with its standard error. What is less than two of these away from 0 is no finding.
"""

import csv
import dataclasses
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import fit, frame, pictures
from benchmarks.frame import Result, Settings, Table
from benchmarks.pictures import SIZE, Pictures


@dataclass(frozen=True, slots=True)
class Way:
    """What fine-tuning learns from: fields of the plan, and of its `fine_tune`."""

    views: int = 1
    augment: tuple[str, ...] = ("flip", "crop", "colour")
    brightness: float = 0.0
    noise: float = 0.0


_ALONE = "the pictures alone"
WAYS: Mapping[str, Way] = {
    _ALONE: Way(),
    "2 views: mirrored": Way(2),
    "3 views: and a crop": Way(3),
    "3 views: crops, never mirrored": Way(3, ("crop",)),
    "3 views: colour only": Way(3, ("colour",)),
    "5 views without colour": Way(5, ("flip", "crop")),
    "5 views with colour": Way(5),
    "brightness 0.2": Way(brightness=0.2),
    "noise 0.1": Way(noise=0.1),
    "noise 0.5": Way(noise=0.5),
    "brightness 0.2, noise 0.1": Way(brightness=0.2, noise=0.1),
    "3 views, brightness 0.2, noise 0.1": Way(3, brightness=0.2, noise=0.1),
    "5 views with colour, brightness 0.2, noise 0.1": Way(5, brightness=0.2, noise=0.1),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one way came to on one split."""

    way: str
    data: str
    split: int
    accuracy: float
    log_loss: float
    seconds: float


def run(settings: Settings) -> Iterator[Result]:
    """All ways on a split, and again for the next; the result so far after each split."""
    fit.ready()
    measured: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as folder:
        # One cache for all: activations of a picture are the same whatever split it is in.
        cache = Path(os.environ.get("REGRAFT_CACHE", folder))
        for data in settings.data:
            given = pictures.pictures(data, settings.per_class)
            for split in range(settings.splits):
                for name, way in WAYS.items():
                    measured.append(measure(name, way, given, data, split, cache, Path(folder)))
                yield compare(measured, settings)


def measure(name: str, way: Way, given: Pictures, data: str, split: int, cache: Path, folder: Path) -> Outcome:
    """Fine-tune one way on one split, and judge it by the 20 %, which are a test split that decides nothing."""
    import regraft
    from regraft.core.plan import FineTuneSpec, changes

    table = folder / f"{data}-{split}.csv"
    write_manifest(table, given, split)
    plan = regraft.Plan(
        source=str(pictures.trunk()),
        input_size=SIZE,
        views=way.views,
        augment=changes(way.augment),
        baselines="no",
        seed=split,
        fine_tune=FineTuneSpec(enabled="yes", feature_brightness=way.brightness, feature_noise=way.noise),
    )
    with tempfile.TemporaryDirectory(dir=folder) as out:
        record = regraft.fit(str(table), plan=plan, out=str(Path(out) / "run"), cache=cache).record
    found = record.metrics["test"]
    outcome = Outcome(name, data, split, found.accuracy.value, found.log_loss.value, record.seconds["fine_tune"])
    print(describe(outcome), file=sys.stderr, flush=True)
    return outcome


def compare(measured: Sequence[Outcome], settings: Settings) -> Result:
    """Every way against the pictures alone, for each data set."""
    tables = tuple(
        _table(data, [outcome for outcome in measured if outcome.data == data])
        for data in dict.fromkeys(outcome.data for outcome in measured)
    )
    return Result("views", str(__doc__), tables, tuple(map(dataclasses.asdict, measured)), settings=settings)


def with_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error; NaN for the error of one value.

    >>> with_error([1.0, 2.0, 3.0, 4.0])[0], round(with_error([1.0, 2.0, 3.0, 4.0])[1], 3)
    (2.5, 0.645)
    """
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return statistics.fmean(values), error


def describe(outcome: Outcome) -> str:
    """One line for a person who waits."""
    return (
        f"{outcome.data} split {outcome.split} {outcome.way}: {frame.percent(outcome.accuracy)} %, log loss "
        f"{outcome.log_loss:.4f}, {frame.seconds(outcome.seconds)} s of fine-tuning"
    )


def _table(data: str, measured: Sequence[Outcome]) -> Table:
    alone = [outcome for outcome in measured if outcome.way == _ALONE]
    columns = ("way", "accuracy, %", "points", "log loss", "difference")
    rows = [_row(name, alone, [outcome for outcome in measured if outcome.way == name]) for name in WAYS]
    return Table(f"{data}: {len(alone)} split{'s' * (len(alone) != 1)}", columns, tuple(rows))


def _row(name: str, alone: Sequence[Outcome], measured: Sequence[Outcome]) -> tuple[str, ...]:
    accuracies, losses = [each.accuracy for each in measured], [each.log_loss for each in measured]
    gain = with_error(frame.differences([each.accuracy for each in alone], accuracies))
    loss = with_error(frame.differences([each.log_loss for each in alone], losses))
    same = name == _ALONE
    return (
        name,
        f"{100 * statistics.fmean(accuracies):.2f}",
        "" if same else f"{100 * gain[0]:+.2f} ± {100 * gain[1]:.2f}",
        f"{statistics.fmean(losses):.4f}",
        "" if same else f"{loss[0]:+.4f} ± {loss[1]:.4f}",
    )


def write_manifest(path: Path, given: Pictures, seed: int) -> None:
    train, test = pictures.split(given.labels, seed)
    stated: dict[int, Any] = {**dict.fromkeys(train, "train"), **dict.fromkeys(test, "test")}
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "split"))
        rows.writerows((str(given.paths[i]), given.classes[given.labels[i]], stated[i]) for i in sorted(stated))
