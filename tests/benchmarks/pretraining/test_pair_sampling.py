"""Pairs by the textbook's loop, and how times are compared."""

import numpy as np

from benchmarks.frame import Settings
from benchmarks.pretraining import pair_sampling
from benchmarks.pretraining.pair_sampling import Scale, Timing


def test_the_loop_draws_half_of_one_digit_and_half_of_two():
    labels = np.random.default_rng(0).integers(0, 10, 300)
    first, second = (np.array(rows) for rows in pair_sampling.by_rejection(labels, 40, np.random.default_rng(1)))
    assert (first != second).all()
    assert (labels[first] == labels[second]).tolist() == [True] * 20 + [False] * 20


def test_rounds_are_compared_one_by_one():
    timings = [Timing(10.0, 1.0), Timing(9.0, 1.0), Timing(40.0, 2.0)]
    scales = [Scale(10, 0.1, 0.2, 60.0), Scale(100, 0.1, 0.2, 170.0)]
    result = pair_sampling.compare(timings, scales, Settings())
    assert [row[3] for row in result.tables[0].rows] == ["10.0x", "9.0x", "20.0x"]
    assert [(bar.holds, bar.found) for bar in result.bars] == [(True, "10.0x (median)"), (False, "170")]
    assert len(pair_sampling.compare(timings, [], Settings()).bars) == 1


def test_a_small_round_is_measured():
    found = pair_sampling.time_both(np.arange(200) % 10, 0, most=0.01)
    assert found.loop > found.ours > 0
    assert pair_sampling.scale(2000).bytes_each < pair_sampling.BYTES
