"""Pairs against counting by hand, laws under hypothesis, and how much memory drawing takes."""

import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.core.errors import DataError
from regraft.pretraining.pair_sampling import Sampler

Array = np.ndarray[Any, Any]

GROUPS = st.lists(st.integers(-1, 4), min_size=3, max_size=30).filter(
    lambda drawn: (
        len({each for each in drawn if each >= 0}) > 1
        and max(Counter(each for each in drawn if each >= 0).values(), default=0) > 1
    )
)


@given(GROUPS, st.floats(0, 1), st.integers(0, 99))
def test_pairs_are_of_known_examples_and_what_they_are_said_to_be(drawn: list[int], share: float, seed: int):
    groups = np.array(drawn)
    rows = np.random.default_rng(seed).permutation(len(groups))
    found = Sampler.of(groups).pairs(rows, np.random.default_rng(seed), share)
    assert len(found.first) == len(found.second) == len(rows)
    known = groups[rows] >= 0
    assert (found.first[known] == rows[known]).all()
    able = (np.array([(groups == group).sum() for group in groups[found.first]]) > 1).sum()
    assert found.same.sum() == min(able, round(len(rows) * share))
    assert (found.first != found.second).all()
    assert (groups[found.first] >= 0).all()
    assert (groups[found.second] >= 0).all()
    assert ((groups[found.first] == groups[found.second]) == found.same).all()


@given(GROUPS, st.integers(0, 99))
def test_triplets_hold_another_of_the_group_and_one_of_another(drawn: list[int], seed: int):
    groups = np.array(drawn)
    rows = np.random.default_rng(seed).integers(0, len(groups), 25)
    anchor, positive, negative = Sampler.of(groups).triplets(rows, np.random.default_rng(seed))
    paired = np.array([group >= 0 and drawn.count(int(group)) > 1 for group in groups[rows]])
    assert (anchor[paired] == rows[paired]).all()
    assert (anchor != positive).all()
    assert (groups[anchor] == groups[positive]).all()
    assert (groups[anchor] != groups[negative]).all()
    assert (groups[negative] >= 0).all()


def test_every_partner_is_equally_likely():
    groups = np.array([7, 3, 7, 3, 7, 5, 7])
    each = 20_000
    found = Sampler.of(groups).pairs(np.repeat(np.arange(7), each), np.random.default_rng(0))
    for alike in (True, False):
        chosen = found.same == alike
        drawn = Counter(zip(found.first[chosen].tolist(), found.second[chosen].tolist(), strict=True))
        fitting = {(a, b) for a in range(7) for b in range(7) if a != b and (groups[a] == groups[b]) == alike}
        assert set(drawn) == fitting
        for first in {a for a, _ in fitting}:
            partners = [second for a, second in fitting if a == first]
            expected = sum(drawn[first, second] for second in partners) / len(partners)
            # Five standard deviations of a count.
            assert all(abs(drawn[first, second] - expected) < 5 * expected**0.5 for second in partners)


def test_a_row_is_in_a_same_pair_as_often_as_in_another():
    groups = np.repeat([0, 1], 50)
    found = Sampler.of(groups).pairs(np.tile(np.arange(100), 500), np.random.default_rng(0))
    # Five standard deviations of a share of 25,000.
    assert found.same[found.first < 50].mean() == pytest.approx(0.5, abs=0.016)


def test_one_seed_draws_the_same_pairs():
    sampler = Sampler.of(np.arange(50) % 5)
    one, two = (sampler.pairs(np.arange(30), np.random.default_rng(4)) for _ in range(2))
    assert (one.first == two.first).all()
    assert (one.second == two.second).all()


def test_rows_are_drawn_from_known_groups():
    drawn = Sampler.of(np.array([-1, 0, 0, 1, -1])).any(1000, np.random.default_rng(0))
    assert set(drawn.tolist()) == {1, 2, 3}


def test_memory_is_in_proportion_to_the_examples():
    groups = np.random.default_rng(0).integers(0, 1000, 400_000)
    tracemalloc.start()
    sampler = Sampler.of(groups)
    sampler.pairs(np.arange(1000), np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A hundred bytes an example; the pairs of all would be 1.6e11.
    assert peak < 100 * len(groups)


def test_one_group_is_named():
    with pytest.raises(DataError, match="expected two groups or more for pairs, found one: 'cat', of all 4 examples"):
        Sampler.of(np.ones(4, np.int64), ("dog", "cat"))
    with pytest.raises(DataError, match="found one: 8, of all 2 examples"):
        Sampler.of(np.array([8, 8, -1]))
    with pytest.raises(DataError, match="found no example with a label or group"):
        Sampler.of(np.array([-1, -1]))


def test_groups_of_one_have_no_pair():
    with pytest.raises(DataError, match="found 3 groups of one each"):
        Sampler.of(np.arange(3))
