"""Words: nothing of what is no word moves, labels say what differs, and the count is the one that was asked for."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.pretraining.corrupting import words

Array = np.ndarray[Any, Any]


def texts(lengths: list[int], most: int, seed: int) -> Array:
    random = np.random.default_rng(seed)
    ids = random.integers(3, most, (len(lengths), 12)).astype(np.int32)
    ids[np.arange(12) >= np.array(lengths)[:, None]] = 0
    return ids


LENGTHS = st.lists(st.integers(0, 12), min_size=1, max_size=8)
SHARES, SEEDS = st.floats(0.01, 1), st.integers(0, 99)


@given(LENGTHS, SHARES, SEEDS, st.sampled_from(["replace", "swap", "either"]))
def test_texts_keep_their_lengths_and_labels_say_what_differs(lengths: list[int], share: float, seed: int, how: Any):
    ids = texts(lengths, 40, seed)
    found = words.corrupt(ids, share, np.random.default_rng(seed), how)
    assert found.x.dtype == ids.dtype
    assert ((found.x == 0) == (ids == 0)).all()
    assert (found.where == (found.x != ids)).all()
    assert set(found.x[found.x > 0].tolist()) <= set(ids[ids > 0].tolist())


@given(LENGTHS, SHARES, SEEDS)
def test_words_that_change_places_are_the_same_words(lengths: list[int], share: float, seed: int):
    ids = texts(lengths, 10_000, seed)
    found = words.corrupt(ids, share, np.random.default_rng(seed), "swap")
    for before, after, where, length in zip(ids, found.x, found.where, lengths, strict=True):
        assert Counter(before.tolist()) == Counter(after.tolist())
        distinct = len(set(before[:length].tolist()))
        if distinct == length:
            assert where.sum() == (min(max(round(share * length), 2), length) if length > 1 else 0)


@pytest.mark.parametrize(("share", "count"), [(0.01, 1), (0.25, 3), (0.5, 6), (1.0, 12)])
def test_as_many_words_are_replaced_as_the_strength_says(share: float, count: int):
    ids = texts([12] * 300, 1_000_000, 0)
    found = words.corrupt(ids, share, np.random.default_rng(0), "replace")
    assert found.where.sum(axis=1).mean() == pytest.approx(count, rel=0.01)
    assert found.bad.all()


def test_replacements_are_as_frequent_as_the_words_are():
    ids = np.full((400, 10), 5, np.int32)
    ids[:, ::5] = 9
    found = words.corrupt(ids, 0.2, np.random.default_rng(0), "replace")
    new = Counter(found.x[found.where].tolist())
    # A word is put in the place of another one only: nines are drawn for fives at 0.8 x 0.2, fives for nines likewise.
    assert new[9] / (new[5] + new[9]) == pytest.approx(0.5, abs=0.07)


def test_what_cannot_change_is_good():
    ids = np.array([[4, 0, 0], [0, 0, 0], [6, 6, 0]], np.int32)
    assert not words.corrupt(ids, 0.5, np.random.default_rng(0), "swap").bad.any()
    assert not words.corrupt(np.full((4, 3), 7), 1.0, np.random.default_rng(0)).bad.any()
    assert not words.corrupt(np.array([[1, 2, 0]]), 1.0, np.random.default_rng(0)).bad.any()
