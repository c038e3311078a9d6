"""TensorFlow's meta graphs: a graph, its collections by name, how it is saved, and the checkpoint beside it."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regraft.core.tensors import OperationGraph, OptimizerEntry, TensorArchive, TensorEntry
from regraft.formats import damage, tensorflow_checkpoint, tensorflow_text
from regraft.formats.tensorflow_ends import Ends, ends
from regraft.formats.tensorflow_graph import about, described, held
from regraft.formats.tensorflow_nodes import Graph, all_nodes, constants, signature
from regraft.formats.tensorflow_nodes import graph as graph_in
from regraft.formats.tensorflow_operations import graph_of
from regraft.formats.tensorflow_types import shape_of, type_name
from regraft.formats.wire import Message

NAME = "tensorflow-meta-graph"
TITLE = "TensorFlow meta graph (.meta)"

# What is run to initialise or to save is no network.
_NO_ANSWERS = ("__saved_model_init_op", "__saved_model_train_op")
_DEFAULT = "serving_default"
_SHARD = "-00000-of-"
_VARIABLES = re.compile(r"(?:.*_)?variables|moving_average_variables|global_step")


@dataclass(frozen=True, slots=True)
class MetaGraph:
    """A `MetaGraphDef` at rest.

    Attributes:
        graph: nodes and functions.
        collections: the names in each collection.
        signatures: by name: `inputs` and `outputs`, each a mapping of argument to value, type, shape; `method`.
        saver: how it is saved, as plain data.
        tags: what it is for, such as `serve`.
        version: of the TensorFlow that wrote it.
    """

    graph: Graph
    collections: Mapping[str, tuple[str, ...]]
    signatures: Mapping[str, Mapping[str, Any]]
    saver: Mapping[str, Any]
    tags: tuple[str, ...]
    version: str


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a meta graph, and the checkpoint of the same prefix if it is there.

    Args:
        path: the file.
        architecture: not needed, the file has its own.

    Raises:
        CorruptFileError: a file is truncated or was altered.
    """
    with damage.refusing_damage(path):
        prefix = _checkpoint(path)
        weights = tensorflow_checkpoint.read_prefix(prefix) if prefix is not None else None
        archive = assembled(NAME, path, _parsed(path, damage.stamp(path)), weights)
    warning = () if weights else (f"no checkpoint beside '{path.name}': the graph is there, its weights are not",)
    return TensorArchive(
        NAME, archive.tensors, None, archive.optimizer, archive.metadata, (*archive.warnings, *warning)
    )


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of the graph; where it has no signature, from the main feed to what depends on it alone.

    Raises:
        SourceError: a node reads what nobody makes, or waits for itself.
        CorruptFileError: the file was altered since it was opened.
    """
    path = Path(archive.metadata["path"])
    with damage.refusing_damage(path):
        return operations(_parsed(path, damage.stamp(path)), path.stem, archive)


def graph_at(path: Path) -> OperationGraph:
    """The operations of the meta graph at a path."""
    return graph(read(path))


# The graph of a file is asked for right after the file was opened.
@functools.lru_cache(maxsize=1)
def _parsed(path: Path, stamp: tuple[int, int]) -> MetaGraph:
    whole = tensorflow_text.content(path)
    return meta_graph(Message(whole), whole)


def tags(message: Message) -> tuple[str, ...]:
    """What a `MetaGraphDef` says that it is for, the rest of it unread.

    Raises:
        ValueError: it is damaged.
    """
    info = message.message(1)
    return tuple(info.texts(4)) if info else ()


def meta_graph(message: Message, whole: memoryview) -> MetaGraph:
    """Read a `MetaGraphDef`.

    Args:
        message: the message.
        whole: the file that it is a part of.

    Raises:
        ValueError: it is damaged.
    """
    info = message.message(1) or Message(b"")
    declared = info.message(2)
    known = [signature(item) for item in declared.messages(1)] if declared else []
    return MetaGraph(
        graph=graph_in(message.message(2), whole, {item.name: item for item in known}),
        collections={item.text(1): _collection(item.text(1), item.message(2)) for item in message.messages(4)},
        signatures={item.text(1): _signature(item.message(2)) for item in message.messages(5)},
        saver=_saver(message.message(3)),
        tags=tuple(info.texts(4)),
        version=info.text(5),
    )


def operations(meta: MetaGraph, name: str, archive: TensorArchive) -> OperationGraph:
    """The operations of a meta graph, from the inputs of its signature to the outputs."""
    between = _ends(meta)
    return graph_of(meta.graph, name, between.inputs, between.outputs, held(meta.graph, archive))


def assembled(kind: str, path: Path, meta: MetaGraph, weights: TensorArchive | None) -> TensorArchive:
    """The archive of a meta graph: variables first, then constants under the names of their nodes.

    Args:
        kind: the format.
        path: the file that holds the graph.
        meta: what is in it.
        weights: its checkpoint, if there is one.
    """
    tensors: dict[str, TensorEntry] = dict(weights.tensors) if weights else {}
    optimizer: OptimizerEntry | None = weights.optimizer if weights else None
    for name, tensor in constants(all_nodes(meta.graph), path, tensorflow_text.content(path)).items():
        tensors.setdefault(name, tensor)
    metadata = {
        **described(meta.graph),
        "collections": dict(meta.collections),
        "signatures": dict(meta.signatures) or None,
        "saver": dict(meta.saver) or None,
        "tags": meta.tags or None,
        "tensorflow_version": meta.version or None,
        "variables": tuple(weights.tensors) if weights else (),
        **({key: value for key, value in weights.metadata.items() if key == "objects"} if weights else {}),
        "path": str(path),
    }
    warnings = (*about(meta.graph), *(weights.warnings if weights else ()))
    return TensorArchive(kind, tensors, None, optimizer, metadata, warnings)


def _checkpoint(path: Path) -> Path | None:
    prefix = path.with_name(path.name.removesuffix(tensorflow_text.ENDING).removesuffix(tensorflow_checkpoint.META))
    if prefix == path:
        return None
    shards = sorted(path.parent.glob(f"{prefix.name}{_SHARD}?????"))
    if tensorflow_checkpoint.is_prefix(prefix) or prefix.is_file():
        return prefix
    return shards[0] if shards else None


def _ends(meta: MetaGraph) -> Ends:
    usable = {
        name: found
        for name, found in meta.signatures.items()
        if name not in _NO_ANSWERS and found["inputs"] and found["outputs"]
    }
    if not usable:
        return ends(meta.graph.nodes)
    found = usable.get(_DEFAULT) or next(iter(usable.values()))
    return Ends(*(tuple(dict.fromkeys(item["value"] for item in found[end].values())) for end in ("inputs", "outputs")))


def _signature(message: Message | None) -> dict[str, Any]:
    if message is None:
        return {"inputs": {}, "outputs": {}, "method": ""}
    sides = {"inputs": 1, "outputs": 2}
    ends_of = {
        side: {item.text(1): _tensor_info(item.message(2)) for item in message.messages(number)}
        for side, number in sides.items()
    }
    # A sparse tensor or a composite one has no one value.
    named = {side: {key: value for key, value in infos.items() if value["value"]} for side, infos in ends_of.items()}
    return {**named, "method": message.text(3)}


def _tensor_info(message: Message | None) -> dict[str, Any]:
    if message is None:
        return {"value": ""}
    return {"value": message.text(1), "dtype": type_name(message.integer(2)), "shape": shape_of(message.view(3))}


def _saver(message: Message | None) -> dict[str, Any]:
    if message is None:
        return {}
    return {"filename": message.text(1), "save": message.text(2), "restore": message.text(3)}


def _collection(name: str, message: Message | None) -> tuple[str, ...]:
    """What is in a collection: names of nodes, variables or values, or numbers; of anything else, how much it is."""
    if message is None or not message.numbers:
        return ()
    kind = message.numbers[0]
    items = message.message(kind) or Message(b"")
    if kind == 1:
        return tuple(items.texts(1))
    if kind == 2:
        found = [bytes(view) for view in items.views(1)]
        return tuple(_variable(content) if _VARIABLES.fullmatch(name) else f"{len(content)} bytes" for content in found)
    if kind == 3:
        return tuple(str(number) for number in items.integers(1))
    return tuple(str(number) for number in items.reals(1)) if kind == 4 else (f"{len(items.views(1))} values",)


def _variable(content: bytes) -> str:
    """The name in a `VariableDef`."""
    return Message(content).text(1)
