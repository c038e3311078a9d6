"""Which examples are held out to judge by: any of them, or whole groups, so that pairs can be made on either side."""

import numpy as np

from regraft.core.errors import DataError
from regraft.core.progress import say, warn
from regraft.pretraining.learner import Array
from regraft.recipes.pretraining.grouping import Together

_STREAM = 11
_MOST = 5000
_FEWEST = 2
# Below this share of held-out examples with another of their group beside them, whole groups are held out.
_PARTNERED = 1 / 3


def held_out(used: Array, share: float, seed: int, found: Together | None = None) -> tuple[Array, Array]:
    """Divide examples into those that are learnt from and those that are judged by.

    Without groups, any example can be held out. Of groups that were given, whole ones are: nobody is on both sides.
    Where labels say which examples belong together, any example can be held out, as long as a third of those that are
    have another of their label among them; else whole labels are held out, where there are enough. Whole groups are
    drawn in random order until they make up the share; where not even two fit, they are the two smallest. Those of one
    example are learnt from, as no pair of theirs is the same.

    Args:
        used: int64 (n,), indices of the examples.
        share: of them, to be held out.
        seed: of what is drawn.
        found: which belong together, where pairs of one group are to be on either side.

    Returns:
        The sorted indices, int64, of the ones and of the others.

    Raises:
        DataError: groups were given, and there are not enough to hold out whole ones.
    """
    random = np.random.default_rng([seed, _STREAM])
    order = random.permutation(len(used))
    count = count_of(len(used), share)
    sides = np.sort(used[order[count:]]), np.sort(used[order[:count]])
    if found is None:
        return sides
    partnered = _partnered(found.codes[sides[1]])
    if not found.given and partnered >= _PARTNERED:
        return sides
    whole = _whole_groups(found.codes[used], share, random)
    if whole is not None:
        if not found.given:
            count = len(np.unique(found.codes[used[whole]]))
            say(f"held out are {count} whole classes {found.where}: most are too small to be on both sides")
        return used[~whole], used[whole]
    if found.given:
        raise DataError(_too_few(found, used))
    warn(
        f"{round(partnered * count)} of {count} examples held out {found.where} have another of their class among "
        "them: what the best epoch is chosen by says little; bring more examples of each class"
    )
    return sides


def count_of(count: int, share: float) -> int:
    """How many of so many are held out."""
    return min(_MOST, max(_FEWEST, round(share * count)))


def _partnered(codes: Array) -> float:
    """The share of examples with another of their group beside them."""
    _, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return float((counts[place] > 1).mean())


def _whole_groups(codes: Array, share: float, random: np.random.Generator) -> Array | None:
    """Which examples make up whole groups that are held out, bool (n,); None where too few groups have two examples.

    Either side has two groups or more, and one of two examples or more.
    """
    groups, counts = np.unique(codes, return_counts=True)
    paired = random.permutation(np.flatnonzero(counts > 1))
    if len(paired) < 3 or len(groups) < 4:
        return None
    sizes = counts[paired]
    chosen = taken(sizes, count_of(int(sizes.sum()), share))
    if len(chosen) < 2:
        # Of one group alone no pair is different.
        chosen = np.argsort(sizes, kind="stable")[:2].tolist()
    left = 1 if len(groups) > len(paired) else 2
    return np.isin(codes, groups[paired[chosen[: len(paired) - left]]])


def taken(sizes: Array, target: int) -> list[int]:
    """Places of sizes, one after the other, that do not go beyond the target together."""
    chosen: list[int] = []
    total = 0
    for place, size in enumerate(sizes.tolist()):
        if total + size <= target:
            chosen.append(place)
            total += size
    return chosen


def _too_few(found: Together, used: Array) -> str:
    groups, counts = np.unique(found.codes[used], return_counts=True)
    named = ", ".join(f"'{found.names[group]}'" for group in groups[:3].tolist())
    return (
        f"expected four groups or more {found.where}, three of them of two examples or more, because whole groups are "
        f"held out; found {len(groups)} ({named}{', ...' if len(groups) > 3 else ''}), {int((counts > 1).sum())} of "
        "two or more; bring more, or take few large ones as labels, with --label-column: they are held out in parts"
    )
