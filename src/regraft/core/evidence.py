"""What a run keeps beside its record, so that without the data its page can be drawn again, and beside others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]
Method = Literal["t-SNE", "PCA"]

GRID = 1000
"""Places on a map are whole numbers from 0 up to this, which is finer than a screen."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a run answered for each of the examples that it is judged by.

    Attributes:
        ids: uint8 (n, 16), the digests of their contents: the same example in two runs has the same.
        names: paths or indices.
        labels: int32 (n,), indices of the run's classes.
        predicted: int32 (n,), likewise.
        confidence: float32 (n,), the probability given to the answer.
        right: float32 (n,), the probability given to the label.
    """

    ids: Array
    names: tuple[str, ...]
    labels: Array
    predicted: Array
    confidence: Array
    right: Array

    @property
    def correct(self) -> Array:
        """Whether each answer is what the label says, bool (n,)."""
        return self.predicted == self.labels

    def id(self, row: int) -> str:
        """The digest of an example as text."""
        return self.ids[row].tobytes().hex()


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Activations of m examples at one place of a network, small enough to keep, and drawn on a plane.

    Attributes:
        components: float16 (m, k), their principal components, scaled to a mean square of 1.
        explained: which part of the variance these hold.
        alike: float16 (m,), which part of each example's nearest neighbours is of its class.
        places: uint16 (m, 2) from 0 to `GRID`, where the map has them.
    """

    components: Array
    explained: float
    alike: Array
    places: Array


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingMap:
    """Where examples are among each other, as the source represents them and as the result does.

    Attributes:
        rows: int64 (m,), which of the answers' examples these are.
        before: at the source's cut point.
        after: in the result, just below its head; None where nothing below the head learnt: it is the same.
        method: how the places were found.
        neighbours: how many nearest neighbours of each were looked at.
    """

    rows: Array
    before: View
    after: View | None
    method: Method
    neighbours: int


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Small pictures of some examples, all in one file.

    Attributes:
        rows: int64 (p,), which of the answers' examples they are of.
        side: pixels of the square that each has.
        columns: how many stand side by side; the next ones are below.
        jpeg: the file.
    """

    rows: Array
    side: int
    columns: int
    jpeg: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All of it.

    Attributes:
        answers: of the split that the run is judged by.
        embedding: the map; None where there are too few examples for one.
        pictures: for the map; None where the examples are no pictures.
        thumbnails: larger ones, of mistakes, JPEG or PNG bytes by example id.
        texts: of mistakes that are no pictures, what they say, by example id.
    """

    answers: Answers
    embedding: EmbeddingMap | None = None
    pictures: Pictures | None = None
    thumbnails: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
