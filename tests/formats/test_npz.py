"""`.npz` files against NumPy: every value bit for bit, compressed or not; archives that lie are refused."""

import io
import os
import zipfile

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, RegraftError, SourceError

WAYS = pytest.mark.parametrize("save", [np.savez, np.savez_compressed])


@WAYS
def test_arrays_by_name(save, tmp_path):
    generator = np.random.default_rng(0)
    arrays = {
        "conv/kernel": generator.normal(size=(3, 3, 2)).astype("f4"),
        "step": np.int64(3),
        "big": np.ones(3, ">f8"),
    }
    save(tmp_path / "a.npz", **arrays)
    archive = formats.read(tmp_path / "a.npz")
    assert list(archive.tensors) == list(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(archive.tensors[name].read(), value)
    with pytest.raises(SourceError, match="holds arrays but no architecture; say which with --architecture"):
        formats.graph(archive)


@WAYS
def test_arrays_without_names_come_in_the_order_of_saving(save, tmp_path):
    save(tmp_path / "a.npz", *(np.full(3, number) for number in range(12)))
    packed = tmp_path / "b.npz"
    with zipfile.ZipFile(tmp_path / "a.npz") as old, zipfile.ZipFile(packed, "w") as new:
        for name in sorted(old.namelist()):
            new.writestr(name, old.read(name))
    assert [tensor.read()[0] for tensor in formats.read(packed).tensors.values()] == list(range(12))


@WAYS
def test_objects_and_texts_beside_numbers(save, tmp_path):
    layers = np.empty((), object)
    layers[()] = {"conv1": {"W": np.ones(2)}}
    save(tmp_path / "a.npz", weights=layers, w=np.zeros(1), classes=np.array(["daisy"]), note=np.array({"a": 1}))
    archive = formats.read(tmp_path / "a.npz")
    assert list(archive.tensors) == ["weights/conv1/W", "w"]
    assert archive.warnings == (
        "'classes' holds no numbers and was left out",
        "'note' holds no numbers and was left out",
    )
    assert archive.tensors["weights/conv1/W"].read().tolist() == [1, 1]


def test_an_archive_without_numbers_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", classes=np.array(["daisy"]))
    with pytest.raises(SourceError, match="expected arrays of numbers, found none"):
        formats.read(tmp_path / "a.npz")


class _Attack:
    def __reduce__(self):
        return os.system, ("touch mark",)


@WAYS
def test_code_is_refused_by_name(save, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("a.npz", w=np.ones(2), x=np.array([_Attack()], object))
    with pytest.raises(SourceError, match=r"asks to run '(posix|nt).system', which was not done"):
        formats.read(tmp_path / "a.npz")
    assert not (tmp_path / "mark").exists()


def _member(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.npy", _member(np.ones(2))), ("../b.npy", _member(np.ones(2)))], "holds '../b.npy', which leads out"),
        ([("a.npy", _member(np.ones(2))), ("/b.npy", _member(np.ones(2)))], "holds '/b.npy', which leads out"),
        ([("a.npy", _member(np.ones(2))), ("a.npy", _member(np.zeros(2)))], "holds 'a.npy' twice"),
        ([("a.npy", _member(np.ones(2))[:-1])], "'a.npy', an array of shape .* claims 16 bytes, 15 are stored"),
        ([("a.npy", b"\x93NUMPY")], "'a' has no header of a NumPy array"),
        ([("a.npy", _member(np.zeros(1 << 22)))], "'a.npy' claims 33554560 bytes, .* are stored"),
    ],
)
def test_archives_that_lie_are_refused_by_name(members, message, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    with pytest.raises(CorruptFileError, match=message):
        formats.read(tmp_path / "a.npz")


@WAYS
def test_an_altered_archive_is_refused_or_the_same(save, tmp_path):
    save(tmp_path / "a.npz", a=np.random.default_rng(0).normal(size=30), b=np.arange(4))
    content = (tmp_path / "a.npz").read_bytes()
    whole = {name: tensor.read() for name, tensor in formats.read(tmp_path / "a.npz").tensors.items()}
    altered, refused = tmp_path / "b.npz", 0
    for place in range(0, len(content), 3):
        altered.write_bytes(content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :])
        try:
            found = {name: tensor.read() for name, tensor in formats.read(altered).tensors.items()}
        except RegraftError:
            refused += 1
            continue
        assert all(np.array_equal(values, whole.get(name, values)) for name, values in found.items())
    assert refused > 100


@WAYS
def test_a_truncated_archive_is_refused_at_every_place(save, tmp_path):
    save(tmp_path / "a.npz", a=np.arange(30.0))
    content = (tmp_path / "a.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    for length in range(4, len(content), 3):
        cut.write_bytes(content[:length])
        with pytest.raises(CorruptFileError, match=r"cut\.npz"):
            formats.read(cut)


@pytest.mark.shared
def test_the_real_archive_of_lasagne(shared_folder):
    path = shared_folder / "nets/lasagne_resnet_cifar10/cifar_model_n5.npz"
    archive = formats.read(path)
    with np.load(path) as reference:
        assert list(archive.tensors) == [f"arr_{number}" for number in range(157)]
        for name, tensor in archive.tensors.items():
            np.testing.assert_array_equal(tensor.read(), reference[name])
    # The first block: kernel, beta, gamma, mean, inverse deviation.
    assert [tensor.shape for tensor in archive.tensors.values()][:5] == [(16, 3, 3, 3), *[(16,)] * 4]
