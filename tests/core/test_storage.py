"""Files that are there whole or not at all, whatever happens while they are written."""

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regraft.core import storage
from regraft.core.errors import StorageError

_DAY = 24 * 3600.0


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that a writer is about to replace."""
    path = tmp_path / "folder" / "model.bin"
    path.parent.mkdir()
    path.write_bytes(b"old")
    return path


def _left_over(folder: Path) -> list[Path]:
    return sorted(folder.glob(".partial-*"))


def _run(script: str, path: Path) -> "subprocess.Popen[str]":
    """A process that prints a line when it is in the middle of its work."""
    code = f"import sys, time, pathlib\nfrom regraft.core import storage\npath = pathlib.Path(sys.argv[1])\n{script}"
    return subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)


def _kill(process: "subprocess.Popen[str]", after: float = 0.0) -> None:
    with process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_a_file_is_replaced_and_its_folder_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    storage.write_text(path, "één\n")
    storage.write_text(path, "twee\n")
    storage.write_with(path.with_name("d"), lambda partial: partial.write_bytes(b"3"))
    assert path.read_bytes() == b"twee\n"
    assert sorted(file.name for file in path.parent.iterdir()) == ["c.txt", "d"]


def test_nothing_is_seen_before_the_block_ends(old: Path) -> None:
    with storage.replacing(old) as partial:
        partial.write_bytes(b"new")
        assert partial.name == old.name
        assert old.read_bytes() == b"old"
    assert old.read_bytes() == b"new"


def test_whoever_reads_the_old_file_goes_on_reading_it(old: Path) -> None:
    with old.open("rb") as reader:
        storage.write_bytes(old, b"new")
        assert reader.read() == b"old"


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_an_error_in_the_block_keeps_the_old_file_and_leaves_nothing(
    old: Path, interruption: type[BaseException]
) -> None:
    def write(partial: Path) -> None:
        partial.write_bytes(b"half")
        raise interruption

    with pytest.raises(interruption):
        storage.write_with(old, write)
    assert old.read_bytes() == b"old"
    assert _left_over(old.parent) == []


def test_the_file_has_the_permissions_of_any_new_file(old: Path) -> None:
    ordinary = old.with_name("ordinary")
    ordinary.write_bytes(b"")
    storage.write_bytes(old, b"new")
    assert old.stat().st_mode == ordinary.stat().st_mode


def test_a_writer_killed_in_the_middle_leaves_the_old_file_and_the_next_one_cleans_up(old: Path) -> None:
    script = """with storage.replacing(path) as partial, partial.open("wb") as file:
        file.write(b"half"); file.flush(); print("ready", flush=True); time.sleep(60)"""
    _kill(_run(script, old))
    (partial,) = _left_over(old.parent)
    assert old.read_bytes() == b"old"
    assert (partial / old.name).read_bytes() == b"half"

    storage.write_bytes(old, b"new")
    assert _left_over(old.parent) == [partial], "a fresh one may belong to a living writer"
    for path in (partial / old.name, partial):
        os.utime(path, (time.time() - 2 * _DAY,) * 2)
    storage.write_bytes(old, b"newer")
    assert _left_over(old.parent) == []


@pytest.mark.parametrize("moment", range(3))
def test_a_writer_killed_at_any_moment_leaves_a_whole_file(old: Path, moment: int) -> None:
    script = """storage.write_bytes(path, b"a" * 1_000_000); print("ready", flush=True)
while True:
    storage.write_bytes(path, b"b" * 1_000_000); storage.write_bytes(path, b"a" * 1_000_000)"""
    _kill(_run(script, old), after=random.Random(moment).uniform(0, 0.05))
    content = old.read_bytes()
    assert content in (b"a" * 1_000_000, b"b" * 1_000_000)


def test_two_writers_at_once_leave_one_whole_file(old: Path) -> None:
    contents = [bytes([letter]) * 300_000 for letter in b"abcd"]
    threads = [threading.Thread(target=storage.write_bytes, args=(old, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert old.read_bytes() in contents
    assert _left_over(old.parent) == []


def test_a_slow_writer_is_not_taken_for_a_dead_one(old: Path) -> None:
    with storage.replacing(old) as partial:
        partial.write_bytes(b"growing for two days")
        os.utime(partial.parent, (time.time() - 2 * _DAY,) * 2)
        storage.write_bytes(old.with_name("other"), b"")
    assert old.read_bytes() == b"growing for two days"


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "saved_model"
    with storage.replacing(path) as partial:
        (partial / "variables").mkdir(parents=True)
        (partial / "variables" / "data").write_bytes(b"1")
        assert not path.exists()
    assert (path / "variables" / "data").read_bytes() == b"1"
    assert _left_over(tmp_path) == []


def test_a_folder_does_not_replace_one_that_holds_something(old: Path) -> None:
    with (
        pytest.raises(StorageError, match="folder': Directory not empty; name another place"),
        storage.replacing(old.parent) as partial,
    ):
        partial.mkdir()
    assert old.read_bytes() == b"old"
    assert _left_over(old.parent.parent) == []


def test_a_file_does_not_replace_a_folder(old: Path) -> None:
    with pytest.raises(StorageError, match="folder': Is a directory; name another place"):
        storage.write_bytes(old.parent, b"")
    assert old.read_bytes() == b"old"


@pytest.fixture
def small_files() -> Iterator[None]:
    """The system refuses files above a size, as full disks do."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_files")
def test_a_file_that_the_system_finds_too_large_keeps_the_old_one(old: Path) -> None:
    with pytest.raises(StorageError, match=r"^cannot write '.*model.bin': File too large; name another place$"):
        storage.write_bytes(old, bytes(20_000_000))
    assert old.read_bytes() == b"old"
    assert _left_over(old.parent) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device without space")
@pytest.mark.parametrize("content", [b"new", np.zeros(100_000)])
def test_no_space_left_keeps_the_old_file_and_says_how_much_there_is(old: Path, content: Any) -> None:
    def write(partial: Path) -> None:
        partial.symlink_to("/dev/full")
        partial.write_bytes(content) if isinstance(content, bytes) else content.tofile(partial)

    with pytest.raises(
        StorageError, match=r"^no space left writing '.*model.bin' \(\d+\.\d MB free there\); free some"
    ):
        storage.write_with(old, write)
    assert old.read_bytes() == b"old"
    assert _left_over(old.parent) == []


def test_a_folder_that_may_not_be_written_to_is_named(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**place: Any) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(place["dir"] / place["prefix"]))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(StorageError, match=r"model.bin': Permission denied; name a folder that you may write to$"):
        storage.write_bytes(old, b"new")
    assert old.read_bytes() == b"old"


@pytest.mark.parametrize("below", ["model.bin/x", "model.bin/x/y/z"])
def test_a_place_below_a_file_is_refused(old: Path, below: str) -> None:
    with pytest.raises(
        StorageError, match=r"^cannot write '.*model.bin/x.*': (Not a directory|File exists); name anoth"
    ):
        storage.write_bytes(old.parent / below, b"new")
    assert old.read_bytes() == b"old"


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="File name too long; name another place"):
        storage.write_bytes(tmp_path / ("x" * 300), b"")
    assert list(tmp_path.iterdir()) == []


def test_errors_about_other_files_are_not_called_errors_of_writing(old: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-picture"), storage.replacing(old):
        (old.parent / "no-such-picture.png").read_bytes()
    with pytest.raises(PermissionError, match=r"somewhere inside a library$"), storage.replacing(old):
        raise PermissionError(errno.EACCES, "somewhere inside a library")
    assert old.read_bytes() == b"old"


def test_free_bytes_are_those_of_the_place_even_before_it_is_there(tmp_path: Path) -> None:
    free = storage.free_bytes(tmp_path / "not" / "yet" / "here")
    assert 0 < free <= shutil.disk_usage(tmp_path).total
