"""A network that was in training goes on with what its optimizer had learnt."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import regraft
from regraft.core.phase import Phase
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.progress import collecting_warnings
from regraft.formats import optimizer_states
from regraft.recipes import run_folder, running
from regraft.recipes.half_trained import learnt_before
from regraft.recipes.running import Run
from tests.recipes.shapes import convolutional


@pytest.fixture(scope="module")
def half_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve steps of Adam were taken, by Keras."""
    model = convolutional()
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    random = np.random.default_rng(0)
    x = random.normal(size=(24, *model.input_shape[1:])).astype("float32")
    model.fit(
        x, random.normal(size=(24, *model.output_shape[1:])).astype("float32"), epochs=12, batch_size=24, verbose=0
    )
    path = tmp_path_factory.mktemp("half") / "mine.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def plan(half_trained: Path) -> Plan:
    spec = FineTuneSpec("yes", from_cut="relu1", epochs=2, calibration=2)
    return Plan(str(half_trained), preprocessing="tf", baselines="no", fine_tune=spec, seed=5, refit="no", views=1)


@pytest.fixture(scope="module")
def first(plan: Plan, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of the plan; it is only looked at."""
    folder = tmp_path_factory.mktemp("first")
    return running.fit(pictures, plan=plan, out=folder / "run", cache=folder / "cache")


def test_the_state_of_the_source_s_optimizer_is_taken_over_by_name(plan: Plan, pictures: Path, tmp_path: Path) -> None:
    keeping = dataclasses.replace(plan, fine_tune=dataclasses.replace(plan.fine_tune, state="keep"))
    record = running.fit(pictures, plan=keeping, out=tmp_path / "run", cache=tmp_path / "cache").record
    rows = {row.variable: row for row in record.phases[0].carried}
    assert (rows["conv2/kernel"].done, rows["conv2/kernel"].steps) == ("keep", 12)
    assert (rows["head/kernel"].done, rows["head/kernel"].steps) == ("reset", 0)


def test_by_itself_it_is_compared_with_the_gradients_of_now(first: Run) -> None:
    rows = {row.variable: row for row in first.record.phases[0].carried}
    assert rows["conv2/kernel"].ratio is not None
    assert rows["head/kernel"].done == "calibrate"


def test_a_run_leaves_the_state_beside_its_model_and_another_goes_on_with_it(first: Run) -> None:
    state = regraft.optimizer_state(first.folder / run_folder.OPTIMIZER, first.model)
    assert {name.partition("/")[0] for name in state.variables} == {"branch"}
    learnt = {row.variable for row in first.record.phases[0].carried}
    assert {name.removeprefix("branch/") for name in state.variables} == learnt
    pretrained = regraft.open(first.folder / run_folder.MODEL)
    found = learnt_before(pretrained, Phase())
    assert found is not None
    assert found.variables.keys() == state.variables.keys()
    assert learnt_before(pretrained, Phase(state="reset")) is None


def test_a_source_without_a_state_has_none(network: Callable[..., Path]) -> None:
    assert learnt_before(regraft.open(network(), preprocessing="tf"), Phase()) is None


def test_a_source_that_is_no_file_has_none(half_trained: Path) -> None:
    pretrained = regraft.open(half_trained, preprocessing="tf")
    assert learnt_before(pretrained, Phase()) is not None
    assert learnt_before(dataclasses.replace(pretrained, source="keras:MobileNet"), Phase()) is None


def test_a_state_that_is_damaged_is_said_and_left(half_trained: Path, tmp_path: Path) -> None:
    beside = tmp_path / run_folder.MODEL
    beside.write_bytes(half_trained.read_bytes())
    state = tmp_path / run_folder.OPTIMIZER
    optimizer_states.write(state, regraft.optimizer_state(half_trained))
    content = bytearray(state.read_bytes())
    content[200] ^= 0xFF
    state.write_bytes(content)
    pretrained = dataclasses.replace(regraft.open(half_trained, preprocessing="tf"), source=str(beside))
    with collecting_warnings() as warnings:
        assert learnt_before(pretrained, Phase()) is None
    (line,) = warnings
    assert line.startswith(f"the optimizer's state in '{state}' is not used: ")
