"""A `tf.data.Dataset` of (x, y), batched or not, or a dictionary of them by split. It is read once, into memory."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from regraft.core import progress
from regraft.core.errors import DataError, RequestError
from regraft.data import in_memory
from regraft.data import labels as labels_
from regraft.data.examples import Array
from regraft.data.found import Found, split_stated
from regraft.data.in_memory import Part
from regraft.data.labels import Labels
from regraft.data.rows import Rows

WHAT = "a tf.data.Dataset of (x, y), batched or not, or a dictionary of them by split"

_X_NAMES = ("x", "image", "features")
_Y_NAMES = ("y", "label", "labels")
_BLOCK = 1024


def accepts(data: Any) -> bool:
    """Whether this is such a data set; TensorFlow is asked only if it has been imported."""
    if isinstance(data, Mapping):
        values = list(cast(Mapping[Any, Any], data).values())
        return bool(values) and all(accepts(value) for value in values)
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and hasattr(tensorflow, "data") and isinstance(data, tensorflow.data.Dataset)


def gather(data: Any, labels: Any = None) -> Found:
    """The examples of data sets, all read now.

    Args:
        data: as `accepts` says.
        labels: must be None; the data set holds them.

    Raises:
        DataError: it never ends, or does not give pairs.
        RequestError: labels are given.
    """
    if labels is not None:
        raise RequestError("labels= is for arrays; a tf.data.Dataset gives pairs (x, y)")
    sets = _sets(data)
    parts = [_part(split, dataset) for split, dataset in sets]
    names = next((dataset.class_names for _, dataset in sets if getattr(dataset, "class_names", None)), None)
    return in_memory.found(parts, tuple(names) if names else None, "the tf.data.Dataset")


def _sets(data: Any) -> list[tuple[str | None, Any]]:
    if isinstance(data, Mapping):
        table = cast(Mapping[Any, Any], data)
        return [(split_stated(str(key), "the dictionary of data sets"), value) for key, value in table.items()]
    return [(None, data)]


def _part(split: str | None, dataset: Any) -> Part:
    where = f"the {split} tf.data.Dataset" if split else "the tf.data.Dataset"
    elements = int(dataset.cardinality())
    # tf.data.INFINITE_CARDINALITY; other negative numbers mean that the length is not known.
    if elements == -1:
        raise DataError(f"{where} never ends; leave out repeat(), or end it with take(n)")
    examples: Rows | None = None
    labels: list[Labels] = []
    count = 0
    for blocks in _blocks(dataset, where):
        if examples is None:
            examples = Rows(max(elements, 0) * len(blocks[0][0]))
        for x, _ in blocks:
            examples.add(x)
        labels.append(labels_.flat(np.concatenate([y for _, y in blocks]), f"y of {where}", count))
        count += len(labels[-1])
    if examples is None:
        raise DataError(f"expected examples, found none in {where}")
    return Part(split, examples.joined(), Labels.joined(labels), (f"x of {where}", f"y of {where}"))


def _blocks(dataset: Any, where: str) -> Iterator[list[tuple[Array, Array]]]:
    """Batches (x, y) of one or more examples, some of them together so that labels are looked at by the thousand."""
    together: list[tuple[Array, Array]] = []
    batched: bool | None = None
    for element in progress.track(_elements(dataset), "Reading the data set", total=None):
        x, y = _pair(element, where)
        if batched is None:
            batched = _batched(dataset.element_spec, x, y, where)
        together.append((x, y) if batched else (x[np.newaxis], y[np.newaxis]))
        if len(together) * len(together[0][0]) >= _BLOCK:
            yield together
            together = []
    if together:
        yield together


def _elements(dataset: Any) -> Iterator[Any]:
    yield from dataset.as_numpy_iterator()


def _pair(element: Any, where: str) -> tuple[Array, Array]:
    x, y = _halves(element, where)
    return np.asarray(x), np.asarray(y)


def _halves(element: Any, where: str) -> tuple[Any, Any]:
    if isinstance(element, Mapping):
        table = cast(Mapping[str, Any], element)
        x = next((name for name in _X_NAMES if name in table), None)
        y = next((name for name in _Y_NAMES if name in table), None)
        if x and y:
            return table[x], table[y]
        raise DataError(f"expected pairs (x, y) in {where}, found a dictionary with {', '.join(table)}")
    if not isinstance(element, tuple) or len(cast(tuple[Any, ...], element)) != 2:
        kind = type(cast(Any, element)).__name__
        raise DataError(f"expected pairs (x, y) in {where}, found {kind}; map() it to pairs")
    return cast(tuple[Any, Any], element)


def _batched(spec: Any, x: Array, y: Array, where: str) -> bool:
    # The static shapes know more than the first element: (None, 10) beside (10,) is no batch of ten.
    x_spec, y_spec = _halves(spec, where)
    sizes: tuple[Any, Any] = (x.shape[:1], y.shape[:1])
    if x_spec.shape.rank is not None and y_spec.shape.rank is not None:
        sizes = (x_spec.shape[:1].as_list(), y_spec.shape[:1].as_list())
    return y.ndim >= 2 or (y.ndim == 1 and x.ndim >= 2 and sizes[0] == sizes[1])
