"""Pickles read without running them: an own machine for the opcodes, whose only objects are plain values and stand-ins.

A pickle is a program for a small stack machine, and Python's own machine calls whatever the program names. This one has
no way to call anything: a name becomes a `Name`, and what is "called" is looked up in a closed table of stand-ins that
the reader of the format gives. Whatever is not in the table is refused by name. Long byte strings, in which the numbers
are, stay in the file.

The opcodes are those of protocols 0 to 5, as documented in the standard library's `pickletools`.
"""

import struct
from collections.abc import Callable
from typing import Any, cast

from regraft.core.errors import RegraftError
from regraft.formats.extents import Extent
from regraft.formats.pickle_tape import LONGEST_NUMBER, Tape
from regraft.formats.pickled_values import Name, Object, Rules, Stand, Text, Unpickled, called, is_plain, refused

# A state dict takes some fifty opcodes a tensor, so that this is enough for the largest networks that there are.
MOST_OPCODES = 2_000_000
_MOST_KEY_PARTS = 16
# Bytes, as a key is written.
_LONGEST_KEY = 1 << 16


def unpickled(extent: Extent, rules: Rules, start: int = 0) -> Unpickled:
    """The value of the pickle in an extent; nothing in it is run.

    Args:
        extent: of the file.
        rules: what may stand in it.
        start: where the pickle begins in the extent.

    Raises:
        SourceError: it calls what the rules do not know, which is named.
        CorruptFileError: it is no pickle, is cut off, or asks for more than it holds.
    """
    with extent.opened() as file:
        file.seek(start)
        tape = Tape(file, extent)
        machine = _Machine(tape, rules)
        value = machine.run()
        return Unpickled(value, file.tell(), tuple(machine.foreign))


class _End(Exception):  # noqa: N818 - no error: the opcode that ends a pickle
    pass


class _Machine:
    """The stack, the memory and the reading position; one method for each kind of opcode."""

    def __init__(self, tape: Tape, rules: Rules) -> None:
        self._tape, self._rules = tape, rules
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memory: dict[int, Any] = {}
        self.foreign: dict[Name, None] = {}

    def run(self) -> Any:
        for _ in range(MOST_OPCODES):
            code = self._tape.file.read(1)
            act = _OPCODES.get(code)
            if act is None:
                raise self._tape.corrupt(f"expected an opcode, found {code!r}" if code else "it has no end")
            try:
                act(self)
            except _End:
                return self._pop()
            except RegraftError:
                raise
            except (IndexError, ValueError, struct.error) as error:
                raise self._tape.corrupt(f"opcode {code!r} lacks its operands") from error
        raise self._tape.corrupt(f"it has more than {MOST_OPCODES} opcodes")

    # The stack.

    def _pop(self) -> Any:
        if not self._stack:
            raise self._tape.corrupt("it takes from an empty stack")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack:
            raise self._tape.corrupt("it takes from an empty stack")
        return self._stack[-1]

    def _since_mark(self) -> list[Any]:
        if not self._below:
            raise self._tape.corrupt("it takes a mark that it did not set")
        items, self._stack = self._stack, self._below.pop()
        return items

    def push(self, value: Any) -> None:
        self._stack.append(value)

    # Plain values.

    def sized(self, layout: str, coding: str) -> None:
        self.push(self._tape.span(self._tape.number(layout), coding))

    def integer(self, layout: str) -> None:
        self.push(self._tape.number(layout))

    def long(self, layout: str) -> None:
        count = self._tape.number(layout)
        if not 0 <= count <= LONGEST_NUMBER:
            raise self._tape.corrupt(f"it has a number of {count} bytes")
        self.push(int.from_bytes(self._tape.read(count), "little", signed=True))

    def decimal(self) -> None:
        line = self._tape.line()
        plain = {b"00": False, b"01": True}.get(line)
        self.push(self._parsed(int, line.removesuffix(b"L")) if plain is None else plain)

    def real(self) -> None:
        self.push(self._parsed(float, self._tape.line()))

    def _parsed(self, kind: Callable[[Any], Any], line: bytes) -> Any:
        try:
            return kind(line)
        except ValueError as error:
            raise self._tape.corrupt(f"expected a number, found {line[:20]!r}") from error

    def quoted(self) -> None:
        self.push(self._tape.quoted())

    def raw_unicode(self) -> None:
        self.push(self._tape.unquoted())

    # Containers.

    def mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def drop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._since_mark()

    def drop_mark(self) -> None:
        self._since_mark()

    def twice(self) -> None:
        self.push(self._top())

    def pack(self, count: int) -> None:
        if len(self._stack) < count:
            raise self._tape.corrupt("it takes from an empty stack")
        self._stack[-count:] = [tuple(self._stack[-count:])]

    def gather(self, kind: Callable[[list[Any]], Any]) -> None:
        items = self._since_mark()
        self.push(kind(items))

    def pairs(self) -> None:
        items = self._since_mark()
        self.push({})
        self._set(items)

    def append(self) -> None:
        value = self._pop()
        self._extend([value])

    def extend(self) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._top()
        if isinstance(target, Object):
            target.items.extend((None, item) for item in items)
            return
        if not isinstance(target, list):
            raise self._tape.corrupt(f"it appends to {called(target)}")
        cast(list[Any], target).extend(items)

    def set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def set_items(self) -> None:
        self._set(self._since_mark())

    def _set(self, items: list[Any]) -> None:
        target = self._top()
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values):
            raise self._tape.corrupt("a key has no value")
        if isinstance(target, Object):
            target.items.extend(zip(keys, values, strict=True))
        elif isinstance(target, dict):
            cast(dict[Any, Any], target).update(zip(map(self._as_key, keys), values, strict=True))
        else:
            raise self._tape.corrupt(f"it sets an item of {called(target)}")

    def _as_key(self, key: Any) -> Any:
        """Keys are short and flat: hashing a deeply nested tuple would exhaust Python's own stack."""
        if isinstance(key, Text) and key.extent.size <= _LONGEST_KEY:
            return key.decoded()
        parts = cast(tuple[Any, ...], key) if isinstance(key, tuple) else (key,)
        if len(parts) > _MOST_KEY_PARTS or not all(is_plain(part) for part in parts):
            raise self._tape.corrupt(f"a dictionary has {called(key)} as a key")
        return key

    # The memory.

    def keep(self, index: int) -> None:
        self._memory[index] = self._top()

    def keep_line(self) -> None:
        self.keep(self._parsed(int, self._tape.line()))

    def keep_stated(self, layout: str) -> None:
        self.keep(self._tape.number(layout))

    def keep_next(self) -> None:
        self.keep(len(self._memory))

    def recall(self, index: int) -> None:
        if index not in self._memory:
            raise self._tape.corrupt(f"it recalls {index}, which it did not keep")
        self.push(self._memory[index])

    def recall_line(self) -> None:
        self.recall(self._parsed(int, self._tape.line()))

    def recall_stated(self, layout: str) -> None:
        self.recall(self._tape.number(layout))

    # Names and what is done with them.

    def name(self) -> None:
        self._named(self._tape.line().decode("utf-8"), self._tape.line().decode("utf-8"))

    def name_from_stack(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise self._tape.corrupt("a name is no text")
        self._named(module, name)

    def _named(self, module: str, name: str) -> None:
        found = Name(module, name)
        if str(found) not in self._rules.calls:
            if not self._rules.foreign:
                raise refused(found, self._tape.extent)
            self.foreign[found] = None
        self.push(found)

    def call(self) -> None:
        arguments, function = self._pop(), self._pop()
        self._call(function, arguments)

    def call_line(self) -> None:
        self.name()
        function = self._pop()
        self._call(function, tuple(self._since_mark()))

    def call_marked(self) -> None:
        function, *arguments = self._since_mark()
        self._call(function, tuple(arguments))

    def _call(self, function: Any, arguments: Any) -> None:
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise self._tape.corrupt(f"it calls {called(function)}")
        arguments = cast(tuple[Any, ...], arguments)
        stand = self._rules.calls.get(str(function))
        if str(function) in _RECONSTRUCT and arguments and isinstance(arguments[0], Name):
            # What protocols 0 and 1 do for `object.__new__(class)`.
            self._instance(arguments[0], ())
        elif stand is None:
            raise refused(function, self._tape.extent)
        else:
            self.push(self._made(function, stand, arguments))

    def _made(self, function: Name, stand: Stand, arguments: tuple[Any, ...]) -> Any:
        try:
            return stand(*arguments)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise self._tape.corrupt(f"'{function}' has impossible arguments") from error

    def new(self) -> None:
        arguments, kind = self._pop(), self._pop()
        self._instance(kind, arguments)

    def new_with_names(self) -> None:
        named, arguments, kind = self._pop(), self._pop(), self._pop()
        if named:
            raise self._tape.corrupt(f"{called(kind)} is made with named arguments")
        self._instance(kind, arguments)

    def _instance(self, kind: Any, arguments: Any) -> None:
        if not isinstance(kind, Name) or not isinstance(arguments, tuple):
            raise self._tape.corrupt(f"it makes an instance of {called(kind)}")
        stand = self._rules.calls.get(str(kind))
        if stand is not None:
            self.push(self._made(kind, stand, cast(tuple[Any, ...], arguments)))
        elif self._rules.foreign:
            self.push(Object(kind, cast(tuple[Any, ...], arguments)))
        else:
            raise refused(kind, self._tape.extent)

    def build(self) -> None:
        """Fill the object on the stack; only stand-ins have something to fill."""
        state, target = self._pop(), self._top()
        fill = getattr(target, "fill", None)
        if isinstance(target, Object):
            target.state = state
        elif callable(fill):
            self._made(Name("the state of", type(target).__name__), fill, (state,))
        elif not isinstance(target, dict):
            raise self._tape.corrupt(f"it fills {called(target)}")
        # The state of a dictionary is what its class adds to it, such as the versions of a state dict's layers.

    def persistent(self) -> None:
        self._outside(self._pop())

    def persistent_line(self) -> None:
        self._outside(self._tape.line().decode("utf-8"))

    def _outside(self, key: Any) -> None:
        if self._rules.persistent is None:
            raise refused(f"persistent id {str(key)[:60] if is_plain(key) else called(key)}", self._tape.extent)
        self.push(self._made(Name("persistent", "id"), self._rules.persistent, (key,)))

    def protocol(self) -> None:
        number = self._tape.read(1)[0]
        if number > 5:
            raise self._tape.corrupt(f"it is of protocol {number}, the highest known is 5")

    def frame(self) -> None:
        size = self._tape.number("<Q")
        if size > self._tape.left():
            raise self._tape.corrupt(f"it claims a frame of {size} bytes")

    def extension(self, layout: str) -> None:
        raise refused(f"extension {self._tape.number(layout)} of copyreg", self._tape.extent)

    def buffer(self) -> None:
        raise refused("an out-of-band buffer", self._tape.extent)

    def stop(self) -> None:
        raise _End


_RECONSTRUCT = ("copy_reg._reconstructor", "copyreg._reconstructor")


def _whole(items: list[Any]) -> list[Any]:
    return items


_OPCODES: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _Machine.protocol,
    b"\x95": _Machine.frame,
    b".": _Machine.stop,
    b"(": _Machine.mark,
    b"0": _Machine.drop,
    b"1": _Machine.drop_mark,
    b"2": _Machine.twice,
    b"N": lambda machine: machine.push(None),
    b"\x88": lambda machine: machine.push(True),
    b"\x89": lambda machine: machine.push(False),
    b"I": _Machine.decimal,
    b"L": _Machine.decimal,
    b"F": _Machine.real,
    b"J": lambda machine: machine.integer("<i"),
    b"K": lambda machine: machine.integer("<B"),
    b"M": lambda machine: machine.integer("<H"),
    b"G": lambda machine: machine.integer(">d"),
    b"\x8a": lambda machine: machine.long("<B"),
    b"\x8b": lambda machine: machine.long("<i"),
    b"S": _Machine.quoted,
    b"V": _Machine.raw_unicode,
    b"U": lambda machine: machine.sized("<B", "bytes"),
    b"T": lambda machine: machine.sized("<I", "bytes"),
    b"C": lambda machine: machine.sized("<B", "bytes"),
    b"B": lambda machine: machine.sized("<I", "bytes"),
    b"\x8e": lambda machine: machine.sized("<Q", "bytes"),
    b"\x96": lambda machine: machine.sized("<Q", "bytes"),
    b"X": lambda machine: machine.sized("<I", "utf-8"),
    b"\x8c": lambda machine: machine.sized("<B", "utf-8"),
    b"\x8d": lambda machine: machine.sized("<Q", "utf-8"),
    b")": lambda machine: machine.push(()),
    b"]": lambda machine: machine.push([]),
    b"}": lambda machine: machine.push({}),
    b"\x8f": lambda machine: machine.push([]),
    b"t": lambda machine: machine.gather(tuple),
    b"l": lambda machine: machine.gather(_whole),
    b"\x91": lambda machine: machine.gather(_whole),
    b"d": _Machine.pairs,
    b"\x85": lambda machine: machine.pack(1),
    b"\x86": lambda machine: machine.pack(2),
    b"\x87": lambda machine: machine.pack(3),
    b"a": _Machine.append,
    b"e": _Machine.extend,
    b"\x90": _Machine.extend,
    b"s": _Machine.set_item,
    b"u": _Machine.set_items,
    b"p": _Machine.keep_line,
    b"q": lambda machine: machine.keep_stated("<B"),
    b"r": lambda machine: machine.keep_stated("<I"),
    b"\x94": _Machine.keep_next,
    b"g": _Machine.recall_line,
    b"h": lambda machine: machine.recall_stated("<B"),
    b"j": lambda machine: machine.recall_stated("<I"),
    b"c": _Machine.name,
    b"\x93": _Machine.name_from_stack,
    b"R": _Machine.call,
    b"i": _Machine.call_line,
    b"o": _Machine.call_marked,
    b"\x81": _Machine.new,
    b"\x92": _Machine.new_with_names,
    b"b": _Machine.build,
    b"Q": _Machine.persistent,
    b"P": _Machine.persistent_line,
    b"\x82": lambda machine: machine.extension("<B"),
    b"\x83": lambda machine: machine.extension("<H"),
    b"\x84": lambda machine: machine.extension("<i"),
    b"\x97": _Machine.buffer,
    b"\x98": _Machine.buffer,
}
