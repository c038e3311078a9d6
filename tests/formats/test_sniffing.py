import zipfile

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, SourceError
from tests.formats.conftest import SUFFIXES


@pytest.mark.parametrize("format_name", list(SUFFIXES))
def test_the_content_counts_and_not_the_name(format_name, saved, tmp_path):
    _, path = saved("sequential", format_name)
    (tmp_path / "network.txt").write_bytes(path.read_bytes())
    assert formats.sniff(tmp_path / "network.txt") == format_name


@pytest.fixture
def foreign(tmp_path):
    """Small files and folders of formats that cannot be read yet, by the words for them."""

    def zipped(name, members):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member in members:
                archive.writestr(member, b"x")
        return tmp_path / name

    return {
        "a Keras model with NumPy weights": zipped("m.keras", ["config.json", "model.weights.npz"]),
    }


def test_foreign_formats_are_recognised_and_refused(foreign):
    for words, path in foreign.items():
        with pytest.raises(SourceError) as caught:
            formats.sniff(path)
        assert f"'{path}' was recognised as {words}; this version cannot read it yet" in str(caught.value)


def test_what_is_no_network_is_refused(tmp_path):
    (tmp_path / "notes.h5").write_text("these are notes\n")
    with pytest.raises(SourceError, match=r"notes.h5' is of no known format; expected a network: .keras"):
        formats.sniff(tmp_path / "notes.h5")
    with pytest.raises(SourceError, match="is of no known format"):
        formats.sniff(tmp_path)


def test_an_absent_file_names_what_is_near(tmp_path):
    (tmp_path / "mobilenet.keras").write_bytes(b"x")
    with pytest.raises(
        SourceError, match=r"no file or folder '.*mobilnet.keras'; nearest known names: mobilenet.keras"
    ):
        formats.sniff(tmp_path / "mobilnet.keras")


def test_an_empty_file_and_half_a_zip_are_corrupt(tmp_path, saved):
    (tmp_path / "empty.keras").write_bytes(b"")
    with pytest.raises(CorruptFileError, match="is empty"):
        formats.sniff(tmp_path / "empty.keras")
    (tmp_path / "half.keras").write_bytes(saved("sequential", "keras")[1].read_bytes()[:500])
    with pytest.raises(CorruptFileError, match="begins as a zip file and has no end"):
        formats.sniff(tmp_path / "half.keras")


def test_hdf5_without_a_network(tmp_path):
    import h5py

    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(SourceError, match="is an HDF5 file but holds no Keras network"):
        formats.sniff(tmp_path / "data.h5")


def test_names_in_hdf5_that_are_no_text_are_shown_as_far_as_they_are(tmp_path):
    import h5py

    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.attrs["unit"] = "m"
        scalar = h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5a.create(file.id, b"\xff", h5py.h5t.NATIVE_INT8, scalar)
    with pytest.raises(SourceError, match=r"holds no Keras network; found \['unit', '\ufffd'\]"):
        formats.sniff(tmp_path / "data.h5")
