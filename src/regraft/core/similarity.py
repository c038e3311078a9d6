"""How alike layers answer before and after they learnt, as a run's record keeps it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Similarity:
    """How alike the source and the result represent the same examples at one cut point.

    Attributes:
        cut_point: its name, the same in both.
        value: linear CKA: 1 where both are the same up to a rotation and one scale, about 0 where one says nothing of
            the other; nan where all examples are alike there.
        examples: on how many it was measured.
    """

    cut_point: str
    value: float
    examples: int
