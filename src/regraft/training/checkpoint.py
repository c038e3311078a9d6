"""All that the next step of a phase depends on, by name, and the best state so far; on disk from time to time."""

import json
import time
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core import plain, storage
from regraft.core.errors import CorruptFileError
from regraft.core.phase import Phase, latest_good
from regraft.core.progress import warn
from regraft.core.records import Epoch
from regraft.graph import variable_values

Array = np.ndarray[Any, Any]
Values = dict[str, Array]

# A phase that is killed loses at most so many seconds of steps.
SAVE_SECONDS = 5.0
# Saving may take this part of the time, so that with large networks it comes less often.
_SAVING = 0.05


@dataclass(frozen=True, slots=True)
class Place:
    """How far a phase has come.

    Attributes:
        epoch: the one that is under way, from 1.
        batches: of it that are done.
        steps: of the optimizer that are done in all.
        loss: the sum of its losses, each times its examples.
        seconds: that it has taken.
        halvings: how often the rates were halved.
        interrupted: whether the user ended the phase before its time.
    """

    epoch: int = 1
    batches: int = 0
    steps: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    halvings: int = 0
    interrupted: bool = False


class Checkpoint:
    """The state of a phase: the history, the place, the variables now and at the best epoch."""

    def __init__(
        self,
        phase: Phase,
        validated: int,
        path: Path | None,
        settings: dict[str, Any],
        save_every: float | None = None,
    ) -> None:
        self.history: list[Epoch] = []
        self.place = Place()
        self.best_values: Values = {}
        # As the epoch under way began: what there is to go back to.
        self.good: Values = {}
        self._phase, self._validated, self._path = phase, validated, path
        self._save_every = SAVE_SECONDS if save_every is None else save_every
        self._settings = plain.to_json(settings, indent=None)
        self._saved, self._took = time.monotonic(), 0.0

    def add(self, epoch: Epoch, values: Values) -> None:
        """Add an epoch to the history; its weights are kept where they are the best so far."""
        self.history.append(epoch)
        if self.best() == len(self.history) - 1:
            self.best_values = values

    def best(self) -> int:
        """The epoch that validation chooses; the last one where there is none, or it is not asked."""
        if not self._validated or self._phase.keep == "last":
            return len(self.history) - 1
        return latest_good([row.validation_accuracy for row in self.history], self._validated)

    def idle(self) -> int:
        """How many epochs ago what the phase monitors was at its best."""
        monitored = [
            row.validation_loss if self._phase.monitor == "loss" else -row.validation_accuracy for row in self.history
        ]
        return len(monitored) - 1 - int(np.argmin(monitored))

    def is_due(self) -> bool:
        """Whether the state is to be written."""
        wait = max(self._save_every, self._took / _SAVING) if self._save_every else 0.0
        return self._path is not None and time.monotonic() - self._saved >= wait

    def save(self, now: Values) -> None:
        """Write everything, whole or not at all."""
        if self._path is None:
            return
        started = time.monotonic()
        arrays = {f"now/{name}": value for name, value in now.items()}
        arrays |= {f"best/{name}": value for name, value in self.best_values.items()}
        # Often the epoch under way began with the best, and then its arrays are the same ones.
        arrays |= {
            f"good/{name}": value for name, value in self.good.items() if self.best_values.get(name) is not value
        }
        arrays |= {
            "history": np.array(plain.to_json(self.history, indent=None)),
            "place": np.array(plain.to_json(self.place, indent=None)),
            "settings": np.array(self._settings),
        }

        def write(partial: Path) -> None:
            with partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

        storage.write_with(self._path, write)
        self._saved = time.monotonic()
        self._took = self._saved - started

    def restore(self) -> Values | None:
        """Go on from the file, where there is one of the same phase.

        Returns:
            The values of all variables; None where there is nothing to go on from.

        Raises:
            CorruptFileError: the file is truncated or was altered.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            with np.load(self._path, allow_pickle=False) as archive:
                kept = {name: archive[name] for name in archive.files}
            found = {name: str(kept.pop(name)) for name in ("history", "place", "settings")}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise CorruptFileError(
                f"checkpoint '{self._path}' cannot be read: {error}; remove it to start the phase anew"
            ) from None
        if found["settings"] != self._settings:
            warn(f"checkpoint '{self._path}' is of another plan; the phase starts anew")
            return None
        self.history = list(plain.from_plain(tuple[Epoch, ...], json.loads(found["history"])))  # pyright: ignore[reportArgumentType]
        self.place = plain.from_plain(Place, json.loads(found["place"]))
        self.best_values = _below(kept, "best/")
        self.good = self.best_values | _below(kept, "good/")
        return _below(kept, "now/")


def assign(variables: Mapping[str, keras.Variable], values: Mapping[str, Array]) -> None:
    """Give variables the values of the same names, in place."""
    for name, value in values.items():
        variable_values.write(variables[name], value)


def _below(arrays: Values, prefix: str) -> Values:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
