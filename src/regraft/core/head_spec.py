"""The new top of a network as a plan has it: what it reads, new layers in it, and how these learn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from regraft.core.blocks import new_layers
from regraft.core.errors import RequestError
from regraft.core.phase import AVERAGED, Phase

# What a run calls the phase in which new layers learn, before any reused one does.
NEW_LAYERS = "new layers"
NEW_LAYERS_REFIT = f"{NEW_LAYERS} refit"
# The widest layer that people put there has 4,096 units (VGG), and nobody puts more than three.
WIDEST, MOST_LAYERS = 16_384, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLayersSpec(Phase):
    """The phase in which new layers and the head on them learn from pooled activations, all reused layers frozen.

    It says what any phase can say; rates are those of activations that are standardised. Where a plan says nothing, it
    is what was measured to be good.

    Attributes:
        epochs: passes over the training examples; None: chosen from how many there are.
    """

    WHERE: ClassVar[str] = "head.learning"

    name: str = NEW_LAYERS
    rate: float | Literal["find"] = 3e-3
    layer_decay: float = 1.0
    optimizer: str = "adamw"
    weight_decay: float = 1.0
    label_smoothing: float = 0.03
    moving_average: float = AVERAGED


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """The new top of the network: a linear classifier on pooled activations, or on new layers that read these.

    Attributes:
        pooling: how a map becomes a vector.
        taps: cut points below the plan's that the head reads as well, from the lowest upwards, each pooled; None: one
            or none, chosen by cross-validation.
        hidden: widths of new layers between the reused ones and the linear classifier, from the lowest upwards, each
            followed by a ReLU; empty: there are none.
        learning: how new layers learn before any reused one does, from pooled activations; None: as measured to be
            good, and written out in the resolved plan.
        inverse_penalty: scikit-learn's `C` of the multinomial logistic regression; None: chosen by cross-validation.
        folds: how many folds that cross-validation has.
        solver: `lbfgs` holds all activations in memory; `minibatch` streams them and minimises the same objective.
    """

    pooling: Literal["average"] = "average"
    taps: tuple[str, ...] | None = None
    hidden: tuple[int, ...] = ()
    learning: NewLayersSpec | None = None
    inverse_penalty: float | None = None
    folds: int = 5
    solver: Literal["auto", "lbfgs", "minibatch"] = "auto"

    def __post_init__(self) -> None:
        """Refuse widths that no layer can have, and words about the learning of layers that there are not."""
        object.__setattr__(self, "hidden", widths(self.hidden))
        if self.learning is not None and not self.hidden:
            raise RequestError(
                "expected widths in the plan's head.hidden beside head.learning, which says how new layers learn, "
                "found none"
            )

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of all new layers with weights, from the lowest upwards; the last is the linear classifier."""
        return new_layers(len(self.hidden))


def widths(given: str | Sequence[int]) -> tuple[int, ...]:
    """Widths of new layers as a plan has them.

    >>> widths("128,64"), widths("none"), widths([32])
    ((128, 64), (), (32,))

    Args:
        given: a sequence of whole numbers, or a text with commas between them; `none` for the empty sequence.

    Raises:
        RequestError: they are no widths, or too many.
    """
    found = _listed(given)
    if len(found) > MOST_LAYERS:
        raise RequestError(f"expected at most {MOST_LAYERS} new layers (hidden), found {len(found)}")
    for width in found:
        if not 1 <= width <= WIDEST:
            raise RequestError(f"expected widths of new layers (hidden) from 1 to {WIDEST:,}, found {width}")
    return found


def _listed(given: Any) -> tuple[int, ...]:
    expected = RequestError(f"expected widths of new layers (hidden) as whole numbers, such as 128,64, found {given!r}")
    if isinstance(given, str):
        words = [word.strip() for word in given.split(",")]
        if words == ["none"]:
            return ()
        if not all(word.isascii() and word.lstrip("-").isdigit() for word in words):
            raise expected
        return tuple(int(word) for word in words)
    try:
        items = list(cast(Sequence[Any], given))
    except TypeError:
        raise expected from None
    if any(isinstance(item, bool) or not hasattr(item, "__index__") for item in items):
        raise expected
    return tuple(int(item) for item in items)
