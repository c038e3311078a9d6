"""What is kept, how and where: the order of concessions, and that the numbers are those of what is written."""

from dataclasses import replace
from pathlib import Path

import pytest

from regraft.activations import budget
from regraft.activations.budget import Decision, Map, Need, Room
from regraft.activations.store import Store

# 100 examples, 80 with further views: averages 4,000 bytes; low map 400 kB in float32, with all views 1,040 kB.
_NEED = Need(10, 100, 80, (Map("low", 1000), Map("high", 100)), 3, ("float32", "float16", "int8"))
_LARGE = 10**12


def _decided(limit: int, need: Need = _NEED, **room: int) -> Decision:
    return budget.decide(need, replace(Room(limit, _LARGE, 0), **room))


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (1_044_000, ("low", "float32", 3)),
        (1_043_999, ("low", "float16", 3)),
        (523_999, ("low", "int8", 3)),
        (263_999, ("low", "int8", 2)),
        (183_999, ("low", "int8", 1)),
        (103_999, ("high", "float16", 3)),
        (53_000, ("high", "int8", 3)),
        (13_999, (None, "float32", 1)),
    ],
)
def test_precision_goes_first_then_views_then_the_cut(limit: int, expected: tuple[str | None, str, int]) -> None:
    made = _decided(limit)
    assert (made.from_cut, made.dtype, made.views) == expected
    assert made.bytes <= limit
    assert made.maps == "disk"


def test_memory_is_used_before_anything_is_given_up() -> None:
    made = _decided(2_000_000, disk=1000, memory=10_000_000)
    assert (made.maps, made.dtype, made.views, made.bytes) == ("memory", "float32", 3, 1_044_000)


def test_what_the_plan_holds_fast_to_is_streamed() -> None:
    fast = replace(_NEED, maps=_NEED.maps[:1], dtypes=("float32",), fewer_views=False, no_map=False)
    made = _decided(500_000, fast)
    assert (made.averages, made.maps, made.from_cut, made.dtype, made.views) == (
        "disk",
        "streamed",
        "low",
        "float32",
        3,
    )
    assert made.bytes == 4000
    assert _decided(3999, fast).averages == "streamed"


def test_without_a_budget_half_of_the_disk_is_the_limit() -> None:
    assert budget.decide(_NEED, Room(None, 2 * 1_044_000, 0)).dtype == "float32"
    assert budget.decide(_NEED, Room(None, 2 * 1_043_999, 0)).dtype == "float16"


def test_one_line_says_what_is_kept_and_what_is_given_up() -> None:
    space = Room(200_000, _LARGE, 0)
    assert budget.sentence(_NEED, space, budget.decide(_NEED, space)) == (
        "activations of 100 examples: averages 4 kB, kept on disk; whole ones at 'low' in int8, 2 views, kept on disk; "
        "184 kB in all; 1.04 MB would not fit (the budget is 200 kB), given up: float32, 1 of 3 views"
    )
    space = Room(None, _LARGE, 0)
    assert budget.sentence(_NEED, space, budget.decide(_NEED, space)).endswith("kept on disk; 1.04 MB in all")


def test_what_the_cache_may_still_take_bounds_the_disk_and_not_memory() -> None:
    space = Room(None, _LARGE, 0, cache=530_000)
    made = budget.decide(_NEED, space)
    assert (made.maps, made.dtype) == ("disk", "float16")
    assert budget.sentence(_NEED, space, made).endswith(
        "1.04 MB would not fit (the cache may take 530 kB for this; see --cache-limit), given up: float32"
    )
    space = replace(space, memory=_LARGE)
    made = budget.decide(_NEED, space)
    assert (made.maps, made.dtype) == ("memory", "float32")
    assert budget.sentence(_NEED, space, made).endswith(
        "1.04 MB in all; they would not fit on disk (the cache may take 530 kB for this; see --cache-limit)"
    )


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (Room(10**6, 10**12, 0, 10**9), "the budget is 1 MB"),
        (Room(None, 10**12, 0, 10**11), "12 GB is the most without --cache-budget"),
        (Room(None, 10**9, 0, 10**11), "500 MB of the disk may be used"),
        (Room(10**9, 10**12, 0, 10**7), "the cache may take 10 MB for this; see --cache-limit"),
    ],
)
def test_what_binds_is_named(room: Room, expected: str) -> None:
    assert room.why() == expected


def test_what_files_take_beside_rows_is_counted() -> None:
    need = replace(_NEED, beside=30_000)
    assert budget.wished(need) == 1_074_000
    assert _decided(1_074_000, need).dtype == "float32"
    assert _decided(1_073_999, need).dtype == "float16"
    assert _decided(33_999, need).averages == "streamed"


def test_the_room_is_that_of_the_disk(tmp_path: Path) -> None:
    found = budget.room(Store(tmp_path / "not there yet"), 7)
    assert found.budget == 7
    assert found.cache == Store(tmp_path).left().bytes > 0
    assert found.disk > 0
    assert found.memory >= 0
