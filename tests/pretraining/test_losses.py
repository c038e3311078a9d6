"""Losses against loops in NumPy."""

import sys
from pathlib import Path

import numpy as np
import pytest

from regraft.pretraining import losses

sys.path.insert(0, str(Path(__file__).parent))
from small_data import array, tensors


def called(function, *given):
    """A loss of arrays, as an array."""
    return array(function(*(tensors(each)[0] if isinstance(each, np.ndarray) else each for each in given)))


def test_cross_entropy_is_that_of_the_probability_and_finite_far_out():
    logits = np.array([-3.0, -0.5, 0.0, 2.0], np.float32)
    targets = np.array([0.0, 1.0, 0.25, 1.0], np.float32)
    likely = 1 / (1 + np.exp(-logits))
    expected = -targets * np.log(likely) - (1 - targets) * np.log(1 - likely)
    assert called(losses.binary, logits, targets) == pytest.approx(expected, abs=1e-6)
    far = np.array([1000.0, -1000.0], np.float32)
    assert called(losses.binary, far, np.array([0.0, 0.0], np.float32)).tolist() == [1000, 0]


def test_pairs_and_triplets_are_those_of_the_formula():
    random = np.random.default_rng(0)
    one, other, third = random.standard_normal((3, 6, 4)).astype(np.float32)
    same = np.array([1, 0, 1, 0, 0, 1], np.float32)
    near = called(losses.squared, one, other)
    apart = np.linalg.norm(one - other, axis=1)
    assert near == pytest.approx(apart**2, rel=1e-5)
    expected = [d**2 if s else max(0.0, 2.5 - d) ** 2 for d, s in zip(apart, same, strict=True)]
    assert called(losses.contrastive, near, same, 2.5) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    far = ((one - third) ** 2).sum(axis=1)
    expected = [max(0.0, a - b + 0.7) for a, b in zip(apart**2, far, strict=True)]
    assert called(losses.triplet, near, far.astype(np.float32), 0.7) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_two_equal_vectors_are_no_division_by_zero():
    assert called(losses.contrastive, np.zeros(1, np.float32), np.zeros(1, np.float32), 1.0) == pytest.approx(
        1, abs=1e-5
    )


def test_the_hardest_are_those_that_a_loop_finds():
    random = np.random.default_rng(3)
    vectors = random.standard_normal((20, 3)).astype(np.float32)
    groups = random.integers(0, 4, 20).astype(np.int32)
    groups[7] = 9
    rows = np.arange(20, dtype=np.int32)
    rows[5], vectors[5], groups[5] = rows[4], vectors[4], groups[4]
    found = losses.hardest(*tensors(vectors, groups, rows))
    apart = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=-1)
    for here in range(20):
        alike = [other for other in range(20) if groups[other] == groups[here] and rows[other] != rows[here]]
        unlike = [other for other in range(20) if groups[other] != groups[here]]
        assert array(found.has_alike)[here] == bool(alike)
        assert array(found.has_unlike)[here] == 1
        if alike:
            chosen = apart[here, array(found.alike)[here]]
            assert chosen == pytest.approx(max(apart[here, alike]), rel=1e-5)
        assert apart[here, array(found.unlike)[here]] == pytest.approx(min(apart[here, unlike]), rel=1e-5)
    alone = losses.hardest(*tensors(vectors, np.zeros(20, np.int32), rows))
    assert not array(alone.has_unlike).any()


def test_a_mean_of_nothing_is_nothing():
    values = np.array([1.0, 5.0, 9.0], np.float32)
    assert called(losses.mean_where, values, np.array([1.0, 0.0, 1.0], np.float32)) == pytest.approx(5)
    assert called(losses.mean_where, values, np.zeros(3, np.float32)) == 0
