"""Keras' loader is given a copy that has all that counts, and nothing that only the HDF5 library would stumble over."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import regraft
from regraft import formats
from regraft.core.errors import SourceError
from regraft.importers import clean_copy
from tests.formats.hdf5.comparing import assert_same


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Two layers, with an optimizer that has state."""
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, name="first"), keras.layers.Dense(2, dtype="bfloat16", name="second")]
    )
    model.compile("adam", "mse")
    model.fit(np.ones((2, 3)), np.ones((2, 2)), verbose=0)
    return model


def _altered(path: Path, alter) -> Path:
    """A `.keras` file whose weights are altered, with right checksums."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    members["model.weights.h5"] = alter(members["model.weights.h5"])
    altered = path.with_name("altered.keras")
    with zipfile.ZipFile(altered, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
    return altered


def _with_wild_notes(content: bytes) -> bytes:
    """Heaps of names note where they have room for more; nobody needs that who only reads, and the library fails."""
    out, place = bytearray(content), content.find(b"HEAP")
    assert place > 0
    while place >= 0:
        out[place + 16 : place + 24] = (1 << 40).to_bytes(8, "little")
        place = content.find(b"HEAP", place + 4)
    return bytes(out)


def test_what_only_the_library_would_believe_does_not_reach_it(model: keras.Model, tmp_path: Path) -> None:
    model.save(tmp_path / "m.keras")
    path = _altered(tmp_path / "m.keras", _with_wild_notes)
    with zipfile.ZipFile(path) as archive:
        (tmp_path / "w.h5").write_bytes(archive.read("model.weights.h5"))
    program = "import h5py, sys; h5py.File(sys.argv[1])['layers/dense/vars/0'][()]"
    assert subprocess.run([sys.executable, "-c", program, tmp_path / "w.h5"], capture_output=True).returncode != 0
    opened = regraft.open(path).model
    for found, expected in zip(opened.weights, model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(found, "float32"), np.asarray(expected, "float32"))


@pytest.mark.parametrize(("kind", "name"), [("keras", "m.keras"), ("keras-h5", "m.h5"), ("keras-folder", "m")])
def test_the_copy_has_what_the_model_has_but_for_the_optimizer(
    model: keras.Model, tmp_path: Path, kind: str, name: str
) -> None:
    path = tmp_path / name
    if kind == "keras-h5":
        # Keras 3 writes a bfloat16 into this format without saying that it is one.
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="first")])
        model.compile("adam", "mse")
        model.fit(np.ones((2, 3)), np.ones((2, 4)), verbose=0)
    model.save(tmp_path / ("m.h5" if kind == "keras-h5" else "m.keras"))
    if kind == "keras-folder":
        with zipfile.ZipFile(tmp_path / "m.keras") as archive:
            archive.extractall(path)
    original = formats.read(path)
    assert original.optimizer is not None
    with clean_copy.copied(path, kind) as copy:
        found = formats.read(copy)
        assert found.optimizer is None
        assert list(found.tensors) == list(original.tensors)
        assert found.config == original.config
        for key, entry in found.tensors.items():
            assert entry.dtype == original.tensors[key].dtype
            np.testing.assert_array_equal(entry.read(), original.tensors[key].read())
    assert not copy.exists()


def test_attributes_of_every_kind_are_copied(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w", libver="latest") as file:
        file.attrs["text"], file.attrs["letters"], file.attrs["number"] = "ä", np.bytes_(b"abc"), 3.5
        file.attrs["texts"], file.attrs["fixed"] = ["a", "bc"], np.array([b"a", b"bc"])
        file.attrs["long"] = np.array([b"x" * 50] * 3000)
        file.create_group("g/inner").attrs["name"] = "y"
        file.create_dataset("g/x", data=np.arange(5), chunks=(2,), compression="gzip").attrs["unit"] = "m"
    with clean_copy.copied(tmp_path / "m.h5", "keras-h5") as copy:
        assert assert_same(copy) == (2, 1, 8)
        with h5py.File(tmp_path / "m.h5") as old, h5py.File(copy) as new:
            for name in old.attrs:
                assert type(old.attrs[name]) is type(new.attrs[name])
                np.testing.assert_array_equal(old.attrs[name], new.attrs[name])
        # Attributes that have no place in a network's file are left out.
        with h5py.File(tmp_path / "m.h5", "a") as file:
            file.attrs["where"] = file["g"].ref
    with clean_copy.copied(tmp_path / "m.h5", "keras-h5") as copy, h5py.File(copy) as new:
        assert "where" not in new.attrs
        assert "text" in new.attrs


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A model with a vocabulary, which Keras keeps beside the weights."""
    layer = keras.layers.TextVectorization(output_sequence_length=3, name="words")
    layer.adapt(np.array(["to be or not to be"]))
    inputs = keras.Input((1,), dtype="string")
    keras.Model(inputs, keras.layers.Embedding(9, 2, name="vectors")(layer(inputs))).save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has texts")
def test_vocabularies_are_copied(words: Path) -> None:
    with clean_copy.copied(words, "keras") as copy:
        layer = keras.saving.load_model(copy).get_layer("words")
    assert layer.get_vocabulary()[2:4] == ["to", "be"]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has texts")
def test_a_link_among_the_vocabularies_is_not_followed(words: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(words) as archive:
        archive.extractall(tmp_path / "m")
    with clean_copy.copied(tmp_path / "m", "keras-folder") as copy:
        assert any(item.is_file() for item in (copy / "assets").rglob("*"))
    (tmp_path / "m/assets/other.txt").symlink_to("/etc/hostname")
    with (
        pytest.raises(SourceError, match=r"other.txt' is a link; expected a folder that holds all its own"),
        clean_copy.copied(tmp_path / "m", "keras-folder"),
    ):
        pass


def test_members_are_verified(model: keras.Model, tmp_path: Path) -> None:
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(io.BytesIO((tmp_path / "m.keras").read_bytes())) as archive:
        start = archive.getinfo("config.json").header_offset + 60
    content = bytearray((tmp_path / "m.keras").read_bytes())
    content[start] ^= 1
    (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(regraft.RegraftError), clean_copy.copied(tmp_path / "m.keras", "keras"):
        pass
