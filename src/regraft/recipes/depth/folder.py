"""The folder of a search: what lies in it, and whether a new one can begin there. Needs no framework."""

import json
from pathlib import Path

from regraft.core import plain, storage
from regraft.core.depth import DepthRecord
from regraft.core.errors import CorruptFileError, RequestError
from regraft.formats.folders import SEARCH as RECORD
from regraft.recipes import run_folder
from regraft.report import depth_page

RUN, PLAN, PAGE = run_folder.OF_SEARCH, run_folder.PLAN, depth_page.DEPTH_PAGE


def require_free(folder: Path) -> None:
    """Refuse a folder that holds something already.

    Raises:
        RequestError: it does.
    """
    known = {run_folder.LOCK, PLAN, RUN, PAGE}
    run_folder.refuse_taken(folder, "search", RECORD, lambda found: {entry.name for entry in found.iterdir()} <= known)


def keep(folder: Path, record: DepthRecord | None) -> None:
    """Keep the record of the search that a run begins with in the run's folder, until the run is finished.

    Args:
        folder: of the run, which was begun.
        record: of the search; None: there was none, and what is there is of another plan and goes.

    Raises:
        StorageError: the disk refused.
    """
    for name in (PAGE, RECORD, run_folder.BEGUN_WITH):
        (folder / name).unlink(missing_ok=True)
    if record is not None:
        storage.write_text(folder / run_folder.BEGUN_WITH, plain.to_json(record))


def begun_with(folder: Path) -> DepthRecord | None:
    """The record of the search that a run was begun with which is not finished; None: there is none.

    Raises:
        CorruptFileError: it is damaged.
    """
    return _read(folder / run_folder.BEGUN_WITH)


def read(folder: Path) -> DepthRecord | None:
    """The record of the search that lies in a folder, its own or that of the run that it led to; None: there is none.

    Raises:
        CorruptFileError: it is damaged.
    """
    return _read(folder / RECORD)


def _read(path: Path) -> DepthRecord | None:
    if not path.exists():
        return None
    try:
        return plain.from_plain(DepthRecord, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RequestError) as error:
        raise CorruptFileError(
            f"'{path}' is not the record of a search: {error}; take it from a copy, or remove it: the run that the "
            "search led to is whole without it, but for the curve on its page"
        ) from None
