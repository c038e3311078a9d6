"""All that the next epoch of pretraining depends on, by name, and the best state so far: one file, whole or none."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core import plain, storage
from regraft.core.errors import CorruptFileError
from regraft.core.pretraining import PretrainingEpoch
from regraft.core.progress import warn
from regraft.pretraining.learner import Array

_DAMAGE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where pretraining stands after an epoch.

    Attributes:
        history: of the epochs that are done, the state before the first among them.
        now: all variables of model and optimizer, and what is carried, by name.
        best: the model's variables at the epoch that is kept.
    """

    history: tuple[PretrainingEpoch, ...] = ()
    now: Mapping[str, Array] = field(default_factory=dict[str, Array])
    best: Mapping[str, Array] = field(default_factory=dict[str, Array])


def save(path: Path, state: State, settings: str) -> None:
    """Write a state; `settings` is what it must agree with when it is read."""
    arrays = {f"now/{name}": value for name, value in state.now.items()}
    arrays |= {f"best/{name}": value for name, value in state.best.items()}
    arrays |= {"history": np.array(plain.to_json(state.history, indent=None)), "settings": np.array(settings)}

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    storage.write_with(path, write)


def load(path: Path, settings: str) -> State | None:
    """The state in a file; None where there is none of these settings.

    Raises:
        CorruptFileError: the file is truncated or was altered.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            kept: dict[str, Array] = {name: archive[name] for name in archive.files}
        history, found = str(kept.pop("history")), str(kept.pop("settings"))
    except _DAMAGE as error:
        raise CorruptFileError(
            f"checkpoint '{path}' cannot be read: {error}; remove it to start the pretraining anew"
        ) from None
    if found != settings:
        warn(f"checkpoint '{path}' is of other settings or other data; pretraining starts anew")
        return None
    rows: Any = plain.from_plain(tuple[PretrainingEpoch, ...], json.loads(history))  # pyright: ignore[reportArgumentType]
    return State(tuple(rows), _below(kept, "now/"), _below(kept, "best/"))


def _below(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
