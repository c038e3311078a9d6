"""The table from TensorFlow's operations to neutral kinds, from frozen graphs, meta graphs and SavedModels.

The rows, one for each operation, are in `tensorflow_rows`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from regraft import formats
from regraft.core.errors import SourceError
from regraft.core.tensors import Operation, OperationGraph, TensorArchive, TensorEntry, flat
from regraft.formats import tensorflow_graph, tensorflow_meta_graph, tensorflow_saved_model, tfjs_graph
from regraft.formats.tensorflow_nodes import CONSTANT, VARIABLES
from regraft.importers.graphs.neutral import Array, Graph, Input, Node, Tensor
from regraft.importers.graphs.tensorflow_patterns import SAME, BatchNorm, Dropout, answers
from regraft.importers.graphs.tensorflow_rows import MOMENTUM, ROWS, unknown
from regraft.importers.graphs.tensorflow_translation import Translation

FORMATS = (tensorflow_graph.NAME, tensorflow_meta_graph.NAME, tensorflow_saved_model.NAME, tfjs_graph.NAME)

_NUMBERS = (
    *("float16", "bfloat16", "float32", "float64", "bool"),
    *("uint8", "int8", "uint16", "int16", "int32", "int64"),
)


def neutral(
    archive: TensorArchive, part: OperationGraph | None = None, inputs: Mapping[str, Input] | None = None
) -> Graph:
    """The network of a TensorFlow graph in neutral words.

    Args:
        archive: the file.
        part: of its graph, flat, with the outputs that are wanted as they are; None: all of it.
        inputs: what is known about inputs of the part, by name.

    Raises:
        SourceError: the graph has no input that a network of numbers can have, or no values for its variables.
    """
    graph = part or flat(formats.graph(archive))
    known = inputs or {}
    translation = Translation(archive, graph)
    for operation in graph.operations:
        try:
            _translated(translation, operation)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # An altered file: operands or settings that no TensorFlow writes.
            translation.refuse(operation, f"not as TensorFlow writes it ({type(error).__name__}: {error})")
    given = tuple(known.get(name) or _input(archive, graph, name) for name in graph.inputs)
    outputs = graph.outputs if part else answers(graph, translation.patterns)
    nodes = _needed(translation.nodes, outputs)
    missing = [translation.missing[value] for node in nodes for value in node.inputs if value in translation.missing]
    if missing:
        raise SourceError(
            f"'{archive.metadata.get('path')}' holds no values for '{missing[0]}' and {len(missing) - 1} more; "
            "expected the checkpoint that was saved with it in the same folder, under the same name"
        )
    return Graph(graph.name, nodes, given, outputs, translation.tensors, channels=-1)


def _needed(nodes: Sequence[Node], outputs: Sequence[str]) -> tuple[Node, ...]:
    """The nodes that the outputs depend on: gradients read everything, and would hide what follows what."""
    wanted, needed = set(outputs), list[Node]()
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            needed.append(node)
    return tuple(reversed(needed))


def _input(archive: TensorArchive, graph: OperationGraph, name: str) -> Input:
    stated: Mapping[str, Any] = archive.metadata.get("inputs", {}).get(name, {})
    dtype, shape = stated.get("dtype") or "float32", stated.get("shape")
    if dtype == "string":
        raise SourceError(takes_text(graph, name, graph.outputs, str(archive.metadata.get("path"))))
    if not shape and name in graph.shapes:
        shape = (None, *graph.shapes[name])
    if dtype not in _NUMBERS or shape is None or not all(_is_size(size) for size in shape):
        raise SourceError(
            f"'{archive.metadata.get('path')}' says dtype {dtype} and shape {shape} of its input '{name}', expected "
            "both of numbers; export it with a placeholder that has them"
        )
    return Input(name, tuple(shape), dtype)


def takes_text(graph: OperationGraph, name: str, outputs: Sequence[str], where: str) -> str:
    """Why a graph whose input is text is no network, and where one begins that is.

    Args:
        graph: flat.
        name: of the input.
        outputs: the values that are wanted.
        where: the file.
    """
    read = set(outputs)
    for operation in reversed(graph.operations):
        read.update(operation.inputs if read.intersection(operation.outputs) else ())
    said = f"'{where}' takes text at '{name}', expected numbers"
    same = {name}
    for operation in graph.operations:
        if same.isdisjoint(operation.inputs) or read.isdisjoint(operation.outputs):
            continue
        if operation.kind in SAME:
            same.update(operation.outputs)
            continue
        made = " ".join(_short(value) for value in operation.outputs if value in read)
        return (
            f"{said}; {operation.kind} '{operation.name}' reads it: begin behind that, with "
            f"--inputs {made} (inputs= in Python), or at any value of numbers further up"
        )
    others = " ".join(_short(value) for value in graph.inputs if value in read and value not in same)
    return f"{said}; begin behind its parsing, with --inputs {others or 'NAME'} (inputs= in Python)"


def _short(value: str) -> str:
    """A value as TensorFlow's nodes name it."""
    return value.removesuffix(":0") if value.count(":") == 1 else value


def _is_size(size: Any) -> bool:
    return size is None or (isinstance(size, int) and size > 0)


def _translated(translation: Translation, operation: Operation) -> None:
    normalisation = translation.patterns.batch_norm(operation)
    dropped = translation.patterns.dropout(operation)
    if normalisation is not None and _normalised(translation, operation, normalisation):
        return
    if dropped is not None:
        _dropped(translation, operation, dropped)
    elif operation.kind == CONSTANT or operation.kind in VARIABLES:
        _held(translation, operation)
    elif operation.attributes.get("data_format", "NHWC") not in ("NHWC", "NDHWC"):
        translation.refuse(operation, f"expected channels last, found {operation.attributes['data_format']}")
    else:
        ROWS.get(operation.kind, unknown)(translation, operation)


def _held(translation: Translation, operation: Operation) -> None:
    """A value at rest; a variable's handle stands for what it holds."""
    entry = translation.archive.tensors.get(operation.attributes.get("tensor", ""))
    if entry is None:
        translation.missing[operation.outputs[0]] = operation.name
        return
    floats = entry.dtype.startswith(("float", "bfloat"))
    learns = operation.kind in VARIABLES or (entry.size > 1 and not translation.has_variables)
    value = operation.outputs[0]
    translation.shapes[value] = entry.shape
    translation.tensors[value] = Tensor(_widened(entry), entry.name, learns=floats and learns)


def _widened(entry: TensorEntry) -> Callable[[], Array]:
    """Reads numbers as wide as the builder computes with; a product of sizes may not fit in 32 bits."""
    if entry.dtype.startswith(("float", "bfloat")):
        return lambda: entry.read().astype(np.float32)
    if entry.dtype.startswith(("int", "uint")):
        return lambda: entry.read().astype(np.int64)
    return entry.read


def _normalised(translation: Translation, operation: Operation, found: BatchNorm) -> bool:
    epsilon = translation.known(found.epsilon)
    maker = translation.patterns.maker(found.variance)
    channels = translation.shapes.get(maker.outputs[0]) if maker else None
    if epsilon is None or epsilon.size != 1 or channels is None or len(channels) != 1:
        return False
    # Epsilon is an operand as well, so that the report knows that it was read.
    reads = (found.x, found.scale, found.offset, found.mean, found.variance, found.epsilon)
    settings = {"epsilon": float(epsilon.reshape(())), "momentum": MOMENTUM}
    translation.add(operation, "batch_norm", reads, channels=-1, **settings)
    return True


def _dropped(translation: Translation, operation: Operation, found: Dropout) -> None:
    """Dropout at the rate in the graph; where the rate is fed, the graph does not say it, and there is none."""
    factor = translation.known(found.factor)
    if factor is None or factor.size != 1:
        translation.add(operation, "identity", (found.x,))
        return
    kept = float(factor.reshape(()))
    kept = kept if found.divides else 1 / kept if kept else 1.0
    translation.add(operation, "dropout", (found.x,), rate=round(min(max(1 - kept, 0.0), 1.0), 6))
