"""Files made to harm: links out of them, paths out of an archive, sizes without content. Each is refused by name."""

import json
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, SourceError
from tests.formats.conftest import made

_MEMORY = 1 << 26


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of someone else's, which no model may read."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["key"] = np.arange(6.0)
    return tmp_path / "secret.h5"


def _with(path: Path, change) -> Path:
    """A whole-model `.h5` of Keras 2 in which the kernel is what `change` makes of it."""
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [
        {"class_name": "Dense", "config": {"name": "top", "units": 2, "batch_input_shape": [None, 3]}}]}}  # fmt: skip
    with h5py.File(path, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.4.0"
        group = file.create_group("model_weights/top")
        file["model_weights"].attrs["layer_names"] = ["top"]
        group.attrs["weight_names"] = ["top/kernel:0", "top/bias:0"]
        group["top/bias:0"] = np.zeros(2)
        change(group["top"])
    return path


def test_a_link_into_another_file_is_named(tmp_path: Path, secret: Path) -> None:
    def change(group: h5py.Group) -> None:
        group["kernel:0"] = h5py.ExternalLink(str(secret), "/key")

    with pytest.raises(
        SourceError, match=r"'model_weights/top/top/kernel:0' of '.*' is a link to '/key' in '.*secret.h5'"
    ):
        formats.read(_with(tmp_path / "m.h5", change))


def test_a_link_within_the_file_is_named(tmp_path: Path) -> None:
    def change(group: h5py.Group) -> None:
        group["kernel:0"] = h5py.SoftLink("/somewhere/else")

    with pytest.raises(SourceError, match=r"kernel:0' of '.*' is a link to '/somewhere/else'"):
        formats.read(_with(tmp_path / "m.h5", change))


def test_values_kept_in_another_file_are_not_read(tmp_path: Path, secret: Path) -> None:
    def change(group: h5py.Group) -> None:
        group.create_dataset("kernel:0", (3, 2), "f8", external=[(str(secret), 0, 48)])

    with pytest.raises(SourceError, match=r"tensor 'top/kernel' of '.*' is kept in another file"):
        formats.read(_with(tmp_path / "m.h5", change))


def test_a_virtual_dataset_is_not_read(tmp_path: Path, secret: Path) -> None:
    def change(group: h5py.Group) -> None:
        layout = h5py.VirtualLayout((6,), "f8")
        layout[:] = h5py.VirtualSource(str(secret), "key", (6,))
        group.create_virtual_dataset("kernel:0", layout)

    with pytest.raises(SourceError, match=r"tensor 'top/kernel' of '.*' is kept in another file"):
        formats.read(_with(tmp_path / "m.h5", change))


def test_a_tensor_that_claims_terabytes_is_refused_unread(tmp_path: Path) -> None:
    def change(group: h5py.Group) -> None:
        group.create_dataset("kernel:0", (1 << 21, 1 << 20), "f4", chunks=(1024, 1024), compression="gzip")

    with pytest.raises(CorruptFileError, match=r"tensor 'top/kernel' of '.*' claims 8796093022208 bytes, 0 are stored"):
        formats.read(_with(tmp_path / "m.h5", change))


def test_a_small_file_asks_for_little_memory(tmp_path: Path) -> None:
    """Chunks that were never written read as zeros: a hundred megabytes of them from a file of two kilobytes."""

    def change(group: h5py.Group) -> None:
        group.create_dataset("kernel:0", (1 << 18, 100), "f4", chunks=(1 << 10, 100), compression="gzip")

    with pytest.raises(CorruptFileError, match=r"tensor 'top/kernel' of '.*' claims 104857600 bytes, 0 are stored"):
        formats.read(_with(tmp_path / "m.h5", change))


@pytest.fixture
def zipped(tmp_path: Path):
    """Gives a `.keras` file with members added or replaced."""

    def give(**members: bytes) -> Path:
        made("sequential").save(tmp_path / "plain.keras")
        path = tmp_path / "altered.keras"
        named = {name.replace("__", "/").replace("_dot_", "."): content for name, content in members.items()}
        with zipfile.ZipFile(tmp_path / "plain.keras") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                if name not in named:
                    new.writestr(name, old.read(name))
            for name, content in named.items():
                new.writestr(name, content)
        return path

    return give


@pytest.mark.parametrize("name", ["../../evil.txt", "/etc/evil.txt", "assets/../../evil.txt", "C:/evil.txt"])
def test_a_path_out_of_the_archive_is_named(zipped, name: str) -> None:
    path = zipped()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(CorruptFileError, match=r"holds '.*evil.txt', which leads out of the archive"):
        formats.read(path)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_a_decompression_bomb_is_not_unpacked(zipped, name: str) -> None:
    content = b" " * _MEMORY if name == "config.json" else b"\0" * _MEMORY
    path = zipped(**{name.replace(".", "_dot_"): content})
    assert path.stat().st_size < _MEMORY // 100
    with pytest.raises(CorruptFileError, match=rf"'{name}' claims {_MEMORY} bytes"):
        formats.read(path)


def test_a_member_that_claims_terabytes_is_refused(zipped) -> None:
    path = zipped()
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02", 0, content.rindex(b"config.json"))
    content[place + 24 : place + 28] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"'config.json' claims 4294967280 bytes"):
        formats.read(path)


def test_a_configuration_nested_without_end_is_refused(zipped) -> None:
    deep = b'{"class_name": "Sequential", "config": {"layers": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    with pytest.raises(CorruptFileError, match=r"altered.keras' is truncated or was altered"):
        formats.read(zipped(config_dot_json=deep))


def _config(*layers: dict, inputs=(("in", 0, 0),), outputs=(("top", 0, 0),), name: str = "m") -> dict:
    return {"class_name": "Functional", "config": {
        "name": name, "layers": list(layers), "input_layers": list(map(list, inputs)),
        "output_layers": list(map(list, outputs))}}  # fmt: skip


def _layer(name: str, *calls: list, kind: str = "Dense", **config) -> dict:
    return {
        "class_name": kind,
        "name": name,
        "config": {"name": name, "units": 2, **config},
        "inbound_nodes": list(calls),
    }


@pytest.mark.parametrize("reference", [["in", 0, 1 << 31], ["in", -1, 0], ["in", 0, -1]])
def test_an_output_that_no_layer_could_have_takes_no_memory(zipped, reference: list) -> None:
    config = _config(_layer("in", kind="InputLayer", batch_shape=[None, 3]), _layer("top", [reference]))
    with pytest.raises(CorruptFileError, match=r"altered.keras' is truncated or was altered \(call .* of layer 'in'\)"):
        formats.graph(formats.read(zipped(config_dot_json=json.dumps(config).encode())))


def test_models_in_models_that_call_each_other_again_and_again_are_refused(zipped) -> None:
    """Each of eight models calls the next ten times: some kilobytes that stand for a hundred million layers."""
    model = _layer("top", [["in", 0, 0]])
    for depth in range(8):
        parts = _layer("in", kind="InputLayer", batch_shape=[None, 2]), model
        outputs = [("top", call, 0) for call in range(len(model["inbound_nodes"]))]
        model = {**_config(*parts, outputs=outputs, name=f"m{depth}"), "name": "top"}
        model["config"]["name"], model["inbound_nodes"] = "top", [[["in", 0, 0]]] * 10
    outer = _config(_layer("in", kind="InputLayer", batch_shape=[None, 2]), model)
    with pytest.raises(CorruptFileError, match=r"call their layers more than 200000 times in all"):
        formats.read(zipped(config_dot_json=json.dumps(outer).encode()))


@pytest.mark.parametrize(
    ("change", "value"),
    [("input_layers", [["in", "x", 0]]), ("input_layers", 7), ("output_layers", [["top"]]), ("output_layers", None)],
)
def test_a_graph_that_makes_no_sense_is_one_line(zipped, change: str, value) -> None:
    config = _config(_layer("in", kind="InputLayer", batch_shape=[None, 3]), _layer("top", [["in", 0, 0]]))
    config["config"][change] = value
    with pytest.raises(CorruptFileError, match=r"altered.keras' is truncated or was altered") as caught:
        formats.graph(formats.read(zipped(config_dot_json=json.dumps(config).encode())))
    assert "\n" not in str(caught.value)


def test_a_heap_without_end_is_found_inside_of_an_archive_too(tmp_path: Path) -> None:
    """The HDF5 library would search it for ever, and the archive's checksums are those of whoever altered it."""
    made("sequential").save(tmp_path / "plain.keras")
    with zipfile.ZipFile(tmp_path / "plain.keras") as old:
        members = {name: old.read(name) for name in old.namelist()}
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["name"] = "text of variable length"
    weights = bytearray((tmp_path / "w.h5").read_bytes())
    heap = weights.index(b"GCOL")
    weights[heap + 24 : heap + 32] = b"\0" * 8
    members["model.weights.h5"] = bytes(weights)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "m.keras", "w", method) as new:
            for name, content in members.items():
                new.writestr(name, content)
        with pytest.raises(CorruptFileError, match=r"m.keras' is truncated or was altered \(heap at \d+\)"):
            formats.read(tmp_path / "m.keras")


def test_heaps_that_overlap_are_not_walked_again_and_again(tmp_path: Path) -> None:
    """Two thousand texts, each in a heap of its own that is all the rest of the file: two gigabytes to read."""
    texts, heap = 2000, 32
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["layer_names"] = ["x"] * texts
    content = bytearray((tmp_path / "m.h5").read_bytes())
    first = content.index(struct.pack("<IQ", 1, content.index(b"GCOL")))
    start, size = len(content), 1 << 20
    for number in range(texts):
        place = number * heap
        content[first + 16 * number : first + 16 * number + 16] = struct.pack("<IQI", 1, start + place, 1)
        content += b"GCOL\1\0\0\0" + struct.pack("<QIIQ", size - place, 1, 0, size - place - heap)
    content += bytes(start + size - len(content))
    # Where the file is said to end.
    content[40:48] = struct.pack("<Q", len(content))
    (tmp_path / "m.h5").write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"\(heap at \d+ overlaps with others\)"):
        formats.read(tmp_path / "m.h5")


def test_a_name_in_a_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    header = json.dumps({"\x1b[2J\n": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    with pytest.raises(CorruptFileError) as caught:
        formats.read(tmp_path / "m.safetensors")
    assert r"tensor '\x1b[2J\n' of shape (9,)" in str(caught.value)


def test_a_header_of_an_array_says_nothing_to_the_user(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.zeros(3))
    content = (tmp_path / "m.npy").read_bytes().replace(b"fortran_order", rb"fortran\Qrder")
    (tmp_path / "m.npy").write_bytes(content)
    with pytest.raises(CorruptFileError, match="has the header of no NumPy array"):
        formats.read(tmp_path / "m.npy")
