"""What the head reads: lower cut points where they help, and a plan's own choice."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from regraft.core.errors import SourceError
from regraft.core.plan import FineTuneSpec, HeadSpec, Plan
from regraft.graph import names
from regraft.recipes import running, using
from regraft.recipes.running import Run
from tests.recipes.shapes import SIZE, convolutional


@pytest.fixture
def plan(network: Callable[..., Path]) -> Plan:
    return Plan(str(network()), preprocessing="tf", baselines="no", fine_tune=FineTuneSpec("no"), seed=5)


def pairs(folder: Path, levels: int = 2, count: int = 240) -> Path:
    """Six classes or more: so many levels of brightness; noise, thin stripes or thick ones, of the same mean."""
    random = np.random.default_rng(0)
    y = np.arange(count) % (3 * levels)
    noise = random.uniform(-20, 20, (count, SIZE, SIZE, 3))
    thin, thick = (20 * np.sign(np.sin(np.arange(SIZE) * np.pi / width + 0.1)) for width in (2, 4))
    stripes = np.stack([0 * thin, thin, thick])[y % 3][:, None, :, None]
    x = (
        np.where((y % 3 == 0)[:, None, None, None], noise, stripes + noise / 10)
        + (60 + 100 / (levels - 1) * (y // 3))[:, None, None, None]
    )
    path = folder / "pairs.npz"
    np.savez(path, x=x.astype("float32"), y=y)
    return path


def blind() -> keras.Model:
    """A network whose upper layer no longer knows how bright its input was."""
    inputs = keras.Input((SIZE, SIZE, 3))
    lower = keras.layers.Conv2D(4, 3, activation="relu", name="lower")(inputs)
    upper = keras.layers.LayerNormalization(axis=(1, 2), name="centred")(lower)
    outputs = keras.layers.Conv2D(8, 3, activation="relu", name="upper")(upper)
    model = keras.Model(inputs, outputs, name="blind")
    random = np.random.default_rng(0)
    for layer in (model.get_layer("lower"), model.get_layer("upper")):
        layer.kernel.assign(np.abs(random.normal(size=layer.kernel.shape)) * 0.1)
    return model


def agree(run: Run, pictures: Path) -> None:
    """The deployable model answers as the run said it does, and what it does not learn is the source's."""
    again, said = using.evaluate(run, pictures, split="test"), run.record.metrics["test"]
    assert again.accuracy == said.accuracy
    assert again.log_loss.value == pytest.approx(said.log_loss.value, abs=1e-4)
    assert run.record.certificate.frozen_unchanged
    frozen, inside = set(run.record.frozen_variables), set(names.variables(run.model))
    learnt = set(run.record.trainable_variables)
    assert len(frozen) + len(learnt) == len([name for name in inside if "seed_generator" not in name])


@pytest.mark.parametrize("bias", [0.0, -1e6])
def test_a_network_that_is_dead_on_the_examples_is_said_to_be(bias: float, tmp_path: Path) -> None:
    source = blind()
    source.get_layer("lower").bias.assign(np.full(4, bias))
    asked = Plan("blind", baselines="no", fine_tune=FineTuneSpec("no"))
    run = running.fit(pairs(tmp_path), source, plan=asked, out=tmp_path / "run", cache=tmp_path / "cache")
    said = [line for line in run.record.warnings if "the same of every example" in line]
    assert [f"'{run.record.plan.cut_point}'" in line for line in said] == ([True] if bias else [])


def test_the_head_reads_what_its_cut_point_no_longer_shows(tmp_path: Path) -> None:
    data = pairs(tmp_path)
    asked = Plan("blind", baselines="no", fine_tune=FineTuneSpec("no"))
    run = running.fit(data, blind(), plan=asked, out=tmp_path / "run", cache=tmp_path / "cache")
    assert max(probe.accuracy.value for probe in run.record.probes) < 0.9
    assert len(run.record.plan.head.taps or ()) == 1
    assert run.record.metrics["test"].accuracy.value > 0.95
    without = dataclasses.replace(asked, head=HeadSpec(taps=()))
    run = running.fit(data, blind(), plan=without, out=tmp_path / "without", cache=tmp_path / "cache")
    assert run.record.plan.head.taps == ()
    assert run.record.metrics["test"].accuracy.value < 0.9


def test_of_many_classes_too(tmp_path: Path) -> None:
    data = pairs(tmp_path, levels=8, count=480)
    asked = Plan("blind", baselines="no", fine_tune=FineTuneSpec("no"))
    run = running.fit(data, blind(), plan=asked, out=tmp_path / "run", cache=tmp_path / "cache")
    # The regression hardly knows more with the tap than that there are 24 classes, but all of that is from the tap.
    assert run.record.plan.head.taps == ("lower",)
    assert run.record.metrics["test"].accuracy.value > 0.95


def test_a_plan_may_name_what_the_head_reads(plan: Plan, pictures: Path, tmp_path: Path) -> None:
    plan = dataclasses.replace(plan, cut_point="conv3", head=HeadSpec(taps=("relu1", "conv2")))
    run = running.fit(pictures, plan=plan, out=tmp_path / "run", cache=tmp_path / "cache")
    assert run.record.plan.reads == ("relu1", "conv2", "conv3")
    assert run.model.get_layer("branch").get_layer("head").kernel.shape == (8 + 12 + 16, 3)
    assert {"conv2/kernel", "conv3/bias", "bn1/moving_mean"} <= set(run.record.frozen_variables)
    assert run.record.trainable_variables == ("head/kernel", "head/bias")
    assert run.record.trained_from == "conv3"
    agree(run, pictures)
    again = running.fit(pictures, plan=run.record.plan, out=tmp_path / "again", cache=tmp_path / "cache")
    assert again.record.metrics == run.record.metrics


def test_layers_learn_below_and_between_what_the_head_reads(plan: Plan, pictures: Path, tmp_path: Path) -> None:
    spec = FineTuneSpec("yes", from_cut="relu1", epochs=3)
    plan = dataclasses.replace(plan, cut_point="conv3", fine_tune=spec, head=HeadSpec(taps=("conv2",)))
    run = running.fit(pictures, plan=plan, out=tmp_path / "run", cache=tmp_path / "cache")
    assert run.record.trained_from == "relu1"
    assert {"conv2/kernel", "conv3/kernel", "head/kernel"} <= set(run.record.trainable_variables)
    agree(run, pictures)


def test_no_tap_is_below_the_layers_that_learn(plan: Plan, pictures: Path, tmp_path: Path) -> None:
    spec = FineTuneSpec("yes", from_cut="conv2", epochs=1)
    plan = dataclasses.replace(plan, cut_point="conv3", fine_tune=spec, head=HeadSpec(taps=("relu1",)))
    with pytest.raises(SourceError, match=r"head.taps 'relu1' is below 'conv2', above which layers learn"):
        running.fit(pictures, plan=plan, out=tmp_path / "run", cache=tmp_path / "cache")


def with_own_head() -> keras.Model:
    """The small network with a top of its own, called as Regraft calls its heads."""
    below = convolutional()
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(below.outputs[0])
    logits = keras.layers.Dense(7, name="head")(pooled)
    return keras.Model(below.inputs, keras.layers.ReLU(name="last")(logits), name="own")


@pytest.mark.parametrize(("cut_point", "fine_tune"), [("auto", "no"), ("conv3", "yes")])
def test_a_source_may_have_a_head_of_its_own(pictures: Path, tmp_path: Path, cut_point: str, fine_tune: str) -> None:
    spec = FineTuneSpec(fine_tune, epochs=1)  # pyright: ignore[reportArgumentType]
    asked = Plan("own", preprocessing="tf", cut_point=cut_point, baselines="no", fine_tune=spec)
    run = running.fit(pictures, with_own_head(), plan=asked, out=tmp_path / "run", cache=tmp_path / "cache")
    assert run.record.cut_point not in ("head", "last")
    assert {"head/kernel", "head/bias"} <= set(run.record.trainable_variables)
    assert "head" not in (*run.record.reused_layers, *(item.layer for item in run.record.drift))
    agree(run, pictures)


def test_the_new_head_does_not_stand_on_another_of_its_name(pictures: Path, tmp_path: Path) -> None:
    asked = Plan("own", preprocessing="tf", cut_point="last", baselines="no")
    with pytest.raises(SourceError, match="'last' is not below the source's own layer 'head', whose name the new head"):
        running.fit(pictures, with_own_head(), plan=asked, out=tmp_path / "run", cache=tmp_path / "cache")
