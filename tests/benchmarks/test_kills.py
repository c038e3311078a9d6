"""Three of the two hundred kills of the benchmark: each run ends exactly as the one that was left alone."""

from pathlib import Path

import keras
import pytest

from benchmarks import kills
from benchmarks.frame import Settings


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")
def test_runs_that_are_killed_end_as_if_they_had_not_been(tmp_path: Path) -> None:
    outcomes = list(kills.killed(tmp_path, 3, seed=1, epochs=4))
    assert sum(len(outcome.moments) for outcome in outcomes) == 3
    assert [outcome.differs for outcome in outcomes] == [()] * len(outcomes)


def test_a_run_that_ended_otherwise_breaks_the_bar() -> None:
    outcomes = [kills.Outcome((1.0, 2.0), True), kills.Outcome((0.5,), False, ("weights",))]
    result = kills.summarise(outcomes, Settings())
    assert [bar.holds for bar in result.bars] == [False]
    assert result.bars[0].found == "2 of 3"
