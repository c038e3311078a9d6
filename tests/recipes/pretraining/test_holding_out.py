"""What is held out: any example, or whole groups, so that pairs can be made on either side."""

import numpy as np
import pytest

from regraft.core.errors import DataError
from regraft.core.progress import collecting_warnings
from regraft.recipes.pretraining.grouping import Together
from regraft.recipes.pretraining.holding_out import held_out


def _together(sizes: list[int], given: bool) -> Together:
    codes = np.random.default_rng(5).permutation(np.repeat(np.arange(len(sizes)), sizes))
    return Together(codes, tuple(f"g{code}" for code in range(len(sizes))), given, "in 't.csv'")


def _divided(found: Together, share: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    learnt, judged = held_out(np.arange(len(found.codes)), share, seed, found)
    assert sorted([*learnt.tolist(), *judged.tolist()]) == list(range(len(found.codes)))
    return learnt, judged


@pytest.mark.parametrize("given", [True, False])
def test_of_many_small_groups_whole_ones_are_held_out(given: bool) -> None:
    found = _together([2] * 150, given)
    learnt, judged = _divided(found)
    assert len(judged) == 30
    assert not set(found.codes[learnt]) & set(found.codes[judged])
    assert np.unique(found.codes[judged], return_counts=True)[1].tolist() == [2] * 15
    np.testing.assert_array_equal(judged, _divided(found)[1])
    assert judged.tolist() != _divided(found, seed=1)[1].tolist()


@pytest.mark.parametrize(
    "sizes", [[9, 9, 9, 9], [40, 3, 3, 3, 1], [2, 2, 2, 1], [100, 100, 100, 100], [2] * 4, [1] * 50 + [5] * 3]
)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.95])
def test_either_side_has_two_groups_and_one_with_two_examples(sizes: list[int], share: float) -> None:
    found = _together(sizes, given=True)
    learnt, judged = _divided(found, share)
    assert not set(found.codes[learnt]) & set(found.codes[judged])
    for side in (learnt, judged):
        counts = np.unique(found.codes[side], return_counts=True)[1]
        assert len(counts) >= 2
        assert counts.max() >= 2


def test_groups_of_one_are_learnt_from() -> None:
    found = _together([1] * 100 + [3] * 40, given=True)
    _, judged = _divided(found)
    assert set(np.unique(found.codes[judged], return_counts=True)[1].tolist()) == {3}
    assert len(judged) == 12


def test_of_large_classes_and_of_no_groups_any_example_is_held_out() -> None:
    found = _together([100, 100, 50], given=False)
    learnt, judged = _divided(found)
    assert len(judged) == 25
    assert set(found.codes[judged]) == set(found.codes[learnt]) == {0, 1, 2}
    np.testing.assert_array_equal(judged, held_out(np.arange(250), 0.1, 0)[1])
    small = np.arange(300)
    assert [len(side) for side in held_out(small, 0.1, 0)] == [270, 30]


def test_too_few_groups_are_named() -> None:
    for sizes in ([20, 20], [20, 20, 20], [5, 5, 1, 1]):
        with pytest.raises(
            DataError, match=r"expected four groups or more in 't.csv', .*; found \d \('g0', 'g1'.* --la"
        ):
            _divided(_together(sizes, given=True))


def test_where_too_few_classes_are_there_to_hold_out_whole_ones_it_is_warned() -> None:
    with collecting_warnings() as warned:
        learnt, judged = _divided(_together([10, 10], given=False))
    assert (len(learnt), len(judged)) == (18, 2)
    partnered = len(set(_together([10, 10], given=False).codes[judged])) == 1
    assert partnered or warned[0].startswith("0 of 2 examples held out in 't.csv' have another of their class among")
