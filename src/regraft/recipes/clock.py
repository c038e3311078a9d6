"""Where the wall time of a run goes."""

import contextlib
import time
from collections.abc import Generator, Mapping

_TOTAL = "total"


class Clock:
    """Adds up the seconds of named stages that do not overlap."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._stages: dict[str, float] = {}
        self._open: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Count the time of the block under a name."""
        self._open[name] = time.perf_counter()
        try:
            yield
        finally:
            self._stages[name] = self.of(name)
            del self._open[name]

    def add(self, before: Mapping[str, float]) -> None:
        """Count what a process of before took as well.

        Args:
            before: what `seconds` said in it.
        """
        for name, seconds in before.items():
            if name != _TOTAL:
                self._stages[name] = self._stages.get(name, 0.0) + seconds
        self._started -= before.get(_TOTAL, 0.0)

    def seconds(self) -> dict[str, float]:
        """Seconds by stage, every stage that the record promises, and their total."""
        promised = ("open", "activations", "head", "fine_tune", "baselines", "report")
        names = dict.fromkeys((*promised, *self._stages, *self._open))
        return {**{name: self.of(name) for name in names}, _TOTAL: time.perf_counter() - self._started}

    def of(self, name: str) -> float:
        """Seconds counted so far under a name."""
        running = time.perf_counter() - self._open[name] if name in self._open else 0.0
        return self._stages.get(name, 0.0) + running
