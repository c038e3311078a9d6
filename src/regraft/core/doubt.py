"""What is doubtful about labelled examples: leaks between splits, wrong labels, pictures unlike all others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from regraft.core.metric import Metric

Kind = Literal["leak", "contradiction", "label", "outlier", "repeat"]
# In the order in which a reader should look at them.
KINDS: tuple[Kind, ...] = ("leak", "contradiction", "label", "outlier", "repeat")


@dataclass(frozen=True, slots=True)
class Doubted:
    """An example that something is doubtful about.

    Attributes:
        name: its path or index.
        id: its content digest.
        split: that it is in.
        label: its class, as the user gave it.
    """

    name: str
    id: str
    split: str
    label: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something about one example, or some together, that a person should look at. Nothing is changed for it.

    Attributes:
        kind: `leak`: the same in several splits; `contradiction`: the same under several labels; `label`: its label is
            probably wrong; `outlier`: unlike all others; `repeat`: the same several times in one split.
        examples: those that it is about; of a large group the first.
        classes: of a contradiction, its labels; of a label in doubt, the label and the class that it should probably
            be; else the labels of the examples.
        score: of a leak, contradiction or repeat, how alike the least alike pair is, 1 where all are identical; of a
            label, the probability that it is wrong; of an outlier, how many times as far from its neighbours as is
            usual.
        text: all of it in one sentence.
    """

    kind: Kind
    examples: tuple[Doubted, ...]
    classes: tuple[str, ...]
    score: float
    text: str


@dataclass(frozen=True, slots=True)
class DoubtSearch:
    """How doubts were looked for.

    Attributes:
        cut_point: whose pooled activations were compared; empty where only identical examples were looked for.
        examples: how many were compared with each other.
        of: how many there are.
        found: by kind, how many doubts; the record holds the strongest of each kind.
        note: what was not looked for, and why; empty where everything was.
    """

    cut_point: str
    examples: int
    of: int
    found: Mapping[str, int]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Twins:
    """What leaks do to the accuracy that a run states.

    Attributes:
        split: that the accuracy is of.
        examples: of it that were looked at.
        with_twin: how many of them are the same as one that was learnt from, or nearly.
        identical: how many of these to the byte.
        accuracy: of those without a twin; None where none is left.
    """

    split: str
    examples: int
    with_twin: int
    identical: int
    accuracy: Metric | None
