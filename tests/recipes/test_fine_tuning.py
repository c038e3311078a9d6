"""What fine-tuning learns from is what the plan says: its views, its kinds of change, its disturbance."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.activations.store import Store
from regraft.core.phase import Phase, Rate
from regraft.core.plan import CHANGES, FineTuneSpec, Plan
from regraft.recipes import running
from regraft.recipes.using import evaluate
from tests.recipes.shapes import convolutional


@pytest.fixture
def plan(network: Callable[..., Path]) -> Plan:
    spec = FineTuneSpec("yes", from_cut="drop", epochs=2)
    return Plan(
        str(network()), preprocessing="tf", baselines="no", fine_tune=spec, cut_point="conv3", refit="no", seed=5
    )


def _seen(cache: Path) -> dict[int, Any]:
    """By number of the view, what the entries of a cache say that it is changed by."""
    texts = [json.loads(path.read_text()) for path in cache.glob("activations/*/*/about.json")]
    return {text["view"]: text["changes"] for text in texts}


@pytest.mark.parametrize(
    ("augment", "views", "expected"),
    [
        (CHANGES, None, {0: {}, 1: {"flip": 1}, 2: {"flip": 1, "crop": 1}}),
        (("crop", "colour"), 3, {0: {}, 2001: {"crop": 1}, 6002: {"crop": 1, "colour": 1}}),
        (("flip",), None, {0: {}, 1: {"flip": 1}}),
        ((), None, {0: {}}),
    ],
)
def test_views_are_made_by_the_kinds_of_change_that_the_plan_allows(
    plan: Plan, pictures: Path, tmp_path: Path, augment: Any, views: int | None, expected: dict[int, Any]
) -> None:
    asked = dataclasses.replace(plan, augment=augment, views=views)
    run = running.fit(pictures, plan=asked, out=tmp_path / "run", cache=tmp_path / "cache")
    assert _seen(tmp_path / "cache") == expected
    assert run.record.plan.views == len(expected)
    assert run.record.plan.augment == augment


def test_plans_share_the_views_that_they_have_in_common(plan: Plan, pictures: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    asked = dataclasses.replace(plan, views=4)
    first = running.fit(pictures, plan=asked, out=tmp_path / "all", cache=cache)
    fewer = dataclasses.replace(asked, augment=("flip", "crop"))
    second = running.fit(pictures, plan=fewer, out=tmp_path / "fewer", cache=cache)
    assert set(_seen(cache)) == {0, 1, 2, 3, 3003}
    entries = {entry.about["view"]: entry.examples for entry in Store(cache).entries() if not entry.about["pooled"]}
    assert first.record.cache.computed > second.record.cache.computed == entries[3003] == entries[3]


def test_disturbance_is_in_the_plan_and_the_report_and_changes_what_is_learnt(
    plan: Plan, pictures: Path, tmp_path: Path
) -> None:
    spec = dataclasses.replace(plan.fine_tune, feature_noise=0.3, feature_brightness=0.25)
    asked = dataclasses.replace(plan, views=1, fine_tune=spec)
    cache = tmp_path / "cache"
    run, again = (running.fit(pictures, plan=asked, out=tmp_path / name, cache=cache) for name in ("one", "two"))
    text = (run.folder / "plan.toml").read_text()
    assert "feature_noise = 0.3\n" in text
    assert "feature_brightness = 0.25\n" in text
    for page in ("report.html", "README.md"):
        text = (run.folder / page).read_text()
        assert "activations were multiplied by 0.75 to 1.25 and given noise of 0.3 of each channel" in text
    losses = [row.loss for row in run.record.history]
    assert losses == [row.loss for row in again.record.history]
    plain = running.fit(pictures, plan=dataclasses.replace(plan, views=1), out=tmp_path / "plain", cache=cache)
    tuned = [
        [row.loss for row in record.history if row.loss and row.phase != "head"]
        for record in (run.record, plain.record)
    ]
    assert len(tuned[0]) == len(tuned[1])
    assert not set(tuned[0]) & set(tuned[1])


def test_what_is_no_picture_has_one_view(tmp_path: Path) -> None:

    random = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (random.normal(size=(60, 8)) + 2 * np.eye(3, 8)[y]).astype("float32")
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(12, activation="relu", name=f"hidden{index}") for index in range(2)]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(2, name="old")])
    options = {"baselines": "no", "fine_tune": "yes", "views": 4, "cache": tmp_path / "cache"}
    run = running.fit((x, y), model, out=tmp_path / "run", **options)
    assert run.record.plan.views == 1
    assert "Fine-tuning learnt from each example as it is." in (run.folder / "report.html").read_text()
    assert set(_seen(tmp_path / "cache")) == {0}


def test_kinds_of_change_may_be_given_as_text(pictures: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"baselines": "no", "fine_tune": "no", "preprocessing": "tf"}
    run = running.fit(pictures, convolutional(), augment="colour, crop", out=tmp_path / "run", **options)
    assert run.record.plan.augment == ("crop", "colour")


def test_phases_run_one_after_the_other_and_the_plan_that_is_left_does_it_again(
    plan: Plan, pictures: Path, tmp_path: Path
) -> None:
    common = {"epochs": 2, "batch_size": 8}
    phases = (
        Phase(name="top", rates=(Rate("head/.*", 1e-3), Rate(".*", 0.0)), **common),
        Phase(name="all", rate="find", optimizer="rmsprop", dropout=0.2, **common),
    )
    spec = FineTuneSpec("yes", from_cut="drop", phases=phases, average="auto")
    asked = dataclasses.replace(plan, fine_tune=spec, cut_point="auto", refit="yes")
    first = running.fit(pictures, plan=asked, out=tmp_path / "first", cache=tmp_path / "cache").record
    assert [done.phase.name for done in first.phases] == ["top", "all", "refit"]
    assert [row.phase for row in first.history if row.epoch == 2] == ["top", "all"]
    left = first.plan.fine_tune
    (found,) = first.found_rates
    assert (found.phase, left.phases[1].rate) == ("all", found.suggested)
    assert max(rule.rate for rule in left.phases[1].rates) == found.suggested
    assert left.average in (0.25, 0.5, 0.75, 1.0)
    assert all(done.certificate.holds for done in first.phases)
    assert first.phases[0].certificate.frozen > first.phases[1].certificate.frozen
    again = running.fit(pictures, plan=first.plan, out=tmp_path / "again", cache=tmp_path / "cache").record
    # As text, because a refit has no validation, and no number is not equal to itself.
    rows, others = ([str(dataclasses.replace(row, seconds=0.0)) for row in made.history] for made in (first, again))
    assert rows == others
    assert again.metrics == first.metrics


@pytest.mark.parametrize("policy", ["affine", "adapt", "recalibrate"])
def test_every_policy_of_batch_norm_ends_in_a_model_with_its_proof(
    network: Callable[..., Path], pictures: Path, tmp_path: Path, policy: Any
) -> None:
    spec = FineTuneSpec("yes", from_cut="conv1", epochs=2, batch_norm=policy, keep="last")
    plan = Plan(str(network()), preprocessing="tf", baselines="no", fine_tune=spec, cut_point="conv2", views=1)
    run = running.fit(pictures, plan=plan, out=tmp_path / "run", cache=tmp_path / "cache")
    record = run.record
    assert record.certificate.frozen_unchanged
    statistics = {name for name in record.frozen_variables if "moving" in name}
    assert bool(statistics) == (policy == "affine")
    assert ("bn1/gamma" in record.trainable_variables) == (policy != "recalibrate")
    said = evaluate(run, pictures)
    assert said.accuracy.value >= 0
