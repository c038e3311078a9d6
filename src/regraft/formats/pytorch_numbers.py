"""Which parameter each number in a PyTorch optimizer's state stands for.

PyTorch numbers parameters in the order in which the optimizer got them, group after group, and mostly does not keep
their names. Every group is taken to have its parameters in the order of the state dict, because that is how groups are
made of a network's parameters; beyond that, shapes must leave one way only. Where they leave several, none is chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]

_State = tuple[int, ...]

# States that are looked at beside each other; more of them arise only where many parameters are alike.
_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Numbered:
    """Names by number.

    Attributes:
        names: of the parameters; empty where they are not certain.
        reason: why they are not, in words, or by what they were told; empty where the order said it all.
    """

    names: Mapping[int | str, str]
    reason: str = ""


def named(
    groups: Sequence[Sequence[int | str]], shapes: Mapping[int | str, Shape], parameters: Mapping[str, Shape]
) -> Numbered:
    """Name the numbers of an optimizer's groups.

    Args:
        groups: the numbers in each, in order.
        shapes: of the state of a number, where it has any.
        parameters: of the network, in order, without buffers.

    >>> named([[0], [1]], {0: (3,), 1: (2, 3)}, {"weight": (2, 3), "bias": (3,)}).names
    {0: 'bias', 1: 'weight'}
    >>> named([[0]], {0: (3,)}, {"a": (3,), "b": (3,)}).reason
    'the optimizer has 1 of 2 parameters, and their shapes do not say which is which'
    """
    count = sum(map(len, groups))
    if count == len(parameters) and len(groups) == 1:
        whole = dict(zip(groups[0], parameters, strict=True))
        fits = all(shapes.get(number, parameters[name]) == parameters[name] for number, name in whole.items())
        return Numbered(whole) if fits else Numbered({}, "the shapes of its state are not those of the parameters")
    if count > len(parameters):
        return Numbered({}, f"the optimizer has {count} parameters, the state dict {len(parameters)}")
    where = (
        f"the optimizer has {count} of {len(parameters)} parameters"
        if count < len(parameters)
        else f"the optimizer has its parameters in {len(groups)} groups"
    )
    way = _only_way(groups, shapes, list(parameters.items()))
    if way is not None:
        return Numbered(way, f"{where}; which is which, their shapes tell")
    return Numbered({}, f"{where}, and their shapes do not say which is which")


def _only_way(
    groups: Sequence[Sequence[int | str]], shapes: Mapping[int | str, Shape], parameters: Sequence[tuple[str, Shape]]
) -> dict[int | str, str] | None:
    """The only way to deal the parameters out to the groups, each group in order; what is over was frozen.

    A state is how many each group has been given. For each there is the number of ways to it, 2 meaning several, and
    the group that the last one of them gave to.
    """
    spare = len(parameters) - sum(map(len, groups))
    start = (0,) * len(groups)
    layers: list[dict[_State, tuple[int, int | None]]] = [{start: (1, None)}]
    for depth, (_, shape) in enumerate(parameters):
        after: dict[_State, tuple[int, int | None]] = {}
        for state, (ways, _) in layers[-1].items():
            for group in _takers(groups, shapes, state, shape, depth - sum(state) < spare):
                given = state if group is None else (*state[:group], state[group] + 1, *state[group + 1 :])
                after[given] = (min(2, ways + after.get(given, (0, None))[0]), group)
        if len(after) > _MOST:
            return None
        layers.append(after)
    state = tuple(map(len, groups))
    if layers[-1].get(state, (0, None))[0] != 1:
        return None
    way: dict[int | str, str] = {}
    for (name, _), layer in zip(reversed(parameters), reversed(layers), strict=False):
        group = layer[state][1]
        if group is not None:
            state = (*state[:group], state[group] - 1, *state[group + 1 :])
            way[groups[group][state[group]]] = name
    return way


def _takers(
    groups: Sequence[Sequence[int | str]],
    shapes: Mapping[int | str, Shape],
    state: "_State",
    shape: Shape,
    spare: bool,
) -> list[int | None]:
    """The groups whose next parameter may be of this shape; None for no group at all."""
    fits = [
        group
        for group, (numbers, given) in enumerate(zip(groups, state, strict=True))
        if given < len(numbers) and shapes.get(numbers[given], shape) == shape
    ]
    return [*fits, *([None] if spare else [])]
