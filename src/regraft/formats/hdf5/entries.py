"""What the formats take from HDF5 files: tensors, and attributes that are texts."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import TensorEntry
from regraft.formats.damage import refusing_damage
from regraft.formats.hdf5 import datasets
from regraft.formats.hdf5.files import Dataset, Source

_BRAIN_FLOAT = "bfloat16"


def entry(name: str, dataset: Dataset, source: Source) -> TensorEntry:
    """The tensor in a dataset of a source.

    Raises:
        SourceError: its values are kept in another file, or are no numbers.
        CorruptFileError: it claims far more than is stored.
    """
    values, content, path = dataset.values, dataset.content, source.path
    if values.elsewhere:
        raise SourceError(
            f"tensor '{name}' of '{path}' is kept in another file; expected a file that holds all its own"
        )
    brain_float = _is_brain_float(dataset)
    array = values.type.array
    if values.space.shape is None or array is None or (array.kind not in "fiuc" and not brain_float):
        found = "nothing" if values.space.shape is None else values.type.words
        raise SourceError(f"tensor '{name}' of '{path}': expected numbers, found {found}")
    claimed = datasets.claims(content, values)
    if claimed is not None:
        raise CorruptFileError(f"tensor '{name}' of '{path}' claims {claimed[0]} bytes, {claimed[1]} are stored")
    base = content.base

    def read() -> np.ndarray[Any, Any]:
        with refusing_damage(path):
            source.check()
            if datasets.in_one_stretch(values):
                found = datasets.straight(values, source.extent, base)
            else:
                with source.opened() as file:
                    found = datasets.collected(values, file.content)
            if brain_float:
                import ml_dtypes

                return found.view(ml_dtypes.bfloat16)
            return found

    kind = _BRAIN_FLOAT if brain_float else "bool" if values.type.truth else array.name
    return TensorEntry(name, dataset.shape, kind, read)


def _is_brain_float(dataset: Dataset) -> bool:
    """Whether a dataset is of bfloat16, which Keras writes as two bytes without a meaning and says so beside them."""
    kind = dataset.values.type
    if kind.brain:
        return True
    says = dataset.attrs.get("dtype") in (_BRAIN_FLOAT, _BRAIN_FLOAT.encode())
    return says and kind.size == 2 and kind.array is not None and kind.array.kind in "Vu"


def text(attributes: Mapping[str, Any], name: str) -> str | None:
    """A text attribute, whether it was written as text or as bytes."""
    value = attributes.get(name)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return None if value is None else str(value)


def texts(attributes: Mapping[str, Any], name: str) -> list[str] | None:
    """A list of texts; Keras spreads a long one over `name0`, `name1`, ..., an attribute being limited to 64 KiB."""
    if name in attributes:
        parts = [attributes[name]]
    else:
        parts: list[Any] = []
        while f"{name}{len(parts)}" in attributes:
            parts.append(attributes[f"{name}{len(parts)}"])
        if not parts:
            return None
    return [item.decode("utf-8") if isinstance(item, bytes) else str(item) for part in parts for item in part]
