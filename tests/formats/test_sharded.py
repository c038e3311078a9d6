"""PyTorch files in several shards with an index: one archive, lazily, and what does not fit is refused by name."""

import json

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, SourceError
from regraft.formats.inspection import inspect

torch = pytest.importorskip("torch")


@pytest.fixture
def sharded(tmp_path):
    torch.manual_seed(0)
    tensors = {"module.a.weight": torch.randn(4, 3), "module.a.bias": torch.randn(4), "module.b.weight": torch.randn(2)}
    parts = {
        "pytorch_model-00001-of-00002.bin": ["module.a.weight", "module.a.bias"],
        "pytorch_model-00002-of-00002.bin": ["module.b.weight"],
    }
    for file, names in parts.items():
        torch.save({name: tensors[name] for name in names}, tmp_path / file)
    index = {"metadata": {"total_size": 72}, "weight_map": {name: file for file, own in parts.items() for name in own}}
    path = tmp_path / "pytorch_model.bin.index.json"
    path.write_text(json.dumps(index))
    return path, index, tensors


def test_an_index_and_its_folder_are_one_archive(sharded):
    path, index, tensors = sharded
    for source in (path, path.parent):
        archive = formats.read(source)
        assert archive.format == "pytorch"
        assert list(archive.tensors) == ["a.weight", "a.bias", "b.weight"]
        for name, values in tensors.items():
            np.testing.assert_array_equal(archive.tensors[name.removeprefix("module.")].read(), values.numpy())
        assert archive.metadata["shards"] == sorted(set(index["weight_map"].values()))
        assert archive.warnings == ("the prefix 'module.' was taken off the names",)
    assert inspect(path).parameters == 18


def test_values_are_read_when_they_are_asked_for(sharded):
    path, index, tensors = sharded
    archive = formats.read(path)
    (path.parent / index["weight_map"]["module.b.weight"]).unlink()
    np.testing.assert_array_equal(archive.tensors["a.bias"].read(), tensors["module.a.bias"].numpy())


def _changed(path, index, **places):
    path.write_text(json.dumps({"weight_map": {**index["weight_map"], **places}}))
    return path


def test_what_does_not_fit_is_refused_by_name(sharded, tmp_path):
    path, index, _ = sharded
    first, second = dict.fromkeys(index["weight_map"].values())
    with pytest.raises(CorruptFileError, match=f"tensor 'c.weight' is in '{second}', which lacks it"):
        formats.read(_changed(path, index, **{"c.weight": second}))
    with pytest.raises(CorruptFileError, match=r"names the shard 'absent.bin', which is not there"):
        formats.read(_changed(path, index, **{"c.weight": "absent.bin"}))
    with pytest.raises(SourceError, match="which is not in its folder; expected a plain file name"):
        formats.read(_changed(path, index, **{"c.weight": "../elsewhere.bin"}))
    with pytest.raises((CorruptFileError, SourceError)) as caught:
        formats.read(_changed(path, index, **{"c.weight": path.name}))
    assert "\n" not in str(caught.value)
    path.write_text(json.dumps(index))
    (path.parent / first).write_bytes((path.parent / first).read_bytes()[:200])
    with pytest.raises((CorruptFileError, SourceError)):
        formats.read(path)


def test_several_indexes_in_a_folder(sharded):
    path, index, _ = sharded
    (path.parent / "other.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(SourceError, match="holds 4 bin files and 2 indexes; expected one file or one index"):
        formats.read(path.parent)
