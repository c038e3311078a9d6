"""ONNX files in onnxruntime, with any value inside of them as a result."""

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regraft.core.errors import WorkError
from regraft.importers.originals.ran import Array, Ran

PACKAGE = INSTALL = "onnxruntime"

# Fields of ModelProto, GraphProto and ValueInfoProto.
_GRAPH, _OUTPUT, _NAME = 7, 12, 1
_ERRORS_ONLY = 3


def version() -> str:
    """The runtime and its version."""
    return f"{PACKAGE} {importlib.metadata.version(PACKAGE)}"


def run(path: Path, batches: Sequence[Mapping[str, Array]], wanted: Sequence[str]) -> Ran:
    """Compute values of the graph, unoptimised, so that each is what its operation says.

    Args:
        path: the file.
        batches: arrays for the inputs, each with the batch that the file was written for.
        wanted: names of values anywhere in the graph.

    Raises:
        WorkError: the runtime does not take the file or the arrays.
    """
    runtime: Any = importlib.import_module(PACKAGE)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(path.parent.resolve()))
    try:
        session = runtime.InferenceSession(_asking_for(path, wanted), options, providers=["CPUExecutionProvider"])
        types = {item.name: item.type for item in session.get_inputs()}
        feeds = [{name: values.astype(_dtype(types[name])) for name, values in given.items()} for given in batches]
        return Ran(tuple(dict(zip(wanted, session.run(list(wanted), feed), strict=True)) for feed in feeds))
    except Exception as error:  # Its errors have no class in common.
        reason = " ".join(str(error).split())[:200]
        raise WorkError(f"{version()} does not run '{path}': {reason}; leave --check out") from error


def _asking_for(path: Path, wanted: Sequence[str]) -> bytes:
    """The file with more outputs: a message that stands there twice is merged, so they are simply put after it."""
    content = path.read_bytes()
    outputs = b"".join(_field(_OUTPUT, _field(_NAME, name.encode())) for name in wanted)
    return content + _field(_GRAPH, outputs)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _dtype(kind: str) -> str:
    """NumPy's name of a type as onnxruntime writes it, such as `tensor(float)`."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(name, name)
