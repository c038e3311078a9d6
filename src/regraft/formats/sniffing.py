"""Which format a file or folder is of, by what is in it; its name does not count."""

import glob
import zipfile
from pathlib import Path

from regraft.core.errors import CorruptFileError, SourceError, nearest
from regraft.formats import damage, hdf5, protobuf, pytorch, safetensors, sharded, tensorflow_text, tfjs_weights

# What is recognised and cannot be read yet: the words for it.
FOREIGN = {
    "keras-npz": "a Keras model with NumPy weights",
}

# The formats of TensorFlow's graphs as text.
_TEXTS = {
    tensorflow_text.GRAPH: "tensorflow-graph",
    tensorflow_text.META_GRAPH: "tensorflow-meta-graph",
    tensorflow_text.SAVED_MODEL: "tensorflow-saved-model",
}

_TABLE = bytes.fromhex("57fb808b247547db")
# How pickles of protocols 0 and 1 begin when they hold a dictionary, a list or an array.
_PICKLES = (b"(d", b"(l", b"}q", b"]q", b"cnumpy.", b"ccollections\n", b"cnumpy\n")
_LEGACY_PYTORCH = bytes.fromhex("8a0a6cfc9c46f9206aa850192e")


def recognised(path: Path) -> str:
    """The format of a file or folder: the name of one that can be read, or a key of `FOREIGN`.

    Raises:
        SourceError: there is no such file, or it is of no known format.
        CorruptFileError: it begins as a known format and is cut off.
    """
    if not path.exists():
        if path.name and path.with_name(f"{path.name}.index").is_file():
            return "tensorflow-checkpoint"
        known = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
        raise SourceError(f"no file or folder '{path}'{nearest(path.name, known)}")
    found = _folder(path) if path.is_dir() else _file(path)
    if found is None:
        raise SourceError(
            f"'{path}' is of no known format; expected a network: .keras, .h5 or .weights.h5 of Keras 1 to 3"
        )
    return found


def _folder(path: Path) -> str | None:
    names = {item.name for item in path.iterdir()}
    if names & {"saved_model.pb", "saved_model.pbtxt", "export.meta"}:
        return "tensorflow-saved-model"
    if "config.json" in names and any(name.startswith("model.weights.") for name in names):
        return "keras-folder"
    if "checkpoint" in names or any(name.endswith(".index") for name in names):
        return "tensorflow-checkpoint"
    if any(name.endswith(".safetensors") for name in names):
        return "safetensors"
    if any(name.endswith(pytorch.INDEX) for name in names):
        return "pytorch"
    return _tfjs(path / tfjs_weights.FILE) if tfjs_weights.FILE in names else None


def _file(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(64)
            size = file.seek(0, 2)
            file.seek(max(size - 8, 0))
            tail = file.read(8)
    except PermissionError as error:
        raise SourceError(f"cannot read '{path}': {error.strerror}") from error
    if not head:
        raise CorruptFileError(f"'{path}' is empty; get the file again")
    if head[:4] == b"PK\x03\x04":
        return _zip(path)
    if _is_hdf5(path, size):
        return _hdf5(path)
    for recognise in (_by_mark, _safetensors):
        found = recognise(head, tail, size, path)
        if found:
            return found
    return (
        _checkpoint_data(path)
        or _TEXTS.get(tensorflow_text.kind(path) or "")
        or protobuf.kind(path)
        or _damaged_graph(path, head)
    )


def _damaged_graph(path: Path, head: bytes) -> str | None:
    """What a file must have been whose fields can no longer be told: its name and its first byte say it."""
    if head[:1] not in (b"\x08", b"\x0a"):
        return None
    if path.name == "saved_model.pb":
        return "tensorflow-saved-model"
    return {".meta": "tensorflow-meta-graph", ".pb": "tensorflow-graph"}.get(path.suffix)


def _zip(path: Path) -> str | None:
    with damage.refusing_damage(path):
        whole = zipfile.is_zipfile(path)
    if not whole:
        raise CorruptFileError(f"'{path}' is cut off: it begins as a zip file and has no end; get the file again")
    with damage.refusing_damage(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if "config.json" in names:
        return "keras-npz" if "model.weights.npz" in names else "keras"
    if any(name.endswith("/data.pkl") for name in names):
        return "torchscript" if any("/code/" in name for name in names) else "pytorch"
    return "npz" if names and all(name.endswith(".npy") for name in names) else None


def _is_hdf5(path: Path, size: int) -> bool:
    with path.open("rb") as file:
        return hdf5.is_hdf5(file, size)


def _hdf5(path: Path) -> str | None:
    with damage.refusing_damage(path), hdf5.source(path).opened() as file:
        attributes, members = set(file.attrs), {member.name for member in file.members()}
        if attributes & {"model_config", "layer_names", "layer_names0"} or "model_weights" in members:
            return "keras-h5"
        if members & {"layers", "_layer_checkpoint_dependencies"}:
            return "keras-weights"
        groups, datasets = hdf5.held(file, path)
        if any(name.endswith("vars") for name in (*groups, *datasets)):
            return "keras-weights"
    raise SourceError(
        f"'{path}' is an HDF5 file but holds no Keras network; found {sorted(attributes) or 'no attributes'}"
    )


def _by_mark(head: bytes, tail: bytes, size: int, path: Path) -> str | None:
    if head[:6] == b"\x93NUMPY":
        return "npy"
    if head[4:8] == b"TFL3":
        return "tflite"
    if tail == _TABLE:
        return "tensorflow-checkpoint"
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pytorch" if _LEGACY_PYTORCH in head else "pickle"
    if head.startswith(_PICKLES):
        return "pickle"
    return "pytorch" if _is_tar(path) else None


def _is_tar(path: Path) -> bool:
    """Whether a file is a tar archive; PyTorch 0.1 wrote one."""
    with path.open("rb") as file:
        return file.read(512)[257:262] == b"ustar"


def _safetensors(head: bytes, tail: bytes, size: int, path: Path) -> str | None:
    if head[8:10] in (b'{"', b"{}", b"{ ") and int.from_bytes(head[:8], "little") < 1 << 32:
        return "safetensors"
    if head.lstrip()[:1] != b"{":
        return None
    if safetensors.is_index(path):
        return "safetensors"
    return "pytorch" if sharded.is_index(path, pytorch.ENDINGS) else _tfjs(path)


def _tfjs(path: Path) -> str | None:
    return {tfjs_weights.LAYERS: "tfjs", tfjs_weights.GRAPH: "tfjs-graph"}.get(tfjs_weights.kind(path) or "")


def _checkpoint_data(path: Path) -> str | None:
    stem, mark, _ = path.name.partition(".data-0")
    if mark and path.with_name(f"{stem}.index").exists():
        return "tensorflow-checkpoint"
    # What is cut off has lost its mark at the end; what stands beside it still tells.
    stem, mark, _ = path.name.partition(".index")
    return "tensorflow-checkpoint" if mark and any(path.parent.glob(f"{glob.escape(stem)}.data-0*")) else None
