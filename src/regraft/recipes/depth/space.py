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
# On so many blocks, those that probes like best and the topmost one, the layers below the head may learn too.
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


def ways(
    given: Sequence[Stretch],
    below: Mapping[str, int],
    liked: Mapping[str, float],
    hidden: Sequence[tuple[int, ...]] = (),
) -> tuple[Way, ...]:
    """The ways of reusing a source that are worth trying, those that are expected to do best first.

    Args:
        given: its blocks.
        below: cut point -> how many layers with a kernel are needed for it.
        liked: cut point -> what a quick probe of it came to, the higher the better.
        hidden: widths of new upper layers to be tried besides none.

    Returns:
        First one way for each head that nothing learns below, then those with learning layers.
    """
    ends = [stretch.cut_point for stretch in given]
    by_liking = sorted(ends, key=lambda name: -liked[name])
    spread = {ends[round(place * (len(ends) - 1) / (_FROZEN - 1))] for place in range(_FROZEN)}
    standing = ends if len(ends) <= _FROZEN else [name for name in ends if name in spread or name in by_liking[:_TUNED]]
    frozen = [_way(name, name, below) for name in by_liking if name in standing]
    heads = by_liking if len(ends) <= _TUNED + 1 else list(dict.fromkeys([*by_liking[: _TUNED - 1], ends[-1]]))
    tuned: list[Way] = []
    for head in heads:
        place = ends.index(head)
        counts = [count for count in _LEARNING if count <= place] + [place + 1]
        starts = [INPUT if count > place else ends[place - count] for count in dict.fromkeys(counts)]
        tuned += [_way(head, start, below) for start in starts]
    wider = [_way(heads[0], heads[0], below, widths) for widths in hidden]
    wider += [_way(heads[0], ends[max(0, ends.index(heads[0]) - 1)], below, widths) for widths in hidden]
    return tuple(dict.fromkeys([*frozen, *tuned, *wider]))


def _way(cut_point: str, start: str, below: Mapping[str, int], hidden: tuple[int, ...] = ()) -> Way:
    reused = below[cut_point]
    return Way(cut_point, start, hidden, reused, reused - (0 if start == INPUT else below[start]))
