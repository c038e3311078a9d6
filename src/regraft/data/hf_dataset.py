"""A Hugging Face `datasets.Dataset`, or a dictionary of them by split, with pictures or arrays and a label column."""

import bisect
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from regraft.core.errors import DataError, RequestError, nearest
from regraft.data import decode, files, in_memory
from regraft.data import labels as labels_
from regraft.data.examples import Array, UnreadableExample
from regraft.data.found import Found, one_by_one, split_named
from regraft.data.in_memory import Part
from regraft.data.labels import Labels
from regraft.data.names import Names, Numbered
from regraft.data.rows import Rows
from regraft.data.split import stated

WHAT = "a Hugging Face datasets.Dataset or DatasetDict with pictures or arrays, and labels"

_X_NAMES = ("image", "img", "picture", "x", "pixel_values", "features", "array")
_Y_NAMES = ("label", "labels", "y", "class", "target")
_ORIGIN = "the Hugging Face data set"
_BLOCK = 1024

_Sets = Sequence[tuple[str | None, Any]]


def accepts(data: Any) -> bool:
    """Whether this is one, or a dictionary of them, by the module of its type: nothing is imported."""
    if isinstance(data, Mapping):
        values = list(cast(Mapping[Any, Any], data).values())
        return bool(values) and all(accepts(value) for value in values)
    kind = type(data)
    return kind.__module__.split(".")[0] == "datasets" and kind.__name__ in ("Dataset", "IterableDataset")


def gather(data: Any, labels: Any = None) -> Found:
    """The examples of data sets: pictures stay where they are and are decoded one by one, arrays are read now.

    Args:
        data: as `accepts` says.
        labels: the name of the label column; None: the one that is called or typed as such.

    Raises:
        DataError: there is no such column, or the data set is a stream.
        RequestError: labels are no column name.
    """
    if labels is not None and not isinstance(labels, str):
        raise RequestError("labels= names the label column of a Hugging Face data set, or is for arrays")
    sets, left_out = _sets(data)
    for _, dataset in sets:
        if type(dataset).__name__ != "Dataset":
            raise DataError(
                "expected a Hugging Face data set that is here whole, found a stream; load it without streaming"
            )
    features: dict[str, Any] = sets[0][1].features
    y = _column(features, labels, _Y_NAMES, "ClassLabel", "labels")
    x = _column({name: kind for name, kind in features.items() if name != y}, None, _X_NAMES, "Image", "pictures")
    names = tuple(features[y].names) if type(features[y]).__name__ == "ClassLabel" else None
    gathered = _pictures if type(features[x]).__name__ == "Image" else _arrays
    return gathered(sets, x, y, names, left_out)


def _sets(data: Any) -> tuple[_Sets, tuple[str, ...]]:
    if not isinstance(data, Mapping):
        return [(None, data)], ()
    table = {str(key): value for key, value in cast(Mapping[Any, Any], data).items()}
    sets = [(split, value) for key, value in table.items() if (split := split_named(key))]
    if "train" not in (split for split, _ in sets):
        raise DataError(f"expected a split 'train' in the Hugging Face data set, found {', '.join(table)}")
    return sets, tuple(f"split '{key}' is none of train, validation, test" for key in table if not split_named(key))


def _column(features: Mapping[str, Any], named: str | None, known: Sequence[str], kind: str, what: str) -> str:
    if named is not None:
        if named not in features:
            raise DataError(f"the Hugging Face data set has no column '{named}'{nearest(named, features)}")
        return named
    typed = [name for name, feature in features.items() if type(feature).__name__ == kind]
    if len(typed) == 1:
        return typed[0]
    for name in known:
        if name in features:
            return name
    hint = "; name it with labels=" if what == "labels" else ""
    raise DataError(f"expected a column of {what} in the Hugging Face data set, found {', '.join(features)}{hint}")


def _labels(dataset: Any, y: str) -> Labels:
    column = dataset.with_format(None).select_columns([y])
    found = Labels.joined(
        labels_.flat(column[start : start + _BLOCK][y], f"column '{y}'", start)
        for start in range(0, len(column), _BLOCK)
    )
    # By convention -1 stands for a label that is kept back.
    return Labels(tuple(None if value == -1 else value for value in found.values), found.codes)


def _pictures(sets: _Sets, x: str, y: str, names: tuple[str, ...] | None, left_out: tuple[str, ...]) -> Found:
    import datasets

    raw = [
        dataset.with_format(None).select_columns([x]).cast_column(x, datasets.Image(decode=False))
        for _, dataset in sets
    ]
    counts = [len(dataset) for dataset in raw]
    starts = list(itertools.accumulate(counts, initial=0))
    shown = Numbered.of((f"{split} " if split else "", count) for (split, _), count in zip(sets, counts, strict=True))

    def content(index: int) -> bytes | Path:
        part = bisect.bisect_right(starts, index) - 1
        stored: dict[str, Any] | None = raw[part][index - starts[part]][x]
        if stored and stored.get("bytes"):
            return stored["bytes"]
        if stored and stored.get("path"):
            return Path(stored["path"])
        raise UnreadableExample(shown[index], "holds no picture")

    def identify(index: int) -> str:
        stored = content(index)
        if isinstance(stored, Path):
            return files.identify(stored, shown[index])
        return files.identify_bytes(stored, shown[index])

    def read(index: int, channels: int | None) -> Array:
        return decode.read_picture(content(index), channels, shown[index])

    return Found(
        names=Names(shown),
        labels=Labels.joined(_labels(dataset, y) for _, dataset in sets),
        stated=np.repeat(stated(split for split, _ in sets), counts),
        identify=one_by_one(identify),
        read=read,
        origin=_ORIGIN,
        class_names=names,
        left_out=left_out,
    )


def _arrays(sets: _Sets, x: str, y: str, names: tuple[str, ...] | None, left_out: tuple[str, ...]) -> Found:
    parts = [
        Part(split, _values(dataset, x), _labels(dataset, y), (f"column '{x}'", f"column '{y}'"))
        for split, dataset in sets
    ]
    return dataclasses.replace(in_memory.found(parts, names, _ORIGIN), left_out=left_out)


def _values(dataset: Any, x: str) -> Array | list[Array]:
    # Without a stated dtype this format widens all integers to 64 bits.
    values = dataset.select_columns([x]).with_format("numpy", dtype=np.dtype(_dtype(dataset.features[x])))
    rows = Rows(len(values))
    for start in range(0, len(values), _BLOCK):
        rows.add(values[start : start + _BLOCK][x])
    return rows.joined()


def _dtype(feature: Any) -> str:
    while not isinstance(getattr(feature, "dtype", None), str) and hasattr(feature, "feature"):
        feature = feature.feature
    return feature.dtype if isinstance(getattr(feature, "dtype", None), str) else "object"
