"""Backslashes, against Python's own reading of them."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.formats.escapes import unescaped


@pytest.mark.parametrize("raw", [rb"\n\r\t\\\'\"\a\b\f\v", rb"\x00\xfF\0\12\101\377", b"a\\\nb", rb"plain", b""])
def test_what_python_means(raw: bytes) -> None:
    assert unescaped(raw) == ast.literal_eval("b'''" + raw.decode("latin-1") + "'''")


def test_what_means_nothing_stays_and_nobody_is_told() -> None:
    assert unescaped(rb"\:\q\777") == b"\\:\\q\xff"


@pytest.mark.parametrize("raw", [b"\\", rb"ab\x", rb"\x1", rb"\xzz"])
def test_an_escape_without_end_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="in the middle of an escape"):
        unescaped(raw)


@given(st.binary(max_size=40))
def test_any_bytes(raw: bytes) -> None:
    try:
        assert len(unescaped(raw)) <= len(raw)
    except ValueError:
        assert b"\\" in raw
