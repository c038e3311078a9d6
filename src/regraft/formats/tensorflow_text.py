"""TensorFlow's graphs in the text form of protocol buffers, `.pbtxt`: as the bytes of the binary form.

Whatever reads the binary form reads these too. Field numbers: tensorflow/core/framework/{graph,node_def,attr_value,
tensor,tensor_shape,function,op_def}.proto, tensorflow/core/protobuf/{meta_graph,saved_model,saver}.proto.
"""

import functools
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from regraft.core.errors import CorruptFileError
from regraft.formats import damage, prototext, wire
from regraft.formats.tensorflow_types import type_number

GRAPH, META_GRAPH, SAVED_MODEL = "GraphDef", "MetaGraphDef", "SavedModel"

ENDING = ".pbtxt"
# Text is several times as long as what it says; a graph with large weights is not written so.
_LONGEST = 1 << 28
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WHOLE = ("int", "bool", "type")


def _fields(text: str) -> dict[str, tuple[int, str]]:
    """Fields by name: `name number kind; ...`."""
    parts = (item.split() for item in text.split(";"))
    return {name: (int(number), kind) for name, number, kind in parts}


# Messages by name. Kinds in small letters are values; `type` is a word such as DT_FLOAT.
MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "SavedModel": _fields("saved_model_schema_version 1 int; meta_graphs 2 MetaGraphDef"),
    "MetaGraphDef": _fields(
        "meta_info_def 1 MetaInfoDef; graph_def 2 GraphDef; saver_def 3 SaverDef; collection_def 4 CollectionEntry; "
        "signature_def 5 SignatureEntry"
    ),
    "MetaInfoDef": _fields("stripped_op_list 2 OpList; tags 4 text; tensorflow_version 5 text"),
    "OpList": _fields("op 1 OpDef"),
    "SaverDef": _fields("filename_tensor_name 1 text; save_tensor_name 2 text; restore_op_name 3 text"),
    "CollectionEntry": _fields("key 1 text; value 2 CollectionDef"),
    "CollectionDef": _fields(
        "node_list 1 TextList; bytes_list 2 TextList; int64_list 3 IntList; float_list 4 FloatList"
    ),
    "TextList": _fields("value 1 text"),
    "IntList": _fields("value 1 int"),
    "FloatList": _fields("value 1 float"),
    "SignatureEntry": _fields("key 1 text; value 2 SignatureDef"),
    "SignatureDef": _fields("inputs 1 InfoEntry; outputs 2 InfoEntry; method_name 3 text"),
    "InfoEntry": _fields("key 1 text; value 2 TensorInfo"),
    "TensorInfo": _fields("name 1 text; dtype 2 type; tensor_shape 3 TensorShapeProto"),
    "GraphDef": _fields("node 1 NodeDef; library 2 FunctionDefLibrary; version 3 int"),
    "FunctionDefLibrary": _fields("function 1 FunctionDef"),
    "FunctionDef": _fields("signature 1 OpDef; node_def 3 NodeDef; ret 4 TextEntry"),
    "TextEntry": _fields("key 1 text; value 2 text"),
    "OpDef": _fields("name 1 text; input_arg 2 ArgDef; output_arg 3 ArgDef"),
    "ArgDef": _fields("name 1 text; type 3 type; type_attr 4 text; number_attr 5 text; type_list_attr 6 text"),
    "NodeDef": _fields("name 1 text; op 2 text; input 3 text; device 4 text; attr 5 AttrEntry"),
    "AttrEntry": _fields("key 1 text; value 2 AttrValue"),
    "AttrValue": _fields(
        "list 1 ListValue; s 2 text; i 3 int; f 4 float; b 5 bool; type 6 type; shape 7 TensorShapeProto; "
        "tensor 8 TensorProto; placeholder 9 text; func 10 NameAttrList"
    ),
    "ListValue": _fields(
        "s 2 text; i 3 int; f 4 float; b 5 bool; type 6 type; shape 7 TensorShapeProto; tensor 8 TensorProto; "
        "func 9 NameAttrList"
    ),
    "NameAttrList": _fields("name 1 text; attr 2 AttrEntry"),
    "TensorShapeProto": _fields("dim 2 Dim; unknown_rank 3 bool"),
    "Dim": _fields("size 1 int; name 2 text"),
    "TensorProto": _fields(
        "dtype 1 type; tensor_shape 2 TensorShapeProto; version_number 3 int; tensor_content 4 text; "
        "float_val 5 float; "
        "double_val 6 double; int_val 7 int; string_val 8 text; scomplex_val 9 float; int64_val 10 int; "
        "bool_val 11 bool; dcomplex_val 12 double; half_val 13 int; uint32_val 16 int; uint64_val 17 int"
    ),
}  # fmt: skip

# How the text of each message begins.
_BEGINNINGS = {
    "node": GRAPH,
    "library": GRAPH,
    "meta_info_def": META_GRAPH,
    "graph_def": META_GRAPH,
    "saved_model_schema_version": SAVED_MODEL,
    "meta_graphs": SAVED_MODEL,
}


def kind(path: Path) -> str | None:
    """Which message a file is the text of; None where it is none of TensorFlow's graphs."""
    with path.open("rb") as file:
        head = file.read(4096)
    lines = (line.strip() for line in head.decode("utf-8", "replace").splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    for word, message in _BEGINNINGS.items():
        rest = first.removeprefix(word).lstrip()
        if first.startswith(word) and rest[:1] in ("{", ":", "<"):
            return message
    return None


def content(path: Path) -> memoryview:
    """The binary form of a graph file, whichever it is in.

    Raises:
        CorruptFileError: it is text that is no graph.
    """
    message = kind(path)
    return wire.mapped(path) if message is None else _encoded(path, message, damage.stamp(path))


def is_text(path: Path) -> bool:
    """Whether a file holds one of TensorFlow's graphs as text."""
    return kind(path) is not None


@functools.lru_cache(maxsize=1)
def _encoded(path: Path, message: str, stamp: tuple[int, int]) -> memoryview:
    if path.stat().st_size > _LONGEST:
        raise CorruptFileError(f"'{path}' is {path.stat().st_size} bytes of text, expected {_LONGEST} at most")
    try:
        return memoryview(encoded(message, prototext.parsed(path.read_text("utf-8"), raw=True)))
    except ValueError as error:
        raise CorruptFileError(f"'{path}' is no {message} as text: {error}; get the file again") from error


def encoded(name: str, block: Mapping[str, Any]) -> bytes:
    """A block, its values in lists by the name of the field, as a message; fields that no reader asks for are left out.

    Raises:
        ValueError: a value is not what its field asks for.
    """
    known = MESSAGES[name]
    parts = [_field(*known[field], value) for field, values in block.items() if field in known for value in values]
    return b"".join(parts)


def _field(number: int, kind: str, value: Any) -> bytes:
    if kind in _WHOLE:
        return _varint(number << 3 | _VARINT) + _varint(_integer(kind, value) & (1 << 64) - 1)
    if kind in ("float", "double"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"expected a number, found {value!r}")
        wire_type, form = (_FIXED32, "<f") if kind == "float" else (_FIXED64, "<d")
        return _varint(number << 3 | wire_type) + struct.pack(form, value)
    if kind == "text":
        inside = _text(value)
    elif isinstance(value, dict):
        inside = encoded(kind, cast(Mapping[str, Any], value))
    else:
        raise ValueError(f"expected a block ({kind}), found {value!r}")
    return _varint(number << 3 | _BYTES) + _varint(len(inside)) + inside


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, found {value!r}")
    return value.encode("utf-8", "surrogateescape")


def _integer(kind: str, value: Any) -> int:
    if isinstance(value, int):
        return value
    number = _type(value) if kind == "type" and isinstance(value, str) else None
    if number is None:
        raise ValueError(f"expected {'a type' if kind == 'type' else 'a whole number'}, found {value!r}")
    return number


_TYPES = {"FLOAT": "float32", "DOUBLE": "float64", "HALF": "float16"}


def _type(word: str) -> int | None:
    """The number of a type by its word: `DT_FLOAT`, `DT_INT32_REF`."""
    name = word.removeprefix("DT_")
    plain = name.removesuffix("_REF")
    number = 0 if plain == "INVALID" else type_number(_TYPES.get(plain, plain.lower()))
    return None if number is None else number + 100 * (name != plain)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
