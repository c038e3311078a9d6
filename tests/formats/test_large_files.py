"""Files of a gigabyte, made of holes, so that they cost nothing: each is listed in little memory."""

import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import pytest

from tests.formats.tensorflow_files import part, varint

GIGABYTE = 1 << 30
SIDE = 1 << 14  # 16384 x 16384 of float32 are a gigabyte
# Python, NumPy and Regraft take some 60 MB; the file's content would take a thousand more.
MOST_MEGABYTES = 140

_LISTED = """
import json, sys
from regraft.formats import inspection
found = inspection.inspect(sys.argv[1])
print(json.dumps([found.format, found.parameters]))
"""
_READ = "import numpy, sys; print(numpy.load(sys.argv[1]).sum())"
# What `resource` says begins with the memory of the process that started this one.
_PEAK = "; print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


def _safetensors(path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [SIDE, SIDE], "data_offsets": [0, GIGABYTE]}}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + GIGABYTE)


def _npy_header() -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({SIDE}, {SIDE}), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text.encode()


def _npy(path: Path) -> None:
    with path.open("wb") as file:
        file.write(_npy_header())
        file.truncate(len(_npy_header()) + GIGABYTE)


def _zip(path: Path, name: str, head: bytes, more: dict[str, bytes]) -> None:
    """A zip file whose first member, stored as it is, is a hole: its checksum is left 0, and nobody reads it."""
    size = len(head) + GIGABYTE
    with zipfile.ZipFile(path, "w") as archive:
        for other, content in more.items():
            archive.writestr(other, content)
        start = archive.fp.tell()
        info = zipfile.ZipInfo(name)
        info.file_size = info.compress_size = size
        info.CRC, info.header_offset = 0, start
        archive.fp.write(info.FileHeader(zip64=False) + head)
        archive.fp.seek(GIGABYTE, 1)
        archive.start_dir = archive.fp.tell()
        archive.filelist.append(info)
        archive.NameToInfo[name] = info
        archive._didModify = True


def _npz(path: Path) -> None:
    _zip(path, "w.npy", _npy_header(), {})


def _pytorch(path: Path) -> None:
    side, count = (struct.pack("<i", size) for size in (SIDE, GIGABYTE // 4))
    storage = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuJ" + count + b"tQ"
    shape = b"J" + side + b"J" + side + b"\x86J" + side + b"K\1\x86\x89"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0" + shape + b"ccollections\nOrderedDict\n)RtR"
    pickle = b"\x80\2}X\1\0\0\0w" + tensor + b"s."
    _zip(path, "m/data/0", b"", {"m/data.pkl": pickle, "m/version": b"3\n"})
    # The hole takes the whole member.
    assert path.stat().st_size > GIGABYTE


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        space, kind = h5py.h5s.create_simple((SIDE, SIDE)), h5py.h5t.IEEE_F32LE
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        group = file.create_group("model_weights/w")
        h5py.h5d.create(group.id, b"kernel:0", kind, space, settings)
        file["model_weights"].attrs["layer_names"] = ["w"]
        group.attrs["weight_names"] = ["kernel:0"]


def _onnx(path: Path) -> None:
    places = {"location": "w.data", "offset": "0", "length": str(GIGABYTE)}
    beside = b"".join(part(13, part(1, key.encode()) + part(2, value.encode())) for key, value in places.items())
    tensor = part(1, varint(SIDE) * 2) + part(2, 1) + part(8, b"w") + beside + part(14, 1)
    node = part(1, b"x") + part(1, b"w") + part(2, b"y") + part(3, b"dense") + part(4, b"MatMul")
    graph = part(1, node) + part(2, b"net") + part(5, tensor) + part(11, part(1, b"x")) + part(12, part(1, b"y"))
    path.write_bytes(part(1, 8) + part(7, graph) + part(8, part(1, b"") + part(2, 17)))
    with path.with_name("w.data").open("wb") as file:
        file.truncate(GIGABYTE)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("safetensors", _safetensors),
        ("npy", _npy),
        ("npz", _npz),
        ("pytorch", _pytorch),
        ("keras-h5", _hdf5),
        ("onnx", _onnx),
    ],
)
def test_a_gigabyte_is_listed_in_little_memory(tmp_path: Path, name: str, write) -> None:
    path = tmp_path / "large"
    write(path)
    assert path.with_name("w.data").exists() or path.stat().st_size > GIGABYTE - 1
    said, megabytes = _said(_LISTED.strip(), path)
    assert json.loads(said) == [name, SIDE * SIDE]
    assert megabytes < MOST_MEGABYTES


def test_the_bound_would_be_missed_by_reading(tmp_path: Path) -> None:
    _npy(tmp_path / "large")
    said, megabytes = _said(_READ, tmp_path / "large")
    assert float(said) == 0
    assert megabytes > 5 * MOST_MEGABYTES


def _said(program: str, path: Path) -> tuple[str, int]:
    """What a program says of a file in a process of its own, and the most memory that it held, in megabytes."""
    done = subprocess.run([sys.executable, "-c", program + _PEAK, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, kilobytes = done.stdout.strip().rsplit("\n", 1)
    return said, int(kilobytes) // 1024
