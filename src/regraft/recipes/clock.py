"""Where the wall time of a run goes."""

import contextlib
import time
from collections.abc import Generator


class Clock:
    """Adds up the seconds of named stages that do not overlap."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._stages: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Count the time of the block under a name."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._stages[name] = self._stages.get(name, 0.0) + time.perf_counter() - started

    def seconds(self) -> dict[str, float]:
        """Seconds by stage, every stage that the record promises, and their total."""
        stages = dict.fromkeys(("open", "activations", "head", "fine_tune", "baselines", "report"), 0.0) | self._stages
        return {**stages, "total": time.perf_counter() - self._started}

    def of(self, name: str) -> float:
        """Seconds counted so far under a name."""
        return self._stages.get(name, 0.0)
