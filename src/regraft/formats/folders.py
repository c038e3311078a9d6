"""The folders that runs and pretrainings leave, as what stands in them for others: a network."""

import shlex
from pathlib import Path

from regraft.core.errors import SourceError

MODEL = "model.keras"
# The record of each, which is written last; and that of a search for how to reuse one.
RUN, PRETRAINING, SEARCH = "run.json", "pretraining.json", "depth.json"
# What was asked of each, until it is whole; a run's `plan.toml` ends as the resolved one, which probes nothing.
RUN_ASKED, ASKED = ".asked.toml", "asked.toml"
# The record of the search that a run was begun with, likewise; there is nothing of the run in it.
RUN_SEARCH = ".search.json"


def is_pretraining(path: Path) -> bool:
    """Whether a pretraining was begun in the folder, or finished."""
    return (path / ASKED).is_file() or (path / PRETRAINING).is_file()


def unfinished(path: Path, what: str = "pretraining") -> str:
    """What is wrong with the folder of a pretraining, or a run, that was begun, and what to do."""
    return f"the {what} in '{path}' is not finished; `regraft resume {shlex.quote(str(path))}` finishes it"


def network(path: Path) -> Path:
    """The file of the network where the path is such a folder and finished; else the path itself.

    Raises:
        SourceError: it is the folder of a run or of a pretraining that is not finished.
    """
    finished = (path / RUN).is_file() or (path / PRETRAINING).is_file()
    if not finished and is_pretraining(path):
        raise SourceError(unfinished(path))
    if not finished and (path / RUN_ASKED).is_file():
        raise SourceError(unfinished(path, "run"))
    return path / MODEL if finished and (path / MODEL).is_file() else path
