"""Every exported form answers what the run's model answers."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import CorruptFileError, RequestError, WorkError
from regraft.core.input_spec import InputSpec
from regraft.core.plan import FineTuneSpec, Plan
from regraft.importers import open as open_source
from regraft.recipes import run_folder, running
from regraft.recipes.exporting import KINDS, export, resized
from regraft.recipes.running import Run
from regraft.surgery.graft import resizing

# Sums of some hundred float32 products in another order: 1e-7 each, and probabilities are at most 1.
ROUNDING = 2e-6

on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="made by TensorFlow only")

PLAIN_KERAS = """
import json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "regraft":
            raise ImportError("regraft is blocked")
sys.meta_path.insert(0, Blocked())
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1], compile=False)
pictures = np.load(sys.argv[2])
np.save(sys.argv[3], model.predict_on_batch(pictures))
assert "regraft" not in sys.modules
"""


@pytest.fixture(scope="module")
def run(pictures: Path, network: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    plan = Plan(str(network()), preprocessing="tf", baselines="no", fine_tune=FineTuneSpec("yes", epochs=1))
    return running.fit(
        pictures, plan=plan, out=tmp_path_factory.mktemp("runs") / "run", cache=tmp_path_factory.mktemp("own")
    )


@pytest.fixture(scope="module")
def batches(pictures: Path) -> list[np.ndarray]:
    """Real files of several sizes as raw arrays, one batch each."""
    files = sorted(pictures.rglob("*.png"))[:10]
    return [np.asarray(Image.open(file), np.float32)[None] for file in files]


def test_a_keras_file_loads_without_regraft_and_answers_the_same_bits(
    run: Run, batches: list[np.ndarray], tmp_path: Path
) -> None:
    made = export(run, "keras", tmp_path / "out" / "flowers.keras")
    np.save(tmp_path / "x.npy", batches[1])
    arguments = [str(made), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    subprocess.run([sys.executable, "-W", "ignore", "-c", PLAIN_KERAS, *arguments], check=True, timeout=300)
    assert np.array_equal(np.load(tmp_path / "y.npy"), run.model.predict_on_batch(batches[1]))
    assert made == tmp_path / "out" / "flowers.keras"


def test_a_keras_file_holds_class_names_and_convention(run: Run) -> None:
    own = export(run, "keras")
    with zipfile.ZipFile(own) as archive:
        about = json.loads(archive.read("regraft.json"))
    assert own == run.folder / "model.keras"
    assert about["classes"] == ["bars", "rings", "spots"]
    assert about["input"]["name"] == "tf"
    assert about["cut_point"] == run.record.cut_point


def test_a_keras_file_is_written_anew_when_the_run_folder_is_gone(
    run: Run, batches: list[np.ndarray], tmp_path: Path
) -> None:
    gone = Run(tmp_path / "gone", run.record, run.model)
    made = keras.saving.load_model(export(gone, "keras", tmp_path / "new.keras"), compile=False)
    assert np.array_equal(made.predict_on_batch(batches[1]), run.model.predict_on_batch(batches[1]))
    with pytest.raises(RequestError, match=r"has no model\.keras"):
        export(gone, "keras")


@on_tensorflow
def test_a_saved_model_answers_the_same_and_names_the_class(
    run: Run, batches: list[np.ndarray], tmp_path: Path
) -> None:
    import tensorflow as tf

    made = export(run, "SavedModel", tmp_path / "served")
    serve = tf.saved_model.load(str(made)).signatures["serving_default"]
    for batch in batches:
        answer, own = serve(examples=tf.constant(batch)), run.model.predict_on_batch(batch)
        np.testing.assert_allclose(answer["probabilities"].numpy(), own, atol=ROUNDING)
        assert answer["label"].numpy()[0].decode() == run.record.classes[int(np.argmax(own))]
    assert (made / "assets" / "labels.txt").read_text().split() == list(run.record.classes)
    with pytest.raises(RequestError, match="expected a new folder"):
        export(run, "savedmodel", tmp_path / "served")


@on_tensorflow
def test_saved_models_are_numbered_as_serving_wants_it(run: Run) -> None:
    assert [export(run, "savedmodel").name for _ in range(2)] == ["1", "2"]
    assert (run.folder / "exported" / "savedmodel" / "1" / "saved_model.pb").is_file()
    assert not list(run.folder.rglob(".partial-*"))


@on_tensorflow
def test_an_onnx_file_takes_pictures_of_any_size_and_answers_the_same(run: Run, batches: list[np.ndarray]) -> None:
    import onnxruntime

    made = export(run, "onnx")
    session = onnxruntime.InferenceSession(made)
    for batch in batches:
        (answer,) = session.run(["probabilities"], {"examples": batch})
        np.testing.assert_allclose(answer, run.model.predict_on_batch(batch), atol=ROUNDING)
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == ["bars", "rings", "spots"]
    assert json.loads(about["preprocessing"])["shape"] == [16, 16, 3]
    assert "pictures of any size" in about["input"]


@on_tensorflow
@pytest.mark.parametrize("way", ["crop", "stretch", "pad"])
def test_resizing_by_matrices_is_the_layer(way: str) -> None:
    inputs = InputSpec((24, 16, 3), resizing=way)  # pyright: ignore[reportArgumentType]
    random = np.random.default_rng(0)
    for size in [(24, 16), (50, 70), (20, 90), (33, 31), (5, 7), (300, 111), (1, 40)]:
        raw = random.integers(0, 256, (2, *size, 3)).astype(np.float32)
        # Values are up to 255; float32 positions on an axis of 300 are exact to 2e-5 of a step.
        np.testing.assert_allclose(resized(raw, inputs).numpy(), np.asarray(resizing(inputs)(raw)), atol=5e-3)


@on_tensorflow
def test_vectors_are_exported_too(tmp_path: Path) -> None:
    import onnxruntime
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    source = keras.Sequential([keras.Input((6,)), keras.layers.Dense(9, activation="relu", name="hidden")])
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    run = running.fit((x, x[:, 0] > 0), source, fine_tune="no", baselines="no", out=tmp_path / "run")
    own = run.model.predict_on_batch(x)
    session = onnxruntime.InferenceSession(export(run, "onnx", tmp_path / "vectors.onnx"))
    np.testing.assert_allclose(session.run(None, {"examples": x})[0], own, atol=ROUNDING)
    serve = tf.saved_model.load(str(export(run, "savedmodel"))).signatures["serving_default"]
    np.testing.assert_allclose(serve(examples=tf.constant(x))["probabilities"].numpy(), own, atol=ROUNDING)


def test_what_cannot_be_done_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match=r"expected one of keras, savedmodel, onnx.*found 'onx'.*nearest.*onnx"):
        export(run, "onx")
    with pytest.raises(RequestError, match=r"expected a file to write, found the folder .*model\.keras'"):
        export(run, "keras", tmp_path)
    with pytest.raises(RequestError, match=r"ends in \.keras, found .*model\.h5"):
        export(run, "keras", tmp_path / "model.h5")
    if keras.backend.backend() == "tensorflow":
        monkeypatch.setitem(sys.modules, "tf2onnx", None)
        with pytest.raises(RequestError, match=r"needs tf2onnx; install it with: pip install 'regraft\[onnx\]'"):
            export(run, "onnx")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    for kind in ("savedmodel", "onnx"):
        with pytest.raises(RequestError, match=f"to export to {kind}, found Keras on jax.*KERAS_BACKEND=tensorflow"):
            export(run, kind)
    assert list(KINDS) == ["keras", "savedmodel", "onnx", "tensorboard", "mlflow"]
    assert not list(tmp_path.iterdir())


@on_tensorflow
def test_an_operation_that_onnx_lacks_is_named(tmp_path: Path) -> None:
    source = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Resizing(5, 5, antialias=True, name="inner"), keras.layers.ReLU()]
    )
    x = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)
    run = running.fit((x, x[:, 0, 0, 0] > 127), source, fine_tune="no", baselines="no", out=tmp_path / "run")
    with pytest.raises(WorkError, match=r"has no form in ONNX opset 18: .*ScaleAndTranslate.*savedmodel or keras"):
        export(run, "onnx")
    assert not (run.folder / "exported").exists()


def test_a_truncated_model_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes((run.folder / "model.keras").read_bytes()[:-2000])
    with pytest.raises(CorruptFileError, match="truncated or was altered"):
        run_folder.load_model(tmp_path)


@on_tensorflow
@pytest.mark.slow
@pytest.mark.shared
def test_a_real_run_is_the_same_everywhere(shared_folder: Path, tmp_path: Path) -> None:
    import onnxruntime
    import tensorflow as tf

    trunk = shared_folder / "nets/mobilenet_v1_1.0_224_trunk/mobilenet_v1_1.0_224_trunk.keras"
    flowers = shared_folder / "data/flowers5_227px"
    files = [file for folder in sorted(flowers.iterdir()) if folder.is_dir() for file in sorted(folder.iterdir())[:8]]
    x = np.stack([np.asarray(Image.open(file).convert("RGB").resize((200, 150))) for file in files])
    y = [file.parent.name for file in files]
    source = open_source(trunk, preprocessing="tf", input_size=128)
    run = running.fit((x, np.array(y)), source, input_size=128, fine_tune="no", baselines="no", out=tmp_path / "run")
    pictures = x[:4].astype(np.float32)
    own = run.model.predict_on_batch(pictures)
    # 13 blocks of float32 sums in another order.
    again = keras.saving.load_model(export(run, "keras", tmp_path / "copy.keras"), compile=False)
    assert np.array_equal(again.predict_on_batch(pictures), own)
    serve = tf.saved_model.load(str(export(run, "savedmodel"))).signatures["serving_default"]
    np.testing.assert_allclose(serve(examples=tf.constant(pictures))["probabilities"].numpy(), own, atol=1e-5)
    session = onnxruntime.InferenceSession(export(run, "onnx"))
    np.testing.assert_allclose(session.run(None, {"examples": pictures})[0], own, atol=1e-5)
