"""Waiting for a process that computes the same."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from regraft.activations import lease
from tests.activations.said import saying

_HOLDING = """
import sys, time
from pathlib import Path
from regraft.activations import lease
with lease.computing({Path(sys.argv[1]): int(sys.argv[2])}):
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(folder: Path, examples: int = 10) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _HOLDING, str(folder), str(examples)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_one_waits_for_the_other_until_that_is_done_or_killed(tmp_path: Path) -> None:
    process = _holder(tmp_path / "key")
    who = lease.holder(tmp_path / "key")
    assert who is not None
    assert (who.process, who.examples, str(who)) == (process.pid, 10, f"process {process.pid}")
    threading.Timer(0.5, process.kill).start()
    started = time.monotonic()
    with saying() as said, lease.computing({tmp_path / "key": 10}) as waited:
        assert waited
        assert lease.holder(tmp_path / "key") == lease.Holder(os.getpid(), who.host, 10)
    assert 0.2 < time.monotonic() - started < 10
    assert said == [f"waiting for process {process.pid}, which computes the same activations"]
    _end(process)
    assert lease.holder(tmp_path / "key") is None


def test_nobody_is_waited_for_who_stands_still_or_has_much_more_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "SILENCE", 0.4)
    process = _holder(tmp_path / "key", examples=100)
    with saying() as said, lease.computing({tmp_path / "key": 100}) as waited:
        assert waited
    assert said[1:] == [f"process {process.pid} stands still; its activations are computed here"]
    with saying() as said, lease.computing({tmp_path / "key": 24}) as waited:
        assert not waited
    assert said == []
    _end(process)


def test_a_process_does_not_wait_for_itself(tmp_path: Path) -> None:
    with lease.computing({tmp_path: 1}) as outer, lease.computing({tmp_path: 1}) as inner:
        assert (outer, inner) == (False, False)


def test_a_holder_says_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.02)
    with lease.computing({tmp_path: 1}):
        before = (tmp_path / lease.FILE).stat().st_mtime_ns
        deadline = time.monotonic() + 5
        while (tmp_path / lease.FILE).stat().st_mtime_ns == before:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_many_that_want_several_in_any_order_all_come_to_an_end(tmp_path: Path) -> None:
    code = """
import random, sys, time
from pathlib import Path
from regraft.activations import lease
lease.LOOK = 0.005
chance = random.Random(int(sys.argv[2]))
for _ in range(15):
    folders = [Path(sys.argv[1]) / str(number) for number in range(4)]
    with lease.computing({folder: 5 for folder in chance.sample(folders, 3)}):
        time.sleep(0.005)
"""
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(seed)]) for seed in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]


def test_where_no_file_can_be_made_nobody_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with lease.computing({tmp_path / "file" / "key": 1}) as waited:
        assert not waited
    assert lease.holder(tmp_path / "nothing") is None
    (tmp_path / lease.FILE).write_text("[")
    assert lease.holder(tmp_path) is None


def test_an_unreadable_lease_that_is_held_is_of_somebody(tmp_path: Path) -> None:
    process = _holder(tmp_path)
    (tmp_path / lease.FILE).write_text("[")
    assert str(lease.holder(tmp_path)) == "another process"
    _end(process)


def test_what_a_killed_holder_was_writing_goes_with_the_next_lease_unless_it_is_new(tmp_path: Path) -> None:
    old, new = (tmp_path / "key" / f".partial-{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "partial.rows").write_bytes(b"half")
    for place in (old, old / "partial.rows"):
        os.utime(place, (time.time() - lease.SILENCE - 1,) * 2)
    with lease.computing({tmp_path / "key": 1}):
        assert not old.exists()
        assert new.exists()
