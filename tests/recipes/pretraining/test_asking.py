"""The journey: examples in, a source out that opens, is resumed, and says whether it helped."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import regraft
from regraft.cli.pretrain import show
from regraft.core import plain
from regraft.core.errors import DataError, RequestError, SourceError
from regraft.core.pretraining import PretrainingRecord, Scaling
from regraft.core.progress import collecting_warnings
from regraft.graph import names
from regraft.recipes.pretraining import asking, running
from regraft.recipes.pretraining import folder as folders
from tests.recipes.pretraining.interrupting import interrupted

SMALL = {"architecture": "mlp?units=8,4", "epochs": 3, "settings": {"batch_size": 16}}


def _numbers(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that stand apart in eight of sixteen values."""
    random = np.random.default_rng(0)
    y = np.arange(count) % 3
    x = random.normal(0, 1, (count, 16))
    x[:, :8] += 3 * random.normal(size=(3, 8))[y]
    return x.astype(np.float32), y


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> running.Pretraining:
    x, y = _numbers()
    out = tmp_path_factory.mktemp("made") / "source"
    return regraft.pretrain("denoising-autoencoder", {"x": x, "y": y}, out=out, probe=60, compare="yes", **SMALL)


def test_the_folder_holds_a_source_and_what_it_is_known_by(made: running.Pretraining) -> None:
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "README.md",
        "model.keras",
        "pretraining.json",
        "report.html",
    ]
    read = plain.from_plain(PretrainingRecord, json.loads((made.folder / "pretraining.json").read_text()))
    assert read == made.record
    assert made.record.shape == (4,)
    assert made.record.asked.settings["noise"] == 0.5
    assert made.record.examples + made.record.held_out + made.record.unused == 300


def test_it_opens_as_a_source_that_takes_what_it_learnt_from(made: running.Pretraining) -> None:
    for source in (made.folder, made.folder / "model.keras"):
        opened = regraft.open(source)
        assert opened.inputs.scale == made.record.inputs.scale
        assert opened.inputs.origin == "stated"
        one, other = names.values(opened.model), names.values(made.model)
        assert all((one[name] == other[name]).all() for name in other)
    assert [point.name for point in regraft.inspect(made.folder).cut_points] == ["hidden1", "hidden2"]


def test_numbers_are_standardised_by_those_that_were_learnt_from(made: running.Pretraining) -> None:
    x, _ = _numbers()
    scaled = x * np.float32(made.record.inputs.scale) + np.float32(made.record.inputs.offset)
    # 250 of the 300 examples were measured: means differ by a tenth, deviations by a twentieth.
    assert np.abs(scaled.mean(axis=0)).max() < 0.15
    assert np.abs(scaled.std(axis=0) - 1).max() < 0.1


def test_it_says_whether_it_helped(made: running.Pretraining) -> None:
    helped = made.record.helped
    assert helped is not None
    assert (helped.labels, helped.judged) == (60, len(regraft.open_data(_numbers()).indices("test")))
    assert helped.gain.value == pytest.approx(helped.reused.value - helped.scratch.value)
    assert helped.sentence.startswith("Pretraining ")
    assert f"{100 * helped.scratch.value:.1f} %" in (made.folder / "report.html").read_text()
    assert helped.sentence in (made.folder / "README.md").read_text()
    probes = [row.probe for row in made.record.stages[0].history]
    assert len(probes) == 4
    assert None not in probes


def test_fit_takes_it(made: running.Pretraining, tmp_path: Path) -> None:
    run = regraft.fit(
        _numbers(), made.folder, out=tmp_path / "run", cache=tmp_path / "cache", fine_tune="no", baselines="no"
    )
    assert run.record.metrics[run.record.evaluated_on].accuracy.value > 0.8
    assert run.record.plan.input is not None
    assert run.record.plan.input.scale == made.record.inputs.scale


@pytest.mark.parametrize("method", ["autoencoder", "stacked-autoencoder"])
def test_interrupted_and_resumed_is_the_same_source(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, _ = _numbers()
    asked = {**SMALL, "probe": 0, "cache": tmp_path / "cache"}
    whole = regraft.pretrain(method, x, out=tmp_path / "whole", **asked)
    interrupted(monkeypatch, method, x, after=2 if method == "autoencoder" else 5, out=tmp_path / "part", **asked)
    assert (tmp_path / "part" / "asked.toml").exists()
    resumed = asking.resume(tmp_path / "part", data=x, cache=tmp_path / "cache")
    one, other = names.values(resumed.model), names.values(whole.model)
    assert all(one[name].tobytes() == other[name].tobytes() for name in other)
    assert not (tmp_path / "part" / "asked.toml").exists()
    # A finished one is loaded.
    assert asking.resume(tmp_path / "part").record == resumed.record


def test_examples_for_tests_are_not_learnt_from(tmp_path: Path) -> None:
    x, y = _numbers(60)
    made = regraft.pretrain("autoencoder", {"x": x, "y": y}, out=tmp_path / "a", probe=0, **SMALL)
    assert made.record.unused == len(regraft.open_data((x, y)).indices("test")) > 0
    made = regraft.pretrain("autoencoder", x, out=tmp_path / "b", probe=0, **SMALL)
    assert made.record.unused == 0


def test_a_model_that_is_given_is_not_changed(tmp_path: Path) -> None:
    inputs = keras.Input((16,))
    model = keras.Model(inputs, keras.layers.Dense(3, name="mine")(inputs))
    before = {name: value.copy() for name, value in names.values(model).items()}
    made = regraft.pretrain("autoencoder", _numbers()[0], out=tmp_path / "a", architecture=model, epochs=1, probe=0)
    assert all((before[name] == value).all() for name, value in names.values(model).items())
    assert any((before[name] != value).any() for name, value in names.values(made.model).items())
    _unfinished(made)
    with pytest.raises(RequestError, match="began with a model that was given in memory"):
        asking.resume(made.folder, data=_numbers()[0])


def test_a_model_that_has_learnt_already_is_compared_with_one_from_random_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = keras.Input((16,))
    model = keras.Model(inputs, keras.layers.Dense(3, name="mine")(inputs))
    model.get_layer("mine").kernel.assign(np.full((16, 3), 7.0))
    compared: list[Any] = []
    monkeypatch.setattr(running, "_helped", lambda _model, fresh, *_others, **_more: compared.append(fresh))
    x, y = _numbers()
    regraft.pretrain("autoencoder", {"x": x, "y": y}, out=tmp_path / "a", architecture=model, epochs=1)
    kernel = np.asarray(keras.ops.convert_to_numpy(compared[0].get_layer("mine").kernel))
    assert kernel.std() > 0
    assert np.abs(kernel).max() < 2


def _deep() -> keras.Model:
    """Dead where averages of BatchNorm are 0 and 1."""
    x = inputs = keras.Input((16,))
    for _ in range(6):
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.999)(keras.layers.Dense(8)(x)))
    return keras.Model(inputs, x, name="deep")


def test_a_deep_network_begins_with_the_averages_of_some_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("deep_networks")
    vars(module)["deep"] = _deep
    monkeypatch.setitem(sys.modules, module.__name__, module)
    begun: list[Any] = []
    monkeypatch.setattr(running, "_helped", lambda _model, fresh, *_others, **_more: begun.append(fresh))
    x, y = _numbers(90)
    examples = {"x": 0.01 * x, "y": y}
    regraft.pretrain(
        "autoencoder", examples, out=tmp_path / "a", architecture="deep_networks:deep", epochs=1, scaling="none"
    )
    (fresh,) = begun
    made, dead = (keras.ops.convert_to_numpy(model(examples["x"], training=False)) for model in (fresh, _deep()))
    assert made.std() > 0.2
    assert np.abs(dead).max() < 0.1


@pytest.mark.parametrize(("trained", "is_compared"), [(10**9, False), (100, True)])
def test_it_is_compared_where_that_takes_no_longer_than_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: int, is_compared: bool
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(running, "_CHEAP", 0.0)
    monkeypatch.setattr(running, "_TRAINED", trained)
    monkeypatch.setattr(running.helping, "helped", lambda *given, **_: asked.append(given))
    x, y = _numbers(90)
    made = regraft.pretrain("autoencoder", {"x": x, "y": y}, out=tmp_path / "a", probe=30, **SMALL)
    assert bool(asked) == is_compared
    assert ("would take longer than this did; --compare yes runs it" in made.record.unmeasured) != is_compared


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "there are no labels, or too few; --labels brings some"),
        ({"probe": 0}, "--probe 0"),
        ({"compare": "no"}, "--compare no"),
    ],
)
def test_it_says_why_whether_it_helped_was_not_measured(tmp_path: Path, said: dict[str, Any], why: str) -> None:
    made = regraft.pretrain("autoencoder", _numbers(30)[0], out=tmp_path / "my source", epochs=1, **said)
    assert made.record.unmeasured == why
    for page in ("README.md", "report.html"):
        assert f"as not measured: {why}." in (tmp_path / "my source" / page).read_text(encoding="utf-8")
    assert f"--source '{tmp_path / 'my source'}'" in (tmp_path / "my source" / "README.md").read_text(encoding="utf-8")


def test_pictures_are_brought_to_the_size_that_a_model_takes(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3, name="mine")(inputs))
    pictures = np.random.default_rng(0).integers(0, 256, (30, 12, 10, 1), np.uint8)
    made = regraft.pretrain("masked", pictures, out=tmp_path / "a", architecture=model, epochs=1, probe=0)
    assert made.record.inputs.shape == (8, 8, 3)
    with pytest.raises(SourceError, match=r"expected an architecture from one input \(8, 8, 3\).*takes \(9,\)"):
        regraft.pretrain(
            "masked",
            np.zeros((30, 8, 8, 3), np.uint8) + np.arange(30, dtype=np.uint8)[:, None, None, None],
            out=tmp_path / "b",
            architecture=keras.Sequential([keras.Input((9,)), keras.layers.Dense(2)]),
            epochs=1,
            probe=0,
        )


def _unfinished(made: running.Pretraining) -> None:
    (made.folder / "pretraining.json").unlink()
    folders.begin(made.folder, made.record.asked)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"method": "autoencoders"},
            "expected a method of pretraining, found 'autoencoders'; nearest known names: auto",
        ),
        ({"settings": {"noise": 1}}, "'autoencoder' has no setting 'noise'"),
        ({"settings": {"rate": -1}}, "expected 'rate' above 0, found -1"),
        ({"settings": {"tied": 3}}, "'tied': expected true or false, found 3"),
        ({"architecture": "mlpp"}, "expected an architecture such as mlp, .*found 'mlpp'; nearest known names: mlp"),
        ({"architecture": "mlp?unit=3"}, "the architecture 'mlp.unit=3': unknown key 'unit'"),
        ({"architecture": 3}, "expected an architecture by name, such as mlp, .* or a keras.Model, found int 3"),
        ({"architecture": ["mlp"]}, r"expected an architecture by name, .* found list \['mlp'\]"),
        ({"architecture": "cnn"}, "expected an architecture for numbers, found 'cnn', which is for pictures"),
        ({"input_size": 8}, "expected pictures for an input size, found examples of shape"),
        ({"settings": {"error": "cross-entropy"}}, "expected values from 0 to 1 for a cross entropy"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing(
    given: dict[str, object], message: str, tmp_path: Path
) -> None:
    asked = {"method": "autoencoder", "probe": 0, **given}
    with pytest.raises(RequestError, match=message):
        regraft.pretrain(data=_numbers()[0], out=tmp_path / "out", **asked)  # pyright: ignore[reportArgumentType]
    left = {path.name for path in (tmp_path / "out").iterdir()} if (tmp_path / "out").exists() else set()
    assert left <= {"asked.toml"}


@pytest.mark.parametrize("scaling", ["auto", "unit", "standard", "none"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_arrays_in_which_nothing_changes_are_refused(scaling: Scaling, dtype: Any, tmp_path: Path) -> None:
    same = np.tile(np.arange(6), (40, 1)).astype(dtype)
    said = (
        r"all 40 training examples in the array given are the same in each of the values 0, 1, 2, 3 and 2 more: there"
    )
    with pytest.raises(DataError, match=said):
        regraft.pretrain("autoencoder", same, out=tmp_path / "a", scaling=scaling)
    if dtype == np.float32:
        same += np.random.default_rng(0).uniform(0, 1e-7, same.shape).astype(dtype)
        with pytest.raises(
            DataError, match=r"6 of 6 values are the same in all .* \(0, 1, 2, 3, 4, ...\): there is no"
        ):
            regraft.pretrain("autoencoder", same, out=tmp_path / "a", scaling=scaling)


def test_arrays_in_which_nothing_changes_are_refused_by_fit_too(tmp_path: Path) -> None:
    source = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    with collecting_warnings(), pytest.raises(DataError, match="training examples in the arrays given are the same"):
        regraft.fit((np.full((40, 5), 3.0), np.arange(40) % 2), source, out=tmp_path / "a")


def test_examples_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    for same in (np.full((40, 8, 8, 3), 3, np.uint8), ["one and the same"] * 40):
        with pytest.raises(DataError, match=r"all 40 training examples in the array given are the same: there is noth"):
            regraft.pretrain("masked", same, out=tmp_path / "a")
    with pytest.raises(DataError, match=r"expected at least 10 examples to learn from .*, found 4; bring more"):
        regraft.pretrain("autoencoder", np.eye(4), out=tmp_path / "b")
    x, y = _numbers()
    tested = {"x_train": x[:8], "y_train": y[:8], "x_test": x[8:], "y_test": y[8:]}
    with pytest.raises(DataError, match=rf"found 8 of {len(x)} \({len(x) - 8} for tests\); bring more"):
        regraft.pretrain("autoencoder", tested, out=tmp_path / "c")


def test_damaged_pictures_are_counted(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    for number in range(20):
        (tmp_path / "all" / f"{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(number, number + 40)))
    with pytest.raises(DataError, match=r"none of \d+ pictures of '.*all' can be read, first: '\d+.jpg' "):
        regraft.pretrain("autoencoder", tmp_path / "all", out=tmp_path / "a")
    for number in range(20):
        Image.fromarray(np.full((8, 8), 5 * number, np.uint8)).save(tmp_path / "all" / f"good{number}.png")
    with collecting_warnings() as said:
        made = regraft.pretrain("autoencoder", tmp_path / "all", out=tmp_path / "b", probe=0, **SMALL)
    assert made.record.examples + made.record.held_out == made.record.unreadable == 20
    assert made.record.unused == made.record.unknown == 0
    assert "20 that cannot be read" in show(made.record)
    assert [line for line in said if "left out 20 of 40 example(s) that cannot be read" in line]


def test_columns_that_never_change_are_named(tmp_path: Path) -> None:
    x = _numbers()[0]
    x[:, 3] = 7
    with collecting_warnings() as said:
        regraft.pretrain("autoencoder", x, out=tmp_path / "a", probe=0, **SMALL)
    assert [line for line in said if "1 of 16 values are the same in all examples of the array given (3)" in line]
    with pytest.raises(DataError, match=r"1 of 16 values .* \(3\); remove them, or do without strict"):
        regraft.pretrain("autoencoder", x, out=tmp_path / "b", strict=True, **SMALL)


def test_labels_may_come_from_elsewhere(tmp_path: Path) -> None:
    x, y = _numbers()
    np.savez(tmp_path / "known.npz", x=x[:150], y=y[:150])
    made = regraft.pretrain(
        "autoencoder", x[150:], out=tmp_path / "a", labels=tmp_path / "known.npz", probe=50, compare="no", **SMALL
    )
    assert made.record.classes == ("0", "1", "2")
    assert made.record.helped is None
    assert all(row.probe is not None for row in made.record.stages[0].history)
    with pytest.raises(DataError, match=r"expected labelled examples of shape \(16,\)"):
        regraft.pretrain("autoencoder", x, out=tmp_path / "b", labels=(x[:, :3], y), probe=50, compare="no", **SMALL)


def test_other_examples_cannot_go_on_with_it(tmp_path: Path) -> None:
    x = _numbers()[0]
    made = regraft.pretrain("autoencoder", x, out=tmp_path / "a", probe=0, **SMALL)
    _unfinished(replace(made))
    with pytest.raises(
        RequestError, match="that the pretraining was begun with; put those back, or begin anew in anot"
    ):
        asking.resume(made.folder, data=x[:-1])
