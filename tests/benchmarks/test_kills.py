"""Two of the two hundred kills of the benchmark: each run ends exactly as the one that was left alone."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest

from benchmarks import kills
from benchmarks.frame import Settings
from tests.recipes.killing import Fork, Forking

_AS_MODULE = "import runpy, sys; runpy.run_module(sys.argv.pop(1), run_name='__main__')"


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")
def test_runs_that_are_killed_end_as_if_they_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forking: Forking
) -> None:
    def forked(command: list[str], **_: Any) -> Fork:
        program, flag, module, run = command
        assert (program, flag) == (sys.executable, "-m")
        return forking.start(_AS_MODULE, module, run)

    monkeypatch.setattr(kills, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": forked}))
    # Draws with which the one comes late and the other early, in what is left.
    outcomes = list(kills.killed(tmp_path, 2, seed=219, epochs=2))
    assert sum(len(outcome.moments) for outcome in outcomes) == 2
    assert [outcome.differs for outcome in outcomes] == [()] * len(outcomes)


def test_a_run_that_ended_otherwise_breaks_the_bar() -> None:
    outcomes = [kills.Outcome((1.0, 2.0), True), kills.Outcome((0.5,), False, ("weights",))]
    result = kills.summarise(outcomes, Settings())
    assert [bar.holds for bar in result.bars] == [False]
    assert result.bars[0].found == "2 of 3"
