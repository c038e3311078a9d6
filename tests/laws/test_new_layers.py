"""Laws 4, 6, 7 and 11 where new layers stand between the reused ones and the head."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.head_spec import NewLayersSpec
from regraft.core.input_spec import InputSpec
from regraft.core.phase import Phase, Rate
from regraft.graph import names
from regraft.graph.cut_points import cut_points
from regraft.surgery.copy import copy_model
from regraft.surgery.cut import cut
from regraft.surgery.graft import graft, join, set_values
from regraft.training.feeds import Feed
from regraft.training.heads import fit_layers
from regraft.training.phases import TrainedPhases, train_phases
from tests.laws.networks import built, examples, parameters

Array = np.ndarray[Any, Any]

NEW = {f"{layer}/{part}" for layer in ("head_hidden_1", "head_hidden_2", "head") for part in ("kernel", "bias")}
_Y = np.arange(24) % 3


@pytest.mark.parametrize("name", parameters(slow=False, but=("several",)))
def test_names_stay_unique_and_what_they_were(name: str, tmp_path: Path) -> None:
    model = built(name)
    points = cut_points(model)
    _, rest = cut(model, points[len(points) // 2].name)
    if not rest.outputs[0].shape[1:] or points[-1].name == points[len(points) // 2].name:
        pytest.skip("nothing is left above that cut")
    branch = graft(rest, 3, hidden=(5, 4), seed=1)
    known = names.variables(branch)
    assert set(known) == {*names.variables(rest), *NEW}
    assert len({id(variable) for variable in known.values()}) == len(known)
    assert list(names.variables(copy_model(branch))) == list(known)
    branch.save(tmp_path / "branch.keras")
    assert set(names.variables(keras.saving.load_model(tmp_path / "branch.keras"))) == set(known)


def _branch(name: str) -> tuple[keras.Model, Array, keras.Model]:
    model = built(name)
    trunk, rest = cut(model, cut_points(model)[1].name)
    x = np.asarray(keras.ops.convert_to_numpy(trunk(examples(name, len(_Y)), training=False)))
    return graft(rest, 3, hidden=(5, 4), seed=1, dropout=0.2), x, trunk


def _trained(branch: keras.Model, x: Array, checkpoint: Path | None = None, dying: int | None = None) -> TrainedPhases:
    count = 0

    def fetch(chosen: Array, view: int) -> Array:
        nonlocal count
        count += 1
        if count == dying:
            raise KeyboardInterrupt
        return x[chosen]

    held = next(key for key in names.variables(branch) if key.endswith("kernel")).replace("kernel", ".*")
    common: dict[str, Any] = {"epochs": 2, "batch_size": 8, "dropout": 0.2}
    phases = [
        Phase(name="new ones", rates=(Rate("head.*", 0.05), Rate(".*", 0.0)), **common),
        Phase(name="all but one", rates=(Rate("head.*", 0.02), Rate(held, 0.0), Rate(".*", 0.01)), **common),
    ]
    none = Feed(lambda chosen, view: x[chosen], _Y[:0])
    return train_phases(branch, phases, Feed(fetch, _Y), none, seed=2, checkpoint=checkpoint)


@pytest.mark.parametrize("name", ["chain", "nested", "residual", "custom"])
def test_frozen_layers_below_new_ones_are_byte_identical(name: str) -> None:
    branch, x, _ = _branch(name)
    before = {key: value.tobytes() for key, value in names.values(branch).items()}
    trained = _trained(branch, x)
    after = {key: value.tobytes() for key, value in names.values(trained.model).items()}
    moved = {key for key in after if after[key] != before[key] and "seed_generator" not in key}
    assert moved >= NEW
    assert moved.isdisjoint(trained.frozen)
    assert {row.layer for row in trained.phases[0].certificate.drift} == {"head_hidden_1", "head_hidden_2", "head"}
    held = next(key for key in before if key.endswith("kernel"))
    assert held in trained.frozen


def test_stopped_in_either_phase_and_resumed_it_ends_as_if_it_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regraft.training.checkpoint.SAVE_SECONDS", 0.0)
    branch, x, _ = _branch("nested")
    whole = _trained(branch, x)
    for stop in (2, 8):
        with pytest.raises(KeyboardInterrupt):
            _trained(branch, x, tmp_path / "it.checkpoint.npz", stop)
    again = _trained(branch, x, tmp_path / "it.checkpoint.npz")
    for key, value in names.values(whole.model).items():
        assert np.array_equal(value, names.values(again.model)[key]), key
    for key, item in whole.state.variables.items():
        for slot, value in item.slots.items():
            assert np.array_equal(value, again.state.variables[key].slots[slot]), (key, slot)
    # As text, because there is no validation here, and no number is not equal to itself.
    rows, others = ([str(replace(row, seconds=0.0)) for row in made.history] for made in (again, whole))
    assert rows == others


def test_new_layers_that_learnt_from_pooled_activations_answer_the_same_in_the_joined_model() -> None:
    """What is fitted on standardised averages, on top of layers, behind raw pictures: one function throughout."""
    model = built("chain")
    trunk, rest = cut(model, "relu1")
    pictures = np.random.default_rng(0).uniform(0, 255, (24, 12, 12, 3)).astype("float32")
    maps = np.asarray(keras.ops.convert_to_numpy(trunk(pictures, training=False)))
    pooled = maps.mean(axis=(1, 2))
    feed = Feed(lambda chosen, view: pooled[chosen], _Y)
    phase = NewLayersSpec(epochs=3, rate=0.01)
    head = fit_layers(feed, feed, 3, (5, 4), phase, seed=1).head
    assert {key: value.tobytes() for key, value in head.values.items()} == {
        key: value.tobytes() for key, value in fit_layers(feed, feed, 3, (5, 4), phase, seed=1).head.values.items()
    }
    branch = graft(None, 3, shape=maps.shape[1:], hidden=(5, 4))
    set_values(branch, head.values)
    joined = join(trunk, branch, InputSpec((12, 12, 3)))
    assert {key.partition("/")[2] for key in names.trainable(joined)} == NEW
    found = keras.ops.convert_to_numpy(joined(pictures))
    np.testing.assert_allclose(found, head.probabilities(pooled), rtol=1e-3, atol=1e-4)
    del rest
