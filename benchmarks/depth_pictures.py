"""What a depth search gives up on pictures against trying every way, and what part of the cost it takes.

Flowers and hand signs of 64 x 64 on the MobileNet trunk. `search` is `regraft.depth`. `everything` is what a patient
person would do in the same space: every way at every rate, judged by one held-out fifth of the pictures to learn from,
and the best by its log loss fitted to all of them. Both give a lesson 256 steps, the fewer of the two numbers that
`regraft.depth` has, and never 1,024: those would take four times as long. Leaving out every fifth in turn, as `depth`
does for digits, would take days; what it would have cost is worked out from what these lessons took, time being as
folds.

Both are judged on the 20 % that they have not seen. What either found is fitted with fifteen seeds, the first of them
its own, and counts with the mean: on 140 or 150 pictures fits of one way scatter by about a point (standard deviation),
which says nothing about what was chosen. Where both found the same, so are their fits, and five are enough.
"""

import csv
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import depth, fit, frame, pictures
from benchmarks.frame import Bar, Result, Settings, Table
from benchmarks.pictures import Pictures

if TYPE_CHECKING:
    from regraft.core.plan import Plan

NAME = "depth_pictures"
SIZE = 64
STEPS = (256,)
FOLDS = 1
# Of what either side found; and how far the seeds of two of them are apart.
FITS, SAME_FITS, APART = 15, 5, 100
# Fifths that the search leaves out in turn, of fewer than 1,000 examples.
ALL_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Outcome(depth.Outcome):
    """What one side came to on a split of a data set, whose number is the seed; `accuracy` is the mean of its fits.

    Attributes:
        data: its name.
        accuracies: of the fits of what it found, the first with its own seed.
        whole: seconds that its lessons would have taken on all folds; of the search what they took.
    """

    data: str
    accuracies: tuple[float, ...]
    whole: float

    @property
    def recommended(self) -> tuple[object, ...]:
        """All that its fits depend on beside their seeds."""
        return self.found, self.steps, self.rate, self.average


def run(settings: Settings) -> Iterator[Result]:
    """Both on a split of a data set, and again for the next; the result so far after each."""
    fit.ready()
    measured = frame.earlier(NAME, settings, Outcome)
    if measured:
        yield compare(measured, settings)
    done = {(item.data, item.seed) for item in measured}
    for split in range(settings.splits):
        for data in settings.data:
            if (data, split) in done:
                continue
            given = pictures.pictures(data, settings.per_class)
            with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as name:
                for outcome in of_split(data, given, split, Path(name)):
                    measured.append(outcome)
                    depth.say(outcome, data)
            yield compare(measured, settings)


def of_split(data: str, given: Pictures, split: int, folder: Path) -> list[Outcome]:
    """What the search and trying everything come to on a split, with further fits.

    Args:
        data: name of the data set.
        given: all pictures.
        split: which 20 % are the test, and the seed of all choices.
        folder: where the manifest, caches and results go.
    """
    manifest = folder / "data.csv"
    write_manifest(manifest, given, split)
    source = str(pictures.trunk())
    found: list[tuple[Outcome, Plan]] = []
    with depth.of_steps(STEPS):
        for way in depth.WAYS:
            made, plan = depth.found_by(way, source, str(manifest), split, folder / way, folds=FOLDS, input_size=SIZE)
            more = ALL_FOLDS / FOLDS if way == depth.EVERYTHING else 1.0
            outcome = Outcome(**asdict(made), data=data, accuracies=(made.accuracy,), whole=more * made.seconds)
            found.append((outcome, plan))
        fits = FITS if len({outcome.recommended for outcome, _ in found}) > 1 else SAME_FITS
        return [with_fits(outcome, plan, str(manifest), folder / outcome.way, fits) for outcome, plan in found]


def with_fits(outcome: Outcome, plan: "Plan", manifest: str, folder: Path, fits: int = FITS) -> Outcome:
    """The same after what was found has been fitted with other seeds too.

    Args:
        outcome: with the accuracy of one fit.
        plan: that was recommended.
        manifest: the examples.
        folder: of the side; the fits go below it.
        fits: how many there are then.
    """
    import regraft

    made = list(outcome.accuracies)
    for number in range(len(made), fits):
        asked = replace(plan, seed=plan.seed + APART * number)
        run = regraft.fit(
            manifest, str(pictures.trunk()), plan=asked, out=folder / f"fit-{number}", cache=folder / "cache"
        )
        made.append(depth.right_on_test(run.record))
    return replace(outcome, accuracy=statistics.fmean(made), accuracies=tuple(made))


def write_manifest(path: Path, given: Pictures, seed: int) -> None:
    """Write all pictures as a manifest: the 80 % to learn from, and the 20 % as test."""
    train, _ = pictures.split(given.labels, seed)
    learnt = set(train)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "split"))
        for index, (picture, label) in enumerate(zip(given.paths, given.labels, strict=True)):
            rows.writerow((str(picture), given.classes[label], "train" if index in learnt else "test"))


def compare(measured: list[Outcome], settings: Settings) -> Result:
    """Data set by data set: what both found, the regret, the part of the cost, and the bars."""
    tables: list[Table] = []
    bars: list[Bar] = []
    for data in dict.fromkeys(item.data for item in measured):
        ours = [item for item in measured if item.data == data]
        table, own = depth.compared(ours, f"{data}: ", lambda outcome: outcome.whole)
        tables.append(table)
        bars += own
    return Result(NAME, str(__doc__), tuple(tables), tuple(map(depth.row, measured)), tuple(bars), settings=settings)
