"""The deployable model answers for raw files what the run answered through its activations on disk."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from regraft.core import plain
from regraft.core import plan as plans
from regraft.core.errors import DataError
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.progress import collecting_warnings
from regraft.graph import names
from regraft.importers import open as open_source
from regraft.recipes import judging, running
from regraft.recipes.running import Run
from regraft.recipes.using import evaluate, input_spec, predict, white
from tests.recipes.shapes import SIZE, convolutional, picture, write_pictures

# One way sums in float64 (the head) or in batches of 64 (the branch), the other in float32 in batches of 32.
ROUNDING = 1e-5


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """What a run answers through its activations, by the name of the example; filled when it is fitted."""
    found: dict[str, np.ndarray] = {}
    judge = judging.judge

    def listen(survey: Any, selected: Any, final: Any, plan: Plan) -> judging.Judged:
        rows = judging.probabilities(survey, final, plan, np.arange(len(survey.examples)))
        found.update(zip(survey.examples.names, rows, strict=True))
        return judge(survey, selected, final, plan)

    monkeypatch.setattr(judging, "judge", listen)
    return found


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose head alone learnt; it is only looked at."""
    folder = tmp_path_factory.mktemp("finished")
    settings: dict[str, Any] = {"preprocessing": "tf", "fine_tune": "no", "baselines": "no"}
    return running.fit(pictures, convolutional(), out=folder / "run", cache=folder / "cache", **settings)


@pytest.mark.parametrize(
    ("channels", "preprocessing", "resizing", "fine_tune", "refit"),
    [
        (3, "tf", "crop", "no", "no"),
        (3, "caffe", "stretch", "yes", "no"),
        (1, "unit", "pad", "yes", "yes"),
        (1, "x/127.5-1", "crop", "no", "yes"),
        (4, "raw", "crop", "no", "auto"),
    ],
)
def test_predictions_for_raw_files_are_the_runs_own(
    pictures: Path,
    tmp_path: Path,
    answered: dict[str, np.ndarray],
    channels: int,
    preprocessing: str,
    resizing: Any,
    fine_tune: Any,
    refit: Any,
) -> None:
    opened = open_source(convolutional(channels), preprocessing=preprocessing)
    source = dataclasses.replace(opened, inputs=dataclasses.replace(opened.inputs, resizing=resizing))
    plan = Plan("", baselines="no", refit=refit, fine_tune=FineTuneSpec(fine_tune, epochs=2))
    run = running.fit(pictures, source, plan=plan, out=tmp_path / "run")
    made = {Path(answer.name): answer for answer in predict(running.load(run.folder), [pictures])}
    assert len(made) == len(answered) == 48
    assert (run.record.trained_from != run.record.cut_point) == (fine_tune == "yes")
    for name, own in answered.items():
        answer = made[pictures / name]
        np.testing.assert_allclose(list(answer.probabilities.values()), own, atol=ROUNDING)
        assert tuple(answer.probabilities) == run.record.classes
        assert answer.confidence == max(answer.probabilities.values()) == answer.probabilities[answer.label]
    assert list(run.record.metrics) == ["validation", "test"]
    _assert_same_figures(evaluate(run, pictures, split="test"), run.record.metrics["test"])
    if run.record.plan.refit == "no":
        # Else the record says what was measured there before the model learnt from these examples too.
        _assert_same_figures(evaluate(run, pictures, split="validation"), run.record.metrics["validation"])


def _assert_same_figures(found: Any, recorded: Any) -> None:
    assert (found.examples, found.accuracy, found.balanced_accuracy) == (
        recorded.examples,
        recorded.accuracy,
        recorded.balanced_accuracy,
    )
    for name in ("log_loss", "calibration_error"):
        assert getattr(found, name).value == pytest.approx(getattr(recorded, name).value, abs=ROUNDING)
        assert getattr(found, name).interval == pytest.approx(getattr(recorded, name).interval, abs=ROUNDING)


def test_blue_comes_first_where_the_network_wants_it(pictures: Path, tmp_path: Path) -> None:
    network = convolutional()
    source = open_source(network, preprocessing="caffe")
    run = running.fit(pictures, source, fine_tune="no", baselines="no", cut_point="conv3", out=tmp_path / "run")
    raw = np.asarray(Image.open(pictures / "bars" / "00.png"), np.float32)
    assert raw.shape == (SIZE, SIZE, 3)
    # The convention in Keras' own words, written out here a second time.
    prepared = raw[..., ::-1] - np.array([103.939, 116.779, 123.68], np.float32)
    maps = keras.ops.convert_to_numpy(network(prepared[None], training=False))
    head = {
        name.rpartition("/")[2]: variable for name, variable in names.variables(run.model).items() if "head" in name
    }
    logits = maps.mean(axis=(1, 2)) @ np.asarray(head["kernel"]) + np.asarray(head["bias"])
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    (answer,) = predict(run, [pictures / "bars" / "00.png"])
    np.testing.assert_allclose(list(answer.probabilities.values()), expected[0], atol=ROUNDING)


def test_a_picture_is_answered_alike_alone_and_among_others(finished: Run, pictures: Path) -> None:
    together = {answer.name: answer for answer in predict(finished, [pictures])}
    for name in list(together)[:5]:
        (alone,) = predict(finished, [name])
        (raw,) = [np.asarray(Image.open(name), np.float32)]
        made = finished.model.predict_on_batch(raw[None])[0]
        # Batches of another size may sum in another order.
        np.testing.assert_allclose(list(alone.probabilities.values()), made, atol=1e-6)
        np.testing.assert_allclose(list(together[name].probabilities.values()), made, atol=1e-6)


def test_vectors_from_a_file_are_evaluated(tmp_path: Path, answered: dict[str, np.ndarray]) -> None:
    random = np.random.default_rng(0)
    # Values within 0 to 1: features have no white, they are what they are.
    x = random.uniform(0, 1, (90, 5)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=(x[:, 0] > 0.5).astype(int))
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(20, activation="relu", name="hidden")
    plan = Plan("", baselines="no", refit="no", fine_tune=FineTuneSpec("yes", epochs=2))
    source = keras.Sequential([keras.Input((5,)), keras.layers.Dense(9, activation="relu"), hidden])
    run = running.fit(tmp_path / "data.npz", source, plan=plan, out=tmp_path / "run")
    own = np.stack([answered[f"index {index}"] for index in range(90)])
    np.testing.assert_allclose(run.model.predict_on_batch(x), own, atol=ROUNDING)
    assert (white(run), [layer.name for layer in run.model.layers if layer.name == "scaling"]) == (255, [])
    for split, recorded in run.record.metrics.items():
        _assert_same_figures(evaluate(run, tmp_path / "data.npz", split=split), recorded)
    with pytest.raises(DataError, match=r"takes arrays of shape \(5,\), no pictures; evaluate it on an \.npz"):
        predict(run, [tmp_path])
    with pytest.raises(DataError, match=r"takes examples of shape \(5,\), found examples of shape \(4,\)"):
        evaluate(run, (x[:, :4], x[:, 0] > 0.5))


def test_the_white_of_other_examples_is_understood(pictures: Path, tmp_path: Path) -> None:
    """A run made from floats up to 1 answers the same for the files, and the other way round."""
    files = sorted(pictures.rglob("*.png"))
    arrays = [np.asarray(Image.open(file).resize((20, 20)), np.float32) / 255 for file in files]
    labels = np.array([file.parent.name for file in files])
    small = np.stack(arrays)
    settings = {"preprocessing": "unit", "fine_tune": "no", "baselines": "no"}
    run = running.fit((small, labels), convolutional(), **settings, out=tmp_path / "run")
    assert (white(run), input_spec(run).name) == (1, "unit")
    bytes_ = np.rint(small * 255).astype(np.uint8)
    _assert_same_figures(evaluate(run, (bytes_, labels)), evaluate(run, (small, labels)))
    other = running.fit((bytes_, labels), convolutional(), **settings, out=tmp_path / "other")
    assert white(other) == 255
    _assert_same_figures(evaluate(other, (small, labels)), evaluate(other, (bytes_, labels)))
    Image.fromarray(bytes_[0]).save(tmp_path / "one.png")
    (answer,) = predict(run, [tmp_path / "one.png"])
    own = run.model.predict_on_batch(small[:1])[0]
    np.testing.assert_allclose(list(answer.probabilities.values()), own, atol=ROUNDING)


def test_what_cannot_be_read_is_left_out_or_refused(finished: Run, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "new", 2)
    whole = (folder / "bars" / "00.png").read_bytes()
    (folder / "bars" / "00.png").write_bytes(whole[: len(whole) // 2])
    with collecting_warnings() as warned:
        assert len(predict(finished, [folder])) == 5
    assert len(warned) == 1
    assert "left out 1 of 6 example(s) that cannot be read, first:" in warned[0]
    assert "00.png" in warned[0]
    for call in (lambda: predict(finished, [folder], strict=True), lambda: evaluate(finished, folder, strict=True)):
        with pytest.raises(DataError, match=r"00\.png.* truncated"):
            call()
    with pytest.raises(DataError, match=r"none of the 1 example\(s\) can be read, first: .*00\.png"):
        predict(finished, [folder / "bars" / "00.png"])
    assert evaluate(finished, folder).examples == 5


def test_other_classes_and_shapes_are_refused(finished: Run) -> None:
    x = np.stack([picture("bars", index, 20, 20) for index in range(6)])
    with pytest.raises(DataError, match="the run knows the classes bars, rings, spots; found also stars"):
        evaluate(finished, (x, np.array(["bars", "stars"] * 3)))
    with pytest.raises(DataError, match=r"takes examples of shape \(16, 16, 3\), found examples of shape \(5,\)"):
        evaluate(finished, (np.eye(6)[:, :5], np.array(["bars", "rings"] * 3)))
    with pytest.raises(DataError, match="has no test examples"):
        evaluate(finished, {"x_train": x, "y_train": np.array(["bars", "rings"] * 3)}, split="test")
    # Classes that the run knows and these examples lack, in another order.
    assert evaluate(finished, (x, np.array(["spots", "bars"] * 3))).examples == 6


def test_examples_of_one_class_are_measured(finished: Run, pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(pictures / "bars", tmp_path / "one" / "bars")
    names = [path.name for path in (tmp_path / "one" / "bars").iterdir()]
    right = [made.label == "bars" for made in predict(finished, [tmp_path / "one"])]
    measured = evaluate(finished, tmp_path / "one")
    assert measured.examples == len(names)
    assert measured.accuracy.value == measured.balanced_accuracy.value == pytest.approx(np.mean(right))


@pytest.mark.slow
@pytest.mark.shared
def test_the_real_thing(shared_folder: Path, tmp_path: Path, answered: dict[str, np.ndarray]) -> None:
    """MobileNet on flowers: files of many sizes, layers that learnt, the plan run again on an empty cache."""
    flowers = shared_folder / "data/flowers5_227px"
    small = tmp_path / "flowers"
    for folder in sorted(path for path in flowers.iterdir() if path.is_dir()):
        (small / folder.name).mkdir(parents=True)
        for index, file in enumerate(sorted(folder.iterdir())[:16]):
            Image.open(file).convert("RGB").crop((0, 0, 227 - 5 * index, 100 + 8 * index)).save(
                small / folder.name / f"{index}.png"
            )
    plan = Plan(
        str(shared_folder / "nets/mobilenet_v1_1.0_224_trunk/mobilenet_v1_1.0_224_trunk.keras"),
        preprocessing="tf",
        input_size=96,
        views=2,
        baselines="no",
        fine_tune=FineTuneSpec("yes", from_cut="conv_pw_11_relu", epochs=2),
    )
    run = running.fit(small, plan=plan, out=tmp_path / "run", cache=tmp_path / "cache")
    for answer in predict(run, [small]):
        own = answered[str(Path(answer.name).relative_to(small))]
        np.testing.assert_allclose(list(answer.probabilities.values()), own, atol=ROUNDING)
    again = running.fit(
        small, plan=plans.read(run.folder / "plan.toml"), out=tmp_path / "again", cache=tmp_path / "new"
    )
    for name, variable in names.variables(run.model).items():
        assert np.array_equal(variable, names.variables(again.model)[name]), name
    assert plain.to_plain(again.record.metrics) == plain.to_plain(run.record.metrics)
