"""Altered HDF5 files: refused in one line, before they cost memory; what is not read is refused by name."""

import re
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from random import Random

import h5py
import numpy as np
import pytest

from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.formats import damage, hdf5

MEGABYTE = 1 << 20


def _read(path: Path) -> dict[str, np.ndarray]:
    """Everything in a file."""
    with damage.refusing_damage(path):
        source = hdf5.source(path)
        with source.opened() as root:
            groups, datasets = hdf5.held(root, path)
            for item in (root, *groups.values(), *datasets.values()):
                for name in item.attrs:
                    if item.attrs.stored[name].is_plain:
                        _ = item.attrs[name]
            entries = [hdf5.entry(name, dataset, source) for name, dataset in datasets.items()]
        return {entry.name: entry.read() for entry in entries}


def _refusal(path: Path, kind: type[RegraftError] = CorruptFileError) -> str:
    with pytest.raises(kind) as caught:
        _read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def _altered(path: Path, place: int, new: bytes) -> Path:
    content = bytearray(path.read_bytes())
    content[place : place + len(new)] = new
    path.write_bytes(content)
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Groups, texts in heaps and tensors, as Keras writes them."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["backend"], file.attrs["layer_names"] = "tensorflow", np.array([b"one", b"two"])
        for name in ("one", "two"):
            file.create_group(name).attrs["weight_names"] = ["kernel", "bias"]
            file[f"{name}/kernel"] = np.arange(6.0).reshape(2, 3)
    return tmp_path / "x.h5"


@pytest.fixture(params=["earliest", "latest"])
def varied(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same and chunks, attributes and links of every kind, in the oldest and in the newest form."""
    with h5py.File(tmp_path / "x.h5", "w", libver=request.param) as file:
        file.attrs["backend"], file.attrs["layer_names"] = "tensorflow", np.array([b"one", b"two"])
        file.create_dataset("some/chunks", data=np.arange(60.0).reshape(6, 10), chunks=(2, 3), compression="gzip")
        file.create_dataset("growing", data=np.arange(9), chunks=(2,), maxshape=(None,), fletcher32=True, shuffle=True)
        file.create_dataset("both", data=np.ones((3, 3)), chunks=(2, 2), maxshape=(None, None))
        for number in range(12):
            file[f"many/{number}"] = np.arange(number)
            file["many"].attrs[f"name {number}"] = "x" * number
    return tmp_path / "x.h5"


# Each of these made the HDF5 library take half a gigabyte and more, or killed the process.


def test_an_address_of_a_text_that_leads_nowhere(plain: Path) -> None:
    reference = struct.pack("<IQ", 6, plain.read_bytes().index(b"GCOL"))
    place = plain.read_bytes().index(reference)
    _altered(plain, place + 4, bytes.fromhex("a462bc12a6987699"))
    assert "(heap at 11058193774101160612 ends beyond the file)" in _refusal(plain)


def test_a_text_that_claims_a_gigabyte(plain: Path) -> None:
    reference = struct.pack("<IQ", 10, plain.read_bytes().index(b"GCOL"))
    _altered(plain, plain.read_bytes().index(reference) + 3, b"\x40")
    assert "(attribute 'backend' of '/' is longer than its heap)" in _refusal(plain)


def test_a_text_that_claims_a_quarter_of_a_gigabyte_in_a_list(plain: Path) -> None:
    reference = struct.pack("<IQ", 4, plain.read_bytes().index(b"GCOL"))
    _altered(plain, plain.read_bytes().index(reference) + 3, b"\x10")
    assert re.search(r"\(attribute 'weight_names' of 'one' is longer than its heap\)", _refusal(plain))


def test_an_attribute_with_more_elements_than_bytes(plain: Path) -> None:
    content = plain.read_bytes()
    place = content.index(struct.pack("<QQ", 2, 2), content.index(b"weight_names"))
    _altered(plain, place, bytes.fromhex("02274412db37"))
    assert "(attribute is cut off)" in _refusal(plain)


def test_members_where_there_are_none(plain: Path) -> None:
    place = plain.read_bytes().rindex(b"SNOD")
    _altered(plain, place, b"\0" * 4)
    assert re.search(rf"\(expected b'SNOD\\x01' in members at {place}, found b'", _refusal(plain))


def test_a_type_that_is_another(plain: Path) -> None:
    """What was a float becomes a list of variable length, whose values would be addresses."""
    content = plain.read_bytes()
    float64 = bytes.fromhex("11203f0008000000")
    _altered(plain, content.index(float64), b"\x19")
    assert "two/kernel" not in _refusal(plain, RegraftError)


# Others.


def test_everything_that_can_be_cut_off(varied: Path) -> None:
    content = varied.read_bytes()
    assert len(_read(varied)) == 15
    for size in range(8, len(content), 97):
        varied.write_bytes(content[:size])
        _refusal(varied)


def test_any_byte_may_be_another(varied: Path) -> None:
    content, random = varied.read_bytes(), Random(0)
    whole = _read(varied)
    refused: list[str] = []
    for _ in range(200):
        altered = bytearray(content)
        place = random.randrange(len(content))
        altered[place] = random.choice((altered[place] ^ 1 << random.randrange(8), 255, 0, random.randrange(256)))
        varied.write_bytes(altered)
        try:
            found = _read(varied)
        except RegraftError as error:
            refused.append(str(error))
        else:
            assert len(found) <= len(whole)
    assert len(refused) > 5
    assert not any("\n" in said for said in refused)


def test_every_structure_of_the_newest_form_is_verified(tmp_path: Path) -> None:
    """Wherever a byte of a structure differs, a checksum tells."""
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
        file.create_dataset("growing", data=np.arange(30), chunks=(2,), maxshape=(None,))
        file.create_dataset("fixed", data=np.arange(30), chunks=(2,))
        file.create_dataset("both", data=np.ones((6, 6)), chunks=(2, 2), maxshape=(None, None))
        for number in range(12):
            file["growing"].attrs[f"name {number}"] = number
            file.create_group(f"many/{number}")
    content = (tmp_path / "x.h5").read_bytes()
    marks = ["OHDR", "FRHP", "FHDB", "BTHD", "BTLF", "FAHD", "FADB", "EAHD", "EAIB", "EADB"]
    for mark in marks:
        place = content.index(mark.encode())
        (tmp_path / "x.h5").write_bytes(content)
        said = _refusal(_altered(tmp_path / "x.h5", place + 14, bytes([content[place + 14] ^ 4])))
        assert re.search(r"\(the checksum of .* is wrong\)|beyond the file|of another kind", said), (mark, said)
    assert content.count(b"EASB") == 0


def test_circles_are_found(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for number in range(200):
            file.create_group(f"g{number}")
    content = (tmp_path / "x.h5").read_bytes()
    place = content.rindex(b"TREE", 0, content.index(b"SNOD")) if b"SNOD" in content else 0
    tops = [found.start() for found in re.finditer(b"TREE", content) if content[found.start() + 5] == 1]
    for top in tops or [place]:
        _altered(tmp_path / "x.h5", top + 32, top.to_bytes(8, "little"))
    assert re.search(r"tree at \d+ is (in a circle|of another kind)", _refusal(tmp_path / "x.h5"))


def test_an_object_header_that_continues_in_itself(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for number in range(20):
            file.attrs[f"a{number}"] = number
    content = (tmp_path / "x.h5").read_bytes()
    place = content.index(struct.pack("<HHB", 0x10, 16, 0)) + 8
    first = int.from_bytes(content[place : place + 8], "little")
    # The continuation says at its beginning that it goes on there.
    again = struct.pack("<HHBxxxQQ", 0x10, 16, 0, first, int.from_bytes(content[place + 8 : place + 16], "little"))
    assert f"object header at {first} is in a circle" in _refusal(_altered(tmp_path / "x.h5", first, again))


def test_chunks_that_unpack_to_much_more_than_was_said(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = file.create_dataset("x", (1000,), "f4", chunks=(1000,), compression="gzip")
        dataset.id.write_direct_chunk((0,), zlib.compress(bytes(64 * MEGABYTE), 9))
    tracemalloc.start()
    assert "(a chunk that is cut off, or holds more than it says)" in _refusal(tmp_path / "x.h5")
    assert tracemalloc.get_traced_memory()[1] < 2 * MEGABYTE
    tracemalloc.stop()


def test_a_chunk_that_was_altered(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=np.arange(100, dtype="i2"), chunks=(100,), fletcher32=True)
    place = (tmp_path / "x.h5").read_bytes().index(np.arange(100, dtype="<i2").tobytes())
    assert "(the checksum of a chunk is wrong)" in _refusal(_altered(tmp_path / "x.h5", place, b"\7"))


def test_a_tensor_that_lies_beyond_the_end(plain: Path) -> None:
    content = plain.read_bytes()
    place = content.index(struct.pack("<QQ", content.index(np.arange(6.0).tobytes()), 48))
    _altered(plain, place, struct.pack("<Q", len(content) - 8))
    assert "tensor 'one/kernel' of" in (said := _refusal(plain))
    assert "claims 48 bytes, 8 are stored" in said


def test_names_that_overlap(plain: Path) -> None:
    """Each name is the end of another: some kilobytes that could become gigabytes."""
    with h5py.File(plain, "w") as file:
        for name in (*"abcdefg", "z" * 300):
            file.create_group(name)
    content = plain.read_bytes()
    place = content.index(b"SNOD") + 8
    last = int.from_bytes(content[place + 40 * 7 :][:8], "little")
    for number in range(7):
        _altered(plain, place + 40 * number, (last + 1 + number).to_bytes(8, "little"))
    assert f"(the names of members at {place - 8} overlap)" in _refusal(plain)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"data": np.ones(99), "compression": "lzf"}, "values compressed by 'lzf'"),
        ({"data": np.ones(99, "i4"), "chunks": (9,), "scaleoffset": True}, "values compressed by 'scaleoffset'"),
        ({"data": "text"}, "tensor 'x' of .*: expected numbers, found text of variable length"),
        ({"data": np.bytes_(b"text")}, "expected numbers, found text of 4 bytes"),
        ({"data": h5py.Empty("f4")}, "expected numbers, found nothing"),
        ({"shape": (2,), "dtype": h5py.vlen_dtype("i4")}, "expected numbers, found lists of int32"),
        ({"shape": (2,), "dtype": [("a", "i4"), ("b", "f4")]}, "expected numbers, found records of 'a', 'b'"),
        ({"shape": (2,), "dtype": np.dtype(("f4", (3,)))}, r"expected numbers, found arrays \[3\] of float32"),
        ({"shape": (2,), "dtype": np.longdouble}, "expected numbers, found a float of 80 bits in 16 bytes"),
        ({"shape": (2,), "dtype": h5py.ref_dtype}, "expected numbers, found reference"),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, how: dict, said: str) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", **how)
    found = _refusal(tmp_path / "x.h5", SourceError)
    assert re.search(said, found)
    if "compressed" in said:
        assert "write it plainly with: h5repack --layout=CONTI --filter=NONE OLD NEW" in found


def test_one_of_several_files_is_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x%d.h5", "w", driver="family", memb_size=4096) as file:
        file["x"] = np.arange(2000.0)
    assert "a driver, which spreads it over several files," in _refusal(tmp_path / "x0.h5", SourceError)


def test_a_file_that_was_not_closed(tmp_path: Path) -> None:
    program = (
        "import h5py, os, sys; f = h5py.File(sys.argv[1], 'w', libver='latest'); f['x'] = 1; f.flush(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "x.h5"], check=True)
    assert "(what wrote it did not close it)" in _refusal(tmp_path / "x.h5")


def test_reading_hdf5_needs_no_library() -> None:
    program = "import sys; import regraft.formats; print('h5py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"
