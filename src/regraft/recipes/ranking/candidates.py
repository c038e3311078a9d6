"""Which sources there are to choose from: addresses, files, runs, folders full of them, live models."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regraft import formats
from regraft.core.card import SOURCE, is_source
from regraft.core.errors import RegraftError, RequestError
from regraft.core.ranking import Refused
from regraft.recipes import run_folder
from regraft.recipes.inspecting import is_file
from regraft.recipes.ranking.candidate import Candidate, published
from regraft.zoo.public import public

# Folders are looked into so far down; who keeps networks deeper names the folder that they are in.
_DEEPEST = 6
# What files of networks are called: one that is no network after all is told of, any other file is passed over.
_ENDINGS = {
    ".keras", ".h5", ".hdf5", ".onnx", ".pt", ".pth", ".th", ".bin", ".safetensors", ".pb", ".tflite", ".caffemodel",
    ".ckpt", ".npz",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What there is to choose from, each once, and what was found beside it that is no source."""

    found: tuple[Candidate, ...]
    refused: tuple[Refused, ...]


def require(sources: Sequence[Any] | None) -> None:
    """Refuse sources that are none, before a framework is loaded.

    Args:
        sources: that are named; None: all that is here.

    Raises:
        RequestError: there is none.
    """
    gather(sources)


def gather(sources: Iterable[Any] | None) -> Candidates:
    """All candidates that are named, in their order.

    Args:
        sources: each what `regraft.open` takes, `zoo:` for all of the catalogue, the folder of a run, or a folder with
            any number of these below it; None: the catalogue, and the networks of keras.applications whose weights are
            here.

    Raises:
        RequestError: there is none, or a path is wrong.
    """
    found: dict[str, Candidate] = {}
    refused: list[Refused] = []
    for source in [SOURCE, *_applications()] if sources is None else sources:
        for item in _of(source):
            if isinstance(item, Refused):
                refused.append(item)
            else:
                found.setdefault(item.name, item)
    if found:
        return Candidates(tuple(found.values()), tuple(refused))
    also = f"; first: {refused[0].source}: {refused[0].reason}" if refused else ""
    if sources is None:
        raise RequestError(
            "expected sources to choose from, found no network in the catalogue and none that Keras has downloaded; "
            f"name files, folders or addresses with --sources, or add networks with `regraft zoo add`{also}"
        )
    raise RequestError(f"expected at least one source to rank, found none{also}")


def _applications() -> list[str]:
    """The networks of keras.applications whose weights are here."""
    return [network.source for network in public("keras").networks if network.here]


def _of(source: Any) -> Iterator[Candidate | Refused]:
    if is_source(source):
        # Here, because most sources need no database.
        from regraft.recipes.ranking import catalogued

        yield from catalogued.everything() if source == SOURCE else [catalogued.named(source)]
        return
    if not is_file(source):
        yield Candidate(source, named(source), quality=published(source))
        return
    path = Path(source).expanduser()
    if _holds_runs_or_networks(path):
        yield from _below(path, 0)
        return
    yield _one(path)


def named(source: Any) -> str:
    """A source in words."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return getattr(source, "source", None) or f"model '{getattr(source, 'name', type(source).__name__)}'"


def _holds_runs_or_networks(path: Path) -> bool:
    """Whether a path is a folder that is no source itself."""
    if not path.is_dir() or _is_run(path):
        return False
    try:
        formats.sniff(path)
    except RegraftError:
        return True
    return False


def _one(path: Path) -> Candidate:
    return _run(path) if _is_run(path) else Candidate(str(path), str(path))


def _is_run(path: Path) -> bool:
    return (path / run_folder.RECORD).is_file()


def _run(folder: Path) -> Candidate:
    """The deployable model of a run, with what its record says of it."""
    model = str(folder / run_folder.MODEL)
    record = run_folder.read(folder)
    split = record.evaluated_on
    measured = record.metrics.get(split)
    return Candidate(
        model, model, record.classes, record.plan.data_digest, measured.accuracy if measured else None, split
    )


def _below(folder: Path, depth: int) -> Iterator[Candidate | Refused]:
    """The sources in a folder, by name."""
    for path in _listed(folder):
        if path.name.startswith(".") or path.is_symlink():
            continue
        if _is_run(path):
            yield from _or_refused(path)
            continue
        try:
            formats.sniff(path)
        except RegraftError as error:
            if path.is_dir() and depth < _DEEPEST:
                yield from _below(path, depth + 1)
            elif path.is_file() and path.suffix.lower() in _ENDINGS:
                yield Refused(str(path), str(error))
            continue
        yield Candidate(str(path), str(path))


def _or_refused(folder: Path) -> Iterator[Candidate | Refused]:
    try:
        yield _run(folder)
    except RegraftError as error:
        yield Refused(str(folder), str(error))


def _listed(folder: Path) -> Sequence[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise RequestError(f"cannot look into the folder '{folder}': {error.strerror}") from None
