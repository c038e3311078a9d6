import sys
from pathlib import Path

import pytest

from benchmarks import start
from benchmarks.frame import FailedError, Settings


def test_only_our_commands_are_judged_by_the_limit():
    times = {"python -c pass": [0.02, 0.9, 0.8], "regraft --help": [0.2, 0.9, 0.3], "regraft inspect": [0.7, 0.8, 0.1]}
    result = start.compare(times, Settings(repeats=3))
    assert result.tables[0].rows[1] == ("regraft --help", "0.30", "0.20..0.90")
    assert [(bar.holds, bar.found) for bar in result.bars] == [(True, "0.30 s (median)"), (False, "0.70 s (median)")]


def test_every_command_runs_once_untimed_and_then_in_turn(monkeypatch):
    ran: list[str] = []
    monkeypatch.setattr(start, "networks", lambda: {"a/m.onnx": Path("m.onnx")})
    monkeypatch.setattr(start, "_inspected", lambda path: 0.25)
    monkeypatch.setattr(start, "commands", lambda: {"python -c pass": (), "regraft --help": ()})
    monkeypatch.setattr(start, "_once", lambda name, command: ran.append(name) or float(len(ran)))
    (result,) = start.run(Settings(repeats=2))
    assert ran == ["python -c pass", "regraft --help"] * 3
    assert result.measurements[1] == {"command": "regraft --help", "seconds": [4.0, 6.0]}


def test_every_file_is_judged_and_the_slowest_is_named():
    known = start.compare({"regraft --help": [0.2]}, Settings(repeats=1))
    result = start.over_all(known, {"a/m.onnx": 0.3, "b/m.h5": 0.71})
    assert result.tables[1].rows == (("b/m.h5", "0.71"), ("a/m.onnx", "0.30"))
    assert (result.bars[-1].holds, result.bars[-1].found) == (False, "0.71 s (`b/m.h5`)")
    assert "each of 2 files" in result.bars[-1].requirement
    assert start.over_all(known, {"a/m.onnx": 0.3}).bars[-1].holds


def test_networks_are_told_from_what_lies_beside_them(monkeypatch, tmp_path):
    for name in ("a/m.onnx", "a/LICENSE", "a/photo.jpg", "b/saved_model.pb", "b/fingerprint.pb", "c/m.meta"):
        (tmp_path / "nets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "nets" / name).touch()
    monkeypatch.setattr(start.pictures, "shared", lambda: tmp_path)
    assert list(start.networks()) == ["a/m.onnx", "b", "b/saved_model.pb", "c/m.meta"]


def test_a_command_that_does_not_work_is_a_failure():
    with pytest.raises(FailedError, match=r"`sample` ended with 3: no such thing"):
        start._once(
            "sample", (sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)")
        )
