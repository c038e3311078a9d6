"""The targets that sources are ranked for: a few hundred pictures to learn from, the rest to judge by.

Written below `build/` as `regraft` takes them: manifests of photographs, `.npz` files of small pictures. A split's
number draws which pictures are which; of the same target all splits have the same classes.
"""

import csv
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import digits, pictures
from benchmarks.frame import ROOT, UnavailableError
from benchmarks.pretraining import digit_pairs

Array = np.ndarray[Any, Any]

PLACE = ROOT / "build" / "ranking"
# What is judged by: more than that adds little but time.
JUDGED = 1500
# Greek and Latin of five alphabets; the others are left for a source to learn.
ALPHABETS = (2, 4)
_USPS = "data/usps_h5/usps.h5"


@dataclass(frozen=True, slots=True)
class Target:
    """A task.

    Attributes:
        name: in tables and files.
        learn: training pictures of each class.
        augment: what views of a picture may differ by.
        write: puts a split's pictures below a folder and returns the path: `(target, split, folder) -> path`.
    """

    name: str
    learn: int
    augment: tuple[str, ...]
    write: Callable[["Target", int, Path], Path]


def data(target: Target, split: int, per_class: int | None = None) -> Path:
    """The pictures of a split as a file that `regraft.fit` takes; written where it is not there.

    Args:
        target: the task.
        split: number of the split.
        per_class: training pictures of each class, where there are to be fewer than the target's.
    """
    given = target if per_class is None else Target(target.name, per_class, target.augment, target.write)
    return given.write(given, split, PLACE / "targets")


def divided(labels: Array, learn: int, split: int, judged: int = JUDGED) -> tuple[Array, Array]:
    """Rows to learn from, so many of each class, and at most so many of the others to judge by, as a seed draws them.

    >>> train, test = divided(np.arange(20) % 2, 3, split=0)
    >>> len(train), len(test), len(np.intersect1d(train, test))
    (6, 14, 0)
    """
    order = np.random.default_rng(split).permutation(len(labels))
    own = [order[labels[order] == label] for label in np.unique(labels)]
    return np.concatenate([rows[:learn] for rows in own]), order[np.isin(order, _rest(own, learn))][:judged]


def _rest(own: Sequence[Array], learn: int) -> Array:
    return np.concatenate([rows[learn:] for rows in own])


def photographs(target: Target, split: int, folder: Path) -> Path:
    """A manifest of photographs in folders."""
    given = pictures.pictures(target.name)
    train, test = divided(np.array(given.labels), target.learn, split)
    path = _path(target, split, folder, "csv")
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "split"))
        for name, part in (("train", train), ("test", test)):
            rows.writerows((str(given.paths[row]), given.classes[given.labels[row]], name) for row in part)
    return path


def mnist(target: Target, split: int, folder: Path) -> Path:
    """Digits of 28 x 28."""
    x, y = digits.pool()
    return _arrays(target, split, folder, x.reshape(-1, 28, 28, 1), y, *divided(y, target.learn, split))


def usps(target: Target, split: int, folder: Path) -> Path:
    """Digits of 16 x 16, from envelopes: learnt from one part of the data set, judged by the other."""
    (x, y), (other_x, other_y) = usps_digits()
    train, _ = divided(y, target.learn, split)
    judged = len(y) + np.random.default_rng(split).permutation(len(other_y))[:JUDGED]
    return _arrays(target, split, folder, np.concatenate([x, other_x]), np.concatenate([y, other_y]), train, judged)


def omniglot(target: Target, split: int, folder: Path) -> Path:
    """Characters of two alphabets, 28 x 28."""
    x, alphabet, character = digit_pairs.drawings()
    own = np.isin(alphabet, ALPHABETS)
    labels = np.unique(character[own], return_inverse=True)[1]
    return _arrays(target, split, folder, x[own], labels, *divided(labels, target.learn, split))


@functools.cache
def usps_digits() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Training and test part: float32 (n, 16, 16, 1) from 0 to 1 and int64 (n,)."""
    import h5py

    place = pictures.shared() / _USPS
    try:
        with h5py.File(place) as file:
            parts = [
                (np.asarray(file[f"{part}/data"]), np.asarray(file[f"{part}/target"])) for part in ("train", "test")
            ]
    except OSError as error:
        raise UnavailableError(f"needs the digits in '{place}': {error}") from None
    train, test = [(x.reshape(-1, 16, 16, 1).astype(np.float32), y.astype(np.int64)) for x, y in parts]
    return train, test


def _arrays(target: Target, split: int, folder: Path, x: Array, y: Array, train: Array, test: Array) -> Path:
    path = _path(target, split, folder, "npz")
    whole = np.rint(255 * x).astype(np.uint8)
    np.savez(path, x_train=whole[train], y_train=y[train], x_test=whole[test], y_test=y[test])
    return path


def _path(target: Target, split: int, folder: Path, ending: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{target.name}-{target.learn}-{split}.{ending}"


# Digits, characters and signs are other ones, or none, in a mirror.
TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("flowers5_227px", 60, ("flip", "crop", "colour"), photographs),
        Target("sign_language_digits", 30, ("crop", "colour"), photographs),
        Target("usps", 20, ("crop",), usps),
        Target("mnist", 20, ("crop",), mnist),
        Target("omniglot", 8, ("crop",), omniglot),
    )
}
