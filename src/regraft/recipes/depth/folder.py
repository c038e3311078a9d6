"""The folder of a search: what lies in it, and whether a new one can begin there. Needs no framework."""

from pathlib import Path

from regraft.core.errors import RequestError
from regraft.recipes import run_folder
from regraft.report import depth_page

RECORD, PLAN = "depth.json", "plan.toml"
RUN = "run"


def require_free(folder: Path) -> None:
    """Refuse a folder that holds something already.

    Raises:
        RequestError: it does.
    """
    if (folder / RECORD).exists():
        raise RequestError(f"'{folder}' holds a finished search; name another folder with --out")
    known = {run_folder.LOCK, PLAN, RUN, depth_page.DEPTH_PAGE}
    if folder.is_dir() and any(entry.name not in known for entry in folder.iterdir()):
        raise RequestError(f"'{folder}' is not empty and holds no search; name a new folder with --out")
