"""Every ready-made plan end to end: the right layers learn in each phase, from the right place, and no others."""

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.activations.compute import compute
from regraft.activations.engines import Wanted
from regraft.activations.loading import load_prepared
from regraft.activations.store import Store
from regraft.activations.streaming import Stream
from regraft.core import plan as plans
from regraft.core.errors import RequestError, SelectorError, SourceError
from regraft.core.phase import AVERAGED, Phase, Rate
from regraft.core.plan import FineTuneSpec, Plan
from regraft.data import open as open_data
from regraft.graph import names
from regraft.importers import open as open_source
from regraft.recipes import running, using
from regraft.recipes.estimator import TransferClassifier
from regraft.recipes.running import Run
from tests.recipes.shapes import convolutional
from tests.recipes.test_running import same

_ALL = {"conv1", "conv2", "conv3"}
# Where the trunk ends, and what learns beside the head in each phase.
EXPECTED: dict[str, tuple[str, list[set[str]]]] = {
    "feature-extraction": ("conv3", []),
    "head-then-fine-tune": ("relu1", [{"conv2", "conv3"}]),
    "last-1": ("drop", [{"conv3"}]),
    "hybrid": ("relu1", [{"conv2", "conv3"}]),
    "gradual-unfreezing": ("input", [{"conv3"}, {"conv2", "conv3"}, _ALL]),
    "discriminative": ("input", [_ALL]),
    "surgical-first": ("input", [{"conv1"}]),
    "surgical-middle": ("relu1", [{"conv2"}]),
    "surgical-last": ("drop", [{"conv3"}]),
    "whole-network": ("input", [_ALL]),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all runs: what one computed, others need not."""
    return tmp_path_factory.mktemp("strategies")


@pytest.fixture(scope="module")
def plan(network: Callable[..., Path]) -> Plan:
    spec = FineTuneSpec("yes", epochs=2, rate=0.01, keep="last")
    return Plan(
        str(network()),
        preprocessing="tf",
        baselines="no",
        fine_tune=spec,
        cut_point="conv3",
        views=2,
        refit="no",
        seed=5,
    )


def _with(plan: Plan, **said: Any) -> Plan:
    return dataclasses.replace(plan, fine_tune=dataclasses.replace(plan.fine_tune, **said))


@pytest.fixture(scope="module")
def by_name(plan: Plan, pictures: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """A function from a strategy to its run, which is made once and only looked at."""
    folder = tmp_path_factory.mktemp("by-name")

    @functools.cache
    def made(strategy: str) -> Run:
        return running.fit(pictures, plan=_with(plan, strategy=strategy), out=folder / strategy, cache=cache)

    return made


def _moved(run: Run) -> list[set[str]]:
    return [
        {drift.layer for drift in phase.certificate.drift if drift.relative_change} - {"head"}
        for phase in run.record.phases
    ]


@pytest.mark.parametrize("strategy", EXPECTED)
def test_what_learns_and_where_from(strategy: str, plan: Plan, by_name: Callable[[str], Run]) -> None:
    run = by_name(strategy)
    from_cut, learning = EXPECTED[strategy]
    spec = run.record.plan.fine_tune
    assert (spec.from_cut, spec.strategy) == (from_cut, strategy)
    assert _moved(run) == learning
    assert run.record.certificate.frozen_unchanged
    assert all(phase.certificate.holds for phase in run.record.phases)
    assert [phase.phase.name for phase in run.record.phases] == [phase.name for phase in spec.phases]
    assert all(phase.rates for phase in spec.phases)
    # Byte for byte: all that learnt in no phase, statistics of BatchNorm included.
    source, model = names.variables(open_source(str(plan.source)).model), names.variables(run.model)
    inside = {name.partition("/")[2]: variable for name, variable in model.items()}
    changed = {
        name.partition("/")[0]
        for name, variable in source.items()
        if "seed_generator" not in name and not np.array_equal(variable, inside[name])
    }
    assert changed == set().union(*learning)
    assert plans.read(run.folder / "plan.toml") == run.record.plan


def test_without_a_name_all_is_as_it_was_and_its_name_says_the_same(
    plan: Plan, pictures: Path, tmp_path: Path, cache: Path, by_name: Callable[[str], Run]
) -> None:
    one = running.fit(pictures, plan=plan, out=tmp_path / "one", cache=cache)
    other = by_name("head-then-fine-tune")
    assert one.record.plan.fine_tune.rates == other.record.plan.fine_tune.phases[0].rates
    assert [rule.rate for rule in one.record.plan.fine_tune.rates] == [0.01, 0.01 * 0.85, 0.01 * 0.85 * 0.85, 0.0]
    for mine, its in zip(one.model.weights, other.model.weights, strict=True):
        assert np.array_equal(mine, its) or "seed_generator" in mine.path


def test_a_plan_with_its_phases_written_out_is_done_again_to_the_bit(
    plan: Plan, pictures: Path, tmp_path: Path, cache: Path
) -> None:
    whole = open_source(plan.source).model
    # Two blocks make two phases, and what is done between two is done between any.
    keras.Model(whole.inputs, whole.get_layer("conv2").output, name="two").save(tmp_path / "two.keras")
    asked = _with(plan, strategy="gradual-unfreezing", rate="find")
    asked = dataclasses.replace(asked, source=str(tmp_path / "two.keras"), cut_point="auto", refit="yes")
    first = running.fit(pictures, plan=asked, out=tmp_path / "first", cache=cache)
    written = plans.read(tmp_path / "first" / "plan.toml")
    assert [phase.name for phase in written.fine_tune.phases] == ["conv2", "conv1"]
    rates = [phase.rate for phase in written.fine_tune.phases]
    assert len(set(rates)) == 2
    assert not isinstance(rates[0], str)
    assert [found.phase for found in first.record.found_rates] == ["conv2", "conv1"]
    # The state goes along; what is thawed has none.
    done = {row.variable.partition("/")[0]: row.done for row in first.record.phases[1].carried}
    assert done == {"conv1": "reset", "conv2": "keep", "head": "keep"}
    again = running.fit(
        pictures, plan=str(tmp_path / "first" / "plan.toml"), out=tmp_path / "again", cache=tmp_path / "new"
    )
    assert again.record.found_rates == ()
    alike = dataclasses.replace(first.record, probes=again.record.probes, found_rates=())
    same(Run(first.folder, alike, first.model), again)


def test_from_the_input_raw_pictures_are_answered_as_the_run_did(pictures: Path, by_name: Callable[[str], Run]) -> None:
    run = by_name("whole-network")
    assert [layer.name for layer in run.model.layers if isinstance(layer, keras.Model)] == ["branch"]
    told = using.evaluate(run, pictures, split="test")
    assert told.accuracy == run.record.metrics["test"].accuracy
    # Scaling before the branch and inside the model may round otherwise.
    assert told.log_loss.value == pytest.approx(run.record.metrics["test"].log_loss.value, rel=1e-4)
    assert "input" in (run.folder / "report.html").read_text()


def test_what_the_network_is_given_is_kept_like_other_activations(plan: Plan, pictures: Path, tmp_path: Path) -> None:
    pretrained = running.open_for(plan)
    examples = open_data(pictures)
    items = [Wanted("input", False, view) for view in (0, 1)]
    wanted = [*items, Wanted("conv3", True)]
    store = Store(tmp_path)
    made = compute(pretrained.model, pretrained.inputs, examples, range(8), wanted, store)
    ids = examples.ids.take(np.arange(8))
    for item in items:
        rows = made.rows[item].gather(ids)
        streamed = Stream(pretrained.model, pretrained.inputs, examples).rows(item)
        assert streamed.gather(ids).tobytes() == rows.tobytes()
    raw = np.stack([raw for _, raw in load_prepared(examples, range(8), pretrained.inputs)])
    # Multiplying by 1/127.5 may round otherwise than dividing.
    np.testing.assert_allclose(made.rows[items[0]].gather(ids), raw / 127.5 - 1, rtol=0, atol=2e-7)
    picture, mirrored = (made.rows[item].gather(ids) for item in items)
    # The first is as large as the network's own, so that nothing is resized.
    assert np.array_equal(picture[0, :, ::-1], mirrored[0])
    # What is above it is the same to the bit, whether it is made beside it or alone.
    alone = compute(pretrained.model, pretrained.inputs, examples, range(8), wanted[2:], Store(tmp_path / "alone"))
    assert alone.rows[wanted[2]].gather(ids).tobytes() == made.rows[wanted[2]].gather(ids).tobytes()
    assert compute(pretrained.model, pretrained.inputs, examples, range(8), wanted, store).computed == 0


def test_without_room_pictures_are_prepared_anew_in_every_epoch_to_the_same_result(
    plan: Plan, pictures: Path, tmp_path: Path, by_name: Callable[[str], Run]
) -> None:
    kept = by_name("surgical-first")
    tight = dataclasses.replace(_with(plan, strategy="surgical-first"), cache_budget="20kB", dtype="float32")
    streamed = running.fit(pictures, plan=tight, out=tmp_path / "streamed", cache=tmp_path / "cache")
    assert streamed.record.activations is not None
    assert streamed.record.activations.maps == "streamed"
    for mine, its in zip(kept.model.weights, streamed.model.weights, strict=True):
        assert np.array_equal(mine, its) or "seed_generator" in mine.path


def test_an_interrupted_run_goes_on_in_its_phase(
    plan: Plan,
    pictures: Path,
    tmp_path: Path,
    cache: Path,
    by_name: Callable[[str], Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from regraft.training import phases

    asked = _with(plan, strategy="gradual-unfreezing")
    whole = by_name("gradual-unfreezing")
    train, calls = phases.train, list[str]()

    def dying(model: Any, phase: Phase, *given: Any, **named: Any) -> Any:
        calls.append(phase.name)
        if phase.name == "conv2":
            raise MemoryError
        return train(model, phase, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(phases, "train", dying)
        with pytest.raises(MemoryError):
            running.fit(pictures, plan=asked, out=tmp_path / "run", cache=cache)
    assert calls == ["conv3", "conv2"]
    same(running.resume(tmp_path / "run", cache=cache), whole)


def test_phases_by_hand(plan: Plan, pictures: Path, tmp_path: Path, cache: Path) -> None:
    text = f"""
source = {json.dumps(plan.source)}
data = {json.dumps(str(pictures))}
preprocessing = "tf"
cut_point = "conv3"
views = 1
refit = "no"
baselines = "no"

[fine_tune]
enabled = "yes"
epochs = 2
optimizer = "sgd"
clip_norm = 1.0
keep = "last"

[[fine_tune.phases]]
name = "upper"
rates = [{{pattern = "head/.*", rate = 0.01}}, {{pattern = "conv3/.*", rate = 0.005}}, {{pattern = ".*", rate = 0.0}}]

[[fine_tune.phases]]
name = "middle"
optimizer = "adam"
epochs = 1
clip_norm = "none"
rates = [{{pattern = "(head|conv2)/.*", rate = 0.001}}, {{pattern = ".*", rate = 0.0}}]
"""
    (tmp_path / "mine.toml").write_text(text)
    run = running.fit(pictures, plan=tmp_path / "mine.toml", out=tmp_path / "run", cache=cache)
    assert _moved(run) == [{"conv3"}, {"conv2"}]
    upper, middle = run.record.plan.fine_tune.phases
    assert (upper.optimizer, upper.epochs, upper.clip_norm) == ("sgd", 2, 1.0)
    assert (middle.optimizer, middle.epochs, middle.clip_norm) == ("adam", 1, None)
    assert (upper.keep, middle.moving_average) == ("last", AVERAGED)
    assert run.record.plan.fine_tune.from_cut == "relu1"
    assert plans.read(run.folder / "plan.toml") == run.record.plan


def test_a_strategy_by_its_name_in_python(
    network: Callable[..., Path], pictures: Path, tmp_path: Path, cache: Path
) -> None:
    said: dict[str, Any] = {"preprocessing": "tf", "baselines": "no", "cut_point": "conv3", "views": 1, "refit": "no"}
    run = running.fit(pictures, network(), plan="last-1", fine_tune="yes", out=tmp_path / "run", cache=cache, **said)
    assert (run.record.plan.fine_tune.strategy, _moved(run)) == ("last-1", [{"conv3"}])


def test_a_classifier_takes_a_strategy_too(cache: Path) -> None:
    random = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (random.normal(size=(60, 16, 16, 3)) * 20 + 60 + 60 * y[:, None, None, None]).clip(0, 255).astype("uint8")
    classifier = TransferClassifier(
        convolutional(), preprocessing="tf", cut_point="conv3", fine_tune="yes", plan="surgical-first", cache=cache
    )
    assert classifier.fit(x, y).score(x, y) > 0.9
    assert classifier.run_.record.plan.fine_tune.from_cut == "input"
    assert classifier.run_.record.certificate.frozen_unchanged


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        ({"strategy": "last-9"}, RequestError, "expected last-1 to last-6, found last-9"),
        ({"strategy": "surgical-conv9"}, RequestError, "has no block 'conv9' below the head at 'conv3'"),
        ({"strategy": "gradual"}, RequestError, "there is no ready-made plan 'gradual'; nearest known names: gradual-"),
        ({"optimizer": "adamm"}, RequestError, "Keras has no optimizer 'adamm'; nearest known names: adam"),
        (
            {"phases": (Phase(name="one", rates=(Rate("conv9/.*", 0.1), Rate(".*", 0.0))),)},
            SelectorError,
            "phase 'one': pattern 'conv9/",
        ),
    ],
)
def test_what_does_not_suit_is_refused_before_anything_is_computed(
    said: dict[str, Any], kind: type[Exception], message: str, plan: Plan, pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        running.fit(pictures, plan=_with(plan, **said), out=tmp_path / "run", cache=tmp_path / "cache")
    assert not list(tmp_path.glob("cache/activations/*/*"))


def test_taps_below_what_learns_are_refused(plan: Plan, pictures: Path, tmp_path: Path, cache: Path) -> None:
    tapped = dataclasses.replace(plan, head=dataclasses.replace(plan.head, taps=("relu1",)), cut_point="conv3")
    with pytest.raises(SourceError, match=r"the plan's head.taps 'relu1' is below 'drop', above which layers learn"):
        running.fit(pictures, plan=_with(tapped, strategy="last-1"), out=tmp_path / "run", cache=cache)
