"""Laws of every method of pretraining, and laws 6, 11 and 12 for it: resumed, seeded, written and read."""

import dataclasses
import json
import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest

from regraft.core import plain
from regraft.core.pretraining import Asked, Spec, Stage
from regraft.graph import names
from regraft.pretraining import METHODS, greedy, method
from regraft.pretraining.learner import Method
from tests.laws import learners
from tests.laws.learners import CASES, TRAINED

Trained = tuple[keras.Model, tuple[Stage, ...]]


@pytest.fixture(scope="module", params=TRAINED, ids=lambda case: "-".join(case))
def case(request: pytest.FixtureRequest) -> tuple[str, learners.Kind]:
    return request.param


@pytest.fixture(scope="module")
def whole(case: tuple[str, learners.Kind], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained in one go."""
    return learners.trained(*case, tmp_path_factory.mktemp("whole"))


def _bytes(model: keras.Model) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in names.values(model).items() if "seed_generator" not in name}


def _figures(stages: tuple[Stage, ...]) -> list[tuple[float | None, float, dict[str, float]]]:
    return [(row.loss, row.held_out, dict(row.measures)) for stage in stages for row in stage.history]


def test_there_is_a_case_for_every_method_of_numbers_and_pictures() -> None:
    taken = {name for name in METHODS if {"numbers", "pictures"} & set(method(name).KINDS)}
    assert {name for name, _ in CASES} == taken


def test_interrupted_and_resumed_equals_trained_through(
    case: tuple[str, learners.Kind], whole: Trained, tmp_path: Path
) -> None:
    _, part = learners.trained(*case, tmp_path, stop_after=2)
    assert part[-1].stopped == "interrupted"
    model, stages = learners.trained(*case, tmp_path)
    assert _bytes(model) == _bytes(whole[0])
    assert _figures(stages) == _figures(whole[1])


def test_it_learns_what_it_goes_by(case: tuple[str, learners.Kind], whole: Trained) -> None:
    monitor = _learner(case).monitor
    for stage in whole[1]:
        figures = [row.held_out if monitor == "loss" else row.measures.get(monitor) for row in stage.history]
        if None not in figures:
            assert figures[stage.best] < figures[0], f"{stage.name}: {figures}"


def test_every_kernel_of_the_trunk_learns_and_only_the_trunk_given(
    case: tuple[str, learners.Kind], whole: Trained
) -> None:
    before = _bytes(learners.trunk(*case))
    after = _bytes(whole[0])
    assert after.keys() == before.keys()
    assert {name for name in after if name.endswith("kernel")} <= {
        name for name in after if after[name] != before[name]
    }
    assert all(np.isfinite(value).all() for value in names.values(whole[0]).values())


@pytest.mark.parametrize("given", CASES, ids="-".join)
def test_the_layers_of_the_trunk_are_the_very_layers_that_learn(given: tuple[str, learners.Kind]) -> None:
    made = _learner(given)
    inside = {id(variable) for variable in made.model.variables}
    assert {id(variable) for variable in made.trunk.variables} <= inside


@pytest.mark.parametrize("given", CASES, ids="-".join)
def test_what_is_drawn_depends_on_the_generator_alone(given: tuple[str, learners.Kind]) -> None:
    made, (rows, _) = _learner(given), learners.rows(given[1])
    one, same, other = (made.draw(rows, np.arange(16), np.random.default_rng(seed), 0.5) for seed in (5, 5, 6))
    assert _drawn(one) == _drawn(same)
    assert len(one) == 1 or _drawn(one) != _drawn(other)


def _drawn(batch: tuple[np.ndarray, ...]) -> list[bytes]:
    return [np.asarray(item).tobytes() for item in batch]


def _learner(case: tuple[str, learners.Kind]) -> learners.loop.Learner:
    chosen, trunk = method(case[0]), learners.trunk(*case)
    piece = greedy.stages(trunk)[0] if chosen.GREEDY else trunk
    return chosen.learner(piece, learners.sample(case[1]), chosen.Settings(), learners.SEED)


@pytest.mark.parametrize("name", METHODS)
def test_settings_are_documented_and_do_not_collide_with_those_of_training(name: str) -> None:
    chosen = method(name)
    fields = [field.name for field in dataclasses.fields(chosen.Settings)]
    assert not set(fields) & {field.name for field in dataclasses.fields(Spec)}
    assert all(f"{field}:" in (chosen.Settings.__doc__ or "") for field in fields)
    assert name == chosen.NAME


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_one_file_with_the_same_names_in_the_same_order(name: str) -> None:
    chosen = method(name)
    words = [*Method.__annotations__, "learner", *(["whole"] if chosen.GREEDY else [])]
    assert [known for known in vars(chosen) if known in {*words, "whole"}] == words


@pytest.mark.parametrize("name", METHODS)
def test_what_is_asked_for_is_the_same_as_toml_and_as_json(name: str) -> None:
    chosen = method(name)
    asked = Asked(method=name, data="a b", spec=chosen.SPEC, settings=plain.to_plain(chosen.Settings()), seed=4)
    by_toml = plain.from_plain(Asked, tomllib.loads(plain.to_toml(asked)))
    by_json = plain.from_plain(Asked, json.loads(plain.to_json(asked)))
    for read in (by_toml, by_json):
        assert read.spec == asked.spec
        assert plain.from_plain(chosen.Settings, dict(read.settings)) == chosen.Settings()
        assert dataclasses.replace(read, settings=asked.settings, spec=asked.spec) == asked
