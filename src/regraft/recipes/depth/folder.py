"""The folder of a search: what lies in it, and whether a new one can begin there. Needs no framework."""

from pathlib import Path

from regraft.formats.folders import SEARCH as RECORD
from regraft.recipes import run_folder
from regraft.report import depth_page

RUN, PLAN = run_folder.OF_SEARCH, run_folder.PLAN


def require_free(folder: Path) -> None:
    """Refuse a folder that holds something already.

    Raises:
        RequestError: it does.
    """
    known = {run_folder.LOCK, PLAN, RUN, depth_page.DEPTH_PAGE}
    run_folder.refuse_taken(folder, "search", RECORD, lambda found: {entry.name for entry in found.iterdir()} <= known)
