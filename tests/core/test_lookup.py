"""The table from ids to places."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.core import lookup as lookup_
from regraft.core.lookup import Lookup

Array = np.ndarray[Any, Any]

# Ids that share halves, and begin at the same slot.
_HALF = st.sampled_from([0, 1, 2**32, 2**63, 2**64 - 1])
_IDS = st.lists(st.tuples(_HALF, _HALF), max_size=40)


def _numbers(ids: list[tuple[int, int]]) -> Array:
    return np.array(ids, np.uint64).reshape(-1, 2)


@given(_IDS, _IDS, st.integers(1, 9))
def test_it_is_a_dictionary_that_keeps_the_first(ids: list[tuple[int, int]], asked: list[Any], block: int) -> None:
    first: dict[tuple[int, int], int] = {}
    wanted = [first.setdefault(pair, place) for place, pair in enumerate(ids)]
    numbers = _numbers(ids)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup_, "_BLOCK", block)
        lookup = Lookup(numbers.__getitem__, len(ids))
        assert lookup.add(np.arange(len(ids), dtype=np.uint32)).tolist() == wanted
        for few in (0, 256):
            # One slot after the other, and several at once.
            patch.setattr(lookup_, "_FEW", few)
            assert lookup.find(_numbers(asked)).tolist() == [first.get(pair, -1) for pair in asked]
    assert len(lookup) == len(first)


def test_many_are_found_where_they_were_put() -> None:
    ids = np.random.default_rng(0).integers(0, 2**64, (50_000, 2), dtype=np.uint64)
    places = np.random.default_rng(1).permutation(50_000).astype(np.uint32)[:40_000]
    lookup = Lookup(ids.__getitem__, 40_000)
    assert np.array_equal(lookup.add(places), places)
    wanted = np.full(50_000, -1)
    wanted[places] = places
    assert np.array_equal(lookup.find(ids), wanted)
    assert np.array_equal(np.concatenate([lookup.find(ids[at : at + 50]) for at in range(0, 50_000, 50)]), wanted)


def test_it_takes_six_bytes_of_each() -> None:
    ids = np.random.default_rng(0).integers(0, 2**64, (200_000, 2), dtype=np.uint64)
    places = np.arange(200_000, dtype=np.uint32)
    peaks = []
    for count in (100_000, 200_000):
        tracemalloc.start()
        Lookup(ids.__getitem__, count).add(places[:count])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # And four of the answer.
    assert (peaks[1] - peaks[0]) / 100_000 == pytest.approx(10, abs=0.5)


def test_more_than_places_can_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="expected fewer than 4294967295 ids, found 4294967296"):
        Lookup(lambda places: places, 1 << 32)
