"""Where a graph of operations can be cut: the values through which every path from the inputs to the outputs goes."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: the values that it reads and the values that it makes."""

    reads: tuple[Hashable, ...]
    makes: tuple[Hashable, ...]


def separators(steps: Sequence[Step], inputs: Sequence[Hashable], outputs: Sequence[Hashable]) -> list[Hashable]:
    """The values that alone separate the inputs from the outputs, from the inputs upwards.

    An input that is the only one and an output that is the only one are among them. Steps whose results reach no output
    are left out, and so are values that depend on no input. A separating value is comparable with every step that
    matters (before it or after it), so that one sweep in any topological order finds all of them: after its step it is
    the only value still waited for. Linear in the number of steps.

    Args:
        steps: in a topological order.
        inputs: the values that are given.
        outputs: the values that are wanted.

    Returns:
        The separating values, each once; none where no output depends on an input.

    >>> chain = [Step(("x",), ("a",)), Step(("a",), ("b",)), Step(("a", "b"), ("c",))]
    >>> separators(chain, ["x"], ["c"])
    ['x', 'a', 'c']
    """
    needed: set[Hashable] = set(outputs)
    relevant: list[Step] = []
    for step in reversed(steps):
        if needed.intersection(step.makes):
            needed.update(step.reads)
            relevant.append(step)
    relevant.reverse()

    waiting: dict[Hashable, int] = dict.fromkeys(outputs, 1)
    for step in relevant:
        for value in set(step.reads):
            waiting[value] = waiting.get(value, 0) + 1

    live = {value for value in inputs if waiting.get(value)}
    # A value that depends on no input (a constant) is no reason against a cut: it can be computed on either side.
    varying = set(live)
    found = list(live) if len(live) == 1 else []
    for step in relevant:
        if varying.intersection(step.reads):
            varying.update(step.makes)
        for value in set(step.reads):
            waiting[value] -= 1
            if not waiting[value]:
                live.discard(value)
        live.update(value for value in step.makes if waiting.get(value) and value in varying)
        if len(live) == 1:
            (only,) = live
            if not found or found[-1] != only:
                found.append(only)
    return found
