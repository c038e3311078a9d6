"""How long a search may take, and what the next piece of it would."""

import statistics
import time
from collections import defaultdict

from regraft.core import durations

# What a lesson takes besides its steps, before any was measured: compiling, reading, answering.
_AROUND = 1.0
# Operations a second that are taken for granted before anything was measured.
_SPEED = 5e10
# Seconds for joining, proofs and the report, and the part of the time for the network from scratch.
_REPORTING, _COMPARING = 10.0, 0.2
# What was opened and computed in no time is reported on in little: in so many times as long, and in these seconds at
# least. Where opening took a second or more, that is no less than for any other network.
_TIMES_OPENING, _LEAST_REPORTING = 10.0, 3.0


class Deadline:
    """A moment that work is to be done by, and the part of the time that is kept for what comes after the search.

    Args:
        seconds: that there are; None: no bound.
        spent: by a process of before, which was killed.
    """

    def __init__(self, seconds: float | None, spent: float = 0.0) -> None:
        self.seconds = seconds
        self._opened = time.perf_counter()
        self._started = self._opened - spent - durations.waited()
        self.reserved = 0.0
        self.comparing = 0.0

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._started

    @property
    def opening(self) -> float:
        """Seconds since this began, whatever had passed before."""
        return time.perf_counter() - self._opened

    def reserve(self, compared: bool) -> None:
        """Keep time for what comes after the search but for the fit: the report, and the network from scratch.

        Args:
            compared: whether there will be a network from scratch.
        """
        reporting = min(_REPORTING, max(_LEAST_REPORTING, _TIMES_OPENING * self.opening))
        self.comparing = _COMPARING * (self.seconds or 0.0) if compared else 0.0
        self.reserved = reporting + self.comparing

    def release(self) -> None:
        """Give the search what was kept for the network from scratch: it would not be enough."""
        self.reserved -= self.comparing
        self.comparing = 0.0

    def keep(self, seconds: float) -> None:
        """Keep more of it for what comes after the search: the fit, once it is known of what.

        Args:
            seconds: that it will take.
        """
        self.reserved += seconds

    @property
    def left(self) -> float:
        """Seconds that the search still has."""
        return float("inf") if self.seconds is None else self.seconds - self.reserved - self.spent

    @property
    def for_comparing(self) -> float:
        """Seconds that a baseline may take now."""
        return float("inf") if self.seconds is None else self.seconds - self.spent - _REPORTING / 2

    def allows(self, seconds: float) -> bool:
        """Whether something that takes so long would be done in time."""
        return seconds <= self.left


class Pace:
    """What steps have taken, by what learns, to foretell what others will."""

    def __init__(self) -> None:
        self._lessons: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self._speeds: list[float] = []

    def note(self, what: str, operations: float, steps: int, seconds: float) -> None:
        """A lesson was learnt.

        Args:
            what: learns.
            operations: of one step; 0 where that is not known.
            steps: that it took.
            seconds: likewise.
        """
        self._lessons[what].append((steps, seconds))
        if steps and operations and seconds > 2 * _AROUND:
            self._speeds.append(operations * steps / (seconds - _AROUND))

    def expected(self, what: str, operations: float, steps: int) -> float:
        """Seconds that a lesson of so many steps will take."""
        known = self._lessons.get(what)
        if not known:
            speed = statistics.median(self._speeds) if self._speeds else _SPEED
            return _AROUND + operations * steps / speed
        longest, seconds = max(known)
        same = [each for count, each in known if count == steps]
        if same:
            return statistics.median(same)
        around = min(_AROUND, seconds)
        return around + (seconds - around) * steps / max(longest, 1)
