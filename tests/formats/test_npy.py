"""`.npy` files against NumPy: every value bit for bit; headers that lie and pickles that run are refused."""

import os
import struct
import tracemalloc

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.formats.inspection import inspect


@pytest.fixture
def saved(tmp_path):
    def give(value):
        np.save(tmp_path / "a.npy", value, allow_pickle=True)
        return tmp_path / "a.npy"

    return give


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">i2", "<i8", "|u1", "|b1", "<c8", ">c16", "<f2"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
def test_arrays_of_numbers(dtype, shape, saved):
    values = (np.random.default_rng(0).normal(size=shape) * 50).astype(dtype)
    for array in (values, np.asfortranarray(values)):
        path = saved(array)
        (tensor,) = formats.read(path).tensors.values()
        assert (tensor.name, tensor.shape) == ("arr_0", array.shape)
        assert tensor.dtype == np.dtype(dtype).name
        found = tensor.read()
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, np.load(path))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_header(version, tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, np.arange(5.0), version)
    assert formats.read(tmp_path / "a.npy").tensors["arr_0"].read().tolist() == [0, 1, 2, 3, 4]


def test_brain_floats(saved):
    import ml_dtypes

    tensor = formats.read(saved(np.array([1.5, -2], ml_dtypes.bfloat16))).tensors["arr_0"]
    assert tensor.dtype == "bfloat16"
    assert tensor.read().astype("float32").tolist() == [1.5, -2]


def test_a_pickled_dictionary_of_layers(saved):
    layers = {"conv1": {"weights": np.ones((3, 3)), "biases": np.zeros(3)}, "names": ["a", "b"], "prelu": [np.ones(2)]}
    archive = formats.read(saved(layers))
    assert list(archive.tensors) == ["conv1/weights", "conv1/biases", "prelu/0"]
    assert archive.warnings == ("left out, as no arrays of numbers: names",)
    np.testing.assert_array_equal(archive.tensors["conv1/weights"].read(), np.ones((3, 3)))


def test_a_list_of_arrays_is_in_order(saved):
    values = np.empty(12, object)
    values[:] = [np.full(2, number) for number in range(12)]
    archive = formats.read(saved(values))
    assert list(archive.tensors) == [f"arr_{number}" for number in range(12)]
    assert archive.tensors["arr_11"].read().tolist() == [11, 11]


def test_texts_are_refused(saved):
    with pytest.raises(SourceError, match=r"holds an array of type <U5; expected numbers"):
        formats.read(saved(np.array(["daisy"])))
    with pytest.raises(SourceError, match="expected arrays of numbers in the pickle, found none; found note"):
        formats.read(saved({"note": "x"}))


def _file(path, header, content=b""):
    text = header.encode()
    path.write_bytes(b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + content)
    return path


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1 * 10**12,)}", "is truncated or was altered"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}", "claims 4398046511104 bytes, 4 are"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2**40,)}", "is truncated or was altered"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "no possible shape"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1 << 60)}", "is truncated or was altered"),
        ("{'descr': '<f4', 'fortran_order': False}", "the header of no NumPy array"),
        ("__import__('os').system('true')", "is truncated or was altered"),
        ("(" * 5000, "is truncated or was altered"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': ()}", "the pickle at byte"),
    ],
)  # fmt: skip
def test_headers_that_lie_are_refused_before_memory_is_taken(header, message, tmp_path):
    path = _file(tmp_path / "a.npy", header, b"\0" * 4)
    tracemalloc.start()
    with pytest.raises(CorruptFileError, match=message) as caught:
        formats.read(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert "a.npy" in str(caught.value)


def test_structures_are_refused(saved):
    with pytest.raises(SourceError, match="holds an array of type V; expected numbers"):
        formats.read(saved(np.zeros(2, [("a", "f4"), ("b", "i2")])))


class _Attack:
    def __reduce__(self):
        return os.system, ("touch mark",)


def test_code_in_an_array_of_objects_is_refused_by_name(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in ({"conv": _Attack()}, np.array([_Attack()], object)):
        with pytest.raises(SourceError, match=r"asks to run '(posix|nt).system', which was not done"):
            formats.read(saved(value))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("value", [np.arange(20.0), {"a": np.arange(20.0), "b": [np.ones(3)]}], ids=["array", "pickle"])
def test_a_truncated_file_is_refused_at_every_place(value, saved, tmp_path):
    content = saved(value).read_bytes()
    cut = tmp_path / "cut.npy"
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(RegraftError, match=r"cut\.npy"):
            formats.read(cut)


def test_a_large_array_lists_without_its_values(saved):
    path = saved({"a": np.zeros(1 << 22)})
    tracemalloc.start()
    found = inspect(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert found.parameters == 1 << 22


@pytest.mark.shared
@pytest.mark.parametrize("name", ["det1", "det2", "det3"])
def test_real_pickles_of_python_2(name, shared_folder):
    path = shared_folder / f"nets/mtcnn_npy/{name}.npy"
    reference = np.load(path, allow_pickle=True, encoding="latin1").item()
    expected = {f"{layer}/{key}": value for layer, values in reference.items() for key, value in values.items()}
    archive = formats.read(path)
    assert list(archive.tensors) == list(expected)
    for key, value in expected.items():
        found = archive.tensors[key].read()
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)
