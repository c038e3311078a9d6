"""Law 10: damage is recomputed with one warning; two writers at once and `kill -9` leave whole entries only."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regraft.activations import shard
from regraft.activations.compute import Activations, compute
from regraft.activations.engines import Wanted
from regraft.activations.store import Store
from regraft.core import digest, storage
from regraft.core.errors import CorruptFileError, StorageError
from regraft.core.input_spec import InputSpec
from regraft.core.progress import collecting_warnings
from regraft.data import Examples
from regraft.data import open as open_data
from tests.laws import worker
from tests.laws.conftest import Processes
from tests.laws.networks import built

Array = np.ndarray[Any, Any]

_WANTED = [Wanted("first", False), Wanted("second", False)]
_COUNT = 70


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return built("perceptron")


@pytest.fixture(scope="module")
def data() -> Examples:
    x = np.random.default_rng(0).normal(size=(_COUNT, 5)).astype("float32")
    return open_data((x, np.arange(_COUNT) % 2))


def _compute(model: keras.Model, data: Examples, folder: Path, indices: Any = range(_COUNT)) -> Activations:
    return compute(model, InputSpec((5,)), data, indices, _WANTED, Store(folder))


def _bytes(found: Activations, data: Examples) -> list[bytes]:
    return [found.rows[item].gather(data.ids).tobytes() for item in _WANTED]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.rows"))


def _truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip_row(content: bytes) -> bytes:
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


def _flip_id(content: bytes) -> bytes:
    place = content.index(b'"ids": ["') + 12
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def _longer(content: bytes) -> bytes:
    return content + b"\0"


def _empty(content: bytes) -> bytes:
    return b""


def _other(content: bytes) -> bytes:
    return os.urandom(500)


@pytest.mark.parametrize("damage", [_truncate, _flip_row, _flip_id, _longer, _empty, _other])
def test_damage_is_recomputed_with_one_warning_and_only_that(
    damage: Any, model: keras.Model, data: Examples, tmp_path: Path
) -> None:
    right = _bytes(_compute(model, data, tmp_path, range(0, _COUNT, 2)), data.take(range(0, _COUNT, 2)))
    _compute(model, data, tmp_path)
    files = _files(tmp_path)
    assert len(files) == 4
    files[0].write_bytes(damage(files[0].read_bytes()))
    lost = len(shard.read(files[1]).ids) if files[1].parent == files[0].parent else 0
    with collecting_warnings() as warnings:
        again = _compute(model, data, tmp_path)
    (warning,) = warnings
    assert warning == f"1 damaged file(s) of activations under '{files[0].parent}' removed; they are computed anew"
    assert again.computed == _COUNT - lost
    assert again.hits == 2 * _COUNT - again.computed
    assert _bytes(again, data.take(range(0, _COUNT, 2))) == right
    with collecting_warnings() as warnings:
        assert _compute(model, data, tmp_path).computed == 0
    assert warnings == []


@settings(max_examples=150)
@given(st.data())
def test_any_altered_bit_and_any_missing_end_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("shard") / "it.rows"
    ids = [digest.of_strings([str(index)]) for index in range(3)]
    rows = np.arange(12, dtype="float32").reshape(3, 4)
    shard.write(path, ids, rows)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        found = shard.read(path)
    except CorruptFileError:
        return
    # Nothing but the filling between header and rows may change unnoticed.
    assert found.ids == tuple(ids)
    assert found.rows.tobytes() == rows.tobytes()


def test_only_what_is_missing_is_computed(model: keras.Model, data: Examples, tmp_path: Path) -> None:
    first = _compute(model, data, tmp_path, range(30))
    assert (first.computed, first.hits) == (60, 0)
    rest = _compute(model, data, tmp_path)
    assert (rest.computed, rest.hits) == (80, 60)
    whole = _compute(model, data, tmp_path / "other")
    assert _bytes(rest, data) == _bytes(whole, data)


def test_two_processes_that_fill_one_cache_leave_whole_entries_and_the_same_rows(processes: Processes) -> None:
    one, other = processes.results
    assert one["activations"] == other["activations"]
    files = _files(processes.cache)
    assert files
    kept = [shard.read(path) for path in files]
    assert {len(item.ids) for item in kept} == {worker.EXAMPLES}
    assert len({digest.of_array(item.rows) for item in kept}) == 1
    with collecting_warnings() as warnings:
        rows, _ = worker.activations(processes.cache)
    assert digest.of_array(rows) == one["activations"]
    assert warnings == []


_WRITING = """
import sys
from pathlib import Path
import numpy as np
from regraft.activations.store import Store

store = Store(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(100_000):
    store.append("k" * 32, {}, [f"{number:08d}"], np.full((1, 50_000), number, "float32"))
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_kill_at_any_moment_loses_at_most_what_was_being_written(seed: int, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _WRITING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(random.Random(seed).uniform(0.02, 0.3))
    process.send_signal(signal.SIGKILL)
    written = process.stdout.read().split()
    process.wait()
    with collecting_warnings() as warnings:
        found = Store(tmp_path).open("k" * 32)
    assert warnings == []
    # The last one may be there though its writer did not live to say so.
    assert len(found.places) - len(written) in (0, 1)
    for number in written:
        assert (found.gather([f"{int(number):08d}"]) == int(number)).all()


# Every file that grows beyond 1 KB is refused by the system, as on a full disk; in a process of its own, which writes
# nothing else.
_FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from regraft.activations.store import Store
from regraft.core.errors import StorageError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
try:
    Store(Path(sys.argv[1])).append("key", {}, ["a"], np.zeros((1, 5000), "float32"))
except StorageError as error:
    print(error)
"""


def test_a_disk_that_fills_up_while_writing_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _FULL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"cannot write '.*\.rows': File too large; name another place\n", done.stdout)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["about.json"]
    assert Store(tmp_path).open("key").files == []


def test_no_room_is_said_before_anything_is_computed(
    model: keras.Model, data: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "free_bytes", lambda path: 2000)
    message = r"the activations need 0 MB, '.*' has 0 MB free; free some space, name another folder with REGRAFT_CACHE"
    with pytest.raises(StorageError, match=message):
        _compute(model, data, tmp_path)
    assert not _files(tmp_path)
