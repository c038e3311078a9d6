"""The labelled pictures and the pretrained network that the benchmarks use, and how the pictures are divided."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.frame import ROOT, UnavailableError

TRUNK = Path("nets", "mobilenet_v1_1.0_224_trunk", "mobilenet_v1_1.0_224_trunk.keras")
SIZE = 128
TEST = 0.2

_ENDINGS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class Task:
    """A data set, and how long the guide trains on it: epochs with the base frozen, epochs with all of it learning."""

    name: str
    epochs: tuple[int, int]


TASKS = {
    "flowers5_227px": Task("flowers5_227px", (20, 10)),
    "sign_language_digits": Task("sign_language_digits", (10, 5)),
}


@dataclass(frozen=True, slots=True)
class Pictures:
    """Files and labels, class by class in the order of their names."""

    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]


def shared() -> Path:
    """The folder of real networks and data.

    Raises:
        UnavailableError: it is not here.
    """
    named = os.environ.get("REGRAFT_SHARED")
    folder = Path(named) if named else ROOT.parent / "shared"
    if not (folder / "nets").is_dir():
        raise UnavailableError(
            f"needs the real networks and data: no folder '{folder / 'nets'}'; name one with REGRAFT_SHARED"
        )
    return folder


def trunk() -> Path:
    """The file of the pretrained network that every side starts from."""
    return _existing(shared() / TRUNK)


def pictures(name: str, per_class: int | None = None) -> Pictures:
    """The pictures of a data set; only the first `per_class` of each class where that is given."""
    folder = _existing(shared() / "data" / name)
    classes = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir()))
    paths: list[Path] = []
    labels: list[int] = []
    for label, kind in enumerate(classes):
        found = sorted(path for path in (folder / kind).iterdir() if path.suffix.lower() in _ENDINGS)[:per_class]
        paths += found
        labels += [label] * len(found)
    return Pictures(tuple(paths), tuple(labels), classes)


def split(labels: tuple[int, ...], seed: int) -> tuple[list[int], list[int]]:
    """Indices of the 80 % to learn from and of the 20 % to be judged on, each class in proportion."""
    from sklearn.model_selection import StratifiedShuffleSplit

    shuffle = StratifiedShuffleSplit(n_splits=1, test_size=TEST, random_state=seed)
    train, test = next(shuffle.split([[0]] * len(labels), labels))
    return train.tolist(), test.tolist()


def existing(*parts: str) -> Path:
    """A file or folder of the real networks and data.

    Raises:
        UnavailableError: it is not here.
    """
    return _existing(shared().joinpath(*parts))


def _existing(path: Path) -> Path:
    if not path.exists():
        raise UnavailableError(f"needs '{path}', which is not there; name a folder that has it with REGRAFT_SHARED")
    return path
