"""Words of a text are replaced by words of other texts, or change places.

Which words replace is drawn as often as they occur in the batch: a rare word in a sentence then says nothing by itself.
"""

from typing import Any, Literal

import numpy as np

from regraft.core.errors import RequestError
from regraft.pretraining.corrupting.corrupted import TRIES, Corrupted

Array = np.ndarray[Any, Any]

How = Literal["replace", "swap", "either"]

# Below: nothing (0), an unknown word (1), and what is kept for masks and separators (2).
FIRST_WORD = 3


def require_known(ids: Array) -> None:
    """Refuse texts of which no word is in the vocabulary.

    Raises:
        RequestError: these are such.
    """
    if not (ids >= FIRST_WORD).any():
        raise RequestError(
            f"expected texts with words of the vocabulary, found none in {len(ids)}: a word has to be there at least "
            "twice; add texts, or take them apart with --tokens characters"
        )


def corrupt(ids: Array, strength: float, random: np.random.Generator, how: How = "replace") -> Corrupted:
    """Replace words, or have them change places; at least one, or two.

    Args:
        ids: int (n, length); what is after the end of a text is 0.
        strength: the share of a text's words.
        random: where chance comes from.
        how: `replace`, `swap` (as many words as `strength` says, two or more, each to the place of the next), or
            `either`, one of both for each text.
    """
    changed, where = ids.copy(), np.zeros(ids.shape, bool)
    left = np.arange(len(ids))
    for _ in range(TRIES):
        made = _made(ids[left], ids, strength, random, how)
        changed[left] = made
        where[left] = made != ids[left]
        left = left[~where[left].any(axis=1)]
        if not len(left):
            break
    return Corrupted(changed, where)


def _made(ids: Array, pool: Array, strength: float, random: np.random.Generator, how: How) -> Array:
    if how == "replace":
        return replaced(ids, pool, strength, random)
    if how == "swap":
        return swapped(ids, strength, random)
    coin = random.random((len(ids), 1)) < 0.5
    return np.where(coin, replaced(ids, pool, strength, random), swapped(ids, strength, random))


def replaced(ids: Array, pool: Array, strength: float, random: np.random.Generator) -> Array:
    """Some words of each text, at least one, become words drawn from a pool: int (n, length)."""
    words = pool[pool >= FIRST_WORD]
    if not len(words):
        return ids
    _, rank, count = _in_random_order(ids, strength, random, least=1)
    drawn = words[random.integers(0, len(words), ids.shape)]
    return np.where(rank < count[:, None], drawn, ids)


def swapped(ids: Array, strength: float, random: np.random.Generator) -> Array:
    """Some words of each text, at least two, each go to the place of the next of them: int (n, length)."""
    order, rank, count = _in_random_order(ids, strength, random, least=2)
    moving = rank < count[:, None]
    before = np.take_along_axis(order, (rank - 1) % np.maximum(count, 1)[:, None], axis=1)
    return np.where(moving, np.take_along_axis(ids, before, axis=1), ids)


def _in_random_order(
    ids: Array, strength: float, random: np.random.Generator, least: int
) -> tuple[Array, Array, Array]:
    """The places of each text in random order, its words first; the rank of each place; how many words are meant."""
    present = ids != 0
    keys = np.where(present, random.random(ids.shape), 2.0)
    order = np.argsort(keys, axis=1)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(ids.shape[1]), ids.shape), axis=1)
    length = present.sum(axis=1)
    count = np.minimum(np.maximum(np.rint(strength * length).astype(np.int64), least), length)
    return order, rank, count
