"""How strong a corruption is while pretraining runs: from where it starts to where it ends."""

import math
from dataclasses import dataclass
from typing import Literal

from regraft.core.errors import RequestError

Course = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True, slots=True)
class Strength:
    """A strength that changes with progress.

    Strong first and weaker towards the end makes a task harder, because what is less wrong is harder to find.

    Attributes:
        start: above 0, at most 1.
        end: likewise.
        course: `constant` stays at `start`; `linear` goes straight; `cosine` begins and ends slowly.

    Raises:
        RequestError: a strength is out of range.
    """

    start: float
    end: float
    course: Course = "linear"

    def __post_init__(self) -> None:
        for name, value in (("strength", self.start), ("last_strength", self.end)):
            if not 0 < value <= 1:
                raise RequestError(f"'{name}': expected a share above 0 and up to 1, found {value}")

    def at(self, progress: float) -> float:
        """The strength at a progress from 0 to 1, both included; beyond, as at the nearer end.

        >>> [round(Strength(0.5, 0.1, course).at(0.25), 3) for course in ("constant", "linear", "cosine")]
        [0.5, 0.4, 0.441]
        """
        if self.course == "constant":
            return self.start
        gone = min(max(progress, 0.0), 1.0)
        if self.course == "cosine":
            gone = (1 - math.cos(math.pi * gone)) / 2
        return self.start + gone * (self.end - self.start)
