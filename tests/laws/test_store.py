"""Law 10: damage is recomputed with one warning; two writers at once and `kill -9` leave whole entries only."""

import json
import os
import re
import shutil
import subprocess
import sys
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
from regraft.core.errors import StorageError
from regraft.core.input_spec import InputSpec
from regraft.core.progress import collecting_warnings
from regraft.data import Examples
from regraft.data import open as open_data
from tests.laws import worker
from tests.laws.conftest import Processes
from tests.laws.networks import built

Array = np.ndarray[Any, Any]

_ROOT = Path(__file__).resolve().parents[2]
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


def _torn(content: bytes) -> bytes:
    """The right size, and zeros where the disk had not got to when the power went."""
    half = len(content) // 2
    return content[:half] + bytes(len(content) - half)


def _flip_head(content: bytes) -> bytes:
    place = content.index(b'"shape"')
    return content[:place] + bytes([content[place] ^ 2]) + content[place + 1 :]


def _flip_id(content: bytes) -> bytes:
    place = content.index(b"}") + 12
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def _longer(content: bytes) -> bytes:
    return content + b"\0"


def _empty(content: bytes) -> bytes:
    return b""


def _other(content: bytes) -> bytes:
    return os.urandom(500)


@pytest.fixture(scope="module")
def filled(model: keras.Model, data: Examples, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A folder of activations in two files for each of both, and what the first of them holds."""
    folder = tmp_path_factory.mktemp("filled")
    right = _bytes(_compute(model, data, folder, range(0, _COUNT, 2)), data.take(range(0, _COUNT, 2)))
    _compute(model, data, folder)
    return folder, right


@pytest.mark.parametrize("damage", [_truncate, _torn, _flip_row, _flip_id, _flip_head, _longer, _empty, _other])
def test_damage_is_recomputed_with_one_warning_and_only_that(
    damage: Any, model: keras.Model, data: Examples, filled: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    whole, right = filled
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    files = _files(tmp_path)
    assert len(files) == 4
    # Another file, as after a restart: this process has not verified it yet.
    content = files[0].read_bytes()
    files[0].unlink()
    files[0].write_bytes(damage(content))
    assert len({path.parent for path in files}) == 2
    lost = shard.count(files[1])
    with collecting_warnings() as warnings:
        again = _compute(model, data, tmp_path)
    (warning,) = warnings
    folder = tmp_path / "activations"
    assert warning == f"damaged files of activations under '{folder}' removed; what was in them is computed anew"
    assert again.computed == _COUNT - lost
    assert again.hits == 2 * _COUNT - again.computed
    assert _bytes(again, data.take(range(0, _COUNT, 2))) == right
    with collecting_warnings() as warnings:
        assert _compute(model, data, tmp_path).computed == 0
    assert warnings == []


def test_damage_in_several_entries_is_one_warning_in_all(model: keras.Model, data: Examples, tmp_path: Path) -> None:
    right = _bytes(_compute(model, data, tmp_path), data)
    for path, damage in zip(_files(tmp_path), (_torn, _flip_head), strict=True):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(damage(content))
    with collecting_warnings() as warnings:
        again = _compute(model, data, tmp_path)
    assert len(warnings) == 1
    assert (again.computed, again.hits) == (2 * _COUNT, 0)
    assert _bytes(again, data) == right


@settings(max_examples=150)
@given(st.data())
def test_any_altered_bit_and_any_missing_end_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("store")
    names = [digest.of_strings([str(index)]) for index in range(3)]
    rows = np.arange(12, dtype="float32").reshape(3, 4)
    dtype = data.draw(st.sampled_from(["float32", "float16", "int8"]))
    made = Store(folder).append("k" * 32, {"dtype": dtype}, names, rows)
    content = bytearray(made.path.read_bytes())
    made.path.unlink()
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    made.path.write_bytes(content)
    with collecting_warnings() as warnings:
        found = Store(folder).open("k" * 32)
        assert found.holds(names).tolist() == [False] * 3
    assert len(warnings) == 1
    assert not made.path.exists()


def test_damage_in_one_file_leaves_the_others_and_what_was_selected_from_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = [store.append("k" * 32, {}, [str(number)], np.full((1, 9), number, "float32")) for number in range(5)]
    content = made[2].path.read_bytes()
    made[2].path.unlink()
    made[2].path.write_bytes(_flip_row(content))
    found = Store(tmp_path).open("k" * 32)
    before = found.select(["4"])
    assert found.holds(["0", "2", "4"]).tolist() == [True, False, True]
    assert before.gather(np.array([0])).tolist() == [[4.0] * 9]
    found.add(store.append("k" * 32, {}, ["2"], np.full((1, 9), 2, "float32")))
    assert found.gather(["3", "2"])[:, 0].tolist() == [3.0, 2.0]


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
    # The same examples, computed by either or both: one file.
    (path,) = _files(processes.cache)
    assert shard.count(path) == worker.EXAMPLES
    with collecting_warnings() as warnings:
        rows, _ = worker.activations(processes.cache)
    assert digest.of_array(rows) == one["activations"]
    assert warnings == []


_MOMENTS = 100


def test_kill_at_any_moment_loses_at_most_what_was_being_written(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.activations.killing", str(tmp_path), str(_MOMENTS)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True)
    moments = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(moments) == _MOMENTS
    for moment in moments:
        assert moment["killed"]
        assert moment["right"]
        # Its lease died with it, and nothing of what it leaves looks damaged.
        assert moment["free"]
        assert moment["warnings"] == []
        # The last file, of 20 examples in each of two keys, may be there though its writer did not live to say so.
        assert moment["kept"] - moment["said"] in (0, 20, 40)
    # Kills before the first file and after many: the moments are spread.
    assert min(moment["kept"] for moment in moments) == 0
    assert max(moment["kept"] for moment in moments) > 80


_FILLING = """
import sys
from pathlib import Path
import numpy as np
from regraft.activations.store import Store

key, names = "k" * 32, [f"{number:08d}" for number in range(400)]
computed = 0
store = Store(Path(sys.argv[1]))
sys.stdin.readline()
for part in range(0, 400, 100):
    wanted = names[part : part + 100]
    missing = int((~store.open(key).holds(wanted)).sum())
    if missing:
        # All of the part, whatever is missing: who lacks less than a quarter of what another computes would not wait.
        with store.computing({key: len(wanted)}) as waited:
            rows = store.open(key)
            lacking = [name for name, held in zip(wanted, rows.holds(wanted)) if not held]
            for start in range(0, len(lacking), 10):
                some = lacking[start : start + 10]
                store.append(key, {}, some, np.array([[float(name)] * 50 for name in some], "float32"))
                computed += len(some)
print(computed)
"""


def test_two_processes_at_once_compute_everything_and_nothing_twice(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _FILLING, str(tmp_path)]
    pair = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in pair:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    computed = [int(process.communicate()[0]) for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    assert sum(computed) == 400
    names = [f"{number:08d}" for number in range(400)]
    with collecting_warnings() as warnings:
        found = Store(tmp_path).open("k" * 32)
        assert found.holds(names).all()
    assert warnings == []
    assert np.array_equal(found.gather(names)[:, 3], np.arange(400))


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


# A disk with room for some files and half of another one: what was written whole stays.
_FILLING_UP = """
import sys
from pathlib import Path
import numpy as np
from regraft.activations.store import Store
from regraft.core.errors import StorageError

written = 0
try:
    for number in range(100):
        Store(Path(sys.argv[1])).append("key", {}, [str(number)], np.full((1, 100_000), number, "float32"))
        written += 1
except StorageError as error:
    print(written)
    print(error)
"""


def test_a_full_disk_leaves_what_was_written_whole_for_the_next_time(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only an administrator may mount a small disk")
    try:
        # Where room was looked for before, the system's own refusal is met only by others who write as well.
        code = "import regraft.activations.room as room\nroom._OF_FREE = 1e9\nroom.SHARE = 1e9\n" + _FILLING_UP
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
        written, error = done.stdout.splitlines()
        assert 0 < int(written) < 8
        assert re.fullmatch(r"no space left writing '.*\.rows' \([\d.]+ MB free there\); free some space, or .*", error)
        assert not [path for path in tmp_path.rglob("*") if ".partial" in path.name]
        found = Store(tmp_path).open("key")
        assert found.gather([str(number) for number in range(int(written))])[:, 5].tolist() == [*range(int(written))]
        asked = subprocess.run(
            [sys.executable, "-c", _FILLING_UP, str(tmp_path)], capture_output=True, text=True, check=True
        )
        assert re.fullmatch(
            r"0\nthe activations need [\d.]+ [kM]B, '.*' has [\d.]+ ([kM]B|bytes) (free|already).*\n", asked.stdout
        )
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_no_room_is_said_before_anything_is_computed(
    model: keras.Model, data: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "free_bytes", lambda path: 2000)
    message = (
        r"the activations need [\d.]+ kB, '.*' has 2 kB free; free some space, name another folder with --cache or "
        "REGRAFT_CACHE, keep less with --cache-budget"
    )
    with pytest.raises(StorageError, match=message):
        _compute(model, data, tmp_path)
    assert not _files(tmp_path)
