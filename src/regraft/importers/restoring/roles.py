"""What the tensors of a layer are, by the names that frameworks give them: `weight` is a kernel, or a gamma."""

from collections.abc import Callable, Mapping, Sequence

from regraft.core import layouts
from regraft.core.layouts import Place, Shape
from regraft.core.rules import Step

# For each of Keras' names what others call it, in small letters.
NAMES: dict[str, tuple[str, ...]] = {
    "kernel": ("kernel", "weight", "weights", "w"),
    "depthwise_kernel": ("depthwise_kernel", "depthwise_weights", "depthwise"),
    "pointwise_kernel": ("pointwise_kernel", "pointwise_weights", "pointwise"),
    "bias": ("bias", "biases", "b"),
    "gamma": ("gamma", "weight", "scale"),
    "beta": ("beta", "bias", "offset", "shift"),
    "moving_mean": ("moving_mean", "running_mean", "mean", "pop_mean"),
    "moving_variance": ("moving_variance", "running_var", "variance", "var", "pop_variance", "inv_std"),
    "alpha": ("alpha", "slope", "weight"),
    "embeddings": ("embeddings", "embedding", "weight", "weights", "w"),
}
# What layers of other frameworks count beside their weights, and Keras does not.
COUNTERS = ("num_batches_tracked",)
_INVERSE = "inv_std"


Fits = Callable[[Shape, Place], bool]


def fits(shape: Shape, place: Place) -> bool:
    """Whether a tensor of this shape can be for a variable, in any layout."""
    return bool(layouts.ways(shape, place))


def fits_as_it_is(shape: Shape, place: Place) -> bool:
    """Whether a tensor of this shape can be for a variable, where the source lays out kernels as Keras does."""
    return bool(layouts.ways(shape, place, as_keras=True))


def pairs(tensors: Mapping[str, Shape], places: Sequence[Place], fits: Fits = fits) -> list[tuple[str, Place]] | None:
    """Which tensor of a layer is for which variable of another layer; None where they are not the same kind of layer.

    Args:
        tensors: shapes by the tensors' names within their layer.
        places: all variables of the other layer.
        fits: whether a shape can be for a variable.

    >>> pairs({"weight": (4,), "bias": (4,)}, [Place("n/gamma", (4,)), Place("n/beta", (4,))])[0][0]
    'weight'
    """
    free = {leaf: shape for leaf, shape in tensors.items() if leaf.lower() not in COUNTERS}
    if len(free) != len(places):
        return None
    found: list[tuple[str, Place]] = []
    for place in places:
        known = NAMES.get(place.leaf, ())
        # Its own name is what it is, whatever else a name could mean.
        same = [leaf for leaf in free if leaf == place.leaf] or [leaf for leaf in free if leaf.lower() in known]
        if len(same) != 1 or not fits(free[same[0]], place):
            return None
        del free[same[0]]
        found.append((same[0], place))
    return found


def steps(leaf: str, place: Place) -> tuple[Step, ...] | None:
    """What a tensor's name says must be done to its values; None where it says nothing."""
    return (Step("inverse-std"),) if place.leaf == "moving_variance" and leaf.lower() == _INVERSE else None
