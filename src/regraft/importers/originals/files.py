"""Which files an original is made of, and their checksums, so that others can tell whether they have the same."""

from collections.abc import Iterable
from pathlib import Path

from regraft import formats
from regraft.core import digest
from regraft.formats import caffe, tensorflow_meta_graph, tensorflow_saved_model

_META = ".meta"


def checksums(path: Path) -> dict[str, str]:
    """SHA-256 of every file of an original by its name, relative to the folder that it is in.

    Args:
        path: a file or a folder of a known format.
    """
    folder = path if path.is_dir() else path.parent
    return {item.relative_to(folder).as_posix(): _checksum(item) for item in sorted(set(_belonging(path, folder)))}


def _belonging(path: Path, folder: Path) -> Iterable[Path]:
    kind = formats.sniff(path)
    if path.is_dir():
        return [item for item in folder.rglob("*") if item.is_file()]
    if kind == tensorflow_saved_model.NAME:
        return [path, *(folder / "variables").glob("variables.*")]
    if kind == tensorflow_meta_graph.NAME:
        prefix = path.name.removesuffix(_META)
        found = [item for item in folder.iterdir() if item.name == prefix or item.name.startswith(f"{prefix}.")]
        return [path, *(item for item in found if item.is_file() and item.suffix != _META)]
    if kind == caffe.NAME and (text := formats.read(path).metadata["prototxt"]):
        return [path, folder / text]
    return [path]


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return digest.sha256(file)
