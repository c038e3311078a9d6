"""A file of our own for a run's `Evidence`: arrays of numbers in an `.npz`, texts and small pictures as their bytes."""

import io
import itertools
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core import storage
from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.evidence import GRID, Answers, EmbeddingMap, Evidence, Pictures, View
from regraft.formats import damage, npz

Array = np.ndarray[Any, Any]

_VERSION = 1
_ABOUT = "about"
_MOMENT = (1980, 1, 1, 0, 0, 0)
_METHODS = ("t-SNE", "PCA")


def write(path: Path, evidence: Evidence) -> None:
    """Write it, whole or not at all; equal evidence makes equal files.

    Raises:
        StorageError: the disk refused.
    """
    about: dict[str, Any] = {"version": _VERSION}
    arrays: dict[str, Array] = {}
    own = evidence.answers
    for name in ("ids", "labels", "predicted", "confidence", "right"):
        arrays[f"answers/{name}"] = getattr(own, name)
    arrays["answers/names"], arrays["answers/name_ends"] = _packed([_bytes(name) for name in own.names])
    if evidence.embedding is not None:
        drawn = evidence.embedding
        stated: dict[str, Any] = {"method": drawn.method, "neighbours": drawn.neighbours}
        arrays["map/rows"] = drawn.rows
        for side, view in (("before", drawn.before), ("after", drawn.after)):
            if view is not None:
                stated[side] = view.explained
                arrays |= {f"map/{side}/{name}": getattr(view, name) for name in ("components", "alike", "places")}
        about["map"] = stated
    if evidence.pictures is not None:
        about["pictures"] = {"side": evidence.pictures.side, "columns": evidence.pictures.columns}
        arrays["pictures/rows"] = evidence.pictures.rows
        arrays["pictures/jpeg"] = np.frombuffer(evidence.pictures.jpeg, np.uint8)
    about["thumbnails"] = list(evidence.thumbnails)
    arrays["thumbnails/files"], arrays["thumbnails/ends"] = _packed(list(evidence.thumbnails.values()))
    # Only where there are any: pages of pictures are kept as they always were.
    if evidence.texts:
        about["texts"] = list(evidence.texts)
        arrays["texts/files"], arrays["texts/ends"] = _packed([_bytes(text) for text in evidence.texts.values()])
    arrays[_ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with storage.replacing(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, content.getbuffer())


def read(path: Path) -> Evidence:
    """Read what `write` wrote.

    Raises:
        SourceError: there is no such file, or it is of another version.
        CorruptFileError: it is truncated or was altered; nothing of it is used.
    """
    if not path.is_file():
        raise SourceError(f"expected what a run keeps for its report at '{path}', found no file")
    with damage.refusing_damage(path):
        arrays = {name: entry.read() for name, entry in npz.read(path).tensors.items()}
        about = json.loads(arrays[_ABOUT].tobytes())
        if about.get("version") != _VERSION:
            raise SourceError(f"'{path}' is of version {about.get('version')}, expected {_VERSION}; update Regraft")
        found = Evidence(
            _answers(arrays),
            _map(arrays, about),
            _pictures(arrays, about),
            _thumbnails(arrays, about),
            _texts(arrays, about),
        )
        _check(path, found)
    return found


def _answers(arrays: Mapping[str, Array]) -> Answers:
    names = _unpacked(arrays["answers/names"], arrays["answers/name_ends"])
    numbers = {field.name: arrays[f"answers/{field.name}"] for field in fields(Answers) if field.name != "names"}
    return Answers(names=tuple(name.decode("utf-8", "surrogateescape") for name in names), **numbers)


def _map(arrays: Mapping[str, Array], about: Mapping[str, Any]) -> EmbeddingMap | None:
    stated = about.get("map")
    if stated is None:
        return None

    def view(side: str) -> View:
        found = {name: arrays[f"map/{side}/{name}"] for name in ("components", "alike", "places")}
        return View(explained=float(stated[side]), **found)

    after = view("after") if "after" in stated else None
    return EmbeddingMap(arrays["map/rows"], view("before"), after, stated["method"], int(stated["neighbours"]))


def _pictures(arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Pictures | None:
    stated = about.get("pictures")
    if stated is None:
        return None
    jpeg = arrays["pictures/jpeg"].tobytes()
    return Pictures(arrays["pictures/rows"], int(stated["side"]), int(stated["columns"]), jpeg)


def _thumbnails(arrays: Mapping[str, Array], about: Mapping[str, Any]) -> dict[str, bytes]:
    files = _unpacked(arrays["thumbnails/files"], arrays["thumbnails/ends"])
    return dict(zip(map(str, about["thumbnails"]), files, strict=True))


def _texts(arrays: Mapping[str, Array], about: Mapping[str, Any]) -> dict[str, str]:
    if "texts" not in about:
        return {}
    parts = _unpacked(arrays["texts/files"], arrays["texts/ends"])
    said = [part.decode("utf-8", "surrogateescape") for part in parts]
    return dict(zip(map(str, about["texts"]), said, strict=True))


def _check(path: Path, found: Evidence) -> None:
    """Refuse parts that do not fit each other, which no checksum tells."""
    own, drawn = found.answers, found.embedding
    count = len(own.names)
    held = [own.ids.shape == (count, 16), own.ids.dtype == np.uint8]
    held += [each.shape == (count,) for each in (own.labels, own.predicted, own.confidence, own.right)]
    held += [each.dtype.kind == "i" and bool((each >= 0).all()) for each in (own.labels, own.predicted)]
    if drawn is not None:
        held += [drawn.method in _METHODS, _within(drawn.rows, count)]
        for view in (drawn.before, drawn.after):
            if view is not None:
                several = len(drawn.rows)
                held += [view.places.shape == (several, 2), view.places.dtype.kind == "u"]
                held += [bool((view.places <= GRID).all()), view.alike.shape == (several,)]
                held += [view.components.ndim == 2, len(view.components) == several]
    if found.pictures is not None:
        held += [_within(found.pictures.rows, count), found.pictures.side > 0, found.pictures.columns > 0]
    if not all(held):
        raise CorruptFileError(f"'{path}' was altered: its parts do not fit each other; get the file again")


def _within(rows: Array, count: int) -> bool:
    return rows.ndim == 1 and rows.dtype.kind == "i" and bool(((rows >= 0) & (rows < count)).all())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _packed(parts: Sequence[bytes]) -> tuple[Array, Array]:
    """The bytes of all parts one after the other, uint8, and where each ends, int64."""
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum([len(part) for part in parts], dtype=np.int64)


def _unpacked(content: Array, ends: Array) -> list[bytes]:
    edges = [0, *ends.tolist()]
    if edges != sorted(edges) or edges[-1] != len(content):
        raise ValueError("lengths do not add up")
    whole = content.tobytes()
    return [whole[start:end] for start, end in itertools.pairwise(edges)]
