"""Files of one kind in a folder, and which of its sub-folders are splits, however it is arranged."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from regraft.core.errors import DataError
from regraft.core.progress import say
from regraft.data import files
from regraft.data.described import TEXT_ENDING
from regraft.data.examples import SPLITS
from regraft.data.found import Found, one_by_one, split_named
from regraft.data.labels import Labels
from regraft.data.names import Texts
from regraft.data.split import stated


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
    named = {path.name: split for path, split in splits(folders).items()}
    paths, found, said = Texts(), list[tuple[str, ...]](), list[str | None]()
    for path in files.paths_below(data):
        if counts(path):
            parts = path.split("/")[:-1]
            said.append(named[parts.pop(0)] if parts and parts[0] in named else None)
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
        alone=alone(data, [files.shown(name) for name in classes]),
    )


def _texts_among_others(data: Path) -> str:
    """Why the texts of a folder are not read."""
    found = list(files.paths_below(data))
    others = [path for path in found if not is_text(path)]
    if not others or len(others) == len(found):
        return ""
    return (
        f"; its .txt files ({len(found) - len(others):,}) are read where they lie among nothing else: put what is "
        f"called otherwise elsewhere, such as '{files.shown(others[0])}'"
    )


def is_text(path: str) -> bool:
    """Whether a file is called as texts are."""
    return path.lower().endswith(TEXT_ENDING)


def splits(folders: Sequence[Path]) -> dict[Path, str]:
    """Which of the folders that lie in one are splits, in their usual order."""
    named = {path: split for path in folders if (split := split_named(path.name))}
    named = dict(sorted(named.items(), key=lambda item: SPLITS.index(item[1])))
    # A class may be called "train": then there are other classes beside it, and no "test" or "validation".
    return named if len(named) == len(folders) or len(set(named.values())) > 1 else {}


def alone(data: Path, classes: Sequence[str]) -> str:
    """What is wrong with a folder of one class; that it holds the classes, where it looks so."""
    if len(classes) != 1:
        return ""
    # Of a split one folder is looked at, which need not be the one that holds pictures.
    only = next((path for path in _class_folders(data) if files.shown(path.name) == classes[0]), None)
    inner = files.entries(only)[0] if only is not None else []
    hint = f"; its sub-folders are {some([path.name for path in inner])}: did you mean '{only}'?" if inner else ""
    return f"expected at least two classes in '{data}', found only '{classes[0]}'{hint}"


def _class_folders(data: Path) -> Iterator[Path]:
    folders, _ = files.entries(data)
    named = splits(folders)
    yield from [path for root in named for path in files.entries(root)[0]][:1] if named else folders


def some(names: Sequence[str]) -> str:
    """The first of some names, as messages show them."""
    return f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}" if names else "no sub-folder"
