"""Laws 6 and 11: train(5) is train(2), kill, resume, train(3); and one seed gives one result, in any process."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import CorruptFileError
from regraft.core.progress import collecting_warnings
from regraft.graph import names
from regraft.training.loop import Trained
from tests.laws import worker
from tests.laws.conftest import Processes

Array = np.ndarray[Any, Any]
Rows = tuple[Array, Array]
Whole = tuple[Trained, Path]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return worker.activations(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def whole(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The training in one go, and its checkpoint."""
    checkpoint = tmp_path_factory.mktemp("whole") / "checkpoint.npz"
    return worker.trained(*rows, checkpoint), checkpoint


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    with collecting_warnings() as warnings:
        yield
    assert warnings == []


def test_the_sample_run_learns_and_is_random(whole: Whole, rows: Rows) -> None:
    losses = [epoch.loss for epoch in whole[0].history[1:]]
    assert len(set(losses)) == worker.EPOCHS
    assert "dropped/seed_generator_state" in names.variables(whole[0].model)


@pytest.mark.parametrize("stops", [(2,), (1, 4)])
def test_stopping_and_resuming_changes_nothing(
    stops: tuple[int, ...], rows: Rows, whole: Whole, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint.npz"
    with _no_warnings():
        for stop in stops:
            part = worker.trained(*rows, checkpoint, stop_after=stop)
            assert len(part.history) == stop + 1
        result = worker.trained(*rows, checkpoint)
    assert worker.described(result) == worker.described(whole[0])
    assert worker.state(checkpoint) == worker.state(whole[1])


def test_a_killed_process_is_continued_by_another(
    processes: Processes, rows: Rows, whole: Whole, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint.npz"
    shutil.copy(processes.interrupted, checkpoint)
    assert worker.state(checkpoint) != worker.state(whole[1])
    with _no_warnings():
        result = worker.trained(*rows, checkpoint)
    assert worker.described(result) == worker.described(whole[0])
    assert worker.state(checkpoint) == worker.state(whole[1])


def test_a_finished_phase_is_not_run_again(rows: Rows, whole: Whole, tmp_path: Path) -> None:
    checkpoint = shutil.copy(whole[1], tmp_path / "checkpoint.npz")
    before = Path(checkpoint).read_bytes()
    result = worker.trained(*rows, Path(checkpoint), kill_in=1)
    assert worker.described(result) == worker.described(whole[0])
    assert Path(checkpoint).read_bytes() == before


def test_the_checkpoint_of_another_network_is_not_continued(
    rows: Rows, whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Path(shutil.copy(whole[1], tmp_path / "checkpoint.npz"))
    original = worker.network

    def other() -> keras.Model:
        model = original()
        model.get_layer("third").bias.assign(np.full(4, 0.5))
        return model

    monkeypatch.setattr(worker, "network", other)
    with collecting_warnings() as warnings:
        result = worker.trained(*rows, checkpoint)
    assert warnings == [f"checkpoint '{checkpoint}' is of another plan; the phase starts anew"]
    assert worker.described(result) != worker.described(whole[0])


@pytest.mark.parametrize("kept", [0, 10, 1000, -1])
def test_a_truncated_checkpoint_is_refused_with_one_line(kept: int, rows: Rows, whole: Whole, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.npz"
    checkpoint.write_bytes(whole[1].read_bytes()[:kept])
    with pytest.raises(CorruptFileError, match=r"cannot be read: .*; remove it to start the phase anew"):
        worker.trained(*rows, checkpoint)


def test_one_seed_gives_one_result_in_every_process(processes: Processes, whole: Whole) -> None:
    one, other = processes.results
    assert one == other
    here = worker.described(whole[0]) | {"state": worker.state(whole[1])}
    assert {key: one[key] for key in here} == here


def test_another_seed_gives_another_result(rows: Rows, whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    original = worker.train

    def with_another_seed(*arguments: Any, **named: Any) -> Trained:
        return original(*arguments, **{**named, "seed": 6})

    monkeypatch.setattr(worker, "train", with_another_seed)
    assert worker.described(worker.trained(*rows, None)) != worker.described(whole[0])
