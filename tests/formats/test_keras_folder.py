"""Keras models that were saved unzipped."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from regraft import formats, importers
from regraft.core.errors import CorruptFileError, SourceError
from regraft.formats.inspection import inspect
from tests.formats.conftest import NETWORKS, made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made("nested").save(tmp_path / "unzipped", zipped=False)
    return tmp_path / "unzipped"


def test_it_holds_what_the_zipped_file_holds(folder: Path, saved) -> None:
    _, path = saved("nested", "keras")
    one, other = formats.read(folder), formats.read(path)
    assert one.format == "keras-folder"
    assert list(one.tensors) == list(other.tensors)
    assert one.config == other.config
    assert one.metadata["keras_version"] == other.metadata["keras_version"]
    for name, entry in one.tensors.items():
        np.testing.assert_array_equal(entry.read(), other.tensors[name].read())
    assert inspect(folder).cut_points == inspect(path).cut_points


@pytest.mark.parametrize("name", NETWORKS)
def test_it_opens(tmp_path: Path, name: str, live) -> None:
    made(name).save(tmp_path / "m", zipped=False)
    opened = importers.open(tmp_path / "m")
    expected = live(made(name))
    assert set(expected) <= set(opened.report.loaded)
    for key, value in live(opened.model).items():
        np.testing.assert_array_equal(value, expected[key])


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_part_that_is_cut_off_is_refused(folder: Path, name: str) -> None:
    part = folder / name
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    with pytest.raises(CorruptFileError, match=r"is truncated or was altered"):
        formats.read(folder)


def test_weights_in_parts_are_refused_by_name(folder: Path) -> None:
    (folder / "model.weights.h5").rename(folder / "model.weights.json")
    with pytest.raises(SourceError, match=r"expected 'model.weights.h5' inside, found assets, config.json"):
        formats.read(folder)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_a_link_out_of_the_folder_is_not_followed(folder: Path, name: str, tmp_path: Path) -> None:
    shutil.move(folder / name, tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(SourceError, match=r"is a link that leads out of the folder"):
        formats.read(folder)


def test_a_description_of_gigabytes_is_refused_unread(folder: Path) -> None:
    with (folder / "config.json").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(CorruptFileError, match=r"is 1099511627776 bytes long"):
        formats.read(folder)


def test_a_configuration_that_is_none_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(["no", "model"]))
    with pytest.raises(CorruptFileError, match="is not that of a Keras object"):
        formats.read(folder)
