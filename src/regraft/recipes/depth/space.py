"""The search space: on which block of a source the head may stand, and above which the layers below it learn."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import prod

import keras

from regraft.core.depth import Stretch, Way
from regraft.core.records import CutPoint
from regraft.graph import blocks, flow, names
from regraft.graph.cut_points import INPUT
from regraft.graph.linearity import is_linear

# Of a source with more blocks than this, heads are tried on so many of them, spread evenly, the best by probes besides.
_FROZEN = 16
# On so many blocks, those that probes like best and the topmost one, the layers below the head may learn too, the head
# may read a lower block as well, and new layers may be below it.
_TUNED = 4
# How many blocks may learn; above, all of them.
_LEARNING = (1, 2, 3, 5, 8, 13)


def worth_a_head(model: keras.Model, candidates: Sequence[str]) -> tuple[str, ...]:
    """Where a head may stand, but for the old network's answers: what a linear layer makes, a head makes of less."""
    calls = {call.name: call.operation for call in flow.read(model).separating()}
    informative = tuple(name for name in candidates if not is_linear(calls[name]))
    return informative or tuple(candidates)


def stretches(model: keras.Model, points: Mapping[str, CutPoint], candidates: Sequence[str]) -> tuple[Stretch, ...]:
    """The blocks of a source that end with a cut point which a head could stand on.

    Args:
        model: the source.
        points: its cut points, by name.
        candidates: those that a head could stand on, from the input upwards.
    """
    below = layers_below(model, points, candidates)
    named = blocks.reused(model, candidates[-1]).blocks
    sizes = [sum(layer.kernel for layer in block.layers) for block in named]
    found: list[Stretch] = []
    for block, size, end in zip(named, sizes, accumulate(sizes), strict=True):
        inside = [name for name in candidates if end - size < below[name] <= end]
        if inside:
            found.append(Stretch(block.name, inside[-1], points[inside[-1]].depth, size))
    return tuple(found)


def layers_below(model: keras.Model, points: Mapping[str, CutPoint], candidates: Sequence[str]) -> dict[str, int]:
    """How many layers with a kernel are needed for each of some cut points.

    The layers of a model come in the order of their depth, so that those below a cut point are the first ones, and the
    parameters below it say how many.
    """
    layers = blocks.reused(model, candidates[-1]).layers
    sizes = {path: sum(prod(item.shape) for item in layer.variables) for path, layer in names.layers(model)}
    totals = list(accumulate(sizes.get(layer.path, 0) for layer in layers))
    kernels = list(accumulate(int(layer.kernel) for layer in layers))
    found: dict[str, int] = {}
    for name in candidates:
        inside = [place for place, total in enumerate(totals) if total <= points[name].parameters_below]
        found[name] = kernels[inside[-1]] if inside else 0
    return found


def favourites(given: Sequence[Stretch], liked: Mapping[str, float]) -> tuple[str, ...]:
    """The few cut points whose heads are tried in more than one way: what probes like best, and the topmost block.

    Args:
        given: the blocks of a source.
        liked: cut point -> what a quick probe of it came to, the higher the better.
    """
    ends = [stretch.cut_point for stretch in given]
    return tuple(dict.fromkeys([*sorted(ends, key=lambda name: -liked[name])[: _TUNED - 1], ends[-1]]))


def ways(
    given: Sequence[Stretch],
    below: Mapping[str, int],
    liked: Mapping[str, float],
    hidden: Sequence[tuple[int, ...]] = (),
    taps: Sequence[tuple[str, Sequence[str]]] = (),
) -> tuple[Way, ...]:
    """The ways of reusing a source that are worth trying, those that are expected to do best first.

    New upper layers are tried on each favourite, of which there are four at most, with nothing learning below them, one
    block, and all of them: up to twelve ways for each of `hidden`. A tap is tried with nothing learning; the best of a
    head also with all layers above it learning, and with all that are reused, since layers learn only above what a
    head reads: up to sixteen ways where each favourite has two taps.

    Args:
        given: its blocks.
        below: cut point -> how many layers with a kernel are needed for it.
        liked: cut point -> what a quick probe of it came to, the higher the better.
        hidden: widths of new upper layers to be tried besides none.
        taps: favourites, each with the lower cut points that its head is to read as well in turn, the best first.

    Returns:
        First one way for each head that nothing learns below, then those with learning layers, then those with new
        layers: of all favourites those in which little learns first.
    """
    ends = [stretch.cut_point for stretch in given]
    by_liking = sorted(ends, key=lambda name: -liked[name])
    spread = {ends[round(place * (len(ends) - 1) / (_FROZEN - 1))] for place in range(_FROZEN)}
    standing = ends if len(ends) <= _FROZEN else [name for name in ends if name in spread or name in by_liking[:_TUNED]]
    frozen = [_way(name, name, below) for name in by_liking if name in standing]
    best = favourites(given, liked)
    tuned: list[Way] = []
    for head in by_liking if len(ends) <= _TUNED + 1 else best:
        place = ends.index(head)
        counts = [count for count in _LEARNING if count <= place] + [place + 1]
        tuned += [_way(head, _start(ends, head, count), below) for count in dict.fromkeys(counts)]
    frozen += [_way(head, head, below, tap=tap) for head, lower in taps for tap in lower]
    tuned += [_way(head, first, below, tap=first) for head, (first, *_) in taps]
    tuned += [_way(head, INPUT, below, tap=first) for head, (first, *_) in taps]
    wider = [
        _way(head, _start(ends, head, count), below, widths)
        for count in (0, 1, len(ends))
        for head in best
        for widths in hidden
    ]
    return tuple(dict.fromkeys([*frozen, *tuned, *wider]))


def _start(ends: Sequence[str], head: str, learning: int) -> str:
    """The cut point above which so many of the blocks below a head learn; the input where that is all of them."""
    place = ends.index(head)
    return INPUT if learning > place else ends[place - learning]


def _way(
    cut_point: str, start: str, below: Mapping[str, int], hidden: tuple[int, ...] = (), tap: str | None = None
) -> Way:
    reused = below[cut_point]
    return Way(cut_point, start, hidden, reused, reused - (0 if start == INPUT else below[start]), tap)
