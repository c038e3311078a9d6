"""Rows on their way into a file of the store: coded, counted against its room, and named by their examples."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regraft.activations import coding
from regraft.activations.growing import Growing, persistently
from regraft.activations.places import numbers_of
from regraft.activations.room import ABOUT
from regraft.activations.shard import Shard
from regraft.core import digest, storage

Array = np.ndarray[Any, Any]

ENDING = ".rows"


class Appending:
    """A file of rows that come in portions; made by `Store.begin`.

    Raises:
        StorageError: of every method: no space is left, or the folder cannot be written to.
        WorkError: of every method: a number is NaN or infinite, and the coding does not hold it.
    """

    def __init__(
        self,
        folder: Path,
        about: Mapping[str, Any],
        dtype: str,
        most: int,
        scale: Array | None,
        *,
        claim: Callable[[int], None],
        fixed: Callable[[Array], object],
    ) -> None:
        self._folder, self._about, self._dtype, self._most, self._scale = folder, about, dtype, most, scale
        self._claim, self._fixed = claim, fixed
        self._growing: Growing | None = None
        # Until there is a scale: it is that of the whole first file.
        self._first: list[tuple[Array, Array]] = []

    def add(self, ids: Sequence[str], rows: Array) -> None:
        """Add the float32 rows (n, ...) of n examples; they are written now, if it is known how.

        Raises:
            ValueError: there are not as many ids as rows.
        """
        if len(ids) != len(rows):
            raise ValueError(f"expected a row for each of {len(ids)} ids, found {len(rows)} rows")
        if self._dtype == "int8" and self._scale is None:
            self._first.append((numbers_of(ids), rows))
        else:
            self._write(numbers_of(ids), coding.encode(rows, self._dtype, self._scale))

    def finish(self) -> Shard:
        """Make it a file of the store, for `Rows.add`."""
        if self._first:
            ids, rows = (np.concatenate(each) for each in zip(*self._first, strict=True))
            coded = coding.encode(rows, self._dtype)
            self._scale, self._first = coded.scale, []
            self._write(ids, coded)
        growing = self._growing
        if growing is None:
            raise ValueError("expected rows before the end of a file, found none")
        # The same examples make the same name: two processes that compute the same leave one file.
        path = self._folder / f"{digest.of_bytes(growing.ids.data)[:24]}{ENDING}"
        made = growing.finish(path, lambda: _write_about(self._folder, self._about))
        if self._scale is not None:
            self._fixed(self._scale)
        return made

    def drop(self) -> None:
        """Leave nothing of it, where it was not finished."""
        if self._growing is not None:
            self._growing.drop()

    def _write(self, ids: Array, coded: coding.Coded) -> None:
        self._claim(coded.rows.nbytes + ids.nbytes)
        if self._growing is None:
            persistently(lambda: _write_about(self._folder, self._about))
            self._growing = Growing(self._folder, coded.rows.shape[1:], self._dtype, coded.scale, self._most)
        self._growing.add(ids, coded)


def _write_about(folder: Path, about: Mapping[str, Any]) -> None:
    if not (folder / ABOUT).exists():
        text = json.dumps(about, indent=2, default=str)
        storage.write_with(folder / ABOUT, lambda partial: partial.write_text(text), durable=False)
