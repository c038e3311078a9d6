"""Options and settings as texts: `units=500,250` in an architecture, `noise=0.3` on the command line."""

import ast
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from regraft.core import plain
from regraft.core.errors import RequestError

T = TypeVar("T")


def of_query(kind: type[T], query: str, text: str) -> T:
    """A dataclass of options from `name=value&name=value`.

    Raises:
        RequestError: there is no such option, or not with this value.
    """
    try:
        pairs = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
    except ValueError:
        raise RequestError(f"expected name?option=value&option=value, found '{text}'") from None
    try:
        return read(kind, pairs)
    except RequestError as error:
        raise RequestError(f"the architecture '{text}': {error}") from None


def read(kind: type[T], pairs: Mapping[str, str], start: T | None = None) -> T:
    """A dataclass of options from texts; `1,2` is a list, and a single value one where a list is wanted.

    Args:
        kind: of options.
        pairs: by name.
        start: has what is not named; None: the defaults.

    Raises:
        RequestError: there is no such option, or not with this value.
    """
    hints = get_type_hints(kind)
    values: dict[str, Any] = plain.to_plain(start) if start is not None else {}
    for name, text in pairs.items():
        hint = hints.get(name)
        value = text if hint is str or text in get_args(hint) else _value(text)
        values[name] = (value,) if get_origin(hint) is tuple and not isinstance(value, (tuple, list)) else value
    return plain.from_plain(kind, values)


def _value(text: str) -> Any:
    constants = {"true": True, "false": False, "yes": True, "no": False, "none": None}
    if text.lower() in constants:
        return constants[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
