"""Safetensors, whole and in shards; the writer of the tests is their own, from the format's description."""

import json
import struct
import tracemalloc

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.formats.inspection import inspect


def _packed(header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def _written(path, tensors, metadata=None):
    names = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64", "uint8": "U8", "bool": "BOOL"}
    header, content = {} if metadata is None else {"__metadata__": metadata}, b""
    for name, value in tensors.items():
        raw = value.tobytes()
        place = [len(content), len(content) + len(raw)]
        header[name] = {"dtype": names[value.dtype.name], "shape": list(value.shape), "data_offsets": place}
        content += raw
    path.write_bytes(_packed(header, content))
    return path


@pytest.fixture
def tensors():
    generator = np.random.default_rng(0)
    return {
        "layer.0.weight": generator.normal(size=(3, 4)).astype("f4"),
        "layer.0.bias": generator.normal(size=3),
        "half": generator.normal(size=2).astype("f2"),
        "count": np.int64(3),
        "none": np.zeros((0, 4), "f4"),
        "mask": np.array([True, False]),
        "bytes": np.arange(5, dtype="u1"),
    }


def _assert_same(archive, expected):
    assert list(archive.tensors) == list(expected)
    for name, value in expected.items():
        found = archive.tensors[name].read()
        assert (found.dtype, found.shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(found, value)


def test_a_file(tensors, tmp_path):
    archive = formats.read(_written(tmp_path / "m.safetensors", tensors, {"format": "pt"}))
    assert (archive.format, archive.metadata["properties"]) == ("safetensors", {"format": "pt"})
    _assert_same(archive, tensors)
    with pytest.raises(SourceError, match="holds weights but no architecture; say which with --architecture"):
        formats.graph(archive)


@pytest.mark.parametrize(
    ("code", "dtype"), [("BF16", "bfloat16"), ("F8_E4M3", "float8_e4m3fn"), ("F8_E5M2", "float8_e5m2")]
)
def test_small_floats(code, dtype, tmp_path):
    import ml_dtypes

    values = np.array([1.5, -2.0, 0.25], getattr(ml_dtypes, dtype))
    header = {"w": {"dtype": code, "shape": [3], "data_offsets": [0, values.nbytes]}}
    (tmp_path / "m.safetensors").write_bytes(_packed(header, values.tobytes()))
    tensor = formats.read(tmp_path / "m.safetensors").tensors["w"]
    assert tensor.dtype == dtype
    assert tensor.read().astype("float32").tolist() == [1.5, -2.0, 0.25]


def test_a_type_that_is_not_known_is_left_out_by_name(tmp_path):
    header = {
        "w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "q": {"dtype": "F4", "shape": [2], "data_offsets": [4, 5]},
    }
    (tmp_path / "m.safetensors").write_bytes(_packed(header, b"\0" * 5))
    archive = formats.read(tmp_path / "m.safetensors")
    assert list(archive.tensors) == ["w"]
    assert archive.warnings == ("'q' is of type F4 and was left out",)


def _one(**changes):
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


LIES = {
    "overlap": (
        {**_one(), "v": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}},
        "'v' at 4 to 12 overlaps 'w'",
    ),
    "gap": (
        {**_one(), "v": {"dtype": "F32", "shape": [2], "data_offsets": [12, 20]}},
        "'v' at 12 to 20 does not follow",
    ),
    "not at the start": (_one(data_offsets=[4, 12]), "tensor 'w' at 4 to 12 does not follow the header"),
    "backwards": (_one(data_offsets=[8, 0]), "tensor 'w' at 8 to 0 does not follow"),
    "beyond the end": (_one(shape=[200], data_offsets=[0, 800]), "the tensors take 800 bytes, 8 are there"),
    "terabytes": (
        _one(shape=[1 << 40], data_offsets=[0, 1 << 42]),
        "the tensors take 4398046511104 bytes, 8 are there",
    ),
    "left over": ({}, "the tensors take 0 bytes, 8 are there"),
    "another size": (_one(shape=[3]), r"tensor 'w' of shape \(3,\) and type float32 claims 12 bytes, 8 are stored"),
    "overflow": (_one(shape=[1 << 32, 1 << 32]), "and type float32 claims 73786976294838206464 bytes"),
    "a negative size": (_one(shape=[-2]), "no possible shape"),
    "a true size": (_one(shape=[True, 2]), "no possible shape"),
    "no list": (_one(shape=2), "no possible shape"),
    "negative offsets": (_one(data_offsets=[-8, 0]), "tensor 'w' has no type, shape and place"),
    "one offset": (_one(data_offsets=[0]), "tensor 'w' has no type, shape and place"),
    "no type": ({"w": {"shape": [2], "data_offsets": [0, 8]}}, "tensor 'w' has no type, shape and place"),
    "a number": ({"w": 3}, "tensor 'w' has no type, shape and place"),
    "twice": (b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{}}', "names a tensor twice"),
}


@pytest.mark.parametrize("title", list(LIES))
def test_headers_that_lie_are_refused_by_name(title, tmp_path):
    header, message = LIES[title]
    (tmp_path / "m.safetensors").write_bytes(_packed(header, b"\0" * 8))
    with pytest.raises(CorruptFileError, match=message) as caught:
        formats.read(tmp_path / "m.safetensors")
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused_at_every_place(tensors, tmp_path):
    content = _written(tmp_path / "m.safetensors", tensors).read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(RegraftError, match=r"cut\.safetensors"):
            formats.read(cut)


def test_a_file_replaced_after_opening_gives_no_values(tensors, tmp_path):
    path = _written(tmp_path / "m.safetensors", tensors)
    tensor = formats.read(path).tensors["half"]
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(CorruptFileError, match="was replaced while it was in use; open it again"):
        tensor.read()


@pytest.fixture
def sharded(tensors, tmp_path):
    names = list(tensors)
    parts = {"a.safetensors": names[:3], "b.safetensors": names[3:]}
    for file, part in parts.items():
        _written(tmp_path / file, {name: tensors[name] for name in part})
    index = {"metadata": {}, "weight_map": {name: file for file, part in parts.items() for name in part}}
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    return path, index


def test_shards_by_index_and_by_folder(sharded, tensors):
    path, _ = sharded
    for source in (path, path.parent):
        archive = formats.read(source)
        assert archive.metadata["shards"] == ["a.safetensors", "b.safetensors"]
        _assert_same(archive, tensors)


def test_a_folder_with_one_file_and_one_with_several(tensors, tmp_path):
    _written(tmp_path / "m.safetensors", tensors)
    _assert_same(formats.read(tmp_path), tensors)
    _written(tmp_path / "n.safetensors", tensors)
    with pytest.raises(SourceError, match="holds 2 safetensors files and 0 indexes; expected one file or one index"):
        formats.read(tmp_path)


def test_what_index_and_shards_do_not_agree_on(sharded):
    path, index = sharded
    index["weight_map"]["more"] = "a.safetensors"
    path.write_text(json.dumps(index))
    with pytest.raises(CorruptFileError, match=r"says that tensor 'more' is in 'a.safetensors', which lacks it"):
        formats.read(path)
    del index["weight_map"]["more"], index["weight_map"]["half"]
    path.write_text(json.dumps(index))
    assert formats.read(path).warnings == ("1 tensors of the shards are not in the index and were left out: half, ...",)


@pytest.mark.parametrize("name", ["../a.safetensors", "/etc/passwd", "..", "sub/a.safetensors"])
def test_shards_elsewhere_are_refused_by_name(name, sharded):
    path, index = sharded
    index["weight_map"]["half"] = name
    path.write_text(json.dumps(index))
    with pytest.raises(SourceError, match=f"names the shard '{name}', which is not in its folder"):
        formats.read(path)


def test_a_shard_that_is_missing_is_named(sharded):
    path, index = sharded
    index["weight_map"]["half"] = "c.safetensors"
    path.write_text(json.dumps(index))
    with pytest.raises(CorruptFileError, match=r"names the shard 'c.safetensors', which is not there"):
        formats.read(path)


def test_links_out_of_the_folder_are_refused_by_name(sharded, tmp_path_factory):
    path, _ = sharded
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.safetensors"
    shard = path.parent / "b.safetensors"
    elsewhere.write_bytes(shard.read_bytes())
    shard.unlink()
    shard.symlink_to(elsewhere)
    with pytest.raises(SourceError, match=r"b.safetensors' is a link to '.*secret.safetensors', out of its folder"):
        formats.read(path)


def test_the_store_of_the_hub_keeps_its_files_as_links(sharded, tensors, tmp_path_factory):
    path, _ = sharded
    model = tmp_path_factory.mktemp("hub") / "models--a--b"
    (model / "blobs").mkdir(parents=True)
    snapshot = model / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(path.parent.iterdir())):
        (model / "blobs" / str(number)).write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(model / "blobs" / str(number))
    _assert_same(formats.read(snapshot / path.name), tensors)


def test_a_large_file_lists_without_its_values(tmp_path):
    path = _written(tmp_path / "m.safetensors", {f"w{number}": np.zeros(1 << 20, "f4") for number in range(8)})
    tracemalloc.start()
    found = inspect(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert found.parameters == 1 << 23


@pytest.mark.shared
def test_the_real_file(shared_folder):
    path = shared_folder / "nets/safetensors_mnist_dfdx/mnist.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    archive = formats.read(path)
    assert {name: tensor.shape for name, tensor in archive.tensors.items()} == {
        name: tuple(about["shape"]) for name, about in header.items()
    }
    for name, about in header.items():
        begin, end = about["data_offsets"]
        assert archive.tensors[name].read().tobytes() == content[8 + length + begin : 8 + length + end]
    assert sum(tensor.size for tensor in archive.tensors.values()) == 784 * 512 + 512 * 128 + 128 * 32 + 32 * 10 + 682
