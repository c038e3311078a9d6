"""Patches: what is replaced, by what, and how much of the area."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.pretraining.corrupting import pictures
from regraft.pretraining.corrupting.corrupted import others


@given(st.integers(2, 9), st.integers(1, 12), st.integers(1, 12), st.floats(0.02, 1), st.integers(0, 99))
def test_what_changed_is_what_another_picture_has_there(n: int, height: int, width: int, share: float, seed: int):
    x = np.random.default_rng(seed).random((n, height, width, 2))
    found = pictures.corrupt(x, share, np.random.default_rng(seed))
    assert found.bad.all()
    assert (found.where == (found.x != x).any(axis=-1)).all()
    for row in range(n):
        donors = [other for other in range(n) if (found.x[row] == x[other])[found.where[row]].all()]
        assert set(donors) - {row}


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_a_patch_has_the_share_of_the_area_that_was_asked_for(share: float):
    found = pictures.patches(500, 40, 40, share, np.random.default_rng(0))
    # Sides are whole pixels: of a side of nine, half a pixel is 6 %.
    assert found.reshape(500, -1).mean(axis=1) == pytest.approx(share, rel=0.07)
    # Every patch is one rectangle.
    for patch in found[:50]:
        rows, columns = np.flatnonzero(patch.any(axis=1)), np.flatnonzero(patch.any(axis=0))
        assert patch.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)


def test_patches_reach_every_place():
    found = pictures.patches(2000, 8, 6, 0.1, np.random.default_rng(0))
    assert found.any(axis=0).all()


def test_black_on_black_is_not_called_bad():
    x = np.zeros((6, 8, 8, 1))
    x[0, 2:6, 2:6] = 1
    found = pictures.corrupt(x, 0.1, np.random.default_rng(1))
    assert (found.bad == (found.x != x).reshape(6, -1).any(axis=1)).all()
    assert not pictures.corrupt(np.zeros((4, 5, 5, 1)), 0.5, np.random.default_rng(0)).bad.any()
    assert not pictures.corrupt(np.ones((1, 5, 5, 1)), 0.5, np.random.default_rng(0)).bad.any()


def test_what_is_given_is_not_changed():
    x = np.random.default_rng(0).random((5, 6, 6, 1))
    kept = x.copy()
    pictures.corrupt(x, 0.5, np.random.default_rng(0))
    assert (x == kept).all()


@given(st.integers(2, 30), st.integers(0, 99))
def test_others_are_never_oneself_and_each_is_one_others(count: int, seed: int):
    partner = others(count, np.random.default_rng(seed))
    assert sorted(partner.tolist()) == list(range(count))
    assert (partner != np.arange(count)).all()
