"""Successive halving over examples: all sources are looked at with few, the better half with more, the best with all.

Sources are judged by what the rule of `combining` makes of one round: all of it on the same examples. So what a source
is dropped for is never that others were looked at more closely.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from regraft.activations.loading import remembering
from regraft.core import metrics
from regraft.core.errors import DataError, RegraftError, StorageError
from regraft.core.progress import Stopped, say, stopping, track, unsaid
from regraft.core.ranking import Ranked, Refused
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.ranking import combining
from regraft.recipes.ranking.candidate import Candidate
from regraft.recipes.ranking.looking import Look, Looker

# Examples of the first rounds; the last has all, up to `MOST`.
SIZES = (200, 800)
MOST = 4_000
# Of every class at least so many in the first round: a probe has to leave one out and know others of its class.
_PER_CLASS = 5
# A round that has hardly more examples than the one before says nothing new.
_MORE = 1.5
# So few sources are looked at with all examples at once, and never are fewer left.
FEW = 3
# Bytes of pictures that are kept for the next network of the same size: 800 of 224 pixels.
_PICTURES = 500_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Rounds:
    """What the rounds came to.

    Attributes:
        ranked: every source that was looked at, the best first.
        looks: the last look at each, by the name of the source.
        refused: sources that could not be used, or were not looked at in time.
        sizes: how many examples each round looked at, those that cannot be read left out.
        rule: weights of the scores, by name.
        stopped: whether the user ended it.
        unseen: how many of the refused were not looked at, because it was ended or time was up.
    """

    ranked: tuple[Ranked, ...]
    looks: dict[str, Look]
    refused: tuple[Refused, ...]
    sizes: tuple[int, ...]
    rule: dict[str, float]
    stopped: bool
    unseen: int

    @property
    def unreadable(self) -> dict[int, str]:
        """Why examples cannot be read, by their indices."""
        return {index: reason for look in self.looks.values() for index, reason in look.unreadable}


def sizes(most: int, classes: int, sources: int, keep: int) -> tuple[int, ...]:
    """How many examples each round has.

    >>> sizes(10_000, 10, 20, 3), sizes(525, 5, 20, 3), sizes(525, 5, 3, 3), sizes(10_000, 136, 20, 3)
    ((200, 800, 4000), (200, 525), (525,), (680, 4000))

    Args:
        most: how many there are.
        classes: of them.
        sources: that are to be looked at.
        keep: how many of these are to be left.
    """
    last = min(MOST, most)
    found: list[int] = []
    for size in SIZES if sources > keep else ():
        size = max(size, _PER_CLASS * classes)
        if size * _MORE <= last and (not found or size >= found[-1] * _MORE):
            found.append(size)
    return (*found, last)


def run(
    candidates: Sequence[Candidate], looker: Looker, deadline: Deadline, heard: Callable[[], bool], keep: int = FEW
) -> Rounds:
    """Look at all sources, and more closely at the better ones.

    Args:
        candidates: the sources.
        looker: looks at them.
        deadline: when to be done; what is under way then is left.
        heard: whether the user wants an end.
        keep: so many at least are looked at with all examples.

    Raises:
        DataError: the looker is strict, and an example cannot be read.
    """
    made = _State(list(candidates))
    planned = sizes(looker.most, len(looker.examples.classes), len(candidates), max(keep, FEW))
    with remembering(_PICTURES), stopping(lambda: heard() or deadline.left <= 0):
        for number, size in enumerate(planned):
            if number:
                made.drop(max(keep, FEW))
                size = _affordable(made, size, deadline)
                if size is None:
                    say(f"time is up: sources are compared on {made.sizes[-1]:,} examples")
                    break
            if not _round(made, looker, size, deadline, heard):
                break
    return Rounds(made.ranked(), made.looks, tuple(made.refused), tuple(made.sizes), made.rule(), heard(), made.unseen)


class _State:
    """Who is still in, what was seen of whom, who was left and when."""

    def __init__(self, alive: list[Candidate]) -> None:
        self.alive = alive
        self.looks: dict[str, Look] = {}
        self.spent: dict[str, float] = {}
        self.dropped: list[tuple[int, list[str]]] = []
        self.refused: list[Refused] = []
        self.sizes: list[int] = []
        self.unseen = 0

    def drop(self, keep: int) -> None:
        """Leave the worse half, but never fewer than `keep`."""
        ranked = self._scored([candidate.name for candidate in self.alive])
        first = self._first_of_each(ranked)
        left = set(first[: max(keep, math.ceil(len(first) / 2))])
        gone = [candidate.name for candidate in self.alive if candidate.name not in left]
        if gone:
            self.dropped.append((self.sizes[-1], gone))
            verb = "is" if len(gone) == 1 else "are"
            say(f"{len(gone)} of {len(ranked)} sources {verb} left behind at {self.sizes[-1]:,} examples")
        self.alive = [candidate for candidate in self.alive if candidate.name in left]

    def _first_of_each(self, ranked: list[Ranked]) -> list[str]:
        """The sources, in their order, without those that do the same as one before: one network in two files."""
        found: dict[tuple[int, bytes, str], str] = {}
        for item in ranked:
            look = self.looks[item.source]
            found.setdefault((look.width, look.right.tobytes(), f"{look.error:.5g}"), item.source)
        return list(found.values())

    def ranked(self) -> tuple[Ranked, ...]:
        found = self._scored([candidate.name for candidate in self.alive])
        for size, names in self.dropped:
            found += [replace(item, dropped_at=size) for item in self._scored(names)]
        return _told_apart(combining.order(found), self.looks)

    def rule(self) -> dict[str, float]:
        return combining.weights([self.looks[candidate.name].scores for candidate in self.alive])

    def _scored(self, names: list[str]) -> list[Ranked]:
        """Sources of one round, the best first."""
        looks = [self.looks[name] for name in names if name in self.looks]
        scores = combining.combined([look.scores for look in looks], [len(look.indices) for look in looks])
        made = [
            _ranked(look, score, interval, self.spent[look.candidate.name])
            for look, (score, interval) in zip(looks, scores, strict=True)
        ]
        return list(combining.order(made))


def _round(made: _State, looker: Looker, size: int, deadline: Deadline, heard: Callable[[], bool]) -> bool:
    """Look at all that are in; False where it was ended before its time."""
    names = {candidate.name for candidate in made.alive}
    first, waiting = not made.sizes, list(made.alive)
    seen: dict[str, Look] = {}
    ended = False
    try:
        for candidate in track(made.alive, f"sources, {size:,} examples"):
            before = deadline.spent
            try:
                with unsaid():
                    seen[candidate.name] = looker.look(candidate, size)
            except (Stopped, StorageError):
                raise
            except RegraftError as error:
                made.refused.append(Refused(candidate.name, str(error)))
                names.discard(candidate.name)
            # Files and networks fail in ways that nobody has foreseen, and one of many is no reason to lose the others.
            except Exception as error:
                said = " ".join(str(error).split())[:300]
                made.refused.append(Refused(candidate.name, f"unexpected {type(error).__name__}: {said}"))
                names.discard(candidate.name)
            if looker.strict and candidate.name in seen and seen[candidate.name].unreadable:
                raise DataError(seen[candidate.name].unreadable[0][1])
            made.spent[candidate.name] = made.spent.get(candidate.name, 0.0) + deadline.spent - before
            waiting.remove(candidate)
    except Stopped:
        ended = True
    if ended and not first:
        # Part of a round is no round: what all of them have is that of before.
        return False
    if ended:
        why = "it was ended by hand before this was looked at" if heard() else "time was up before this was looked at"
        made.refused += [Refused(candidate.name, why) for candidate in waiting]
        names -= {candidate.name for candidate in waiting}
        made.unseen = len(waiting)
    made.looks.update(seen)
    made.alive = [candidate for candidate in made.alive if candidate.name in names]
    made.sizes.append(max((len(look.indices) for look in seen.values()), default=size))
    return not ended


def _affordable(made: _State, size: int, deadline: Deadline) -> int | None:
    """The number of examples of the next round that the time allows; None where it is hardly more than the last."""
    looks = [made.looks[candidate.name] for candidate in made.alive]
    before = made.sizes[-1]
    # What a pass takes grows with examples; so do scores, at least.
    each = sum(look.seconds / max(1, len(look.indices)) for look in looks)
    if deadline.left == float("inf") or not each:
        return size
    most = before + int(deadline.left / each)
    return min(size, most) if most >= _MORE * before else None


def _ranked(look: Look, score: float, interval: tuple[float, float], spent: float) -> Ranked:
    return Ranked(
        look.candidate.name,
        score,
        interval,
        look.scores,
        look.point.name,
        len(look.indices),
        look.inputs,
        look.inputs.shape[0] if look.inputs.is_picture else None,
        look.width,
        look.point.parameters_below,
        look.point.flops_below,
        spent,
        warnings=look.warnings,
    )


def _told_apart(ranked: tuple[Ranked, ...], looks: dict[str, Look]) -> tuple[Ranked, ...]:
    """Which of them are worse than the first, by their probes on the same examples."""
    if not ranked:
        return ranked
    first = looks[ranked[0].source]
    return (ranked[0], *(replace(item, told_apart=worse(looks[item.source], first)) for item in ranked[1:]))


def worse(look: Look, other: Look) -> bool:
    """Whether a source's probe is worse than another's at 95 %, on the examples that both were judged on."""
    _, own, others = np.intersect1d(look.indices, other.indices, assume_unique=True, return_indices=True)
    return len(own) > 0 and metrics.paired_gain(look.right[own], other.right[others]).interval[1] < 0
