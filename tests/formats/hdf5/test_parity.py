"""Whatever the HDF5 library writes is read as the library reads it, to the bit."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from regraft.formats import extents, hdf5, zip_members
from tests.formats.hdf5.comparing import assert_same

VERSIONS = ("earliest", "v108", "v110", "v112", "v114", "latest")
RANDOM = np.random.default_rng(0)


def _numbers(file: h5py.File) -> None:
    for name in ("i1", "u1", "<i2", ">i2", "<u4", ">u4", "<i8", ">i8", "f2", ">f2", "f4", ">f4", "f8", ">f8"):
        file[f"plain {name}"] = RANDOM.integers(0, 99, (3, 4)).astype(name)
    file["complex/c8"] = RANDOM.normal(size=5) + 1j
    file["complex/big"] = (RANDOM.normal(size=5) + 1j).astype(">c16")
    file["truth"] = np.array([[True, False], [False, True]])
    file["scalar"], file["scalar truth"] = np.float32(2.5), np.bool_(True)
    brain = file.create_dataset("brain", data=RANDOM.normal(size=6).astype(ml_dtypes.bfloat16))
    brain.attrs["dtype"] = "bfloat16"
    file["chosen"] = np.array([1, 0], h5py.enum_dtype({"A": 0, "B": 1}, "i2"))
    for name, shape in {"a": (0,), "b": (3, 0, 2), "c": (0, 0)}.items():
        file[f"empty/{name}"] = np.zeros(shape, "f4")


def _unwritten(file: h5py.File) -> None:
    file.create_dataset("contiguous", (3, 2), "f4", fillvalue=1.5)
    file.create_dataset("contiguous zeros", (3, 2), ">i4")
    file.create_dataset("chunked", (30, 7), "f4", chunks=(4, 3), fillvalue=-2)
    part = file.create_dataset("in part", (30, 7), ">i2", chunks=(4, 3), fillvalue=9, compression="gzip")
    part[5:9, 2:4] = 3


def _compact(file: h5py.File) -> None:
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((5,))
    h5py.Dataset(h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F32BE, space, settings))[:] = np.arange(5)
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_chunk((4, 3))
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    space = h5py.h5s.create_simple((10, 7))
    whole = h5py.Dataset(h5py.h5d.create(file.id, b"all chunks at once", h5py.h5t.IEEE_F32LE, space, early))
    whole[:] = RANDOM.normal(size=(10, 7))


def _chunked(file: h5py.File) -> None:
    values = RANDOM.normal(size=(37, 11)).astype("f4")
    for name, how in {
        "plain": {},
        "gzip": {"compression": "gzip"},
        "shuffled": {"compression": "gzip", "shuffle": True},
        "checked": {"fletcher32": True},
        "all": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    }.items():
        for growing, most in {"fixed": None, "one": (None, 11), "other": (37, None), "limit": (90, 20)}.items():
            file.create_dataset(f"{name}/{growing}", data=values, chunks=(5, 4), maxshape=most, **how)
        file.create_dataset(f"{name}/both", data=values, chunks=(5, 4), maxshape=(None, None), **how)
        file.create_dataset(f"{name}/single", data=values, chunks=values.shape, **how)
        file.create_dataset(f"{name}/larger", data=values[:3], chunks=(50, 30), maxshape=(None, None), **how)
        file.create_dataset(f"{name}/odd", data=np.arange(13, dtype="i1"), chunks=(13,), **how)
    cut = file.create_dataset("resized", data=values, chunks=(5, 4), maxshape=(None, None))
    cut.resize((22, 6))
    grown = file.create_dataset("grown", data=values, chunks=(5, 4), maxshape=(None, 11), fillvalue=4)
    grown.resize((60, 11))
    grown[58:] = 1


def _many_chunks(file: h5py.File) -> None:
    """More than fit into one node, one page or one step of any index."""
    values = np.arange(6000, dtype="i2")
    file.create_dataset("fixed", data=values, chunks=(2,))
    file.create_dataset("growing", data=values, chunks=(1,), maxshape=(None,))
    file.create_dataset("growing compressed", data=values, chunks=(5,), maxshape=(None,), compression="gzip")
    file.create_dataset("in both", data=values.reshape(100, 60), chunks=(2, 3), maxshape=(None, None))
    some = file.create_dataset("with gaps", (9000,), "i2", chunks=(1,), maxshape=(None,))
    some[7000:7010] = 5
    fixed = file.create_dataset("fixed with gaps", (9000,), "i2", chunks=(1,), fillvalue=3)
    fixed[5000:5010] = 5


def _attributes(file: h5py.File) -> None:
    dataset = file.create_dataset("x", data=np.zeros(2))
    for place in (file, dataset, file.create_group("g")):
        place.attrs["text"], place.attrs["letters"] = "naïve 文", np.bytes_(b"abc")
        place.attrs["no letters"], place.attrs["number"], place.attrs["truth"] = "", 3, True
        place.attrs["texts"] = ["a", "", "längere Worte" * 3]
        place.attrs["fixed"] = np.array([b"kernel:0", b"b", b""])
        place.attrs["table"] = np.array([["a", "b"], ["c", "d"]], h5py.string_dtype())
        place.attrs["numbers"], place.attrs["big"] = np.arange(6.0).reshape(2, 3), np.arange(3, dtype=">i4")
        place.attrs["nothing"], place.attrs["empty"] = h5py.Empty("f4"), np.zeros((0, 2))
        place.attrs["no texts"] = np.array([], "S3")
        place.attrs["padded"] = "x"
        _padded(place, b"spaces", h5py.h5t.STR_SPACEPAD, b"ab  cd  ")
        _padded(place, b"up to zero", h5py.h5t.STR_NULLTERM, b"ab\0cdefg")


def _padded(place: h5py.Group, name: bytes, padding: int, text: bytes) -> None:
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(text))
    kind.set_strpad(padding)
    attribute = h5py.h5a.create(place.id, name, kind, h5py.h5s.create(h5py.h5s.SCALAR))
    attribute.write(np.array(text, f"S{len(text)}"), mtype=kind)


def _many_attributes(file: h5py.File) -> None:
    file.create_group("many")
    for number in range(120):
        file["many"].attrs[f"attribute {number}"] = f"value {number}" * (number % 7)
        file.attrs[f"n{number}"] = np.arange(number)


def _large_attributes(file: h5py.File) -> None:
    if file.libver[0] != "earliest":
        file.attrs["names"] = np.array([f"layer_{number}".encode().ljust(40, b"_") for number in range(4000)])
        file.attrs["other"] = np.arange(20000)
    for number in range(3):
        file.attrs[f"names{number}"] = np.array([f"layer_{number}_{part}".encode() for part in range(3000)])
    file.attrs["model_config"] = "x" * 300_000


def _groups(file: h5py.File) -> None:
    for number in range(3000):
        file.create_group(f"layers/layer_{number}")
    for number in range(9):
        file[f"few/{number}"] = np.full(3, number)
    file["/".join(f"deep{number}" for number in range(60))] = np.ones(1)
    file["again"] = file["few/1"]
    file["few/up"] = file["/"]
    file["few/äöü €"] = np.zeros(1)


def _named_types(file: h5py.File) -> None:
    file["types/half"] = np.dtype(">f2")
    file.create_dataset("typed", data=np.arange(4), dtype=file["types/half"])
    file["typed"].attrs.create("same", np.arange(3), dtype=file["types/half"])
    del file["types"]


CONTENTS = (
    _numbers,
    _unwritten,
    _compact,
    _chunked,
    _many_chunks,
    _attributes,
    _many_attributes,
    _large_attributes,
    _groups,
    _named_types,
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fill", CONTENTS, ids=lambda fill: fill.__name__)
def test_every_way_in_which_hdf5_keeps_things(tmp_path: Path, fill: Callable[[h5py.File], None], version: str) -> None:
    with h5py.File(tmp_path / "x.h5", "w", libver=version) as file:
        fill(file)
    assert sum(assert_same(tmp_path / "x.h5")) > 0


@pytest.mark.parametrize("version", ["earliest", "latest"])
@pytest.mark.parametrize(
    "order", [{"track_order": True}, {"userblock_size": 2048}, {"fs_strategy": "page", "fs_persist": True}]
)
def test_files_that_were_made_in_other_ways(tmp_path: Path, version: str, order: dict) -> None:
    with h5py.File(tmp_path / "x.h5", "w", libver=version, **order) as file:
        for fill in (_numbers, _attributes, _many_attributes, _unwritten):
            fill(file)
        file.create_group("z/a", track_order=True)
        for number in range(30):
            file[f"z/a/{number}"] = np.arange(number)
    assert sum(assert_same(tmp_path / "x.h5")) > 0


def test_other_widths_of_addresses_and_lengths(tmp_path: Path) -> None:
    for widths in ((4, 4), (8, 4), (4, 8), (2, 2)):
        settings = h5py.h5p.create(h5py.h5p.FILE_CREATE)
        settings.set_sizes(*widths)
        path = tmp_path / f"{widths}.h5"
        with h5py.File(h5py.h5f.create(str(path).encode(), h5py.h5f.ACC_TRUNC, settings)) as file:
            file["a/b"] = np.arange(30.0)
            file.create_dataset("c", data=np.arange(30), chunks=(4,), compression="gzip")
            file.attrs["text"] = "abc"
        assert assert_same(path) == (1, 2, 1)


def test_files_that_were_changed_often(tmp_path: Path) -> None:
    for version in ("earliest", "latest"):
        with h5py.File(tmp_path / "x.h5", "w", libver=version) as file:
            for number in range(300):
                file[f"g/{number}"] = np.arange(number % 5)
                file["g"].attrs[f"a{number % 17}"] = "x" * number
            for number in range(0, 300, 3):
                del file[f"g/{number}"]
            for number in range(12):
                del file["g"].attrs[f"a{number}"]
        assert assert_same(tmp_path / "x.h5") == (1, 200, 5)


def test_a_file_inside_of_an_archive(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        _numbers(file)
        _attributes(file)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
            archive.writestr("first", b"x" * 1001)
            archive.write(tmp_path / "x.h5", "x.h5")
        extent = zip_members.members(tmp_path / "x.zip").plain("x.h5")
        assert assert_same(tmp_path / "x.zip", extent, io.BytesIO((tmp_path / "x.h5").read_bytes()))[1] == 25


@pytest.mark.parametrize("version", VERSIONS)
def test_chunks_that_are_far_apart_because_other_axes_may_grow(tmp_path: Path, version: str) -> None:
    with h5py.File(tmp_path / "x.h5", "w", libver=version) as file:
        for name, shape, chunk, most in (
            ("few", (1, 2, 5, 8), (1, 1, 1, 6), (6, None, 10, 13)),
            ("far", (3, 3), (1, 1), (1000, None)),
            ("farther", (2, 70, 3), (1, 1, 2), (1000, None, 100)),
            ("paged", (2, 3000), (1, 1), (40, None)),
        ):
            file.create_dataset(name, data=RANDOM.integers(0, 99, shape), chunks=chunk, maxshape=most)
    assert assert_same(tmp_path / "x.h5")[1] == 4


_TYPES = st.one_of(
    arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(), arrays.floating_dtypes(sizes=(16, 32, 64)),
    arrays.boolean_dtypes(), arrays.complex_number_dtypes(sizes=(64, 128)),
)  # fmt: skip


@settings(max_examples=60)
@given(st.data())
def test_any_array_in_any_layout(data: st.DataObject) -> None:
    values = data.draw(arrays.arrays(_TYPES, arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=9)))
    how: dict = {}
    if values.size and data.draw(st.booleans()):
        how["chunks"] = tuple(data.draw(st.integers(1, size)) for size in values.shape)
        how["maxshape"] = tuple(data.draw(st.sampled_from([size, size + 5, None])) for size in values.shape)
        how |= {key: True for key in ("shuffle", "fletcher32") if data.draw(st.booleans())}
        how |= {"compression": "gzip"} if data.draw(st.booleans()) else {}
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=data.draw(st.sampled_from(VERSIONS))) as file:
        file.create_dataset("x", data=values, **how)
    here = Path(__file__)
    assert_same(here, extents.in_memory(here, memory.getvalue()), memory)


@settings(max_examples=40)
@given(st.dictionaries(st.text(st.characters(exclude_characters="/.\0", codec="utf-8"), min_size=1), st.text(
    st.characters(exclude_characters="\0", codec="utf-8")), max_size=20), st.sampled_from(VERSIONS))  # fmt: skip
def test_any_names_and_texts(names: dict[str, str], version: str) -> None:
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=version) as file:
        for name, text in names.items():
            file.create_group(name).attrs[name] = text
            file.attrs[name] = [text, name]
    here = Path(__file__)
    assert assert_same(here, extents.in_memory(here, memory.getvalue()), memory) == (len(names), 0, 2 * len(names))


@pytest.mark.shared
def test_real_files(shared_folder: Path) -> None:
    compared = 0
    for path in sorted((shared_folder / "nets").rglob("*")):
        if path.suffix in (".h5", ".hdf5"):
            assert_same(path)
            compared += 1
        elif path.suffix == ".keras":
            inside = zip_members.members(path).plain("model.weights.h5")
            assert_same(path, inside, io.BytesIO(inside.bytes()))
            compared += 1
    assert compared >= 10


def test_a_tensor_in_one_stretch_is_read_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.arange(1000.0)
    source = hdf5.source(tmp_path / "x.h5")
    with source.opened() as file:
        entry = hdf5.entry("x", hdf5.held(file, source.path)[1]["x"], source)
    monkeypatch.setattr(hdf5.Source, "opened", None)
    assert entry.read().tolist() == list(range(1000))
