"""The text form of protocol buffers, as in Caffe's `.prototxt`: names with values and blocks, without a schema.

The language: https://protobuf.dev/reference/protobuf/textformat-spec/.
"""

import re
from collections.abc import Iterator
from typing import Any

from regraft.formats.escapes import unescaped

# A block as the values of each name, in the order of the text.
Block = dict[str, list[Any]]

_DEEPEST = 100
_TOKEN = re.compile(
    r"""(?P<gap>[\s,;]+|\#[^\n]*)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<mark>[{}<>\[\]:])
      | (?P<word>[^\s,;{}<>\[\]:"'\#]+)""",
    re.VERBOSE,
)
_INTEGER = re.compile(r"-?(0[xX][0-9a-fA-F]{1,32}|\d{1,40})")
_REAL = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?[fF]?|-?(inf|infinity|nan)", re.IGNORECASE)
_CLOSING = {"{": "}", "<": ">"}


class Word(str):
    """A value without quotes that is no number: the name of an enumeration's member."""

    __slots__ = ()


def parsed(text: str, raw: bool = False) -> Block:
    """The fields of a message.

    Args:
        text: the message.
        raw: whether texts may hold bytes that are no text; these are then what `surrogateescape` makes of them.

    Returns:
        The values of each name: numbers, booleans, texts, `Word`s, and blocks.

    Raises:
        ValueError: it is no message, with the line where it stops to be one.

    >>> parsed('name: "net" layer { type: "ReLU" } layer { pool: MAX pad: [1, 2] }')
    {'name': ['net'], 'layer': [{'type': ['ReLU']}, {'pool': ['MAX'], 'pad': [1, 2]}]}
    """
    return _Reader(text, raw).block("", 0)


class _Reader:
    """The tokens of a text, and the one that is looked at."""

    def __init__(self, text: str, raw: bool) -> None:
        self._tokens = _tokens(text)
        self._bytes = "surrogateescape" if raw else "strict"
        self._next()

    def _next(self) -> None:
        self.kind, self.token, self.line = next(self._tokens, ("end", "", -1))

    def _wrong(self, expected: str) -> ValueError:
        found = f"'{self.token[:20]}' in line {self.line}" if self.kind != "end" else "the end of the text"
        return ValueError(f"expected {expected}, found {found}")

    def _taken(self, token: str) -> bool:
        if self.kind != "mark" or self.token != token:
            return False
        self._next()
        return True

    def block(self, closing: str, depth: int) -> Block:
        """Fields up to the mark that closes them."""
        if depth > _DEEPEST:
            raise ValueError(f"blocks are nested more than {_DEEPEST} deep")
        found: Block = {}
        while not (self.kind == "end" if not closing else self._taken(closing)):
            name = self._name()
            has_colon = self._taken(":")
            found.setdefault(name, []).extend(self._values(has_colon, depth))
        return found

    def _name(self) -> str:
        if self._taken("["):
            name = f"[{self.token}]"
            self._next()
            if not self._taken("]"):
                raise self._wrong("']'")
            return name
        if self.kind != "word":
            raise self._wrong("a name")
        name = self.token
        self._next()
        return name

    def _values(self, has_colon: bool, depth: int) -> list[Any]:
        if has_colon and self._taken("["):
            found: list[Any] = []
            while not self._taken("]"):
                found.append(self._value(depth))
            return found
        if not has_colon and not (self.kind == "mark" and self.token in _CLOSING):
            raise self._wrong("':' or a block")
        return [self._value(depth)]

    def _value(self, depth: int) -> Any:
        if self.kind == "mark" and self.token in _CLOSING:
            closing = _CLOSING[self.token]
            self._next()
            return self.block(closing, depth + 1)
        if self.kind == "text":
            return self._text()
        if self.kind != "word":
            raise self._wrong("a value")
        value = _scalar(self.token)
        self._next()
        return value

    def _text(self) -> str:
        """Texts that follow each other are one."""
        parts: list[str] = []
        while self.kind == "text":
            inside = unescaped(self.token[1:-1].encode("utf-8"))
            parts.append(inside.decode("utf-8", self._bytes))
            self._next()
        return "".join(parts)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    place, line = 0, 1
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"expected a name or a value in line {line}, found {text[place : place + 10]!r}")
        kind = found.lastgroup or ""
        if kind != "gap":
            yield kind, found[0], line
        line += found[0].count("\n")
        place = found.end()


def _scalar(word: str) -> Any:
    if word in ("true", "True", "t", "false", "False", "f"):
        return word[0] in "tT"
    if _INTEGER.fullmatch(word):
        return int(word, 16 if "x" in word.lower() else 10)
    if not _REAL.fullmatch(word):
        return Word(word)
    return float(word if word.lower().endswith("inf") else word.rstrip("fF"))
