"""What ways of reusing a source have answered, kept on disk so that nothing is ever tried twice."""

import contextlib
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core import storage

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one way answers for the examples that one fold leaves out.

    Attributes:
        averages: where the weights were taken between those that training began and ended with.
        probabilities: float32 (averages, left out, classes).
        seconds: that learning and answering took.
    """

    averages: tuple[float, ...]
    probabilities: Array
    seconds: float


def folder(cache: Path) -> Path:
    """Where a cache keeps what searches know: answers, and the state of studies."""
    return cache / "depth"


def size(cache: Path) -> int:
    """Bytes of all that."""
    return sum(path.stat().st_size for path in folder(cache).rglob("*") if path.is_file())


def clear(cache: Path) -> int:
    """Forget all that; returns the bytes that were freed."""
    freed = size(cache)
    shutil.rmtree(folder(cache), ignore_errors=True)
    return freed


class Kept:
    """Answers by key, each a file that is whole or not there; several processes may add to one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Answers | None:
        """The answers, if they are known; a damaged file is as none."""
        path = self._path(key)
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            with np.load(path, allow_pickle=False) as file:
                averages = tuple(float(value) for value in file["averages"])
                made = Answers(averages, file["probabilities"], float(file["seconds"]))
            if made.probabilities.ndim == 3 and len(made.probabilities) == len(averages):
                return made
        return None

    def keys(self) -> frozenset[str]:
        """Of all that is known."""
        return frozenset(path.stem for path in self.folder.glob("*.npz"))

    def put(self, key: str, made: Answers) -> None:
        """Keep them.

        Raises:
            StorageError: the disk refused.
        """

        def write(partial: Path) -> None:
            np.savez(
                partial,
                averages=np.array(made.averages),
                probabilities=made.probabilities.astype(np.float32),
                seconds=np.float64(made.seconds),
            )

        self.folder.mkdir(parents=True, exist_ok=True)
        storage.write_with(self._path(key), write)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"
