"""The benchmark of opening many examples: what it makes of its measurements, and that it measures."""

import sys
from pathlib import Path

import pytest

from benchmarks import examples
from benchmarks.frame import Settings


def measured(seconds: float, peak: float) -> list[dict[str, float]]:
    return [
        {"examples": 100.0, "open": 0.5, "digest": 0.1, "peak": 4000.0},
        {"examples": 1000.0, "open": 1.0, "digest": 0.2, "peak": 10_000.0},
        {"examples": 11_000.0, "open": seconds, "digest": 2.0, "peak": peak},
    ]


def test_bars_are_about_what_further_examples_cost() -> None:
    for seconds, peak, holds in (
        (11.0, 410_000, [True, True]),
        (22.0, 410_000, [True, False]),
        (9, 900_000, [False, True]),
    ):
        result = examples.compare(measured(seconds, peak), Settings())
        assert [bar.holds for bar in result.bars] == holds
    assert [bar.found for bar in result.bars] == ["89", "0.82"]
    assert result.tables[0].rows[-1] == ("11,000", "9.00", "2.00", "0.9")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory of a process")
def test_it_measures(tmp_path: Path) -> None:
    found = examples._in_a_process(examples.written(tmp_path / "x.npy", 3000))
    assert found["examples"] == 3000
    assert found["open"] > 0
    assert 0 <= found["peak"] < 50e6
