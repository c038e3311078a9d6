"""Pickles of arrays, of every protocol, against `pickle` itself."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, SourceError


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("wrap", [dict, OrderedDict])
def test_arrays_in_containers(protocol, wrap, tmp_path):
    values = [np.arange(2000.0).reshape(40, 50).astype("f4"), np.arange(3)]
    value = wrap({"param values": values, "mean": np.float32(0.5), "words": ["a"] * 3})
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(value, protocol))
    archive = formats.read(tmp_path / "m.pkl")
    assert archive.format == "pickle"
    assert list(archive.tensors) == ["param values/0", "param values/1", "mean"]
    np.testing.assert_array_equal(archive.tensors["param values/0"].read(), values[0])
    assert archive.tensors["param values/1"].read().tolist() == [0, 1, 2]
    assert archive.tensors["mean"].read() == np.float32(0.5)
    assert archive.warnings == ("left out, as no arrays of numbers: words",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_list_or_one_array(protocol, tmp_path):
    for value, names in (([np.ones(2), np.zeros(3)], ["arr_0", "arr_1"]), (np.ones(2), ["arr_0"])):
        (tmp_path / "m.pkl").write_bytes(pickle.dumps(value, protocol))
        assert list(formats.read(tmp_path / "m.pkl").tensors) == names


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("size", [3, 3000])
def test_tensors_of_pytorch_pickled_without_it(protocol, size, tmp_path):
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(size, 2), torch.nn.BatchNorm1d(2))
    for value in (model.state_dict(), model):
        (tmp_path / "m.pkl").write_bytes(pickle.dumps(value, protocol))
        archive = formats.read(tmp_path / "m.pkl")
        assert archive.format == "pickle"
        assert list(archive.tensors) == list(model.state_dict())
        for name, tensor in model.state_dict().items():
            np.testing.assert_array_equal(archive.tensors[name].read(), tensor.numpy())


def test_arrays_of_theano_on_a_gpu(tmp_path):
    array = pickle.dumps(np.arange(3, dtype="f4"), 2)[2:-1]
    (tmp_path / "m.pkl").write_bytes(
        b"\x80\x02}X\x01\0\0\0Wctheano.sandbox.cuda.type\nCudaNdarray_unpickler\n(" + array + b"tRs."
    )
    assert formats.read(tmp_path / "m.pkl").tensors["W"].read().tolist() == [0, 1, 2]


class _Attack:
    def __reduce__(self):
        return os.system, ("touch mark",)


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_refused_by_name(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"w": np.ones(2), "x": _Attack()}, protocol))
    with pytest.raises(SourceError, match=r"asks to run '(posix|nt).system', which was not done"):
        formats.read(tmp_path / "m.pkl")
    assert not (tmp_path / "mark").exists()


def test_an_object_of_an_unknown_class_is_refused_by_name(tmp_path):
    (tmp_path / "m.pkl").write_bytes(b"\x80\x02cmine\nNetwork\n)\x81}b.")
    with pytest.raises(SourceError, match=r"asks to run 'mine.Network', which was not done"):
        formats.read(tmp_path / "m.pkl")


def test_storages_in_another_file_are_refused(tmp_path):
    persistent = b"\x80\x02}X\x01\0\0\0wX\x03\0\0\0keyQs."
    (tmp_path / "m.pkl").write_bytes(persistent)
    with pytest.raises(SourceError, match="asks to run 'persistent id key', which was not done"):
        formats.read(tmp_path / "m.pkl")


def test_two_arrays_of_one_name_are_refused(tmp_path):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"1": np.ones(2), 1: np.zeros(2)}))
    with pytest.raises(SourceError, match="holds two arrays called 'arr_1'"):
        formats.read(tmp_path / "m.pkl")


def test_an_array_that_claims_more_than_is_there(tmp_path):
    content = pickle.dumps({"w": np.ones(2000, "f4")}, 4)
    assert content.count(b"M\xd0\x07") == 1
    (tmp_path / "m.pkl").write_bytes(content.replace(b"M\xd0\x07", b"M\xff\xff"))
    with pytest.raises(
        CorruptFileError, match=r"array 'w' of shape \(65535,\) and type float32 claims 262140 bytes, 8000"
    ):
        formats.read(tmp_path / "m.pkl")
