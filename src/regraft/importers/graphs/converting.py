"""A graph file of any format becomes a `keras.Model`: the format's table, the builder, the report."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from regraft import formats
from regraft.core.errors import SourceError
from regraft.core.opened import LoadReport
from regraft.core.tensors import TensorArchive, flat
from regraft.importers import conventions
from regraft.importers.graphs import build, caffe, onnx, report, selecting, tensorflow, tflite
from regraft.importers.graphs.build import Built
from regraft.importers.graphs.neutral import Graph
from regraft.importers.pretrained import Convention, Ends, Opened, Request

# From the name of a format to what says its graphs in neutral words.
TABLES: dict[str, Callable[[TensorArchive], Graph]] = {
    onnx.FORMAT: onnx.neutral,
    caffe.FORMAT: caffe.neutral,
    tflite.FORMAT: tflite.neutral,
    **dict.fromkeys(tensorflow.FORMATS, tensorflow.neutral),
}

# What says how the network's pictures are prepared, of formats that may.
CONVENTIONS: dict[str, Callable[[TensorArchive], Convention | None]] = {caffe.FORMAT: caffe.convention}


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A graph file as a model.

    Attributes:
        built: the model, and what every foreign value has become.
        graph: the network in neutral words.
        report: what became of every tensor.
        format: of the file.
        sizes: elements of every tensor of the file.
        own: names of the values that the file itself has, as opposed to steps on the way to them that it does not.
        convention: how pictures are prepared, where the file says it.
    """

    built: Built
    graph: Graph
    report: LoadReport
    format: str
    sizes: Mapping[str, int]
    own: frozenset[str]
    convention: Convention | None = None


def convert(path: Path, input_size: int | None = None, ends: Ends | None = None) -> Converted:
    """Make a trainable model of a graph file.

    Args:
        path: of a format in `TABLES`.
        input_size: height and width in pixels where the graph leaves them open.
        ends: the values between which it is to be; None: from the inputs to the outputs that the file states.

    Raises:
        SourceError: no part of the network can be said in Keras' layers, or an end is not known.
        CorruptFileError: the file is truncated or was altered.
    """
    archive = formats.read(path)
    if archive.format not in TABLES:
        raise SourceError(f"expected a graph file ({', '.join(TABLES)}), found '{path}' of format {archive.format}")
    table = TABLES[archive.format]
    graph = table(archive) if ends is None else selecting.neutral(archive, table, ends, str(path))
    converted = from_graph(archive, graph, str(path), input_size)
    begins_inside = ends is not None and bool(ends.inputs)
    states = None if begins_inside else CONVENTIONS.get(archive.format)
    return replace(converted, convention=states(archive)) if states else converted


def from_graph(archive: TensorArchive, graph: Graph, where: str, input_size: int | None = None) -> Converted:
    """Make a trainable model of a graph that is said in neutral words already.

    Args:
        archive: that its tensors are from.
        graph: the network.
        where: the source, for messages.
        input_size: height and width in pixels where the graph leaves them open.

    Raises:
        SourceError: no part of the network can be said in Keras' layers.
    """
    built = build.build(graph, where, input_size)
    sizes = {name: tensor.size for name, tensor in archive.tensors.items()}
    own = frozenset(value for operation in flat(formats.graph(archive)).operations for value in operation.outputs)
    return Converted(built, graph, report.report(archive, built), archive.format, sizes, own)


def handles(request: Request) -> bool:
    """Whether the source is a graph file."""
    if not isinstance(request.source, str | os.PathLike) or request.architecture is not None:
        return False
    path = Path(request.text)
    return path.exists() and formats.sniff(path) in TABLES


def load(request: Request) -> Opened:
    """Open the file as a model."""
    converted = convert(Path(request.text), request.input_size, request.ends)
    model, stated = converted.built.model, converted.convention
    inputs = conventions.stated(model, stated, request.input_size) if stated else None
    return Opened(model, converted.report, inputs=inputs)
