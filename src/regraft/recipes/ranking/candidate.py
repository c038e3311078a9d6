"""A source that may be chosen, and what is known of it before it is opened."""

from dataclasses import dataclass
from typing import Any

from regraft.core.input_spec import InputSpec
from regraft.core.records import Metric
from regraft.zoo.public import public


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A source that may be chosen.

    Attributes:
        source: what `regraft.open` takes.
        name: the same in words, as `regraft.fit` takes it where it is a file or an address.
        classes: what it tells apart, where that is written down beside it.
        data_digest: of the examples that it was made from.
        accuracy: that it had on examples of its own.
        measured_on: which these were.
        quality: what was published of how good it is at what it was trained for, a part of one.
        inputs: what it takes, where that is written down.
    """

    source: Any
    name: str
    classes: tuple[str, ...] = ()
    data_digest: str | None = None
    accuracy: Metric | None = None
    measured_on: str = ""
    quality: float | None = None
    inputs: InputSpec | None = None


def published(source: Any) -> float | None:
    """What was published of a network of a public zoo: the share of ImageNet's validation pictures that it knows."""
    if not isinstance(source, str) or not source.startswith("keras:"):
        return None
    return next((network.top1 for network in public("keras").networks if network.source == source), None)
