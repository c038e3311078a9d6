"""A graph file of any format becomes a `keras.Model`: the format's table, the builder, the report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras

from regraft import formats
from regraft.core.errors import SourceError
from regraft.core.records import LoadReport
from regraft.core.tensors import TensorArchive, flat
from regraft.importers.graphs import build, caffe, onnx, report, tensorflow, tflite
from regraft.importers.graphs.build import Built
from regraft.importers.graphs.neutral import Graph
from regraft.importers.pretrained import Opened, Request

# From the name of a format to what says its graphs in neutral words.
TABLES: dict[str, Callable[[TensorArchive], Graph]] = {
    onnx.FORMAT: onnx.neutral,
    caffe.FORMAT: caffe.neutral,
    tflite.FORMAT: tflite.neutral,
    **dict.fromkeys(tensorflow.FORMATS, tensorflow.neutral),
}


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
    """

    built: Built
    graph: Graph
    report: LoadReport
    format: str
    sizes: Mapping[str, int]
    own: frozenset[str]


def convert(path: Path, input_size: int | None = None) -> Converted:
    """Make a trainable model of a graph file.

    Args:
        path: of a format in `TABLES`.
        input_size: height and width in pixels where the graph leaves them open.

    Raises:
        SourceError: no part of the network can be said in Keras' layers.
        CorruptFileError: the file is truncated or was altered.
    """
    archive = formats.read(path)
    if archive.format not in TABLES:
        raise SourceError(f"expected a graph file ({', '.join(TABLES)}), found '{path}' of format {archive.format}")
    graph = TABLES[archive.format](archive)
    built = build.build(graph, str(path), input_size)
    sizes = {name: tensor.size for name, tensor in archive.tensors.items()}
    own = frozenset(value for operation in flat(formats.graph(archive)).operations for value in operation.outputs)
    return Converted(built, graph, report.report(archive, built), archive.format, sizes, own)


def handles(request: Request) -> bool:
    """Whether the source is a graph file."""
    if isinstance(request.source, keras.Model) or request.architecture is not None:
        return False
    path = Path(request.text)
    return path.exists() and formats.sniff(path) in TABLES


def load(request: Request) -> Opened:
    """Open the file as a model."""
    converted = convert(Path(request.text), request.input_size)
    return Opened(converted.built.model, converted.report)
