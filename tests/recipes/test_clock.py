"""The clock adds up, also while a stage is running."""

import time

import pytest

from regraft.recipes.clock import Clock


def test_stages_add_up_and_a_running_one_counts() -> None:
    clock = Clock()
    for _ in range(2):
        with clock.stage("open"):
            time.sleep(0.02)
    with clock.stage("report"):
        time.sleep(0.03)
        during = clock.seconds()
    after = clock.seconds()
    assert during["open"] == after["open"] >= 0.04
    assert 0.03 <= during["report"] <= after["report"]
    assert after["head"] == after["baselines"] == 0
    assert after["total"] >= after["open"] + after["report"]


def test_what_a_process_of_before_took_is_counted_too() -> None:
    clock = Clock()
    clock.add({"open": 2.0, "search": 30.0, "total": 40.0})
    with clock.stage("open"):
        time.sleep(0.01)
    found = clock.seconds()
    assert found["search"] == 30.0
    assert 2.01 <= found["open"] < 3.0
    assert 40.01 <= found["total"] < 41.0


def test_a_stage_that_fails_is_counted() -> None:
    clock = Clock()
    with pytest.raises(KeyError), clock.stage("head"):
        raise KeyError
    assert clock.of("head") > 0
    assert clock.of("join") == 0
