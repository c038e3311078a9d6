"""Runs with new layers: they learn first, are kept because they were asked for, and everything else works with them."""

import dataclasses
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft import report
from regraft.cli.summary import summary
from regraft.core import plan as plans
from regraft.core.errors import SourceError
from regraft.core.head_spec import HeadSpec, NewLayersSpec
from regraft.core.phase import Phase, Rate
from regraft.core.plan import FineTuneSpec, Plan
from regraft.formats import optimizer_states
from regraft.graph import names
from regraft.importers import open as open_source
from regraft.recipes import baselines, running, using
from regraft.recipes.estimator import TransferClassifier
from regraft.recipes.exporting import export
from regraft.recipes.fine_tuning import reused
from regraft.recipes.running import Run
from tests.recipes.killing import Forking
from tests.recipes.shapes import convolutional
from tests.recipes.test_running import same

NEW = ("head_hidden_1/kernel", "head_hidden_1/bias", "head_hidden_2/kernel", "head_hidden_2/bias", "head/kernel",
       "head/bias")  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all runs: what one computed, others need not."""
    return tmp_path_factory.mktemp("new-layers")


@pytest.fixture(scope="module")
def plan(network: Callable[..., Path]) -> Plan:
    return Plan(
        str(network()),
        preprocessing="tf",
        baselines="no",
        head=HeadSpec(hidden=(12, 6), learning=NewLayersSpec(epochs=4)),
        fine_tune=FineTuneSpec("yes", epochs=2, rate=0.01, from_cut="relu1", keep="last"),
        cut_point="conv3",
        views=1,
        seed=5,
    )


def _with(plan: Plan, **said: Any) -> Plan:
    return dataclasses.replace(plan, fine_tune=dataclasses.replace(plan.fine_tune, **said))


@pytest.fixture(scope="module")
def tuned(plan: Plan, pictures: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Run:
    """The run of the plan, in which all layers above its lower cut point learnt; it is only looked at."""
    return running.fit(pictures, plan=plan, out=tmp_path_factory.mktemp("tuned") / "run", cache=cache)


@pytest.fixture(scope="module")
def alone(plan: Plan, pictures: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Run:
    """The run of the plan in which no reused layer learnt; it is only looked at."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    return running.fit(pictures, plan=_with(plan, enabled="no"), out=folder, cache=cache)


def _inside(run: Run) -> dict[str, np.ndarray[Any, Any]]:
    return {name.partition("/")[2]: value for name, value in names.values(run.model).items()}


def test_all_reused_layers_stay_while_new_ones_learn(
    plan: Plan, alone: Run, pictures: Path, tmp_path: Path, cache: Path
) -> None:
    """Where no reused layer is to learn, in all the ways that this can be said."""
    asked = {
        "at the head": _with(plan, enabled="yes", from_cut="conv3"),
        "by name": _with(plan, enabled="yes", from_cut="auto", strategy="feature-extraction"),
    }
    others = [running.fit(pictures, plan=each, out=tmp_path / word, cache=cache) for word, each in asked.items()]
    run = alone
    assert run.record.trainable_variables == run.record.new_variables == NEW
    assert [done.phase.name for done in run.record.phases] == ["new layers", "new layers refit"]
    assert all(done.certificate.holds and not done.certificate.unmoved for done in run.record.phases)
    assert run.record.certificate.frozen_unchanged
    source, inside = names.values(open_source(plan.source).model), _inside(run)
    assert all(np.array_equal(value, inside[name]) for name, value in source.items() if "seed" not in name)
    assert run.record.trained_from == run.record.cut_point == "conv3"
    for other in others:
        for name, value in inside.items():
            assert np.array_equal(value, _inside(other)[name]) or "seed" in name
    # What is delivered answers as the run did.
    told = using.evaluate(run, pictures, split="test")
    assert told.accuracy == run.record.metrics["test"].accuracy
    assert told.log_loss.value == pytest.approx(run.record.metrics["test"].log_loss.value, rel=1e-4)


def test_reused_layers_learn_below_new_ones_and_start_from_their_end(
    tuned: Run, pictures: Path, tmp_path: Path
) -> None:
    run = tuned
    phases = run.record.phases
    assert [done.phase.name for done in phases] == ["new layers", "fine-tune", "new layers refit", "refit"]
    assert {row.layer for row in phases[1].certificate.drift} == {
        *("conv2", "conv3", "head_hidden_1", "head_hidden_2", "head"),
    }
    assert all(done.certificate.holds for done in phases)
    rows = {(row.phase, row.epoch): row for row in run.record.history}
    # The first look at the branch is the last look at the new layers: they are where they were.
    best = rows["new layers", phases[0].best]
    assert rows["fine-tune", 0].validation_loss == pytest.approx(best.validation_loss, rel=1e-4)
    assert rows["fine-tune", 0].validation_accuracy == best.validation_accuracy
    state = optimizer_states.read(run.folder / "optimizer.npz")
    assert {f"branch/{name}" for name in NEW} <= set(state.variables)
    told = using.evaluate(run, pictures, split="test")
    assert told.accuracy == run.record.metrics["test"].accuracy
    assert told.log_loss.value == pytest.approx(run.record.metrics["test"].log_loss.value, rel=1e-4)
    answers = using.predict(run, [pictures / "bars"])
    assert len(answers) == 16
    path = export(run, "keras", tmp_path / "exported.keras")
    assert set(_inside(run)) <= {name.partition("/")[2] for name in names.variables(keras.models.load_model(path))}


def test_half_way_is_between_new_layers_that_have_learnt_and_the_end(
    plan: Plan, pictures: Path, tmp_path: Path, cache: Path
) -> None:
    plan = dataclasses.replace(plan, refit="no")
    made = {
        point: running.fit(pictures, plan=_with(plan, average=point), out=tmp_path / str(point), cache=cache)
        for point in (0.5, 1.0)
    }
    start = running.fit(pictures, plan=_with(plan, enabled="no"), out=tmp_path / "start", cache=cache)
    for name in NEW:
        low, middle, high = (_inside(run)[name] for run in (start, made[0.5], made[1.0]))
        assert not np.array_equal(low, high), name
        np.testing.assert_allclose(middle, (low + high) / 2, rtol=1e-5, atol=1e-6)


def test_they_stay_whatever_validation_says_and_auto_decides_only_about_reused_layers(
    plan: Plan,
    pictures: Path,
    tmp_path: Path,
    cache: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO", logger="regraft")
    # Of all that a run is compared with, this is about the linear head alone.
    monkeypatch.setattr(baselines, "WAYS", {})
    # So that they cannot be as good as the linear head: they hardly learn.
    lazy = dataclasses.replace(plan.head, learning=NewLayersSpec(epochs=1, rate=1e-9, weight_decay=0.0))
    asked = dataclasses.replace(_with(plan, enabled="auto", rate=1e-9), head=lazy, baselines="auto", refit="no")
    run = running.fit(pictures, plan=asked, out=tmp_path / "run", cache=cache)
    assert "head_hidden_1/kernel" in _inside(run)
    rows = {row.phase: row for row in run.record.history}
    alone, tuned = (
        (rows[phase].validation_accuracy, -rows[phase].validation_loss) for phase in ("new layers", "average")
    )
    assert run.record.trained_from == ("relu1" if tuned > alone else "conv3")
    kept = "the fine-tuned layers are kept" if tuned > alone else "the new layers alone are kept"
    assert kept in caplog.text
    (said,) = [text for text in run.record.warnings if "new layers" in text]
    linear = next(row for row in run.record.history if row.phase == "head")
    assert f"the linear head alone: {linear.validation_accuracy:.1%}" in said
    assert said.endswith("new layers do not help here, leave out hidden")
    baseline = run.record.baselines["linear_head"]
    assert baseline.accuracy.value > run.record.metrics["test"].accuracy.value
    alone = running.fit(
        pictures,
        plan=dataclasses.replace(asked, head=HeadSpec(), fine_tune=FineTuneSpec("no")),
        out=tmp_path / "alone",
        cache=cache,
    )
    assert baseline.accuracy == alone.record.metrics["test"].accuracy
    assert "linear_head" not in alone.record.baselines


def test_the_plan_that_is_left_does_it_again_to_the_bit(
    plan: Plan, pictures: Path, tmp_path: Path, cache: Path
) -> None:
    asked = dataclasses.replace(
        plan,
        # Two blocks below the head: two phases.
        cut_point="conv2",
        head=HeadSpec(taps=("relu1",), hidden=(9,), learning=NewLayersSpec(rate="find", epochs=4, dropout=0.2)),
        fine_tune=FineTuneSpec("yes", epochs=2, strategy="gradual-unfreezing", average="auto"),
        refit="yes",
    )
    first = running.fit(pictures, plan=asked, out=tmp_path / "first", cache=cache)
    written = plans.read(tmp_path / "first" / "plan.toml")
    assert written.head.learning is not None
    assert not isinstance(written.head.learning.rate, str)
    assert {rule.pattern for rule in written.head.learning.rates} >= {"head/[^/]*", "head_hidden_1/[^/]*"}
    assert [found.phase for found in first.record.found_rates] == ["new layers"]
    assert [phase.name for phase in written.fine_tune.phases] == ["conv2", "conv1"]
    again = running.fit(pictures, plan=written, out=tmp_path / "again", cache=cache)
    alike = dataclasses.replace(
        first.record, probes=again.record.probes, found_rates=(), activations=again.record.activations
    )
    same(Run(first.folder, alike, first.model), dataclasses.replace(again))


KILLED = """
import os, signal, sys
from pathlib import Path
from regraft.core import plan as plans
from regraft.recipes import running
from regraft.training import checkpoint

moment, plan, data, folder, cache = sys.argv[1:]
checkpoint.SAVE_SECONDS = 0.0
save, calls = checkpoint.Checkpoint.save, []

def saved(state, now):
    save(state, now)
    calls.append(state._path.name)
    if calls.count(moment + ".checkpoint.npz") == 3:
        os.kill(os.getpid(), signal.SIGKILL)

checkpoint.Checkpoint.save = saved
if Path(folder).exists():
    running.resume(folder, cache=cache)
else:
    running.fit(data, plan=plans.read(Path(plan)), out=folder, cache=cache)
"""


def test_a_run_that_is_killed_while_new_layers_learn_ends_as_if_it_was_not(
    plan: Plan, tuned: Run, pictures: Path, tmp_path: Path, cache: Path, forking: Forking
) -> None:
    plans.write(tmp_path / "plan.toml", plan)
    folder = tmp_path / "killed"
    for moment in ("new-layers", "new-layers-refit"):
        assert forking.run(KILLED, moment, tmp_path / "plan.toml", pictures, folder, cache) == -signal.SIGKILL
        assert (folder / f"{moment}.checkpoint.npz").exists()
    resumed = running.resume(folder, cache=cache)
    assert not list(folder.glob("*.checkpoint.npz"))
    for name, value in _inside(tuned).items():
        assert np.array_equal(value, _inside(resumed)[name]) or "seed" in name, name


def test_phases_by_hand_may_name_new_layers_and_strategies_let_them_learn(
    plan: Plan, pictures: Path, tmp_path: Path, cache: Path
) -> None:
    rates = (Rate("head_hidden_2/.*", 0.01), Rate("conv3/.*", 0.001), Rate(".*", 0.0))
    by_hand = FineTuneSpec("yes", phases=(Phase(name="some", rates=rates, epochs=1, keep="last"),))
    asked = dataclasses.replace(plan, fine_tune=by_hand, refit="no")
    record = running.fit(pictures, plan=asked, out=tmp_path / "by hand", cache=cache).record
    assert {row.layer for row in record.phases[1].certificate.drift} == {"conv3", "head_hidden_2"}
    assert set(record.trainable_variables) == {*NEW, "conv3/kernel", "conv3/bias"}
    ready = dataclasses.replace(plan, fine_tune=FineTuneSpec("yes", strategy="surgical-last", epochs=1), refit="no")
    record = running.fit(pictures, plan=ready, out=tmp_path / "ready", cache=cache).record
    assert record.plan.fine_tune.phases[0].rates[0].pattern == "head(_hidden_[1-2])?/.*"
    assert {row.layer for row in record.phases[1].certificate.drift} == {
        *("conv3", "head_hidden_1", "head_hidden_2", "head"),
    }


def test_the_branch_is_built_at_any_cut_and_at_the_heads_own(plan: Plan) -> None:
    pretrained = open_source(plan.source)
    at_the_head = reused(pretrained, "conv3", plan, 3)
    assert at_the_head is not None
    assert tuple(names.variables(at_the_head)) == NEW
    assert at_the_head.input_shape[1:] == (4, 4, 16)
    below = reused(pretrained, "relu1", plan, 3)
    assert below is not None
    assert set(NEW) < set(names.variables(below))
    for name in NEW:
        assert np.array_equal(names.values(below)[name], names.values(at_the_head)[name])
    linear = dataclasses.replace(plan, head=HeadSpec())
    assert reused(pretrained, "conv3", linear, 3) is None


def test_everything_that_is_read_says_so(alone: Run) -> None:
    run = alone
    assert "2 new layers of 12 and 6 units and a head for 3 classes, 6 variables" in summary(run.record)
    page = (run.folder / "report.html").read_text().replace("\u00a0", " ")
    assert "2 new layers of 12 and 6 units, 6 variables, 3 classes" in page
    assert "Fine-tuning learnt" not in page
    card = (run.folder / "README.md").read_text().replace("\u00a0", " ")
    assert "- 2 new layers of 12 and 6 units between these and the head" in card
    assert "hidden = [12, 6]" in card
    assert json.loads((run.folder / "run.json").read_text())["plan"]["head"]["hidden"] == [12, 6]
    assert report.page(run.record, {}) is not None


def test_a_source_with_a_layer_that_is_called_as_a_new_one(pictures: Path, tmp_path: Path) -> None:
    whole = convolutional()
    x = keras.layers.Conv2D(7, 1, name="head_hidden_1")(whole.outputs[0])
    source = keras.Model(whole.inputs, keras.layers.ReLU(name="last")(x))
    options: dict[str, Any] = {"preprocessing": "tf", "baselines": "no", "fine_tune": "no"}
    with pytest.raises(SourceError) as caught:
        running.fit(pictures, source, cut_point="last", hidden=(4,), out=tmp_path / "refused", **options)
    assert str(caught.value) == (
        "'last' is not below the source's own layer 'head_hidden_1', whose name a new layer needs; cut below that layer"
    )
    run = running.fit(pictures, source, hidden=(4,), out=tmp_path / "below", **options)
    assert run.record.cut_point not in ("last", "head_hidden_1")
    # Without new layers the name is free.
    run = running.fit(pictures, source, cut_point="last", out=tmp_path / "linear", **options)
    assert "head_hidden_1" in run.record.reused_layers
    assert run.record.trainable_variables == ("head/kernel", "head/bias")


def test_the_classifier_has_them_too() -> None:
    random = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = (random.normal(size=(90, 8)) + 2 * np.eye(3, 8)[y]).astype("float32")
    keras.utils.set_random_seed(0)
    source = keras.Sequential([keras.Input((8,)), keras.layers.Dense(12, activation="relu", name="below")])
    classifier = TransferClassifier(source, fine_tune="no", hidden=(5,))
    assert classifier.get_params()["hidden"] == (5,)
    assert classifier.fit(x, y).score(x, y) > 0.8
    assert "branch/head_hidden_1/kernel" in names.variables(classifier.run_.model)
