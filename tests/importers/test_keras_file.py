"""Files of Keras: whole models, what is refused, and in which words."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from regraft import importers
from regraft.core.errors import CorruptFileError, ProofError, SourceError
from regraft.importers import graphs


@keras.saving.register_keras_serializable("tests")
class _Known(keras.layers.Layer):
    def call(self, inputs):
        return inputs


class _Unknown(keras.layers.Layer):
    def call(self, inputs):
        return inputs


def _model(*extra: keras.Layer) -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(2, 3, name="first"), *extra]
    return keras.Sequential(layers, name="small")


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.hdf5"])
def test_a_whole_model_opens_with_its_weights(tmp_path: Path, name: str) -> None:
    model = _model()
    model.save(tmp_path / name)
    opened = importers.open(tmp_path / name)
    assert opened.source == str(tmp_path / name)
    assert opened.report.loaded == ("first/kernel", "first/bias")
    assert (opened.inputs.name, opened.inputs.origin) == ("raw", "stated")
    for new, old in zip(opened.model.weights, model.weights, strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize(
    ("saved", "given"), [("m.keras", "downloaded"), ("m.h5", "model.bin"), ("m.keras", "model.zip")]
)
def test_content_decides_not_the_ending(tmp_path: Path, saved: str, given: str) -> None:
    _model().save(tmp_path / saved)
    (tmp_path / saved).rename(tmp_path / given)
    assert importers.open(str(tmp_path / given)).model.name == "small"


def test_a_wrong_path_is_answered_with_what_is_near(tmp_path: Path) -> None:
    _model().save(tmp_path / "flowers.keras")
    with pytest.raises(SourceError, match=r"flower.keras'; nearest known names: flowers.keras"):
        importers.open(tmp_path / "flower.keras")
    with pytest.raises(SourceError, match=r"flower.keras'; nearest known names: flowers.keras"):
        importers.open(tmp_path / "flower.keras", architecture="keras:MobileNet")
    (tmp_path / "notes.txt").write_text("no model")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(SourceError, match=f"'{path}' is of no known format; expected a network: .keras, .h5"):
            importers.open(path)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused_whole(tmp_path: Path, name: str, share: float) -> None:
    _model().save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CorruptFileError) as caught:
        importers.open(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_altered_part_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    _model().save(path)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("model.weights.h5").header_offset + 400
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"m.keras' was altered: the checksum"):
        importers.open(path)


def test_what_keras_read_is_compared_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model()
    model.save(tmp_path / "m.keras")
    other = _model()
    other.get_layer("first").bias.assign([0.0, 1.0])
    monkeypatch.setattr(keras.saving, "load_model", lambda path, **options: other)
    with pytest.raises(ProofError, match=r"Keras gave 'first/bias' other values than '.*m.keras' holds"):
        importers.open(tmp_path / "m.keras")


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_code_in_a_file_is_not_run(tmp_path: Path, name: str) -> None:
    _model(keras.layers.Lambda(lambda x: x + 1)).save(tmp_path / name)
    with pytest.raises(
        SourceError, match=r"holds Python code \(a Lambda layer or the like\), which is not run from a file"
    ) as caught:
        importers.open(tmp_path / name)
    assert "--architecture package.module:function" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_a_custom_layer_is_named(tmp_path: Path, name: str) -> None:
    _model(_Unknown()).save(tmp_path / name)
    with pytest.raises(SourceError, match=r"needs the custom object '_Unknown'.*register_keras_serializable"):
        importers.open(tmp_path / name)


def test_a_registered_layer_opens(tmp_path: Path) -> None:
    _model(_Known()).save(tmp_path / "m.keras")
    assert importers.open(tmp_path / "m.keras").model.output_shape == (None, 6, 6, 2)


def test_weights_alone_need_an_architecture(tmp_path: Path) -> None:
    _model().save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(
        SourceError, match=r"holds weights but no architecture; say which with --architecture keras:NAME"
    ):
        importers.open(tmp_path / "m.weights.h5")


def test_the_shared_trunk_is_known(shared_folder: Path) -> None:
    opened = importers.open(shared_folder / "nets/mobilenet_v1_1.0_224_trunk/mobilenet_v1_1.0_224_trunk.keras")
    assert (opened.inputs.name, opened.inputs.origin, opened.inputs.shape) == ("tf", "known", (224, 224, 3))
    assert len(opened.report.loaded) == 125
    assert opened.report.missing == opened.report.unused == ()


def test_what_keras_3_refuses_of_its_own_is_one_line_with_the_reason(tmp_path: Path) -> None:
    """As a file of a later Keras, whose layers have settings that this one does not know."""
    _model().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(tmp_path / "later.keras", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"filters"', b'"sharpness": 3, "filters"'))
    with pytest.raises(
        SourceError, match=r"Keras \S+ does not open '.*later.keras': .*sharpness.*; convert it with the Keras"
    ) as caught:
        importers.open(tmp_path / "later.keras")
    assert "config={" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_graph_that_can_only_be_inspected_says_so(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "mlperf_tiny_resnet8_cifar10/pretrainedResnet.tflite"
    monkeypatch.delitem(graphs.TABLES, "tflite")
    with pytest.raises(SourceError, match="can be inspected, tensors and graph, but its graph cannot be converted"):
        importers.open(shared_folder / "nets" / path)
