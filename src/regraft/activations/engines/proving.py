"""Whether another engine computes what Keras does, on real examples, before anything it computes is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regraft.activations.engines.trunk import Array, Compiled, Trunk

# Relative to the largest activation of each result: what float32 loses in some hundred layers stays far below.
TOLERANCE = 1e-4

# By how much the examples of a batch are moved on, to places that kernels of 4, 8 and 16 rows treat differently.
_MOVED = (1, 13)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a comparison found.

    Attributes:
        difference: the largest relative one, of all results.
        against: what speaks against the engine, as the end of a sentence; empty where nothing does.
        at: the place in `Trunk.wanted` that it was seen at.
    """

    difference: float
    against: str = ""
    at: int = -1

    @property
    def holds(self) -> bool:
        """Whether the engine may be used."""
        return not self.against


def prove(trunk: Trunk, expected: Sequence[Array], compiled: Compiled, batch: Array) -> Proof:
    """Compare an engine with what Keras computed, with itself a second time, and with itself in other company.

    Args:
        trunk: what is computed.
        expected: Keras' results for the batch, in the order of `trunk.wanted`.
        compiled: the engine's function.
        batch: real examples, a whole batch of them.
    """
    found = compiled(batch)
    order = upwards(trunk)
    differences = {index: relative(expected[index], found[index]) for index in order}
    largest = max(differences.values())
    for index in order:
        if not differences[index] <= TOLERANCE:
            return Proof(
                largest,
                f"at {_named(trunk, index)} it differs from Keras by {differences[index]:.1e} of the largest "
                f"activation, {TOLERANCE:.0e} is allowed",
                index,
            )
    unlike = _first_unlike(order, found, compiled(batch))
    if unlike is not None:
        return Proof(largest, f"at {_named(trunk, unlike)} it gives another result the second time", unlike)
    for places in _MOVED:
        company = np.roll(batch, places, axis=0)
        company[::2] = 0
        kept = [np.roll(result, places, axis=0)[1::2] for result in found]
        unlike = _first_unlike(order, kept, [result[1::2] for result in compiled(company)])
        if unlike is not None:
            against = f"at {_named(trunk, unlike)} an example's result depends on its place or neighbours"
            return Proof(largest, against, unlike)
    return Proof(largest)


def relative(expected: Array, found: Array) -> float:
    """The largest difference, relative to the largest expected value; infinite where shapes or NaNs differ."""
    if expected.shape != found.shape:
        return float("inf")
    if not expected.size or np.array_equal(expected, found, equal_nan=True):
        return 0.0
    difference = np.abs(expected - found).max()
    largest = np.abs(expected).max()
    return float(difference / largest) if largest > 0 and np.isfinite(difference) else float("inf")


def upwards(trunk: Trunk) -> list[int]:
    """The places of what is wanted, from the input of the network upwards."""
    depths = {value: depth for depth, call in enumerate(trunk.calls) for value in call.makes}
    return sorted(range(len(trunk.values)), key=lambda index: depths.get(trunk.values[index], -1))


def _first_unlike(order: Sequence[int], one: Sequence[Array], other: Sequence[Array]) -> int | None:
    """The first result that is not the same to the last bit."""
    return next((index for index in order if one[index].tobytes() != other[index].tobytes()), None)


def _named(trunk: Trunk, index: int) -> str:
    item = trunk.wanted[index]
    return f"'{item.cut_point}'{' (averaged)' if item.pooled else ''}"
