"""A finished run's folder, as far as it is told to others: its documents, and no model."""

import os
from pathlib import Path

import numpy as np
import pytest

from regraft import report
from regraft.core import plain
from regraft.core.depth import DepthRecord
from regraft.core.evidence import Answers, Evidence
from regraft.core.records import RunRecord
from regraft.recipes import run_folder
from regraft.recipes.depth.folder import PAGE
from regraft.recipes.depth.folder import RECORD as SEARCH
from tests.report.conftest import RECORDS
from tests.report.depth_records import DEPTH_RECORDS

# When the run ended.
ENDED = 1_750_000_000


@pytest.fixture(scope="session")
def record() -> RunRecord:
    """A run on five kinds of flowers."""
    return RECORDS["good"]()


@pytest.fixture
def folder(record: RunRecord, tmp_path: Path) -> Path:
    """Where it is."""
    return written(tmp_path / "flowers", record)


@pytest.fixture
def search(folder: Path) -> DepthRecord:
    """A search that led to the run, which lies with it."""
    found = DEPTH_RECORDS["small"]()
    (folder / SEARCH).write_text(plain.to_json(found), encoding="utf-8")
    (folder / PAGE).write_text("the page of a search", encoding="utf-8")
    return found


def written(folder: Path, record: RunRecord) -> Path:
    """The documents of a run in a folder."""
    nothing = np.zeros(0, np.int32)
    answers = Answers(
        np.zeros((0, 16), np.uint8), (), nothing, nothing, nothing.astype(np.float32), nothing.astype(np.float32)
    )
    kept = Evidence(answers)
    run_folder.finish(folder, record, kept, report.page(record, {}), report.card(record), report.history_csv(record))
    os.utime(folder / run_folder.RECORD, (ENDED, ENDED))
    return folder
