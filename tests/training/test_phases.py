"""Phases one after the other: what each is given, what it hands on, what is proven of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import ProofError
from regraft.core.optimizer_state import OptimizerState
from regraft.core.phase import Phase, Rate
from regraft.graph import names
from regraft.surgery.copy import copy_model
from regraft.surgery.graft import graft
from regraft.training import certificates, phases
from regraft.training.certificates import certify_phase
from regraft.training.feeds import Feed, drawn
from regraft.training.loop import train
from regraft.training.phases import TrainedPhases, drawn_in, numbered, seed_of, train_phases
from tests.laws.networks import built, examples

Array = np.ndarray[Any, Any]

_X = np.asarray(examples("chain", 40), "float32")
_LABELS = np.arange(40) % 2
_FEED = Feed(lambda chosen, view: _X[chosen], _LABELS)
_HEAD = Phase(name="head", rates=(Rate("head/.*", 0.02), Rate(".*", 0.0)), epochs=2, batch_size=8, keep="last")
_TOP = replace(_HEAD, name="top", rates=(Rate("(head|top)/.*", 0.01), Rate(".*", 0.0)), state="keep")


def _branch() -> keras.Model:
    keras.utils.set_random_seed(7)
    return graft(built("chain"), 2)


def _values(model: keras.Model) -> dict[str, Array]:
    return {name: np.array(keras.ops.convert_to_numpy(value)) for name, value in names.variables(model).items()}


@pytest.fixture(scope="module")
def both() -> TrainedPhases:
    """What came of the head alone and then of the top as well, undisturbed."""
    return train_phases(_branch(), [_HEAD, _TOP], _FEED, _FEED, seed=4)


def test_each_phase_begins_where_the_one_before_ended(both: TrainedPhases) -> None:
    first = train(_branch(), _HEAD, _FEED, _FEED, seed=4)
    second = train(first.model, _TOP, _FEED, _FEED, seed=seed_of(4, 1), kept=first.state)
    expected, found = _values(second.model), _values(both.model)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert [(row.phase, row.epoch) for row in both.history] == [
        *(("head", epoch) for epoch in range(3)),
        *(("top", epoch) for epoch in range(3)),
    ]
    assert both.learnt == ("top/kernel", "top/bias", "head/kernel", "head/bias")
    assert set(both.frozen) == set(expected) - set(both.learnt)


def test_a_variable_that_is_thawed_counts_steps_of_its_own(both: TrainedPhases) -> None:
    steps = {name: item.steps for name, item in both.state.variables.items()}
    assert steps == {"head/kernel": 20, "head/bias": 20, "top/kernel": 10, "top/bias": 10}


def test_what_rests_in_a_phase_keeps_its_state_for_the_next() -> None:
    rest = replace(_TOP, name="rest", rates=(Rate("top/.*", 0.01), Rate(".*", 0.0)))
    again = replace(_TOP, name="again")
    trained = train_phases(_branch(), [_HEAD, rest, again], _FEED, _FEED, seed=4)
    steps = {name: item.steps for name, item in trained.state.variables.items()}
    assert steps == {"head/kernel": 20, "head/bias": 20, "top/kernel": 20, "top/bias": 20}


def test_a_killed_course_is_gone_on_with_across_the_border(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, both: TrainedPhases
) -> None:
    checkpoint = tmp_path / "fine-tune.checkpoint.npz"
    original = phases.train
    begun: list[str] = []

    def dying(model: keras.Model, phase: Phase, *arguments: Any, **named: Any) -> Any:
        begun.append(phase.name)
        if phase.name == "top" and len(begun) == 2:
            original(model, phase, *arguments, **named, stop_after=1)
            raise KeyboardInterrupt
        return original(model, phase, *arguments, **named)

    monkeypatch.setattr(phases, "train", dying)
    with pytest.raises(KeyboardInterrupt):
        train_phases(_branch(), [_HEAD, _TOP], _FEED, _FEED, seed=4, checkpoint=checkpoint)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "fine-tune-2.checkpoint.npz", "fine-tune.checkpoint.npz",
    ]  # fmt: skip
    before = checkpoint.read_bytes()
    again = train_phases(_branch(), [_HEAD, _TOP], _FEED, _FEED, seed=4, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before
    assert all(np.array_equal(value, _values(again.model)[name]) for name, value in _values(both.model).items())
    assert [replace(row, seconds=0.0) for row in again.history] == [replace(row, seconds=0.0) for row in both.history]


def test_the_first_file_has_the_name_and_the_others_a_number() -> None:
    assert [numbered(Path("run/fine-tune.checkpoint.npz"), index).name for index in (0, 1)] == [
        "fine-tune.checkpoint.npz", "fine-tune-2.checkpoint.npz",
    ]  # fmt: skip


def test_views_of_all_phases_are_foretold() -> None:
    asked = drawn_in([replace(_HEAD, epochs=1), replace(_TOP, epochs=2)], 3, 40, 4)
    assert np.array_equal(asked, drawn(3, 1, 40, 4) | drawn(seed_of(3, 1), 2, 40, 4))


@pytest.mark.parametrize("policy", ["frozen", "affine", "adapt", "recalibrate"])
def test_batch_norm_does_what_the_policy_says(policy: Any) -> None:
    everything = replace(_HEAD, rates=(Rate(".*", 0.01),), batch_norm=policy)
    before = _values(_branch())
    trained = train(_branch(), everything, _FEED, _FEED, seed=0)
    after = _values(trained.model)
    moved = {name for name, value in after.items() if not np.array_equal(value, before[name])}
    scales = {name for name in before if name.endswith(("gamma", "beta"))}
    statistics = {name for name in before if "moving" in name}
    assert bool(scales & moved) == (policy in ("affine", "adapt"))
    assert bool(statistics & moved) == (policy in ("adapt", "recalibrate"))
    assert scales.issubset(trained.learnt) == (policy in ("affine", "adapt"))
    # What is measured anew stays from then on, but is not the source's.
    assert statistics.isdisjoint(trained.frozen) == (policy in ("adapt", "recalibrate"))
    assert trained.certificate.frozen == len([name for name in before if name not in trained.learnt]) - (
        len(statistics) if policy == "adapt" else 0
    )
    assert {"conv0/kernel", "head/kernel"} <= moved


def test_what_a_phase_held_the_next_may_let_follow() -> None:
    still = replace(_HEAD, rates=(Rate(".*", 0.01),))
    adapting = replace(still, name="adapting", batch_norm="adapt")
    trained = train_phases(_branch(), [still, adapting], _FEED, _FEED, seed=0)
    statistics = {name for name in _values(trained.model) if "moving" in name}
    first, second = trained.phases
    assert statistics.isdisjoint(trained.frozen)
    assert first.certificate.frozen > second.certificate.frozen
    before, after = _values(_branch()), _values(trained.model)
    assert not any(np.array_equal(after[name], before[name]) for name in statistics)


def test_the_certificate_says_what_moved_and_by_how_much() -> None:
    trained = train(_branch(), _TOP, _FEED, _FEED, seed=0)
    proof = trained.certificate
    assert proof.holds
    assert (proof.phase, proof.frozen, proof.learning, proof.unmoved) == ("top", len(trained.frozen), 4, ())
    before, after = _values(_branch()), _values(trained.model)
    drift = {row.layer: row.relative_change for row in proof.drift}
    change = [
        np.concatenate([after[f"top/{own}"].ravel() - before[f"top/{own}"].ravel() for own in ("kernel", "bias")])
    ]
    size = np.concatenate([before[f"top/{own}"].ravel() for own in ("kernel", "bias")])
    assert drift["top"] == pytest.approx(np.linalg.norm(change) / np.linalg.norm(size), rel=1e-5)


def test_what_moves_though_it_is_frozen_or_has_no_optimizer_is_no_proof() -> None:
    branch, other = _branch(), _branch()
    other.get_layer("top").bias.assign(np.ones(branch.get_layer("top").bias.shape))
    with pytest.raises(ProofError, match=r"phase 'p' is not what it was to be: 1 frozen variables moved.*top/bias"):
        certify_phase("p", branch, other, {}, ["top/kernel", "top/bias"], [])
    with pytest.raises(ProofError, match="1 that learn had no optimizer, 1 had two; first 'head/bias'"):
        certify_phase("p", branch, branch, {"head/kernel": 1.0, "head/bias": 1.0}, [], ["head/kernel", "head/kernel"])


def test_recalibrated_statistics_are_those_of_the_examples() -> None:
    inputs = keras.Input((3,))
    normal = keras.layers.BatchNormalization(name="norm")(inputs)
    model = graft(keras.Model(inputs, normal), 2)
    x = np.random.default_rng(0).normal([5, -2, 0], [1, 3, 0.1], (300, 3)).astype("float32")
    feed = Feed(lambda chosen, view: x[chosen], np.arange(300) % 2)
    trained = train(model, replace(_HEAD, batch_norm="recalibrate"), feed, feed, seed=0)
    found = _values(trained.model)
    np.testing.assert_allclose(found["norm/moving_mean"], x.mean(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["norm/moving_variance"], x.var(axis=0, dtype=np.float64), rtol=1e-5)
    assert trained.certificate.frozen_unchanged


def test_dropout_of_the_head_and_the_pull_to_the_source_are_each_phase_s_own() -> None:
    keras.utils.set_random_seed(7)
    branch = graft(built("chain"), 2, dropout=0.5)
    anchors = {name: value for name, value in _values(branch).items() if not name.startswith("head")}
    free = replace(_TOP, rates=(Rate(".*", 0.02),), optimizer="sgd", schedule="constant", warmup=0.0, epochs=6)
    moved: list[float] = []
    for phase in (free, replace(free, l2_sp=20.0), replace(free, dropout=0.5)):
        proof = train(branch, phase, _FEED, _FEED, seed=0, anchors=anchors).certificate
        moved.append(sum(row.relative_change for row in proof.drift if row.layer != "head"))
    assert moved[1] < 0.5 * moved[0]
    assert moved[2] != moved[0]


def test_kept_state_of_before_is_taken_over_by_name() -> None:
    first = train(_branch(), _HEAD, _FEED, _FEED, seed=0)
    state = OptimizerState({**first.state.variables, "elsewhere/kernel": first.state.variables["head/kernel"]})
    trained = train_phases(first.model, [_TOP], _FEED, _FEED, seed=0, kept=state)
    done = {row.variable: row.done for row in trained.phases[0].carried}
    assert (done["head/kernel"], trained.state.variables["head/kernel"].steps) == ("keep", 20)
    assert trained.state.variables["elsewhere/kernel"] is first.state.variables["head/kernel"]


def test_certificates_are_of_the_phase_and_not_of_the_whole() -> None:
    copied = copy_model(_branch())
    assert certificates.certify_phase("p", copied, copied, {"head/bias": 1.0}, [], ["head/bias"]).unmoved == (
        "head/bias",
    )


def test_vectors_of_a_spectral_norm_follow_the_layer_that_learns() -> None:
    inputs = keras.Input((4,))
    normed = keras.layers.SpectralNormalization(keras.layers.Dense(6), name="normed")(inputs)
    branch = graft(keras.Model(inputs, normed), 2)
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    feed = Feed(lambda chosen, view: x[chosen], _LABELS)
    trained = train(branch, replace(_HEAD, rates=(Rate(".*", 0.01),)), feed, feed, seed=0)
    (vector,) = (name for name in _values(branch) if name not in (*trained.learnt, *trained.frozen))
    assert not np.array_equal(_values(trained.model)[vector], _values(branch)[vector])
    assert trained.certificate.holds
    assert trained.certificate.unmoved == ()
