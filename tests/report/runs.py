"""Finished runs that never were, as they lie in their folders."""

import dataclasses
from pathlib import Path
from typing import Any

from regraft.core import plain
from regraft.core.evidence import Evidence
from regraft.core.records import RunRecord
from regraft.formats import evidence as evidence_file
from regraft.recipes.side_by_side import Finished
from tests.report.conftest import FLOWERS, good
from tests.report.evidence import evidence


def finished(folder: Path, kept: Evidence | None, **changes: Any) -> Finished:
    """A run of the good record's kind with other answers; what it keeps is its own."""
    record = dataclasses.replace(good(), run=str(folder), **changes)
    return Finished(folder, record, kept)


def written(folder: Path, kept: Evidence | None, **changes: Any) -> RunRecord:
    """The same in a folder, as `fit` leaves it."""
    record = finished(folder, kept, **changes).record
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(plain.to_json(record), encoding="utf-8")
    if kept is not None:
        evidence_file.write(folder / "report.npz", kept)
    return record


def kept(seed: int = 0, count: int = 112) -> Evidence:
    """What a run on five kinds of flowers keeps; the same examples whatever the seed."""
    return evidence(count, len(FLOWERS), seed=seed)
