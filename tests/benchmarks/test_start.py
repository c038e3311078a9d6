import sys

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
    monkeypatch.setattr(start, "commands", lambda: {"python -c pass": (), "regraft --help": ()})
    monkeypatch.setattr(start, "_once", lambda name, command: ran.append(name) or float(len(ran)))
    (result,) = start.run(Settings(repeats=2))
    assert ran == ["python -c pass", "regraft --help"] * 3
    assert result.measurements[1] == {"command": "regraft --help", "seconds": [4.0, 6.0]}


def test_a_command_that_does_not_work_is_a_failure():
    with pytest.raises(FailedError, match=r"`sample` ended with 3: no such thing"):
        start._once(
            "sample", (sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)")
        )
