"""A mapping where no rules are given: by names, then by order, shapes and layer kinds, and only where it is certain.

Names come first: equal ones, ones that differ in nothing but separators, ones below a common prefix. What is left goes
by what a layer is: if only one layer of the model can be it, that is its place. Layers that are alike go in order, if
there is an order that both sides agree on. Whatever could go two ways is left open, with the ways.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from regraft.core.layouts import Place, Shape
from regraft.importers.restoring import anonymous, ordering, roles
from regraft.importers.restoring.alternatives import Open
from regraft.importers.restoring.matching import Move
from regraft.importers.restoring.ordering import Fits, Pairing


@dataclass(frozen=True, slots=True)
class Proposal:
    """What goes where.

    Attributes:
        moves: that are certain; steps are those that names say, None elsewhere.
        skipped: tensors that no layer of Keras has.
        open: what could go several ways.
    """

    moves: tuple[Move, ...]
    skipped: tuple[str, ...]
    open: tuple[Open, ...]


Layer = dict[str, Shape]


def propose(
    tensors: Mapping[str, Shape], places: Sequence[Place], ordered: bool, target_ordered: bool, as_keras: bool = False
) -> Proposal:
    """Find out which tensor is for which variable.

    Args:
        tensors: shapes by name, in the order of the source.
        places: the model's variables, in the order of its layers.
        ordered: whether the source's order is that of its layers.
        target_ordered: whether the model's is.
        as_keras: whether the source lays out its kernels as Keras does.
    """
    fits = roles.fits_as_it_is if as_keras else roles.fits
    numbered = _numbered_otherwise(tensors, places)
    by_name = {place.name: place for place in places if place.layer not in numbered}
    moves = [_move(name, by_name[name]) for name in tensors if name in by_name]
    gone = {move.tensors[0] for move in moves}
    counters = [name for name in tensors if _split(name)[1].lower() in roles.COUNTERS]
    left = {name: shape for name, shape in tensors.items() if name not in gone and name not in counters}
    free = [place for place in places if place.name not in gone]
    layers = _Layers(left, free, fits)
    together: Pairing = {}
    for stage in (_same_key, _below_a_prefix):
        old, new = layers.without(together)
        together |= stage(old, [name for name in new if name not in numbered], layers.fit)
    alike, unsure = _alike(layers, together, ordered, target_ordered)
    together |= alike
    moves += [_move(name, place) for old, new in together.items() for name, place in layers.pairs(old, new)]
    gone = {move.tensors[0] for move in moves} | {name for item in unsure for name in item.tensors}
    given = {move.variables[0] for move in moves} | {name for item in unsure for name in item.variables}
    # A part of a layer whose other parts fit nothing is not restored alone.
    rest = {name: shape for name, shape in left.items() if name not in gone and not _is_part(name)}
    more, still = anonymous.paired(rest, [place for place in free if place.name not in given], ordered, fits)
    position = {name: index for index, name in enumerate(tensors)}
    moves = sorted([*moves, *more], key=lambda move: position[move.tensors[0]])
    return Proposal(tuple(moves), tuple(counters), (*unsure, *still))


def _numbered_otherwise(tensors: Iterable[str], places: Sequence[Place]) -> set[str]:
    """Layers of the model that Keras named after their class and numbered (`dense_7`), where the source's differ.

    Their numbers are counters of the process that built them. So `dense_1` here and there are one layer only where all
    of its kind have the same numbers.
    """
    counted: dict[str, set[str]] = {}
    for place in places:
        title = re.sub(r"(.)([A-Z][a-z0-9]+)|(?<=[a-z0-9])([A-Z])", r"\1_\2\3", place.kind).lower()
        if re.fullmatch(rf"{title}(_\d+)?", place.layer.rpartition("/")[2]):
            counted.setdefault(re.sub(r"_\d+$", "", place.layer), set()).add(place.layer)
    found = {_split(name)[0] for name in tensors}
    return {
        layer
        for family, layers in counted.items()
        if {name for name in found if re.fullmatch(rf"{re.escape(family)}(_\d+)?", name)} != layers
        for layer in layers
    }


def _move(name: str, place: Place) -> Move:
    return Move((name,), (place.name,), roles.steps(_split(name)[1], place))


def _split(name: str) -> tuple[str, str]:
    """The layer in the name of a tensor, and the rest; no layer where the name has no parts."""
    found = re.fullmatch(r"(.+)[/.]([^/.]+)", name)
    return (found[1], found[2]) if found else ("", name)


def _is_part(name: str) -> bool:
    """Whether a name says both a layer and what of it the tensor is."""
    layer, leaf = _split(name)
    return bool(layer) and any(leaf.lower() in known for known in roles.NAMES.values())


def _key(layer: str) -> str:
    """A layer's name without what frameworks spell differently."""
    return re.sub(r"[^a-z0-9]+", "_", layer.lower())


class _Layers:
    """Tensors and variables by layer."""

    def __init__(self, tensors: Mapping[str, Shape], places: Iterable[Place], fits: roles.Fits) -> None:
        self.fits = fits
        self.names: dict[str, dict[str, str]] = {}
        self.found: dict[str, Layer] = {}
        for name, shape in tensors.items():
            layer, leaf = _split(name)
            if layer:
                self.found.setdefault(layer, {})[leaf] = shape
                self.names.setdefault(layer, {})[leaf] = name
        self.wanted: dict[str, list[Place]] = {}
        for place in places:
            self.wanted.setdefault(place.layer, []).append(place)

    def without(self, together: Pairing) -> tuple[list[str], list[str]]:
        """The layers of both sides that have no partner yet."""
        taken = set(together.values())
        return [old for old in self.found if old not in together], [new for new in self.wanted if new not in taken]

    def fit(self, old: str, new: str) -> bool:
        return roles.pairs(self.found[old], self.wanted[new], self.fits) is not None

    def pairs(self, old: str, new: str) -> list[tuple[str, Place]]:
        found = roles.pairs(self.found[old], self.wanted[new], self.fits) or []
        return [(self.names[old][leaf], place) for leaf, place in found]


def _same_key(old: Sequence[str], new: Sequence[str], fit: Fits) -> Pairing:
    """Layers whose names differ in separators and capitals only."""
    return _by_key({name: _key(name) for name in old}, {name: _key(name) for name in new}, fit)


def _by_key(old: Mapping[str, str], new: Mapping[str, str], fit: Fits) -> Pairing:
    found: Pairing = {}
    for name, key in old.items():
        same = [other for other, its in new.items() if its == key]
        alone = list(old.values()).count(key) == 1
        if len(same) == 1 and alone and fit(name, same[0]):
            found[name] = same[0]
    return found


def _below_a_prefix(old: Sequence[str], new: Sequence[str], fit: Fits) -> Pairing:
    """Layers whose names are the same once one prefix is taken off one side; the prefix that explains most."""
    best: Pairing = {}
    keys = {name: _key(name) for name in old}, {name: _key(name) for name in new}
    for side in (0, 1):
        for prefix in sorted({key[: match.end()] for key in keys[side].values() for match in re.finditer("_", key)}):
            cut = {name: key.removeprefix(prefix) for name, key in keys[side].items() if key.startswith(prefix)}
            sides = (cut, keys[1]) if side == 0 else (keys[0], cut)
            found = _by_key(*sides, fit)
            # One pair alone is no prefix, it is a coincidence of two names.
            if len(found) > max(1, len(best)):
                best = found
    return best


def _alike(layers: _Layers, together: Pairing, ordered: bool, target_ordered: bool) -> tuple[Pairing, list[Open]]:
    """Layers that go by what they are: one that only one can be, or several in an order that is sure."""
    old, new = layers.without(together)
    groups = ordering.groups(old, new, layers.fit)
    place = {name: index for index, name in enumerate(layers.found)}, {n: i for i, n in enumerate(layers.wanted)}
    guessed = [pair for group in groups if len(group[0]) == len(group[1]) for pair in _zipped(group, place[0])]
    in_order = [(place[0][a], place[1][b]) for a, b in [*together.items(), *guessed]]
    # Where shapes put one pair across another, the two sides do not have one order.
    monotone = sorted(in_order) == sorted(in_order, key=lambda pair: pair[1])
    found: Pairing = {}
    unsure: list[Open] = []
    for olds, news in groups:
        olds = sorted(olds, key=place[0].__getitem__)
        choices = ordering.ways(olds, news, ordered and target_ordered and monotone)
        if len(choices) == 1 and all(layers.fit(a, b) for a, b in choices[0][1].items()):
            found |= choices[0][1]
        else:
            unsure.append(_open(layers, olds, news, choices))
    return found, unsure


def _zipped(group: tuple[list[str], list[str]], place: Mapping[str, int]) -> list[tuple[str, str]]:
    return list(zip(sorted(group[0], key=place.__getitem__), group[1], strict=True))


def _open(layers: _Layers, old: Sequence[str], new: Sequence[str], ways: Sequence[tuple[str, Pairing]]) -> Open:
    return Open(
        tensors=tuple(layers.names[name][leaf] for name in old for leaf in layers.found[name]),
        variables=tuple(place.name for name in new for place in layers.wanted[name]),
        ways=tuple(
            (said, tuple(_move(name, place) for a, b in way.items() for name, place in layers.pairs(a, b)))
            for said, way in ways
        ),
    )
