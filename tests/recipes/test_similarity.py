"""What a run says of the similarity of source and result is so for the models themselves."""

import itertools
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from regraft import data as data_room
from regraft.graph import flow, names
from regraft.recipes import running
from regraft.recipes.running import Run
from regraft.recipes.similarity import looked_at
from regraft.surgery.graft import resizing
from regraft.training.similarity import linear_cka
from tests.recipes.shapes import convolutional


def test_it_is_that_of_the_two_models_on_the_judged_examples(tuned_on_many: Run, many: Path) -> None:
    run, plan = tuned_on_many, tuned_on_many.record.plan
    assert [place.cut_point for place in run.record.similarity] == ["conv2", "conv3"]
    examples = data_room.open(many, split=plan.split)
    judged = examples.indices(run.record.evaluated_on)
    assert run.record.plan.input is not None
    resized = resizing(run.record.plan.input)
    x = np.stack([resized(raw.astype(np.float32)) for raw in examples.load(judged)]) / 127.5 - 1
    source, result = keras.models.load_model(plan.source), keras.models.load_model(plan.source)
    learnt = names.variables(run.model)
    for name, variable in names.variables(result).items():
        found = [learnt[f"{part}/{name}"] for part in ("trunk", "branch") if f"{part}/{name}" in learnt]
        if found and "seed_generator" not in name:
            variable.assign(found[0])
    for place in run.record.similarity:
        assert place.examples == len(judged)
        made = [
            keras.Model(model.inputs, model.get_layer(place.cut_point).output).predict(x, verbose=0)
            for model in (source, result)
        ]
        # Activations differ in the last bits of float32 by how they were batched.
        assert place.value == pytest.approx(linear_cka(*made), abs=1e-4)
        assert place.value < 0.9999


def test_nothing_is_measured_where_only_the_head_learnt(
    network: Callable[..., Path], many: Path, tmp_path: Path
) -> None:
    run = running.fit(
        many, network(), preprocessing="tf", fine_tune="no", baselines="no", out=tmp_path / "run",
        cache=tmp_path / "cache",
    )  # fmt: skip
    assert run.record.similarity == ()
    assert "What thawing changed" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_places_are_those_where_something_new_is_represented() -> None:
    opened = flow.read(convolutional())
    assert looked_at(opened, "input", "conv3") == ["relu1", "conv2", "conv3"]
    assert looked_at(opened, "relu1", "drop") == ["conv2", "drop"]
    assert looked_at(opened, "conv1", "bn1") == ["bn1"]


def test_a_deep_branch_is_looked_at_in_even_steps_up_to_its_end() -> None:
    deep = keras.Sequential([keras.Input((4,)), *(keras.layers.Dense(4, "relu", name=f"d{i}") for i in range(60))])
    found = looked_at(flow.read(deep), "input", "d59")
    assert len(found) == 24
    assert (found[0], found[-1]) == ("d0", "d59")
    assert {int(b[1:]) - int(a[1:]) for a, b in itertools.pairwise(found)} == {2, 3}
