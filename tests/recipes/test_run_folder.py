"""A run folder belongs to one run and one process, and says what is in it."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from regraft.core.errors import CorruptFileError, RequestError, StorageError
from regraft.core.plan import Plan
from regraft.recipes import run_folder

HOLDER = """
import fcntl, os, sys, time
file = open(sys.argv[1], "a+")
fcntl.flock(file, fcntl.LOCK_EX)
file.write(str(os.getpid()))
file.flush()
print("held", flush=True)
time.sleep(60)
"""


def test_a_folder_is_named_after_data_and_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = run_folder.default_folder("/data/my flowers/", "nets/mobile.keras")
    assert re.fullmatch(r"regraft-runs/my_flowers-mobile-\d{8}-\d{6}", str(first))
    for path in (first, first.with_name(first.name + "-2")):
        path.mkdir(parents=True, exist_ok=True)
    made = run_folder.default_folder("/data/my flowers/", "nets/mobile.keras")
    assert not made.exists()
    assert run_folder.default_folder("'", "???").name.startswith("data-data-")


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    run_folder.require_free(tmp_path / "new")
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(RequestError, match="is not empty and holds no run; name a new folder with --out"):
        run_folder.begin(tmp_path, Plan("keras:VGG16"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(RequestError, match="holds a finished run; name another folder with --out"):
        run_folder.begin(tmp_path / "run", Plan("keras:VGG16"))


def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path) -> None:
    plan = Plan("keras:VGG16", data="flowers", seed=3)
    run_folder.begin(tmp_path, plan)
    assert run_folder.asked_plan(tmp_path) == plan
    with pytest.raises(RequestError, match=f"is not finished; `regraft resume {tmp_path}` finishes it"):
        run_folder.read(tmp_path)
    with pytest.raises(RequestError, match=r"has no model\.keras; `regraft resume"):
        run_folder.load_model(tmp_path)
    run_folder.begin(tmp_path, plan)


def test_what_is_no_run_folder_is_said(tmp_path: Path) -> None:
    for name in ("flowers-1", "flowers-3"):
        (tmp_path / name).mkdir()
    (tmp_path / "flowers-1" / "run.json").touch()
    with pytest.raises(
        RequestError, match=r"expected a run folder with run\.json, found none at .*flowers-2'.*names: flowers-1$"
    ):
        run_folder.read(tmp_path / "flowers-2")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "pretraining.json").write_text("{}")
    with pytest.raises(RequestError, match=r"found a pretraining at .*source', .*`regraft fit DATA --source .*source`"):
        run_folder.read(tmp_path / "source")
    with pytest.raises(RequestError, match=r"expected a run folder with plan\.toml"):
        run_folder.asked_plan(tmp_path)
    for text in ("{", '{"run": 3}', '{"speed": 3}'):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(RequestError, match=r"run\.json' is not the record of a run: "):
            run_folder.read(tmp_path)


def test_a_model_that_is_gone_is_not_promised_by_resuming_what_is_finished(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"has no model.keras; `regraft resume .*` makes it"):
        run_folder.require_model(tmp_path)
    (tmp_path / "run.json").touch()
    with pytest.raises(
        RequestError, match=r"is a finished run that has lost its model.keras; take the file from a copy"
    ):
        run_folder.require_model(tmp_path)


def test_an_altered_model_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", "x" * 1000)
    content = bytearray((tmp_path / "model.keras").read_bytes())
    content[200] ^= 1
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"truncated or was altered \(config\.json\); fit again"):
        run_folder.load_model(tmp_path)


def test_a_living_process_keeps_others_out_and_a_dead_one_does_not(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / ".lock")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        refused = pytest.raises(StorageError, match=f"process {holder.pid} is at work in '.*'; wait for it, or name")
        with refused, run_folder.held(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate()
    assert (tmp_path / ".lock").read_text() == str(holder.pid)
    with run_folder.held(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())
    assert list(tmp_path.iterdir()) == []


def _refuse() -> None:
    raise RequestError("nothing to learn from")


def test_a_folder_that_was_made_in_vain_goes_again(tmp_path: Path) -> None:
    for folder in (tmp_path / "new", tmp_path / "there"):
        (tmp_path / "there").mkdir(exist_ok=True)
        with pytest.raises(RequestError, match="nothing to learn from"), run_folder.held(folder):
            _refuse()
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    with run_folder.held(tmp_path / "new"):
        (tmp_path / "new" / "begun").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["begun"]


def test_a_folder_is_held_once_in_one_process_too(tmp_path: Path) -> None:
    with run_folder.held(tmp_path / "a"), run_folder.held(tmp_path / "b"):
        refused = pytest.raises(StorageError, match=f"process {os.getpid()} is at work")
        with refused, run_folder.held(tmp_path / "a"):
            pass
        assert (tmp_path / "a" / ".lock").exists()
    with pytest.raises(KeyboardInterrupt), run_folder.held(tmp_path / "a"):
        raise KeyboardInterrupt
    with run_folder.held(tmp_path / "a"):
        pass


def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"), run_folder.held(tmp_path / "file"):
        pass
