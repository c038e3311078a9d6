"""The folder that `regraft pretrain` makes, as what it is made for: a network."""

from pathlib import Path

MODEL, RECORD = "model.keras", "pretraining.json"

# What was asked for, until it is whole.
ASKED = "asked.toml"


def is_begun(path: Path) -> bool:
    """Whether a pretraining was begun in the folder, or finished."""
    return (path / ASKED).is_file() or (path / RECORD).is_file()


def network(path: Path) -> Path:
    """The file of the network where the path is such a folder; else the path itself."""
    return path / MODEL if (path / RECORD).is_file() and (path / MODEL).is_file() else path
