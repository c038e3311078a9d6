"""A folder with one sub-folder of pictures per class, optionally under `train/`, `validation/` and `test/`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import DataError, RequestError
from regraft.data import arranged, files
from regraft.data.found import Found, one_by_one
from regraft.data.labels import Labels
from regraft.data.names import Texts
from regraft.data.split import stated

WHAT = "a folder with one sub-folder of pictures per class, optionally under train/, validation/, test/"

_ARRANGE = (
    "put the pictures of each class into a sub-folder named after the class, "
    "or list them in a .csv file with columns path and label"
)
_ARRANGE_TEXTS = (
    "put the texts of each class into a sub-folder named after the class, "
    "or write them into a .csv file with columns text and label"
)


def accepts(data: Any) -> bool:
    """Whether this is a folder."""
    return isinstance(data, Path) and data.is_dir()


def gather(data: Path, labels: Any = None) -> Found:
    """The pictures in a folder, labelled by the names of their sub-folders.

    Args:
        data: the folder.
        labels: must be None; the sub-folders say them.

    Raises:
        DataError: the folder is empty, or not arranged so.
        RequestError: labels are given.
    """
    if labels is not None:
        raise RequestError(f"labels= is for arrays; the sub-folders of '{data}' say the labels")
    folders, others = files.entries(data)
    if not folders:
        raise DataError(_no_folders(data, others))
    splits = arranged.splits(folders)
    if splits and "train" not in splits.values():
        raise DataError(f"expected a folder 'train' in '{data}', found only {', '.join(path.name for path in splits)}")
    paths = Texts()
    classes: dict[str, None] = {}
    counted: list[tuple[str, str | None, int]] = []
    beside = _pictures(others)
    for root, split in splits.items() if splits else [(data, None)]:
        class_folders, direct = files.entries(root)
        if splits:
            beside += _pictures(direct)
        for folder in class_folders:
            name, before = files.shown(folder.name), len(paths)
            begin = f"{folder.relative_to(data).as_posix()}/"
            for path in files.paths_below(folder):
                paths.append(begin + path)
            classes[name] = None
            counted.append((name, split, len(paths) - before))
    left_out = [f"'{_name(path, data)}' lies in no class folder" for path in beside]
    left_out += [
        f"folder '{path.name}' is none of train, validation, test" for path in folders if splits and path not in splits
    ]
    if not len(paths):
        raise DataError(
            f"expected pictures in sub-folders of '{data}', found none in {arranged.some(list(classes))}; {_ARRANGE}"
        )
    listed = files.Listed(data, paths)
    return Found(
        names=listed.names(),
        labels=_repeated(counted),
        stated=np.repeat(stated(split for _, split, _ in counted), [count for _, _, count in counted]),
        identify=one_by_one(listed.identify),
        read=listed.read,
        origin=f"'{data}'",
        class_names=tuple(sorted(classes, key=files.natural)),
        left_out=tuple(left_out),
        alone=arranged.alone(data, list(classes)),
    )


def unlabelled(data: Path) -> Found:
    """All pictures in a folder, however it is arranged.

    Where there are several sub-folders they are taken for classes; a picture that lies in none has no label.

    Raises:
        DataError: there is no picture.
    """
    return arranged.all_in(data, lambda path: files.looks_like_picture(data / path), "pictures")


def _repeated(counted: Sequence[tuple[str, str | None, int]]) -> Labels:
    labels = Labels.of(name for name, _, _ in counted)
    return Labels(labels.values, np.repeat(labels.codes, [count for _, _, count in counted]))


def _pictures(paths: Sequence[Path]) -> list[Path]:
    return [path for path in paths if files.looks_like_picture(path)]


def _name(path: Path, data: Path) -> str:
    return files.shown(path.relative_to(data).as_posix())


def _no_folders(data: Path, others: Sequence[Path]) -> str:
    if not others:
        return f"expected one sub-folder of pictures per class in '{data}', found an empty folder"
    if pictures := _pictures(others):
        found = f"pictures directly in it ({len(pictures)}, such as '{files.shown(pictures[0].name)}'); {_ARRANGE}"
        return f"expected one sub-folder per class in '{data}', found {found}"
    if len(others) > 1 and all(arranged.is_text(path.name) for path in others):
        found = f"texts directly in it ({len(others)}, such as '{files.shown(others[0].name)}'); {_ARRANGE_TEXTS}"
        return f"expected one sub-folder per class in '{data}', found {found}"
    found = f"{len(others)}, such as '{files.shown(others[0].name)}'"
    return f"expected one sub-folder of pictures per class in '{data}', found only files that are no pictures ({found})"
