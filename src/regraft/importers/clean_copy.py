"""A whole model as we read it, written anew, so that Keras' loader meets nothing but what we have looked at.

Keras reads HDF5 by the HDF5 library, which is written in C and follows whatever a file's structures say: a damaged file
can cost it gigabytes, or the process its life. The copy has the same groups, attributes and values, and structures that
the library has made itself.
"""

import contextlib
import shutil
import tempfile
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from regraft.core.errors import SourceError
from regraft.formats import hdf5, keras_zip, zip_members
from regraft.formats.damage import refusing_damage

# A model that is loaded to be used again gets an optimizer of its own.
_LEFT_OUT = ("optimizer", "optimizer_weights")
_ASSETS = "assets"


@contextlib.contextmanager
def copied(path: Path, kind: str) -> Generator[Path]:
    """A copy of a whole model inside the block, under the ending by which Keras chooses its reader.

    The state of the optimizer is not in it, nor are attributes that are neither texts nor numbers.

    Args:
        path: the model.
        kind: its format: `keras`, `keras-folder` or `keras-h5`.

    Raises:
        CorruptFileError: it is damaged.
        SourceError: it holds what is not read, or links out of its folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / {"keras": "model.keras", "keras-folder": "model", "keras-h5": "model.h5"}[kind]
        with refusing_damage(path):
            if kind == "keras":
                _archive(path, copy)
            elif kind == "keras-folder":
                _folder(path, copy)
            else:
                _weights(hdf5.source(path), copy)
        yield copy


def _archive(path: Path, copy: Path) -> None:
    members = zip_members.members(path)
    weights = copy.with_name(keras_zip.WEIGHTS)
    _weights(hdf5.source(path, members.plain(keras_zip.WEIGHTS)), weights)
    with zipfile.ZipFile(copy, "w") as archive:
        for name in members.by_name:
            if name != keras_zip.WEIGHTS:
                archive.writestr(name, members.content(name))
        archive.write(weights, keras_zip.WEIGHTS)
    weights.unlink()


def _folder(path: Path, copy: Path) -> None:
    copy.mkdir()
    for item in (path / _ASSETS).rglob("*"):
        if item.is_symlink():
            raise SourceError(f"'{item}' is a link; expected a folder that holds all its own")
    if (path / _ASSETS).is_dir() and not (path / _ASSETS).is_symlink():
        shutil.copytree(path / _ASSETS, copy / _ASSETS)
    for name in ("config.json", "metadata.json"):
        if (path / name).is_file():
            shutil.copyfile(path / name, copy / name)
    _weights(hdf5.source(path / keras_zip.WEIGHTS), copy / keras_zip.WEIGHTS)


def _weights(source: hdf5.Source, copy: Path) -> None:
    # The newest form of HDF5 has no limit of 64 KiB for an attribute.
    with source.opened() as root, h5py.File(copy, "w", libver="latest") as file:
        groups, datasets = hdf5.held(root, source.path)
        _attributes(root.attrs, file)
        for name, group in groups.items():
            if name.partition("/")[0] not in _LEFT_OUT:
                _attributes(group.attrs, file.require_group(name))
        for name, dataset in datasets.items():
            # What is no number, the formats have refused where it counts.
            with contextlib.suppress(SourceError):
                if name.partition("/")[0] not in _LEFT_OUT:
                    values = hdf5.entry(name, dataset, source).read()
                    _attributes(dataset.attrs, file.create_dataset(name, data=values))


def _attributes(ours: Any, target: Any) -> None:
    for name, stored in ours.stored.items():
        value = ours[name] if stored.is_plain else None
        if isinstance(value, np.ndarray) and value.dtype.kind == "O":
            target.attrs.create(name, value, dtype=h5py.string_dtype())
        elif value is not None:
            target.attrs[name] = value
