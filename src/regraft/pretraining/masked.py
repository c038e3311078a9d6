"""Masked reconstruction: parts of the input are taken away, and the network learns to say what was there.

Squares of a picture (He et al. 2022), cells of a table or single numbers. What stands in their place is what the data
has on average, or, for numbers and tables, what another example has there (Bahri et al. 2022): then it cannot be seen
which are taken away, and the network has to know what goes together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from regraft.core.checks import require
from regraft.core.errors import RequestError
from regraft.core.pretraining import Kind, Spec
from regraft.pretraining import masked_words
from regraft.pretraining.decoding import decoder, stacked
from regraft.pretraining.giving_back import Error, errors, require_error
from regraft.pretraining.learner import Array, Batch, Learner, Rows, Sample

NAME = "masked"
KINDS: tuple[Kind, ...] = ("pictures", "numbers", "text", "table")
LABELS = False
GROUPS = False
GREEDY = False
ARCHITECTURES: Mapping[Kind, str] = {}
SPEC = Spec(epochs=50)

# Squares of a picture along its shorter side, unless somebody says how large they are.
_SQUARES = 7
# What is taken away where nobody says how much: of other data, of texts.
_USUAL, _TOKENS = 0.5, 0.15
_NO_TEXTS = "pictures, numbers and tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set.

    Attributes:
        hidden: the part of the squares, cells, numbers or tokens that are taken away; 0: half, of tokens 15 in 100.
        patch: sides of squares in pixels; 0: a seventh of the shorter side, and at least 2.
        instead: what stands in their place: `mean` of the data, or the value that `another` example has there; `auto`:
            the mean in pictures, others' values in numbers and tables.
        visible: weight of the error where nothing was taken away, beside 1 where something was.
        error: of what is given back: `squared`, or `cross-entropy` for values from 0 to 1; `auto`: by the values.
    """

    hidden: float = 0.0
    patch: int = 0
    instead: Literal["auto", "mean", "another"] = "auto"
    visible: float = 0.1
    error: Error = "auto"

    def __post_init__(self) -> None:
        """Refuse figures that leave nothing to see or nothing to learn.

        Raises:
            RequestError: one of them, named.
        """
        require(
            self,
            ("hidden", "from 0 (as much as is usual) to below 1", 0 <= self.hidden < 1),
            ("patch", "as 0 (by the size of the picture) or above", self.patch >= 0),
            ("visible", "as 0 or above", 0 <= self.visible < np.inf),
        )

    def unused(self, kind: Kind) -> Mapping[str, str]:
        """What makes no difference, each with what it is for."""
        found = {} if kind == "pictures" else {"patch": "pictures"}
        return found if kind != "text" else found | dict.fromkeys(("instead", "visible", "error"), _NO_TEXTS)


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """The trunk below a decoder, fed with what is left; for texts see `masked_words`."""
    if sample.kind == "text":
        return masked_words.learner(trunk, sample, settings.hidden or _TOKENS, seed)
    below = decoder(trunk, sample.shape, seed)
    error = errors(require_error(settings.error, sample))
    mean = sample.x.mean(axis=0, keepdims=True).astype(np.float32)
    others = settings.instead == "another" or (settings.instead == "auto" and sample.kind != "pictures")

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        x = rows.take(indices)
        mask = masks(len(x), sample, settings, random)
        given = x[_derangement(len(x), random)] if others else mean
        return x, np.where(mask, given, x).astype(np.float32), mask.astype(np.float32)

    def loss(model: keras.Model, batch: tuple[Any, ...], training: bool) -> Any:
        x, shown, mask = batch
        return _weighted(error(model(shown, training=training), x), mask + settings.visible * (1 - mask))

    def error_of_hidden(model: keras.Model, batch: tuple[Any, ...]) -> Any:
        x, shown, mask = batch
        return _weighted(error(model(shown, training=False), x), mask)

    return Learner(
        model=stacked(trunk, below, name="masked"),
        trunk=trunk,
        draw=draw,
        loss=loss,
        measures={"error_of_hidden": error_of_hidden},
    )


def _weighted(each: Any, weight: Any) -> Any:
    """The mean of what is counted by weights with axes of 1."""
    ops: Any = keras.ops
    return ops.sum(each * weight) / ops.maximum(ops.sum(ops.broadcast_to(weight, ops.shape(each))), 1e-6)


def masks(count: int, sample: Sample, settings: Settings, random: np.random.Generator) -> Array:
    """What is taken away of each example: bool (count, ...), of the sample's shape or with axes of 1.

    Of each example the same number of squares, cells or numbers, and at least one, but never all.
    """
    if sample.kind == "pictures":
        return _squares(count, sample.shape, settings, random)
    cells = sample.cells or tuple((start, start + 1) for start in range(sample.shape[-1]))
    chosen = _chosen(count, len(cells), settings.hidden or _USUAL, random)
    widths = [stop - start for start, stop in cells]
    mask = np.zeros((count, sample.shape[-1]), bool)
    mask[:, np.concatenate([np.arange(start, stop) for start, stop in cells])] = np.repeat(chosen, widths, axis=1)
    return mask.reshape(count, *([1] * (len(sample.shape) - 1)), sample.shape[-1])


def _squares(count: int, shape: tuple[int, ...], settings: Settings, random: np.random.Generator) -> Array:
    height, width = shape[:2]
    wanted = settings.patch or max(2, -(-min(height, width) // _SQUARES))
    side = min(wanted, height, width)
    rows, columns = -(-height // side), -(-width // side)
    if rows * columns < 2:
        raise RequestError(
            f"expected squares smaller than the pictures, found {wanted} x {wanted} for {height} x "
            f"{width}; say a smaller one: --set patch=N"
        )
    chosen = _chosen(count, rows * columns, settings.hidden or _USUAL, random).reshape(count, rows, columns)
    whole = chosen.repeat(side, axis=1).repeat(side, axis=2)
    return whole[:, :height, :width, np.newaxis]


def _chosen(count: int, places: int, part: float, random: np.random.Generator) -> Array:
    """Bool (count, places), the same number in each row."""
    number = min(places - 1, max(1, round(part * places)))
    return random.random((count, places)).argsort(axis=1) < number


def _derangement(count: int, random: np.random.Generator) -> Array:
    """Another example for each, drawn in a circle."""
    order = random.permutation(count)
    made = np.empty(count, np.int64)
    made[order] = np.roll(order, 1)
    return made
