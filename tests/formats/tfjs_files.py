"""Graph models as TensorFlow.js's converter writes them, from a frozen graph."""

import json
from pathlib import Path
from typing import Any

import numpy as np

# The fields of a tensor that its converter empties: the values go into the shards.
VALUES = (
    *("tensor_content", "half_val", "float_val", "double_val", "int_val", "string_val", "scomplex_val"),
    *("int64_val", "bool_val", "uint32_val", "uint64_val"),
)
# What a browser has no numbers for is written as what it has.
NARROWED = {"float64": "float32", "int64": "int32"}


def stored(values: np.ndarray, bits: Any) -> tuple[dict[str, Any], np.ndarray]:
    """Numbers as the converter quantises them: 8 or 16 bits, or `float16`; whole numbers and None stay as they are."""
    if bits is None or values.dtype != np.float32:
        return {}, values
    if bits == "float16":
        return {"quantization": {"dtype": "float16", "original_dtype": "float32"}}, values.astype("<f2")
    least, most = float(values.min()), float(values.max())
    scale = (most - least) / (2**bits - 1) or 1.0
    numbers = np.round((values - least) / scale).astype(f"<u{bits // 8}")
    return {"quantization": {"dtype": f"uint{bits}", "scale": scale, "min": least}}, numbers


def written(
    folder: Path, definition: Any, *, bits: Any = None, shard: int = 4000, signature: Any = None, old: bool = False
) -> Path:
    """A frozen graph as `model.json` and shards.

    Args:
        folder: to write to.
        definition: a `GraphDef` whose weights are constants.
        bits: of quantised numbers.
        shard: bytes in each shard.
        signature: what `signature` is to say; None: there is none.
        old: whether the signature stands where converters before 2.0 put it.
    """
    import tensorflow as tf
    from google.protobuf.json_format import MessageToDict

    graph = tf.compat.v1.GraphDef.FromString(definition.SerializeToString())
    stated, content = [], b""
    inside = [node for function in graph.library.function for node in function.node_def]
    for node in [*graph.node, *inside]:
        if node.op == "Const":
            values = tf.make_ndarray(node.attr["value"].tensor)
            values = values.astype(NARROWED.get(str(values.dtype), values.dtype))
            about, numbers = stored(values, bits)
            stated.append({"name": node.name, "shape": list(values.shape), "dtype": str(values.dtype), **about})
            content += numbers.tobytes()
            for field in VALUES:
                node.attr["value"].tensor.ClearField(field)
    parts = [content[start : start + shard] for start in range(0, len(content), shard)]
    paths = [f"group1-shard{number}of{len(parts)}.bin" for number in range(1, len(parts) + 1)]
    folder.mkdir(exist_ok=True)
    for path, part in zip(paths, parts, strict=True):
        (folder / path).write_bytes(part)
    whole = {
        "format": "graph-model",
        "generatedBy": "2.8.0",
        "convertedBy": "TensorFlow.js Converter v3.18.0",
        **({"signature": signature} if signature and not old else {}),
        **({"userDefinedMetadata": {"signature": signature}} if signature and old else {}),
        "modelTopology": MessageToDict(graph),
        "weightsManifest": [{"paths": paths, "weights": stated}],
    }
    (folder / "model.json").write_text(json.dumps(whole))
    return folder
