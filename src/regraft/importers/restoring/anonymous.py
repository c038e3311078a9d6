"""Tensors whose names say nothing of layers (`arr_7`, `wc1`): by shape where only one variable has it, or in order."""

from collections.abc import Mapping, Sequence

from regraft.core.layouts import Place, Shape
from regraft.core.rules import Step
from regraft.importers.restoring.alternatives import Open
from regraft.importers.restoring.matching import Move
from regraft.importers.restoring.roles import Fits

# In which order libraries keep what a BatchNorm has; the shapes are all the same.
_HABITS: dict[str, tuple[tuple[str, ...], bool]] = {
    "in Keras' and PyTorch's order (gamma, beta, mean, variance)": (
        ("gamma", "beta", "moving_mean", "moving_variance"),
        False,
    ),
    "in Lasagne's order (beta, gamma, mean, inverse of the standard deviation)": (
        ("beta", "gamma", "moving_mean", "moving_variance"),
        True,
    ),
}
_BATCH_NORM = {"gamma", "beta", "moving_mean", "moving_variance"}


def paired(
    tensors: Mapping[str, Shape], places: Sequence[Place], ordered: bool, fits: Fits
) -> tuple[list[Move], list[Open]]:
    """Which of them is for which variable.

    Args:
        tensors: shapes by name; what is left over.
        places: variables that are left over.
        ordered: whether the order of the tensors is that of the layers.
        fits: whether a shape can be for a variable.
    """
    unique = _only_ones(tensors, places, fits)
    if len(unique) == len(places) or not tensors:
        return unique, []
    if ordered and len(tensors) == len(places):
        ways = _in_order(tensors, places, fits)
        if len(ways) == 1:
            return list(ways[0][1]), []
        if ways:
            return [], [Open(tuple(tensors), tuple(place.name for place in places), tuple(ways))]
    given = {move.variables[0] for move in unique}
    rest = {name: shape for name, shape in tensors.items() if all(name not in move.tensors for move in unique)}
    return unique, _left_open(rest, [place for place in places if place.name not in given], fits)


def _only_ones(tensors: Mapping[str, Shape], places: Sequence[Place], fits: Fits) -> list[Move]:
    """Pairs of a tensor and a variable of which neither fits anything else."""
    options = {name: [place for place in places if fits(shape, place)] for name, shape in tensors.items()}
    claims: dict[str, int] = {}
    for found in options.values():
        for place in found:
            claims[place.name] = claims.get(place.name, 0) + 1
    return [
        Move((name,), (found[0].name,), None)
        for name, found in options.items()
        if len(found) == 1 and claims[found[0].name] == 1
    ]


def _in_order(tensors: Mapping[str, Shape], places: Sequence[Place], fits: Fits) -> list[tuple[str, tuple[Move, ...]]]:
    """The ways in which the first tensor is for the first variable, and so on, with every shape right."""
    if not any({place.leaf for place in layer} >= _BATCH_NORM for layer in _by_layer(places)):
        way = _way(tensors, places, fits, False)
        same = any(_interchangeable(layer) for layer in _by_layer(places))
        return [("in the order of the layers", way)] if way and not same else []
    found = [
        (said, _way(tensors, [place for layer in _by_layer(places) for place in _sorted(layer, order)], fits, inverse))
        for said, (order, inverse) in _HABITS.items()
    ]
    return [(said, way) for said, way in found if way]


def _way(tensors: Mapping[str, Shape], places: Sequence[Place], fits: Fits, inverse: bool) -> tuple[Move, ...]:
    moves: list[Move] = []
    for (name, shape), place in zip(tensors.items(), places, strict=True):
        if not fits(shape, place):
            return ()
        turned = inverse and place.leaf == "moving_variance"
        moves.append(Move((name,), (place.name,), (Step("inverse-std"),) if turned else None))
    return tuple(moves)


def _by_layer(places: Sequence[Place]) -> list[list[Place]]:
    layers: dict[str, list[Place]] = {}
    for place in places:
        layers.setdefault(place.layer, []).append(place)
    return list(layers.values())


def _sorted(layer: Sequence[Place], order: Sequence[str]) -> list[Place]:
    known = {leaf: index for index, leaf in enumerate(order)}
    return sorted(layer, key=lambda place: known.get(place.leaf, -1))


def _interchangeable(layer: Sequence[Place]) -> bool:
    """Whether two variables of a layer have one shape, so that their order cannot be told."""
    shapes = [place.shape for place in layer]
    return len(set(shapes)) != len(shapes)


def _left_open(tensors: Mapping[str, Shape], places: Sequence[Place], fits: Fits) -> list[Open]:
    found: dict[tuple[str, ...], list[str]] = {}
    for name, shape in tensors.items():
        options = tuple(place.name for place in places if fits(shape, place))
        if options:
            found.setdefault(options, []).append(name)
    return [Open(tuple(names), options) for options, names in found.items()]
