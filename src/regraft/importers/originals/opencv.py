"""Caffe networks in OpenCV's `dnn`, which still reads them where Caffe itself can no longer be had.

OpenCV knows nothing of phases and data bases, so the `.prototxt` is handed to it as it stands for the phase `TEST`,
with the inputs in the place of what reads data; every other field of every layer is the file's own.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regraft import formats
from regraft.core.errors import RequestError, WorkError
from regraft.core.tensors import OperationGraph
from regraft.formats import prototext
from regraft.formats.prototext import Block, Word
from regraft.importers.originals.ran import Array, Ran

PACKAGE = "cv2"
# Version 5 reads Caffe's files no more.
INSTALL = "opencv-python-headless<5"


def version() -> str:
    """The runtime and its version."""
    return f"OpenCV {importlib.import_module(PACKAGE).__version__} (cv2.dnn)"


def run(path: Path, batches: Sequence[Mapping[str, Array]], wanted: Sequence[str]) -> Ran:
    """Compute values of the network, layer by layer.

    Args:
        path: the `.caffemodel`; its `.prototxt` is the one beside it that Regraft reads too.
        batches: arrays for the inputs; batch, channels, height, width.
        wanted: names of values anywhere in the graph.

    Raises:
        RequestError: this OpenCV reads no Caffe files, or there is no `.prototxt`.
        WorkError: it does not take the file or the arrays.
    """
    dnn: Any = importlib.import_module(PACKAGE).dnn
    if not hasattr(dnn, "readNetFromCaffe"):
        raise RequestError(
            f"{version()} reads no Caffe files, expected one before 5; install it with: pip install '{INSTALL}', or "
            "leave --check out"
        )
    archive = formats.read(path)
    graph = formats.graph(archive)
    text = archive.metadata["prototxt"]
    if text is None:
        raise RequestError(
            f"expected a .prototxt beside '{path}' for OpenCV to run it by, found none; leave --check out"
        )
    stated = _as_used(prototext.parsed((path.parent / text).read_text(encoding="utf-8")), graph, batches[0])
    try:
        network = dnn.readNetFromCaffe(
            np.frombuffer(stated.encode(), np.uint8), np.frombuffer(path.read_bytes(), np.uint8)
        )
        # What is fused cannot be looked at.
        network.enableFusion(False)
        # It saves multiplications at the cost of digits.
        network.enableWinograd(False)
        return Ran(tuple(_answers(network, graph, given, wanted) for given in batches))
    except Exception as error:  # `cv2.error`, or NumPy's for what it gives back.
        reason = " ".join(str(error).split())[:200]
        raise WorkError(f"{version()} does not run '{path}': {reason}; leave --check out") from error


def _answers(
    network: Any, graph: OperationGraph, given: Mapping[str, Array], wanted: Sequence[str]
) -> dict[str, Array]:
    makers = {value: (item.name, place) for item in graph.operations for place, value in enumerate(item.outputs)}
    for name, values in given.items():
        network.setInput(np.ascontiguousarray(values, "float32"), name)
    layers = list(dict.fromkeys(makers[value][0] for value in wanted))
    made = dict(zip(layers, network.forwardAndRetrieve(layers), strict=True))
    return {value: np.array(made[makers[value][0]][makers[value][1]]) for value in wanted}


def _as_used(network: Block, graph: OperationGraph, given: Mapping[str, Array]) -> str:
    """The text of the network without what only learning needs."""
    kept = {operation.name: operation.kind for operation in graph.operations}
    layers = [block for key in ("layer", "layers") for block in network.get(key, [])]
    used = [block for block in layers if _is_used(block, kept) and not _only_trains(block)]
    inputs = [
        {
            "name": [name],
            "type": ["Input"],
            "top": [name],
            "input_param": [{"shape": [{"dim": list(values.shape)}]}],
        }
        for name, values in given.items()
    ]
    first = "layers" in network
    stated = "".join(f"layer {{\n{_written(block)}}}\n" for block in inputs)
    stated += "".join(
        f"{'layers' if first else 'layer'} {{\n{_written(_answering(block, kept.get(block['name'][-1], '')))}}}\n"
        for block in used
    )
    return stated


def _is_used(block: Block, kept: Mapping[str, str]) -> bool:
    """Whether it computes something, or gives a value a second name."""
    return block.get("name", [""])[-1] in kept or str(block.get("type", [""])[-1]).upper() == "SPLIT"


def _only_trains(block: Block) -> bool:
    included, excluded = (
        [rule.get("phase", [""])[-1] for rule in block.get(name, [])] for name in ("include", "exclude")
    )
    return "TEST" in excluded or (bool(included) and all(phase == "TRAIN" for phase in included))


def _answering(block: Block, kind: str) -> Block:
    """A layer; a loss as the function that it puts on what it is given."""
    block = {name: values for name, values in block.items() if name not in ("include", "exclude")}
    stated = str(block["type"][-1])
    if not stated.upper().replace("_", "").endswith("LOSS"):
        return block
    word = Word(kind.upper()) if isinstance(block["type"][-1], Word) else kind
    return {**block, "type": [word], "bottom": block["bottom"][:1], "loss_weight": []}


def _written(block: Block) -> str:
    """A message in the text form."""
    lines: list[str] = []
    for name, values in block.items():
        lines += [
            f"{name} {{\n{_written(item)}}}" if isinstance(item, dict) else f"{name}: {_value(item)}" for item in values
        ]
    return "".join(f"{line}\n" for line in lines)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not isinstance(value, Word):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return repr(value) if isinstance(value, float) else str(value)
