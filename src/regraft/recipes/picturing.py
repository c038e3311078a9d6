"""Small pictures of examples for the page: of mistakes, and of some of those on the map."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from regraft import report
from regraft.core.errors import DataError
from regraft.core.evidence import Answers, EmbeddingMap, Pictures
from regraft.data import Examples

Array = np.ndarray[Any, Any]

_LONGEST_TEXT, _MOST_CELLS, _LONGEST_CELL = 400, 16, 40
PICTURED = 192
"""So many examples of the map have a picture: one file of a quarter of a megabyte."""
# Reading them again must not be felt: for photographs of many megapixels there are fewer.
_SECONDS = 0.5
_AT_ONCE = 16
_CELLS = 24


def thumbnails(examples: Examples, ids: Iterable[str]) -> dict[str, bytes]:
    """Pictures of examples by id; none where the examples are no pictures."""
    if examples.columns is not None:
        return {}
    small: dict[str, bytes] = {}
    for example in dict.fromkeys(ids):
        (raw,) = examples.load([examples.ids.index(example)], None)
        try:
            small[example] = report.thumbnail(as_bytes(raw, examples.full_intensity))
        except DataError:
            return {}
    return small


def texts(examples: Examples, ids: Iterable[str]) -> dict[str, str]:
    """What examples say, by id, cut where it is long; none where they are pictures or arrays."""
    columns = examples.columns
    if columns is None:
        return {}
    said: dict[str, str] = {}
    for example in dict.fromkeys(ids):
        (raw,) = examples.load([examples.ids.index(example)], None)
        cells = [str(cell).strip() for cell in raw]
        if columns.of_text:
            said[example] = _cut(cells[0], _LONGEST_TEXT)
        else:
            lines = [
                f"{name}: {_cut(cell, _LONGEST_CELL) or 'missing'}"
                for name, cell in zip(columns.read, cells, strict=True)
            ]
            more = [f"and {len(lines) - _MOST_CELLS} more"] if len(lines) > _MOST_CELLS else []
            said[example] = "\n".join([*lines[:_MOST_CELLS], *more])
    return said


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most].rstrip()}…"


def pictures(examples: Examples, indices: Array, answers: Answers, drawn: EmbeddingMap | None) -> Pictures | None:
    """One file of small pictures of examples on the map, mistakes first, then spread over it.

    Args:
        examples: of the run.
        indices: of those that the answers are about.
        answers: of the run.
        drawn: the map.

    Returns:
        None where there is no map, or the examples are no pictures.
    """
    if drawn is None or examples.columns is not None:
        return None
    rows = shown_on(drawn, answers)
    until, made = time.perf_counter() + _SECONDS, list[Array]()
    for start in range(0, len(rows), _AT_ONCE):
        if start and time.perf_counter() > until:
            break
        raw = examples.load(indices[rows[start : start + _AT_ONCE]], None)
        made += [as_bytes(each, examples.full_intensity) for each in raw]
    try:
        jpeg = report.sprite(made)
    except DataError:
        return None
    return Pictures(rows[: len(made)], report.SPRITE_SIDE, report.SPRITE_COLUMNS, jpeg)


def shown_on(drawn: EmbeddingMap, answers: Answers) -> Array:
    """Which of the answers' examples have a picture on a map, int64 (p,).

    At most half are mistakes, the surest first. The others follow cell by cell of the map, one of each cell in turn, so
    that crowded places do not take all.
    """
    wrong = drawn.rows[~answers.correct[drawn.rows]]
    wrong = wrong[np.argsort(-answers.confidence[wrong], kind="stable")][: PICTURED // 2]
    places = (drawn.after or drawn.before).places
    cells = (places.astype(np.int64) * _CELLS // 1001) @ np.array([_CELLS, 1])
    others = np.flatnonzero(~np.isin(drawn.rows, wrong))
    order = others[np.argsort(cells[others], kind="stable")]
    starts = np.r_[True, np.diff(cells[order]) != 0] if len(order) else np.zeros(0, bool)
    turn = np.arange(len(order)) - np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    rest = drawn.rows[order[np.argsort(turn, kind="stable")]]
    return np.concatenate([wrong, rest[: PICTURED - len(wrong)]]).astype(np.int64)


def as_bytes(raw: Array, full_intensity: float) -> Array:
    """A raw example with values from 0 to 255, if it is a picture; else as it is."""
    if raw.dtype == np.uint8 or raw.ndim not in (2, 3):
        return raw
    return np.clip(np.asarray(raw, np.float32) * (255.0 / full_intensity), 0, 255).astype(np.uint8)


def answered(examples: Examples, indices: Array, probabilities: Array) -> Answers:
    """What was answered, example by example, to be kept.

    Args:
        examples: of the run.
        indices: of those that were judged.
        probabilities: (n, classes) for these.
    """
    predicted, labels = np.argmax(probabilities, axis=1), examples.labels[indices]
    place = np.arange(len(indices))
    names: Sequence[str] = examples.names.take(indices)
    return Answers(
        np.ascontiguousarray(examples.ids.take(indices).digests, np.uint8),
        tuple(names),
        labels.astype(np.int32),
        predicted.astype(np.int32),
        probabilities[place, predicted].astype(np.float32),
        probabilities[place, labels].astype(np.float32),
    )
