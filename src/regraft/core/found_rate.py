"""What a learning-rate range test saw, and the rate that it suggests."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FoundRate:
    """A range test: the rate rises from step to step until the loss explodes (Smith 2017).

    Attributes:
        phase: the phase that the rate is for, or a word for a model that is not in a plan.
        optimizer: what took the steps.
        rates: of each step; where layers learn at different rates, that of the fastest.
        losses: of each step's batch, before the step.
        smoothed: the losses without what is the batches' own: what the same batches cost the weights of the start is
            taken off, and steps beside each other are averaged.
        steepest: the rate at which the smoothed loss falls fastest.
        tenth: a tenth of the rate at which it is least.
        valley: the middle of the longest stretch over which it falls.
        suggested: the highest of these three that is at most a third of the least loss's rate; where the loss never
            falls, a tenth of the last rate that did no harm.
        exploded: whether it came to that; else the highest rate was reached.
        why: how the suggestion was come by, in words.
    """

    phase: str
    optimizer: str
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    steepest: float | None
    tenth: float | None
    valley: float | None
    suggested: float
    exploded: bool
    why: str
