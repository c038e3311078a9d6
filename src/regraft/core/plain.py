"""Frozen dataclasses <-> plain values, JSON and TOML.

One converter serves the plan, the run record and every `--json` answer, so that reading back what was written is the
identity and an unknown or misspelt key is an error that names the nearest one.
"""

import contextlib
import dataclasses
import functools
import json
import math
import re
import reprlib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from regraft.core.errors import RequestError, nearest

T = TypeVar("T")

_WORDS = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def to_plain(value: Any) -> Any:
    """Dataclasses, tuples and mappings as dictionaries and lists; numbers of NumPy as Python's."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        items = typing.cast(Mapping[Any, Any], value).items()
        return {str(key): to_plain(item) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in typing.cast(Sequence[Any], value)]
    if getattr(value, "ndim", None) == 0:
        return typing.cast(Any, value).item()
    return value


def from_plain(kind: type[T], value: Any, where: str = "") -> T:
    """The value of type `kind` that `to_plain` made this plain value from.

    Args:
        kind: a dataclass, or a type made of dataclasses, tuples, mappings from strings or integers, unions, literals
            and scalars.
        value: the plain value. An absent key means the field's default, or None where the field may be None.
        where: the key path, for messages.

    Raises:
        RequestError: a key is unknown or missing, or a value has the wrong type.
    """
    return _read(kind, value, where)


def _read(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(typing.cast(type[Any], kind), value, where)
    if origin in (typing.Union, types.UnionType):
        return _read_union(arguments, value, where)
    if origin is typing.Literal:
        if not any(value == argument and type(value) is type(argument) for argument in arguments):
            raise _wrong(where, f"one of {', '.join(map(repr, arguments))}", value)
        return value
    if origin is tuple:
        return _read_tuple(arguments, value, where)
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise _wrong(where, "a table", value)
        items = typing.cast(dict[str, Any], value).items()
        return {_key_of(arguments[0], key, where): _read(arguments[1], item, _join(where, key)) for key, item in items}
    return _read_scalar(kind, value, where)


def _key_of(kind: Any, key: str, where: str) -> Any:
    """A key, which JSON and TOML have as text only."""
    if kind is not int:
        return key
    with contextlib.suppress(ValueError):
        if str(int(key)) == key:
            return int(key)
    raise _wrong(where, "an integer as the key", key)


def _read_scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is float and value is None:
        return math.nan  # JSON has no other form for it, and a run that diverged must stay readable.
    if kind is float and type(value) is int:
        return _float(value, where)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _wrong(where, _WORDS.get(kind, kind.__name__), value)
    return value


def _float(value: int, where: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise _wrong(where, "a number below 1.8e308", value) from None


def _read_dataclass(kind: type[Any], value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(where, "a table", value)
    table = typing.cast(dict[str, Any], value)
    hints, fields = _declared(kind)
    for key in table:
        if key not in fields:
            raise RequestError(f"unknown key '{_join(where, key)}'{nearest(key, fields)}")
    arguments: dict[str, Any] = {}
    for name, field in fields.items():
        if name in table:
            arguments[name] = _read(hints[name], table[name], _join(where, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            if not _optional(hints[name]):
                raise RequestError(f"missing key '{_join(where, name)}'")
            arguments[name] = None
    return kind(**arguments)


@functools.cache
def _declared(kind: type[Any]) -> tuple[dict[str, Any], dict[str, "dataclasses.Field[Any]"]]:
    """The types and the fields of a dataclass by name; worked out once, as documents hold thousands of the same."""
    return typing.get_type_hints(kind), {field.name: field for field in dataclasses.fields(kind)}


def _read_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    errors: list[RequestError] = []
    # The option that is exactly the value's type comes first, so that an integer in `float | int` stays one.
    for option in sorted(options, key=lambda option: option is not type(value)):
        if option is type(None):
            continue
        try:
            return _read(option, value, where)
        except RequestError as error:
            errors.append(error)
    raise errors[0]


def _read_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(where, "a list", value)
    items = typing.cast(Sequence[Any], value)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_read(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(items))
    if len(items) != len(arguments):
        raise _wrong(where, f"a list of {len(arguments)}", value)
    return tuple(
        _read(kind, item, f"{where}[{index}]") for index, (kind, item) in enumerate(zip(arguments, items, strict=True))
    )


def _optional(kind: Any) -> bool:
    return type(None) in typing.get_args(kind)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _wrong(where: str, expected: str, found: Any) -> RequestError:
    place = f"'{where}': " if where else ""
    return RequestError(f"{place}expected {expected}, found {'nothing' if found is None else reprlib.repr(found)}")


def to_json(value: Any, indent: int | None = 2) -> str:
    """JSON of a dataclass; numbers that are not finite, which JSON lacks, become null."""
    text = json.dumps(_finite(to_plain(value)), indent=indent, ensure_ascii=False, allow_nan=False)
    # Names of files that are not UTF-8 arrive as surrogates, which can be escaped but not encoded.
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in typing.cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_finite(item) for item in typing.cast(list[Any], value)]
    return value


def to_toml(value: Any) -> str:
    """TOML of a dataclass.

    What is None is left out, which `from_plain` reads back as the field's default: None in every document of ours.

    Raises:
        RequestError: a string has no form in TOML, because it is not text.
    """
    lines: list[str] = []
    _write_table(to_plain(value), "", lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def _write_table(table: dict[str, Any], prefix: str, lines: list[str]) -> None:
    later: list[tuple[str, Any]] = []
    for key, item in table.items():
        if item is None:
            continue
        if isinstance(item, dict) or _is_table_list(item):
            later.append((key, item))
        else:
            lines.append(f"{_key(key)} = {_scalar(item)}")
    for key, item in later:
        path = f"{prefix}.{_key(key)}" if prefix else _key(key)
        if isinstance(item, dict):
            lines.extend(["", f"[{path}]"])
            _write_table(typing.cast(dict[str, Any], item), path, lines)
        else:
            for entry in item:
                lines.extend(["", f"[[{path}]]"])
                _write_table(entry, path, lines)


def _is_table_list(item: Any) -> bool:
    if not isinstance(item, list) or not item:
        return False
    return all(isinstance(entry, dict) for entry in typing.cast(list[Any], item))


def _key(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key) else _scalar(key)


def _scalar(item: Any) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, str):
        if _SURROGATE.search(item):
            raise RequestError(f"expected text, found {item!a}, which is not UTF-8; rename what is called so")
        # JSON's escapes are TOML's, but for DEL, which TOML wants escaped too.
        return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(item, int):
        return str(item)
    if isinstance(item, float):
        if math.isfinite(item):
            return repr(item)
        return "nan" if math.isnan(item) else ("inf" if item > 0 else "-inf")
    if isinstance(item, list):
        return f"[{', '.join(_scalar(entry) for entry in typing.cast(list[Any], item))}]"
    if isinstance(item, dict):
        entries = typing.cast(dict[str, Any], item).items()
        return f"{{{', '.join(f'{_key(key)} = {_scalar(entry)}' for key, entry in entries if entry is not None)}}}"
    raise TypeError(f"TOML has no form for {item!r}")
