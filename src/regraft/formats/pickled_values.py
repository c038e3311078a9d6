"""What stands for the objects of a pickle: names never imported, instances whose code is not run, long strings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from regraft.core.errors import SourceError
from regraft.formats.escapes import unescaped
from regraft.formats.extents import Extent

Stand = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that a pickle names; never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Text:
    """A long string that stays in the file until it is asked for.

    Attributes:
        extent: where it is.
        coding: how it is written: as it is (`bytes`), with backslashes (`escapes`), or as text: `utf-8` or
            `raw-unicode-escape`.
        packed: whether it is text that stands for the bytes of its characters.
    """

    extent: Extent
    coding: str
    packed: bool = False

    def decoded(self) -> bytes | str:
        """The content; text only where it stands for text."""
        raw = self.extent.bytes()
        if self.coding == "bytes":
            return raw
        if self.coding == "escapes":
            return unescaped(raw)
        text = raw.decode(self.coding, "surrogatepass")
        return text.encode("latin-1") if self.packed else text

    def could_be(self, count: int) -> bool:
        """Whether it may decode to so many bytes; told without reading it."""
        # The longest way to write one byte.
        longest = {"bytes": 1, "escapes": 4, "utf-8": 2, "raw-unicode-escape": 6}[self.coding]
        return (self.packed or self.coding in ("bytes", "escapes")) and count <= self.extent.size <= longest * count


@dataclass(slots=True, eq=False)
class Object:
    """An instance of a class whose code is not run.

    Attributes:
        kind: the class.
        arguments: what it would have been made with.
        state: what it would have been filled with; None where nothing was said.
    """

    kind: Name
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: list[tuple[Any, Any]] = field(default_factory=list[tuple[Any, Any]])


@dataclass(frozen=True, slots=True)
class Rules:
    """What a pickle may hold beside plain values.

    Attributes:
        calls: what stands in for calling a name.
        persistent: what stands in for an object kept outside; None where there is none such.
        foreign: whether instances of unknown classes become inert `Object`s; calling unknown functions never does.
    """

    calls: Mapping[str, Stand]
    persistent: Callable[[Any], Any] | None = None
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Unpickled:
    """What a pickle holds.

    Attributes:
        value: the value.
        end: where the pickle ends in its extent.
        foreign: the names in it that the table does not know, in the order of the file.
    """

    value: Any
    end: int
    foreign: tuple[Name, ...]


def refused(name: object, extent: Extent) -> SourceError:
    """The refusal of a name that is no tensor, array or plain container."""
    return SourceError(
        f"'{extent.path}' asks to run '{name}', which was not done; expected a file of tensors, arrays and plain "
        "containers; save the state dict or the arrays alone"
    )


def is_plain(value: Any) -> bool:
    """Whether a value is a short text or number, safe to use as a key and to show."""
    if isinstance(value, int):
        return -(1 << 63) <= value < 1 << 64
    return value is None or isinstance(value, (str, bytes, float))


def called(value: Any) -> str:
    """The words for a value in a message; its content is not shown, it may be endless."""
    return f"'{value}'" if isinstance(value, Name) else type(value).__name__
