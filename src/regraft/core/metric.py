"""A figure and how sure it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure with its 95 % interval."""

    value: float
    interval: tuple[float, float]
