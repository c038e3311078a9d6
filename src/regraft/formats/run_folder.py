"""The folder of a run, as what stands in it for others: a network."""

from pathlib import Path

MODEL, RECORD = "model.keras", "run.json"


def network(path: Path) -> Path:
    """The file of the network where the path is the folder of a finished run; else the path itself."""
    return path / MODEL if (path / RECORD).is_file() and (path / MODEL).is_file() else path
