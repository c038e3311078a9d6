"""A pass that the workers of a Ray cluster do: the same files as here, also when one of them is killed midway."""

import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import keras
import numpy as np
import pytest

from regraft.activations import spreading
from regraft.activations.compute import Activations, compute
from regraft.activations.engines import Wanted
from regraft.activations.store import Store
from regraft.core.input_spec import InputSpec
from regraft.data import Examples
from regraft.data import open as open_data

# Ray warns of settings of its own, and leaves files open.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SHAPE = (6, 6, 3)
COUNT = 1500


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="low")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, keras.layers.Conv2D(4, 3, activation="relu", name="high")(x), name="small")


def some_examples() -> Examples:
    x = np.random.default_rng(0).uniform(0, 255, (COUNT, *SHAPE)).astype("float32")
    return open_data(x, labels=np.arange(COUNT) % 2)


def passed(folder: Path, *, spread: bool, dtype: str = "float32") -> Activations:
    wanted = [Wanted("high", True), Wanted("low", False)]
    return compute(
        network(), InputSpec(SHAPE), some_examples(), range(COUNT), wanted, Store(folder), dtype=dtype, spread=spread
    )


def files(folder: Path) -> dict[str, bytes]:
    """All whole files of rows; what a killed worker was at goes a day later."""
    whole = [path for path in sorted(folder.rglob("*.rows")) if not path.parent.name.startswith(".partial-")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in whole}


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_workers_write_the_files_that_would_be_written_here(
    tmp_path: Path, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Ray: what a worker is given and gives back passes through pickle, and blocks come in another order."""
    monkeypatch.setattr(spreading, "spread", _by_one_worker)
    here = passed(tmp_path / "here", spread=False, dtype=dtype)
    there = passed(tmp_path / "there", spread=True, dtype=dtype)
    assert len(files(tmp_path / "here")) > 4
    _same(there, here, tmp_path)
    assert passed(tmp_path / "there", spread=True, dtype=dtype).computed == 0


def test_a_worker_that_is_killed_midway_loses_nothing(cluster: None, tmp_path: Path) -> None:
    here = passed(tmp_path / "here", spread=False)
    killed: list[int] = []
    thread = threading.Thread(target=_kill_one, args=(tmp_path / "there", killed))
    thread.start()
    there = passed(tmp_path / "there", spread=True)
    thread.join()
    assert killed
    _same(there, here, tmp_path)
    assert passed(tmp_path / "there", spread=True).computed == 0


def _by_one_worker(job: Any, blocks: Sequence[Any]) -> Iterator[Any]:
    run = pickle.loads(cloudpickle.dumps(job)).begin()
    for block in reversed(blocks):
        yield pickle.loads(pickle.dumps(run(pickle.loads(cloudpickle.dumps(block)))))


def _same(there: Activations, here: Activations, folder: Path) -> None:
    assert there.computed == here.computed == 2 * COUNT
    assert files(folder / "there") == files(folder / "here")
    ids = some_examples().ids
    for item in here.rows:
        assert there.rows[item].gather(ids).tobytes() == here.rows[item].gather(ids).tobytes()


def _kill_one(folder: Path, killed: list[int]) -> None:
    """Kill a worker as soon as something is written and not all is."""
    until = time.monotonic() + 120
    while time.monotonic() < until and not killed:
        if any(folder.rglob("*.rows")):
            for pid in _workers():
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return
        time.sleep(0.01)


def _workers() -> list[int]:
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"MapWorker" in name and any_parent(process, os.getpid()):
            found.append(int(process.name))
    return found


def any_parent(process: Path, pid: int) -> bool:
    """Whether a process descends from another."""
    current: Any = process.name
    while current not in ("0", "1"):
        try:
            fields = (Path("/proc") / current / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        current = fields[1]
        if current == str(pid):
            return True
    return False
