"""How long scores take: a small version, and the bars."""

from benchmarks import score_speed
from benchmarks.frame import Settings
from benchmarks.score_speed import Timed


def test_a_small_version_times_every_score_on_every_shape() -> None:
    *_, result = score_speed.run(Settings(per_class=1, repeats=1))
    assert len(result.measurements) == 12
    assert [row[:3] for row in result.tables[0].rows[:2]] == [
        ("500 x 102", "logme", "100"),
        ("500 x 102", "h_score", "100"),
    ]
    assert all(0 < item["seconds"] < 5 for item in result.measurements)


def test_the_bars_are_of_the_largest_and_of_those_that_are_judged() -> None:
    large, small = (10_000, 2_048, 100), (400, 1_024, 50)
    measured = [Timed("logme", large, 4.9, 9.0), Timed("h_score", large, 5.1, 5.0), Timed("nleep", large, 90, 90)]
    bars = score_speed.compare([*measured, Timed("logme", small, 9.0, 9.0)], Settings()).bars
    assert [(bar.found, bar.holds) for bar in bars] == [("4.90 s", True), ("5.10 s", False)]
