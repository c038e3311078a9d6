"""The names of a network's classes, from the text file that many networks are handed on with: one name in each line."""

import re
from collections.abc import Sequence
from pathlib import Path

import keras

# Beside the network, or where a SavedModel keeps what belongs to it.
_FOLDERS = (".", "assets")
_CALLED = re.compile(r".*(labels|classes|class_names|synset).*\.txt", re.IGNORECASE)
_NUMBERED = re.compile(r"(\d+)\s*[:,\s]\s*(.+)")
_LARGEST = 1 << 22


def beside(path: Path, model: keras.Model) -> tuple[tuple[str, ...], str] | None:
    """The names of a model's outputs in their order, and the file that says them.

    A file counts if it has a line for every output, no line is there twice, and no other file could be meant.

    Args:
        path: the model's file or folder.
        model: the model; it must answer one vector.

    Returns:
        None where there is no such file, or more than one.
    """
    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        return None
    count = model.outputs[0].shape[-1]
    folder = path if path.is_dir() else path.parent
    texts = [
        item for name in _FOLDERS for item in sorted((folder / name).glob("*.txt")) if _CALLED.fullmatch(item.name)
    ]
    found = [(names, item.name) for item in texts if (names := _names(item)) and len(names) == count]
    return found[0] if len(found) == 1 else None


def _names(path: Path) -> tuple[str, ...]:
    """The names in a file, without the numbers before them where these count from 0; empty where it is no such file."""
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return ()
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        return ()
    # ImageNet has two classes called "crane"; among lines with numbers they are no sign of another kind of file.
    return _unnumbered(lines) or (tuple(lines) if len(set(lines)) == len(lines) else ())


def _unnumbered(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines without the numbers that they begin with; empty where these do not count from 0."""
    parts = [_NUMBERED.fullmatch(line) for line in lines]
    counted = all(part is not None and int(part[1]) == place for place, part in enumerate(parts))
    return tuple(part[2] for part in parts if part is not None) if counted else ()
