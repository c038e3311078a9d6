"""Pairing layers that are alike: by the order of the layers, the numbers and the words in names, where these agree."""

import re
from collections.abc import Callable, Sequence

from regraft.core.rules import natural

Fits = Callable[[str, str], bool]
Pairing = dict[str, str]


def groups(old: Sequence[str], new: Sequence[str], fit: Fits) -> list[tuple[list[str], list[str]]]:
    """Layers of both sides that could be each other, and through others; apart from all the rest."""
    found: list[tuple[list[str], list[str]]] = []
    for name in new:
        olds, news = [other for other in old if fit(other, name)], [name]
        if not olds:
            continue
        for group in [item for item in found if set(item[0]) & set(olds)]:
            found.remove(group)
            olds, news = list(dict.fromkeys([*group[0], *olds])), [*group[1], *news]
        found.append((olds, news))
    return found


def ways(old: list[str], new: list[str], by_place: bool) -> list[tuple[str, Pairing]]:
    """The ways to pair layers that are alike: different ones only, none where their number differs."""
    if len(old) != len(new):
        return []
    if len(old) == 1:
        return [("the only one", {old[0]: new[0]})]
    said: dict[str, Pairing] = {}
    if by_place:
        said["in the order of the layers"] = dict(zip(old, new, strict=True))
    if _counted(old) and _counted(new):
        by_number = sorted(old, key=natural), sorted(new, key=natural)
        said["by the numbers in the names"] = dict(zip(*by_number, strict=True))
    words = _by_words(old, new)
    if len(words) == len(set(words.values())) == len(old):
        said["by the words in the names"] = words
    elif any(way[name] != other for way in said.values() for name, other in words.items()):
        return []
    different: list[tuple[str, Pairing]] = []
    for why, way in said.items():
        if all(way != other for _, other in different):
            different.append((why, way))
    return different


def _counted(names: Sequence[str]) -> bool:
    """Whether names differ in their numbers only."""
    # Keras calls the first of its layers without a number: dense, dense_1, dense_2.
    return len({re.sub(r"_?\d+", "", name) for name in names}) == 1


def _by_words(old: Sequence[str], new: Sequence[str]) -> Pairing:
    """Pairs of names that share a word which tells them from the others (`query`)."""
    words = {name: set(re.findall(r"[a-z]+", name.lower())) for name in (*old, *new)}
    shared = set.intersection(*words.values())
    found: Pairing = {}
    for name in old:
        partners = [other for other in new if (words[name] & words[other]) - shared]
        if len(partners) == 1:
            found[name] = partners[0]
    return found
