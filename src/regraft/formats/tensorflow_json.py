"""TensorFlow's graphs in the JSON form of protocol buffers: as the bytes of the binary form.

Whatever reads the binary form reads these too. In that form 64-bit numbers are texts, what may be any bytes is in base
64, enumerations are words, maps are objects, and names of fields are in camel case; the older writer of TensorFlow.js
gave numbers and lists of bytes instead. https://protobuf.dev/programming-guides/json/
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from regraft.formats import tensorflow_text

# Fields of the type `bytes`; all other texts stand as they are.
_ANY_BYTES = {("AttrValue", "s"), ("ListValue", "s"), ("TensorProto", "tensor_content"), ("TensorProto", "string_val")}
_NUMBERS = ("float", "double")
_CAPITAL = re.compile(r"(?<!^)([A-Z])")


def encoded(name: str, value: Any) -> bytes:
    """A message as bytes.

    Args:
        name: a key of `tensorflow_text.MESSAGES`.
        value: the message as `json.loads` gives it.

    Raises:
        ValueError: it is none.
    """
    return tensorflow_text.encoded(name, _block(name, value))


def _block(name: str, value: Any) -> dict[str, list[Any]]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a block ({name}), found {value!r:.80}")
    known, found = tensorflow_text.MESSAGES[name], dict[str, list[Any]]()
    for key, stated in cast(Mapping[str, Any], value).items():
        field = _CAPITAL.sub(r"_\1", key).lower()
        if field in known and stated is not None:
            kind = known[field][1]
            found[field] = [_value(name, field, kind, item) for item in _items(name, field, kind, stated)]
    return found


def _items(name: str, field: str, kind: str, stated: Any) -> Iterator[Any]:
    """What is repeated is a list, a map is an object, and a list of numbers may also be one row of bytes."""
    if kind in tensorflow_text.MESSAGES and set(tensorflow_text.MESSAGES[kind]) == {"key", "value"}:
        if not isinstance(stated, dict):
            raise ValueError(f"expected an object at '{field}', found {stated!r:.80}")
        yield from ({"key": key, "value": value} for key, value in cast(Mapping[str, Any], stated).items())
    elif isinstance(stated, list) and not ((name, field) in _ANY_BYTES and _is_row(cast(list[Any], stated))):
        yield from cast(list[Any], stated)
    else:
        yield stated


def _is_row(stated: Sequence[Any]) -> bool:
    return bool(stated) and all(isinstance(item, int) for item in stated)


def _value(name: str, field: str, kind: str, stated: Any) -> Any:
    if (name, field) in _ANY_BYTES:
        return _bytes(stated).decode("utf-8", "surrogateescape")
    if kind in tensorflow_text.MESSAGES:
        return _block(kind, stated)
    if kind in _NUMBERS and isinstance(stated, str):
        return float(stated)
    if kind == "int" and isinstance(stated, str):
        return int(stated)
    return stated


def _bytes(stated: Any) -> bytes:
    if isinstance(stated, list):
        return bytes(cast(list[int], stated))
    if not isinstance(stated, str):
        raise ValueError(f"expected bytes in base 64, found {stated!r:.80}")
    return base64.b64decode(stated.translate({ord("-"): "+", ord("_"): "/"}) + "=" * (-len(stated) % 4), validate=True)
