import sys
from typing import Any

import pytest

from benchmarks import activations, drawing, passes, reading
from benchmarks.frame import FailedError, Settings, UnavailableError

HEAD = (
    [{"ends": [6.0, 9.0, 45.0], "examples": 750}, {"ends": [5.0, 8.0, 30.0], "examples": 750}],
    [{"ends": [4.0, 4.1, 3.0], "examples": 750}, {"ends": [6.0, 5.1, 3.0], "examples": 750}],
)
READ = reading.compare({(256, 32): ([9.0], [10.0])}, Settings())
SCALE = [
    {"examples": 10, "seconds": {"open": 1.0, "compute": 1.0, "read": 1.0}, "peak": 100, "anonymous": 50},
    {"examples": 100, "seconds": {"open": 2.0, "compute": 10.0, "read": 1.0}, "peak": 109, "anonymous": 54},
    {"examples": 1000, "seconds": {"open": 3.0, "compute": 121.0, "read": 1.0}, "peak": 105, "anonymous": 52},
]

OVERLAP = {
    "seconds": {"keras": {"decoding": [1], "computing": [2], "together": [2]}},
    "processor": {"keras": {"decoding": [2], "computing": [4], "together": [4]}},
    "examples": 7,
}


def test_the_ratio_of_the_head_stage_is_formed_pair_by_pair():
    result = activations.head_stage(*HEAD)
    assert [(bar.holds, bar.found) for bar in result.bars] == [(False, "1/12.5 (median)"), (True, "epoch 1")]
    late = [{"ends": [9.0, 9.5, 10.0], "examples": 750}]
    assert not activations.head_stage(HEAD[0][:1], late).bars[1].holds


def test_a_head_stage_that_is_never_level_is_told():
    slow = [{"ends": [90.0, 95.0, 100.0], "examples": 750}]
    assert activations.head_stage(HEAD[0][:1], slow).bars[1].found == "epoch None"


def test_probes_are_judged_by_plain_passes():
    found = [{"plain": 2.0, "every": 2.4, "probed": 2.7, "cut_points": 25, "examples": 750}]
    (bar,) = activations.probing(found).bars
    assert (bar.holds, bar.found) == (False, "1.35 (1.20 without the probes; medians)")


def test_our_fastest_engine_is_judged_beside_predict_and_the_fastest_alone():
    rates = {"predict": [100.0], "keras": [140.0], "openvino": [180.0], "raw openvino": [210.0], "raw other": [20.0]}
    gain, part = activations.engines([{"rates": rates}]).bars
    assert (gain.holds, gain.found) == (True, "1.80 (openvino)")
    assert (part.holds, part.found) == (False, "0.86 (openvino, raw openvino)")
    assert len(activations.engines([{"rates": {"predict": [100.0], "keras": [140.0]}}]).bars) == 1


def test_a_pass_is_judged_by_its_slower_half():
    seconds = {"decoding": [1.0, 9.0, 1.0], "computing": [2.0, 2.0, 2.0], "together": [2.2, 2.2, 9.0]}
    busy = {"computing": [4.0, 4.0, 4.0], "together": [4.8, 4.8, 9.0]}
    part = activations.overlap(
        [{"seconds": {"keras": seconds}, "processor": {"keras": busy}, "examples": 750, "batch": 32}]
    )
    assert part.tables[0].rows[0][-2:] == ("1.10", "1.20")
    (bar,) = part.bars
    assert (bar.holds, bar.found) == (True, "1.10")


def test_writing_is_judged_by_what_it_adds():
    found = [
        {"seconds": {"written": [10.3, 10.6], "dropped": [10.0, 10.0]}},
        {"seconds": {"written": [10.4], "dropped": [10.0]}},
    ]
    (bar,) = activations.writing(found).bars
    assert (bar.holds, bar.found) == (True, "+4.0% (median)")


def test_memory_and_time_are_judged_from_the_least_to_the_most():
    memory, time = activations.scale(SCALE).bars
    assert (memory.holds, memory.found) == (True, "+8.0%")
    assert (time.holds, time.found) == (False, "1.21")


def test_a_measurement_that_fails_is_told_with_its_last_words(monkeypatch):
    monkeypatch.setattr(activations.sys, "executable", "/bin/false")
    with pytest.raises(FailedError, match=r"measuring 'through' ended with 1"):
        activations.fresh("through")


def test_a_measurement_that_cannot_run_here_says_why(monkeypatch, capsys):
    def absent() -> dict[str, Any]:
        raise UnavailableError("needs what is not here")

    monkeypatch.setitem(passes.MEASUREMENTS, "through", absent)
    monkeypatch.setattr(sys, "argv", ["passes", "through"])
    with pytest.raises(SystemExit) as ended:
        passes.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "needs what is not here\n"


def test_a_trial_of_the_harness_measures_a_hundredth(monkeypatch):
    asked: list[tuple[str, int | None]] = []
    canned = {
        "through": HEAD[0][0],
        "cached": HEAD[1][0],
        "probing": {"plain": 2.0, "every": 2.4, "probed": 2.7, "cut_points": 25, "examples": 750},
        "engine": {"rates": {"predict": [100.0], "keras": [140.0]}},
        "overlap": OVERLAP,
        "writing": {"seconds": {"written": [1.0], "dropped": [1.0]}},
        "scale": SCALE[0],
        "ten_more": {"examples": 100, "first": 10.0, "ten more": 0.5},
    }
    monkeypatch.setattr(activations, "fresh", lambda name, size=None: asked.append((name, size)) or canned[name])
    monkeypatch.setattr(activations.pictures, "shared", lambda: None)
    monkeypatch.setattr(activations.reading, "run", lambda settings: iter([READ]))
    *_, last = activations.run(Settings(per_class=1))
    assert [size for _, size in asked if size] == [100, 1_000, 10_000, 1_000]
    assert len(last.tables) == 8


def test_every_measurement_has_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    parts = [
        activations.head_stage(*HEAD),
        activations.probing([{"plain": 2.0, "every": 2.4, "probed": 2.7, "cut_points": 25, "examples": 750}]),
        activations.engines([{"rates": {"predict": [100.0], "keras": [140.0], "raw openvino": [210.0]}}]),
        activations.overlap([OVERLAP]),
        activations._named("reading", READ),
        activations.writing([{"seconds": {"written": [10.4], "dropped": [10.0]}}]),
        activations.scale(SCALE),
        activations.ten_more([{"examples": 100, "first": 10.0, "ten more": 0.5}]),
    ]
    drawn = drawing.draw([item for part in parts for item in part.measurements], tmp_path)
    assert len(drawn) == len(parts)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
