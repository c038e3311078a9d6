"""Sizes as people write them: `500MB`, `2GB`."""

import re

from regraft.core.errors import RequestError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse(text: str | int, what: str = "a size") -> int:
    """Bytes.

    Args:
        text: a number of bytes, or a number with a unit of `_UNITS`, in capitals or not.
        what: what the size is of, for the error.

    Raises:
        RequestError: it is no size above zero.

    >>> parse("500MB"), parse("1.5 gb"), parse(7)
    (500000000, 1500000000, 7)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B?)", str(text).strip(), re.IGNORECASE | re.ASCII)
    bytes_ = int(float(found[1]) * _UNITS[found[2].upper()]) if found and found[2].upper() in _UNITS else 0
    if bytes_ < 1:
        raise RequestError(f"expected {what} such as 500MB or 2GB, found '{text}'")
    return bytes_


def words(size: float) -> str:
    """A size for people, in units of a thousand.

    >>> words(1_234_567), words(42)
    ('1.23 MB', '42 bytes')
    """
    for unit in ("TB", "GB", "MB", "kB"):
        scale = _UNITS[unit.upper()]
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size:.0f} bytes"
