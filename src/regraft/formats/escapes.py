"""Bytes written with backslashes, as in the source of Python and C: what pickles of protocol 0 and prototxt hold."""

import re

_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|[0-7]{1,3}|[^x]|$|x)", re.DOTALL)
_LETTERS = {
    b"\n": b"", b"\\": b"\\", b"'": b"'", b'"': b'"', b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r",
    b"t": b"\t", b"v": b"\v",
}  # fmt: skip


def unescaped(raw: bytes) -> bytes:
    r"""What is meant; a backslash before a letter that means nothing stays, as in Python.

    Raises:
        ValueError: the text ends with a backslash, or `\x` has no two digits.

    >>> unescaped(rb"a\x41\101\n\q")
    b'aAA\n\\q'
    """
    return _ESCAPE.sub(_meant, raw)


def _meant(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if code in (b"", b"x"):
        raise ValueError("a text ends in the middle of an escape")
    if code[:1] == b"x":
        return bytes([int(code[1:], 16)])
    if code[:1].isdigit() and code[:1] < b"8":
        return bytes([int(code, 8) & 0xFF])
    return _LETTERS.get(code, b"\\" + code)
