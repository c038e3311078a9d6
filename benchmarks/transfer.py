"""Keras' transfer-learning guide and Regraft, in turn on every split: accuracy on unseen pictures, and time.

Accuracy differences are in percentage points, time ratios are the guide's time divided by Regraft's, both split by
split.
"""

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import frame, sides
from benchmarks.frame import Bar, Result, Settings, Table, UnavailableError, points, times
from benchmarks.sides import Request, Side

_JUDGED = "flowers5_227px"
_WAYS = ("guide", "head", "fit")


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one of Regraft's ways has to reach against the guide: medians over the splits."""

    way: str
    words: str
    gain: float
    ratio: float
    aim: float


REQUIREMENTS = (
    Requirement("head", "the head alone", 0.015, 20, 40),
    Requirement("fit", "the whole fit", 0.03, 10, 15),
)


def run(settings: Settings) -> Iterator[Result]:
    """Head, whole fit, guide, and again for the next split; the result so far after each split."""
    earlier, notes = _earlier(settings)
    measured: list[Side] = []
    for data in settings.data:
        for split in range(settings.splits):
            for fine_tune in ("no", "auto"):
                request = Request(data, split, settings.per_class, fine_tune=fine_tune)
                measured.append(sides.fresh("benchmarks.fit", request))
            measured.append(earlier.get((data, split)) or _guide(data, split, settings))
            yield compare(measured, settings, notes)


def compare(measured: Sequence[Side], settings: Settings, notes: tuple[str, ...] = ()) -> Result:
    """The comparison, from measurements of all three ways on the same splits."""
    tables: list[Table] = []
    for data in dict.fromkeys(side.request.data for side in measured):
        ways = {way: [side for side in measured if side.request.data == data and side.way == way] for way in _WAYS}
        tables += [_accuracies(data, ways), _durations(data, ways)]
    judged = [side for side in measured if side.request.data == _JUDGED]
    bars = tuple(bar for requirement in REQUIREMENTS for bar in judge(requirement, judged)) if judged else ()
    return Result(
        "transfer", str(__doc__), tuple(tables), tuple(map(dataclasses.asdict, measured)), bars, notes, settings
    )


def judge(requirement: Requirement, measured: Sequence[Side]) -> tuple[Bar, Bar]:
    """Whether the median gain and the median ratio of times reach what is required of one way."""
    guide = [side for side in measured if side.way == "guide"]
    ours = [side for side in measured if side.way == requirement.way]
    gain = statistics.median(frame.differences(_accuracy(guide), _accuracy(ours)))
    ratio = statistics.median(frame.ratios(_seconds(guide), _seconds(ours)))
    # A difference of two shares is inexact in binary; a gain of exactly 3 points must count as 3.
    return (
        Bar(
            f"{requirement.words} is at least {points(requirement.gain)} points from the guide on {_JUDGED}",
            f"{points(gain)} points (median of {len(ours)})",
            gain >= requirement.gain - 1e-9,
        ),
        Bar(
            f"{requirement.words} takes at most 1/{requirement.ratio:g} of the guide's time on {_JUDGED}",
            f"1/{ratio:.1f} (median of {len(ours)})",
            ratio >= requirement.ratio,
            f"1/{requirement.aim:g}, {'reached' if ratio >= requirement.aim else 'not reached'}",
        ),
    )


def _accuracies(data: str, ways: Mapping[str, Sequence[Side]]) -> Table:
    guide, head, fit = (_accuracy(ways[way]) for way in _WAYS)
    gains = (frame.differences(guide, head), frame.differences(guide, fit))
    columns = ("split", "guide, %", "head, %", "fit, %", "head - guide", "fit - guide")
    return _table(f"{data}: accuracy", columns, ways, (guide, head, fit, *gains), (frame.percent,) * 3 + (points,) * 2)


def _durations(data: str, ways: Mapping[str, Sequence[Side]]) -> Table:
    guide, head, fit = (_seconds(ways[way]) for way in _WAYS)
    whole = [side.stages.get("whole call", side.seconds) for side in ways["head"]]
    quotients = (frame.ratios(guide, head), frame.ratios(guide, fit))
    columns = ("split", "guide, s", "head, s", "head with report, s", "fit, s", "guide / head", "guide / fit")
    return _table(
        f"{data}: time", columns, ways, (guide, head, whole, fit, *quotients), (frame.seconds,) * 4 + (times,) * 2
    )


def _table(
    title: str,
    columns: tuple[str, ...],
    ways: Mapping[str, Sequence[Side]],
    figures: Sequence[Sequence[float]],
    show: Sequence[Callable[[float], str]],
) -> Table:
    splits = [side.request.split for side in ways["guide"]]
    rows = [list(row) for row in zip(splits, *figures, strict=True)]
    return Table(title, columns, tuple(map(tuple, frame.with_summary(rows, 1, show))))


def _guide(data: str, split: int, settings: Settings) -> Side:
    return sides.fresh("benchmarks.guide", Request(data, split, settings.per_class, settings.epochs))


def _earlier(settings: Settings) -> tuple[dict[tuple[str, int], Side], tuple[str, ...]]:
    """Earlier measurements of the guide that may stand for new ones, by data set and split, and a note that says so."""
    if settings.reference is None:
        return {}, ()
    document = frame.document(settings.reference, "python -m benchmarks guide")
    other = frame.differing(frame.machine(), document["machine"])
    if other:
        raise UnavailableError(
            f"'{settings.reference}' is of another machine ({'; '.join(other)}); measure the guide here"
        )
    found = [sides.from_plain(plain) for plain in document["measurements"] if plain["way"] == "guide"]
    wanted = {
        (side.request.data, side.request.split): side
        for side in found
        if (side.request.per_class, side.request.epochs) == (settings.per_class, settings.epochs)
        and side.request.data in settings.data
        and side.request.split < settings.splits
    }
    if not wanted:
        raise UnavailableError(f"'{settings.reference}' has no measurement of the guide for these data and settings")
    note = (
        f"{len(wanted)} measurements of the guide are from an earlier run on the same machine "
        f"({document['measured']}, load {document['machine'].get('load', 'unknown')}), the others from this one."
    )
    return wanted, (note,)


def _accuracy(measured: Sequence[Side]) -> list[float]:
    return [side.accuracy for side in measured]


def _seconds(measured: Sequence[Side]) -> list[float]:
    return [side.seconds for side in measured]
