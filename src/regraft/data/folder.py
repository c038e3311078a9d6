"""A folder with one sub-folder of pictures per class, optionally under `train/`, `validation/` and `test/`."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import DataError, RequestError
from regraft.core.progress import say
from regraft.data import files
from regraft.data.described import TEXT_ENDING
from regraft.data.examples import SPLITS
from regraft.data.found import Found, one_by_one, split_named
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
    splits = _splits(folders)
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
            f"expected pictures in sub-folders of '{data}', found none in {_some(list(classes))}; {_ARRANGE}"
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
        alone=_alone(data, list(classes)),
    )


def unlabelled(data: Path) -> Found:
    """All pictures in a folder, however it is arranged.

    Where there are several sub-folders they are taken for classes; a picture that lies in none has no label.

    Raises:
        DataError: there is no picture.
    """
    return all_in(data, lambda path: files.looks_like_picture(data / path), "pictures")


def all_in(data: Path, counts: Callable[[str], bool], what: str) -> Found:
    """All files of one kind in a folder, however it is arranged.

    Args:
        data: the folder.
        counts: whether a file is of that kind, by its path below the folder.
        what: the kind is called.

    Raises:
        DataError: there is none.
    """
    folders, _ = files.entries(data)
    splits = {path.name: split for path, split in _splits(folders).items()}
    paths, found, said = Texts(), list[tuple[str, ...]](), list[str | None]()
    for path in files.paths_below(data):
        if counts(path):
            parts = path.split("/")[:-1]
            said.append(splits[parts.pop(0)] if parts and parts[0] in splits else None)
            found.append(tuple(parts[:1]))
            paths.append(path)
    if not len(paths):
        raise DataError(f"expected {what} in '{data}' or its sub-folders, found none{_texts_among_others(data)}")
    classes = sorted({parts[0] for parts in found if parts})
    several = len(classes) > 1
    if len(classes) == 1:
        say(f"all {what} in sub-folders of '{data}' lie in '{classes[0]}': one class alone gives them no labels")
    listed = files.Listed(data, paths)
    return Found(
        names=listed.names(),
        labels=Labels.of(files.shown(parts[0]) if parts and several else None for parts in found),
        stated=stated(said),
        identify=one_by_one(listed.identify),
        read=listed.read,
        origin=f"'{data}'",
        alone=_alone(data, [files.shown(name) for name in classes]),
    )


def _texts_among_others(data: Path) -> str:
    """Why the texts of a folder are not read."""
    found = list(files.paths_below(data))
    others = [path for path in found if not _is_text(path)]
    if not others or len(others) == len(found):
        return ""
    return (
        f"; its .txt files ({len(found) - len(others):,}) are read where they lie among nothing else: put what is "
        f"called otherwise elsewhere, such as '{files.shown(others[0])}'"
    )


def _is_text(path: str) -> bool:
    return path.lower().endswith(TEXT_ENDING)


def _alone(data: Path, classes: Sequence[str]) -> str:
    """What is wrong with a folder of one class; that it holds the classes, where it looks so."""
    if len(classes) != 1:
        return ""
    # Of a split one folder is looked at, which need not be the one that holds pictures.
    only = next((path for path in _class_folders(data) if files.shown(path.name) == classes[0]), None)
    inner = files.entries(only)[0] if only is not None else []
    hint = f"; its sub-folders are {_some([path.name for path in inner])}: did you mean '{only}'?" if inner else ""
    return f"expected at least two classes in '{data}', found only '{classes[0]}'{hint}"


def _repeated(counted: Sequence[tuple[str, str | None, int]]) -> Labels:
    labels = Labels.of(name for name, _, _ in counted)
    return Labels(labels.values, np.repeat(labels.codes, [count for _, _, count in counted]))


def _splits(folders: Sequence[Path]) -> dict[Path, str]:
    named = {path: split for path in folders if (split := split_named(path.name))}
    named = dict(sorted(named.items(), key=lambda item: SPLITS.index(item[1])))
    # A class may be called "train": then there are other classes beside it, and no "test" or "validation".
    return named if len(named) == len(folders) or len(set(named.values())) > 1 else {}


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
    if len(others) > 1 and all(_is_text(path.name) for path in others):
        found = f"texts directly in it ({len(others)}, such as '{files.shown(others[0].name)}'); {_ARRANGE_TEXTS}"
        return f"expected one sub-folder per class in '{data}', found {found}"
    found = f"{len(others)}, such as '{files.shown(others[0].name)}'"
    return f"expected one sub-folder of pictures per class in '{data}', found only files that are no pictures ({found})"


def _class_folders(data: Path) -> Iterator[Path]:
    folders, _ = files.entries(data)
    splits = _splits(folders)
    yield from [path for root in splits for path in files.entries(root)[0]][:1] if splits else folders


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}" if names else "no sub-folder"
