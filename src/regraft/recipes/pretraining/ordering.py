"""Pairs of examples in an order, for a method that learns from them: which can be learnt from, which are held out."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from regraft.core.errors import DataError
from regraft.core.progress import warn
from regraft.data import Examples
from regraft.data.pairs import Pairs
from regraft.pretraining.learner import Array, Method
from regraft.recipes.pretraining.holding_out import count_of, taken

_STREAM = 12
# Pairs to learn from, and as many to judge by.
_EACH = 2
FEWEST = 2 * _EACH


def among(pairs: Pairs, used: Array, why: str) -> Pairs:
    """Those of the pairs whose two examples are both used; how many others there are is told.

    Args:
        pairs: of examples.
        used: sorted indices of those that may be learnt from.
        why: others may not, as the end of a sentence.

    Raises:
        DataError: too few are left to learn from and to judge by.
    """
    kept: Array = np.isin(pairs.rows, used).min(axis=1)
    count = int(kept.sum())
    if count < FEWEST:
        others = f" of {len(kept):,}, the others with an example {why}" if count < len(kept) else ""
        raise DataError(
            f"expected at least {FEWEST} pairs in {pairs.origin} to learn from and to judge by, found {count}{others}; "
            "bring more"
        )
    if count < len(kept):
        warn(f"left out {len(kept) - count:,} of {len(kept):,} pairs of {pairs.origin}, with an example {why}")
    return pairs.take(kept)


def paired(examples: Examples, used: Array, chosen: Method, pairs: Pairs) -> Array:
    """Those of the used examples that are in a pair, sorted; others are counted."""
    kept = np.unique(pairs.rows)
    if len(kept) < len(used):
        warn(
            f"left out {len(used) - len(kept):,} of {len(used):,} examples of {examples.origin}, which are in no pair "
            f"of {pairs.origin}; '{chosen.NAME}' learns from those that are in one"
        )
    return kept


def held_out(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, Pairs]:
    """Divide pairs into those that are learnt from and those that are judged by, which share as few examples as can be.

    Examples that are joined by pairs, directly or by way of others, hang together. Whole such parts are held out, drawn
    in random order until they make up the share: then no held-out example is learnt from. Where the parts are so large
    that not half of the share comes together, all pairs of some examples are held out, drawn in random order too, those
    in many pairs last: then each held-out pair has an example that is not learnt from, and how many have another that
    is, is told. Copies of an example count as that example.

    Args:
        pairs: at least `FEWEST`.
        share: of them, to be held out.
        seed: of what is drawn.
    """
    random = np.random.default_rng([seed, _STREAM])
    ends = np.unique(pairs.content, return_inverse=True)[1].reshape(-1, 2)
    target = min(count_of(len(ends), share), len(ends) - _EACH)
    out = _whole_parts(ends, target, random)
    if out.sum() < max(_EACH, target / 2):
        out = _of_some_examples(ends, target, random)
        _warn_of_shared(ends, out, pairs.origin)
    return pairs.take(~out), pairs.take(out)


def _warn_of_shared(ends: Array, out: Array, origin: str) -> None:
    """Tell how many held-out pairs, bool (m,), have an example that is learnt from in others."""
    shared = np.isin(ends[out], ends[~out]).sum(axis=1)
    if not shared.any():
        return
    both = f", {int((shared == 2).sum()):,} of them both" if (shared == 2).any() else ""
    warn(
        f"{int((shared > 0).sum()):,} of {len(shared):,} pairs held out of {origin} have an example that is learnt "
        f"from in other pairs{both}, because the pairs hang together: on new examples the figure may be worse"
    )


def _whole_parts(ends: Array, target: int, random: np.random.Generator) -> Array:
    """Which pairs make up parts that hang together, at most `target` of them: bool (m,)."""
    size = int(ends.max()) + 1
    graph = coo_array((np.ones(len(ends), bool), tuple(ends.T)), (size, size))
    part = connected_components(graph, directed=False)[1][ends[:, 0]]
    parts, sizes = np.unique(part, return_counts=True)
    order = random.permutation(len(parts))
    return np.isin(part, parts[order[taken(sizes[order], target)]])


def _of_some_examples(ends: Array, target: int, random: np.random.Generator) -> Array:
    """Which pairs are those of some examples, bool (m,), at most `target` of them; any, where that is hardly one."""
    often = np.bincount(ends.ravel())
    order = np.lexsort((random.random(len(often)), np.where(2 * often <= target, 0, often)))
    place = np.empty(len(often), np.int64)
    place[order] = np.arange(len(often))
    first = place[ends].min(axis=1)
    sequence = np.argsort(first, kind="stable")
    out = first < first[sequence[target]]
    if out.sum() < _EACH:
        out[sequence[:target]] = True
    return out
