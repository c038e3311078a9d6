"""The attributes of an object, decoded when asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.formats.hdf5 import datatypes, headers, heaps, trees
from regraft.formats.hdf5.content import Content, Fields
from regraft.formats.hdf5.datatypes import Dataspace, Datatype
from regraft.formats.hdf5.headers import Message

# Attributes by name: where the attribute is in the heap, flags, the order of creation, a checksum of the name.
_ATTRIBUTES_BY_NAME, _ATTRIBUTE_RECORD = 8, 17


@dataclass(frozen=True, slots=True)
class Stored:
    """An attribute as it is stored.

    Attributes:
        type: of an element.
        space: how many.
        values: their bytes.
    """

    type: Datatype
    space: Dataspace
    values: bytes

    @property
    def is_plain(self) -> bool:
        """Whether it is of texts or numbers, which is all that a network's file has to say."""
        return self.type.text != "" or (self.type.array is not None and not self.type.brain)


class Attributes(Mapping[str, Any]):
    """The attributes of an object: a text, a number, or an array of either.

    Texts of variable length are `str`, those of fixed length `bytes`; nothing at all is None. What is of another kind
    is listed, and refused when it is asked for.
    """

    def __init__(self, content: Content, held: Sequence[Message], name: str) -> None:
        self._content, self._name = content, name
        self.stored: dict[str, Stored] = {}
        for message in held:
            if message.kind == headers.ATTRIBUTE:
                self._note(headers.body(content, message))
            elif message.kind == headers.ATTRIBUTE_INFO:
                self._note_dense(headers.body(content, message))

    def __getitem__(self, name: str) -> Any:
        return _decoded(self._content, self.stored[name], f"attribute '{name}' of '{self._name}'")

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def _note(self, body: bytes) -> None:
        name, stored = _attribute(self._content, body)
        if name in self.stored:
            raise ValueError(f"'{self._name}' has attribute '{name}' twice")
        self.stored[name] = stored

    def _note_dense(self, body: bytes) -> None:
        content = self._content
        fields = content.inside(body, "list of attributes")
        fields.expect(b"\0")
        fields.take(2 if fields.number(1) & 1 else 0)
        heap, tree = fields.address(), fields.address()
        if heap is None or tree is None:
            return
        objects = heaps.FractalHeap(content, heap)
        for record in trees.records(content, tree, _ATTRIBUTES_BY_NAME, _ATTRIBUTE_RECORD):
            identifier, flags = record.take(8), record.number(1)
            if flags & 2:
                raise content.unread("messages that objects share")
            self._note(objects.object(identifier))


def _attribute(content: Content, body: bytes) -> tuple[str, Stored]:
    fields = content.inside(body, "attribute")
    version, flags = fields.number(1), fields.number(1)
    if version not in (1, 2, 3):
        raise ValueError("an attribute of an unknown form")
    sizes = [fields.number(2) for _ in range(3)]
    fields.take(1 if version == 3 else 0)
    name, kind, space = (_padded(fields, size, version) for size in sizes)
    shared = flags if version > 1 else 0
    kind = headers.body(content, Message(headers.TYPE, kind, bool(shared & 1)))
    space = headers.body(content, Message(headers.SPACE, space, bool(shared & 2)))
    found, how_many = datatypes.datatype(content, kind), datatypes.space(content, space)
    values = fields.take(how_many.count * found.size)
    return name.partition(b"\0")[0].decode("utf-8", "replace"), Stored(found, how_many, values)


def _padded(fields: Fields, size: int, version: int) -> bytes:
    found = fields.take(size)
    fields.take(-size % 8 if version == 1 else 0)
    return found


def _decoded(content: Content, stored: Stored, what: str) -> Any:
    if stored.space.shape is None:
        return None
    if stored.type.text == "variable":
        values = np.array(_texts(content, stored, what) or [""], object)[: stored.space.count]
    elif stored.type.array is not None:
        values = numbers(stored.values, stored.type)
        if stored.type.text:
            values = _trimmed(values, stored.type)
    else:
        raise ValueError(f"expected texts or numbers in {what}, found {stored.type.words}")
    return values.reshape(stored.space.shape)[()]


def numbers(values: bytes | bytearray | memoryview, kind: Datatype) -> np.ndarray[Any, Any]:
    """Elements in native byte order; bfloat16 as the two bytes that it has."""
    found = np.frombuffer(values, kind.array)
    return found != 0 if kind.truth else found.astype(found.dtype.newbyteorder("="), copy=False)


def _texts(content: Content, stored: Stored, what: str) -> list[str]:
    """Texts of a global heap; every one has bytes of its own, so that all are no longer than the file."""
    fields = content.inside(stored.values, what)
    found, left = list[str](), content.size
    while fields.left:
        length, address, number = fields.number(4), fields.address(), fields.number(4)
        if not length or not address:
            found.append("")
            continue
        text = heaps.text(content, address, number)
        left -= length
        if len(text) < length or left < 0:
            raise ValueError(f"{what} is longer than its heap")
        found.append(text[:length].partition(b"\0")[0].decode("utf-8"))
    return found


def _trimmed(values: np.ndarray[Any, Any], kind: Datatype) -> np.ndarray[Any, Any]:
    """Texts without their padding; NumPy itself takes zeros from their ends."""
    if kind.padding == 0:
        return np.array([item.partition(b"\0")[0] for item in values.tolist()], values.dtype)
    return np.array([item.rstrip(b" ") for item in values.tolist()], values.dtype) if kind.padding == 2 else values
