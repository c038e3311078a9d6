"""Every format gives back every array bit for bit, under the name that the live model gives it."""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from tests.formats.conftest import SUFFIXES

NAMES = ("convolutional", "sequential", "recurrent", "nested", "frozen_base", "towers")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("format_name", list(SUFFIXES))
def test_all_arrays_under_the_names_of_the_live_model(name, format_name, saved, live):
    model, path = saved(name, format_name)
    architecture = json.loads(model.to_json()) if format_name == "keras-weights" else None
    archive = formats.read(path, architecture)
    expected = live(model)
    assert archive.format == format_name
    assert set(archive.tensors) == set(expected)
    for key, value in expected.items():
        found = archive.tensors[key].read()
        assert found.dtype == value.dtype
        assert archive.tensors[key].shape == value.shape
        np.testing.assert_array_equal(found, value, err_msg=key)
    assert not archive.warnings


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("format_name", ["keras", "keras-h5"])
def test_tensors_come_in_the_order_of_the_layers(name, format_name, saved):
    model, path = saved(name, format_name)
    order = [key.split("/")[0] for key in formats.read(path).tensors]
    names = [layer.name for layer in model.layers]
    assert order == sorted(order, key=names.index)


def test_weights_alone_are_named_as_far_as_the_file_tells(saved, live):
    model, path = saved("convolutional", "keras-weights")
    archive = formats.read(path)
    expected = live(model)
    unsure = {"norm_a", "norm_c"}
    for key, value in expected.items():
        if key.split("/")[0] not in unsure:
            np.testing.assert_array_equal(archive.tensors[key].read(), value, err_msg=key)
    assert {"norm_a/0", "norm_a/1", "norm_a/2"} <= set(archive.tensors)
    assert "variables of 'norm_a' (class BatchNormalization) are named by position: 0, 1, 2" in archive.warnings
    with pytest.raises(SourceError, match=r"holds weights but no architecture; say which with --architecture"):
        formats.graph(archive)


def test_a_stored_name_counts_more_than_a_position(tmp_path):
    def chain(*names):
        return keras.Sequential([keras.Input((2,)), *(keras.layers.Dense(2, name=name) for name in names)])

    source = chain("a", "b")
    source.save_weights(tmp_path / "x.weights.h5")
    archive = formats.read(tmp_path / "x.weights.h5", json.loads(chain("b", "a").to_json()))
    np.testing.assert_array_equal(archive.tensors["a/kernel"].read(), source.get_layer("a").kernel)


@pytest.mark.parametrize("format_name", list(SUFFIXES))
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_truncated_file_is_refused_whole(format_name, share, saved, tmp_path):
    _, path = saved("nested", format_name)
    content = path.read_bytes()
    cut = tmp_path / path.name
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CorruptFileError) as caught:
        formats.read(cut)
    assert str(cut) in str(caught.value)
    assert "\n" not in str(caught.value)


def _values_or_refusal(path):
    try:
        return {name: tensor.read() for name, tensor in formats.read(path).tensors.items()}
    except RegraftError as error:
        return str(error)


def test_an_altered_keras_file_is_refused_or_the_same(saved, tmp_path):
    _, path = saved("sequential", "keras")
    content = path.read_bytes()
    whole = {name: tensor.read() for name, tensor in formats.read(path).tensors.items()}
    altered = tmp_path / "altered.keras"
    refused = 0
    for position in range(0, len(content), max(len(content) // 150, 1)):
        altered.write_bytes(content[:position] + bytes([content[position] ^ 0x41]) + content[position + 1 :])
        found = _values_or_refusal(altered)
        if isinstance(found, str):
            assert "\n" not in found
            refused += 1
            continue
        # What the checksums leave out, such as the time in a header, is no part of the network.
        assert found.keys() == whole.keys()
        assert all(np.array_equal(found[name], whole[name]) for name in whole)
    assert refused > 130


def test_a_flipped_bit_in_a_tensor_of_a_keras_file_is_named(saved, tmp_path):
    model, path = saved("sequential", "keras")
    content = bytearray(path.read_bytes())
    values = np.asarray(model.get_layer("second").kernel).tobytes()
    content[content.index(values) + 5] ^= 1
    (tmp_path / "flipped.keras").write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"the checksum of 'model.weights.h5' is wrong; get the file again"):
        formats.read(tmp_path / "flipped.keras")


def test_a_file_replaced_after_opening_gives_no_values(saved, tmp_path):
    _, path = saved("sequential", "keras")
    copy = tmp_path / "copy.keras"
    copy.write_bytes(path.read_bytes())
    tensor = formats.read(copy).tensors["second/kernel"]
    copy.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(CorruptFileError, match="was replaced while it was in use; open it again"):
        tensor.read()


def test_no_file_stays_open(saved, tmp_path):
    _, path = saved("sequential", "keras-h5")
    copy = tmp_path / "copy.h5"
    copy.write_bytes(path.read_bytes())
    archive = formats.read(copy)
    archive.tensors["second/kernel"].read()
    with h5py.File(copy, "w"):
        pass


def test_compressed_members_are_read_too(saved, tmp_path):
    _, path = saved("sequential", "keras")
    packed = tmp_path / "packed.keras"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    expected, found = formats.read(path).tensors, formats.read(packed).tensors
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_array_equal(found[name].read(), expected[name].read())


def test_half_precision_and_brain_float(tmp_path, live):
    for policy in ("float16", "bfloat16"):
        parts = [keras.Input((3,)), keras.layers.Dense(2, dtype=policy, name="d")]
        model = keras.Sequential(parts)
        model.save(tmp_path / "m.keras")
        tensor = formats.read(tmp_path / "m.keras").tensors["d/kernel"]
        assert tensor.dtype == policy
        assert tensor.read().astype("float32").tolist() == np.asarray(model.layers[0].kernel, "float32").tolist()


def test_code_in_a_file_is_warned_of_and_not_run(tmp_path):
    inputs = keras.Input((2,))
    outputs = keras.layers.Lambda(lambda x: x * 2, output_shape=(2,), name="doubling")(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "m.keras")
    archive = formats.read(tmp_path / "m.keras")
    assert archive.warnings == ("layer 'doubling' is a Lambda: its code stands in the file and was not run",)
    assert [operation.kind for operation in formats.graph(archive).operations] == ["Lambda"]


def test_a_class_of_ones_own_is_named_by_position_and_warned_of(tmp_path):
    @keras.saving.register_keras_serializable(package="own")
    class Scaled(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")
            self.inner = keras.layers.Dense(2)
            self.inner.build(shape)

        def call(self, x):
            return self.inner(x * self.scale)

    keras.Sequential([keras.Input((2,)), Scaled(name="own")]).save(tmp_path / "m.keras")
    archive = formats.read(tmp_path / "m.keras")
    assert list(archive.tensors) == ["own/0", "own/inner/0", "own/inner/1"]
    assert "variables of 'own' (class Scaled) are named by position: 0" in archive.warnings
    assert any("class Scaled" in warning and "not part of Keras" in warning for warning in archive.warnings)


def test_a_subclassed_model_has_tensors_and_no_graph(tmp_path):
    @keras.saving.register_keras_serializable(package="own")
    class Own(keras.Model):
        def __init__(self, **settings):
            super().__init__(**settings)
            self.first = keras.layers.Dense(3)

        def call(self, x):
            return self.first(x)

    model = Own(name="own")
    model(np.zeros((1, 2), "float32"))
    model.save(tmp_path / "m.keras")
    archive = formats.read(tmp_path / "m.keras")
    assert list(archive.tensors) == ["first/0", "first/1"]
    with pytest.raises(SourceError, match=r"model of class Own, whose graph only its own code knows"):
        formats.graph(archive)


def test_tensors_kept_in_another_file_are_refused(tmp_path):
    np.zeros(4, "float32").tofile(tmp_path / "secret.bin")
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        group = file.create_group("layers/dense/vars")
        group.create_dataset("0", (4,), "float32", external=[(str(tmp_path / "secret.bin"), 0, 16)])
    with pytest.raises(SourceError, match=r"tensor 'dense/kernel' of .* is kept in another file"):
        formats.read(tmp_path / "x.weights.h5")


def test_links_to_other_files_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["0"] = np.ones(3, "float32")
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        file.create_group("layers/dense/vars")["0"] = h5py.ExternalLink("other.h5", "/0")
    with pytest.raises(SourceError, match=r"'layers/dense/vars/0' of '.*' is a link to '/0' in 'other.h5'"):
        formats.read(tmp_path / "x.weights.h5")


def test_a_tensor_that_claims_more_than_is_stored_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        file.create_group("layers/dense/vars").create_dataset("0", (1 << 16, 1 << 16), "float32", chunks=(64, 64))
    with pytest.raises(CorruptFileError, match=r"tensor 'dense/kernel' of .* claims 17179869184 bytes, 0 are stored"):
        formats.read(tmp_path / "x.weights.h5")


def test_a_legacy_file_that_lacks_a_tensor_is_refused(saved, tmp_path):
    _, path = saved("sequential", "keras-h5")
    copy = tmp_path / "copy.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "a") as file:
        del file["model_weights/second/chain/second/kernel"]
    with pytest.raises(CorruptFileError, match=r"it names tensor '.*second/kernel' and does not hold it"):
        formats.read(copy)


def test_a_damaged_heap_of_texts_is_refused_and_not_searched_for_ever(saved, tmp_path):
    content = bytearray(saved("nested", "keras-h5")[1].read_bytes())
    start = content.rindex(b"GCOL")
    first_length = start + 16 + 8
    content[first_length + 1] ^= 8
    (tmp_path / "m.h5").write_bytes(content)
    with pytest.raises(CorruptFileError, match=rf"is truncated or was altered \(heap at {start}\)"):
        formats.read(tmp_path / "m.h5")
