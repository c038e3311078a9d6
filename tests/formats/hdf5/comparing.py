"""A file as the HDF5 library reads it, and as our own reader does: the same names, attributes and bits."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from regraft.formats import hdf5
from regraft.formats.extents import Extent


def assert_same(path: Path, extent: Extent | None = None, library: Any = None) -> tuple[int, int, int]:
    """Compare everything in a file.

    Args:
        path: the file.
        extent: the part of it that is HDF5.
        library: that part for the library.

    Returns:
        How many groups, datasets and attributes were the same.
    """
    source = hdf5.source(path, extent)
    with h5py.File(library or path, "r") as theirs, source.opened() as ours:
        groups: dict[str, Any] = {}
        datasets: dict[str, Any] = {}
        theirs.visititems(
            lambda name, item: (datasets if isinstance(item, h5py.Dataset) else groups).update({name: item})
        )
        found_groups, found_datasets = hdf5.held(ours, path)
        assert list(found_groups) == list(groups)
        assert list(found_datasets) == list(datasets)
        count = _attributes(theirs.attrs, ours.attrs)
        count += sum(_attributes(groups[name].attrs, found_groups[name].attrs) for name in groups)
        for name, dataset in datasets.items():
            count += _attributes(dataset.attrs, found_datasets[name].attrs)
            _values(dataset, hdf5.entry(name, found_datasets[name], source))
    return len(groups), len(datasets), count


def _attributes(theirs: Any, ours: Any) -> int:
    assert set(ours) == set(theirs)
    for name in theirs:
        expected, found = theirs[name], ours[name]
        if isinstance(expected, h5py.Empty):
            assert found is None, name
            continue
        assert type(found) is type(expected), name
        if isinstance(expected, np.ndarray):
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype.newbyteorder("=")), name
        np.testing.assert_array_equal(found, expected, err_msg=name)
    return len(ours)


def _values(dataset: h5py.Dataset, entry: Any) -> None:
    expected, found = dataset[()], entry.read()
    assert entry.shape == found.shape == expected.shape
    if entry.dtype == "bfloat16":
        found = found.view(np.uint16)
        expected = expected.view(np.uint16)
    else:
        assert found.dtype.name == entry.dtype == expected.dtype.name
    assert found.dtype.isnative
    assert found.tobytes() == np.asarray(expected).astype(found.dtype).tobytes(), dataset.name
