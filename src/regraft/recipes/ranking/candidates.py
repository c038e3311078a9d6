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
from regraft.formats import card_folder, sharded
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
# Tensors alone: one such file is enough for a folder to be recognised, whatever else is in it.
_BARE = ("safetensors", "pytorch", "tensorflow-checkpoint")
# What makes a folder of tensors a network.
_DESCRIPTIONS = (card_folder.CARD, card_folder.CONFIG)
# TensorFlow writes several of these beside each other for one network.
_CHECKPOINT = ("tensorflow-checkpoint", "tensorflow-meta-graph", "tensorflow-graph")


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
    if path.is_dir() and not _is_run(path):
        yield from _inside(path, 0)
        return
    yield _one(path)


def named(source: Any) -> str:
    """A source in words."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return getattr(source, "source", None) or f"model '{getattr(source, 'name', type(source).__name__)}'"


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


def _inside(folder: Path, depth: int) -> Sequence[Candidate | Refused]:
    """A folder that is a network itself; else the sources in it, by name."""
    kind = _kind(folder)
    itself = Candidate(str(folder), str(folder))
    if kind is not None and (kind not in _BARE or any((folder / name).is_file() for name in _DESCRIPTIONS)):
        return [itself]
    found = list(_below(folder, depth)) if depth <= _DEEPEST else []
    return [itself] if kind is not None and _is_one(kind, found) else found


def _kind(path: Path) -> str | None:
    try:
        return formats.sniff(path)
    except RegraftError:
        return None


def _is_one(kind: str, found: Sequence[Candidate | Refused]) -> bool:
    """Whether what a folder of bare tensors has in it is one network."""
    if kind in _CHECKPOINT:
        return all(isinstance(item, Candidate) and _kind(Path(item.name)) in _CHECKPOINT for item in found)
    return len(found) <= 1


def _below(folder: Path, depth: int) -> Iterator[Candidate | Refused]:
    """The sources in a folder, by name."""
    listed = _listed(folder)
    parts = _parts(listed)
    for path in listed:
        if path.name.startswith(".") or path.name in parts or path.is_symlink():
            continue
        if _is_run(path):
            yield from _or_refused(path)
        elif path.is_dir():
            yield from _inside(path, depth + 1)
        else:
            yield from _file(path)


def _file(path: Path) -> Iterator[Candidate | Refused]:
    try:
        formats.sniff(path)
    except RegraftError as error:
        if path.is_file() and path.suffix.lower() in _ENDINGS:
            yield Refused(str(path), str(error))
        return
    yield Candidate(str(path), str(path))


def _parts(listed: Sequence[Path]) -> set[str]:
    """Names of files that belong to another one of the same folder: to an index of shards, or to a checkpoint."""
    names = {path.name for path in listed}
    data = {name for name in names if ".data-0" in name and f"{name.partition('.data-0')[0]}.index" in names}
    indexes = [path for path in listed if path.name.endswith(".index.json") and path.is_file()]
    return data.union(*map(sharded.shards, indexes))


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
