"""Writing event files, which TensorBoard reads: figures, texts, pictures and what a run was made with.

The framing of records: tensorflow/core/lib/io/record_writer.h; what is in them: core/util/event.proto,
core/framework/summary.proto and tensorboard/plugins/hparams/plugin_data.proto. Nothing of either is needed to write.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from regraft.core import storage
from regraft.formats import crc32c
from regraft.formats.encoding import bytes_field, double_field, float_field, integer_field, text_field

# The name marks the file for TensorBoard; one that is fixed is replaced, and TensorBoard never finds a thing twice.
FILE = "events.out.tfevents.0.regraft"

_VERSION = "brain.Event:2"
_STRING, _TENSOR = 7, 2
_RGB = 3
_SUCCESS = 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        seconds: since 1970.
        content: a serialised field of an `Event` message.
        step: of training.
    """

    seconds: float
    content: bytes
    step: int = 0


def write(path: Path, events: Iterable[Event]) -> None:
    """Write events in their order, whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    events = list(events)
    begun = events[0].seconds if events else 0.0
    records = [Event(begun, text_field(3, _VERSION)), *events]
    storage.write_bytes(path, b"".join(_record(_message(event)) for event in records))


def scalar(tag: str, value: float, step: int, seconds: float) -> Event:
    """A figure; a slash in the tag groups."""
    return _summary(text_field(1, tag) + float_field(2, value), step, seconds)


def text(tag: str, content: str, seconds: float) -> Event:
    """A text in Markdown."""
    tensor = integer_field(1, _STRING) + bytes_field(2, b"") + text_field(8, content)
    about = bytes_field(1, text_field(1, "text")) + integer_field(4, _TENSOR)
    return _summary(text_field(1, tag) + bytes_field(8, tensor) + bytes_field(9, about), 0, seconds)


def picture(tag: str, png: bytes, size: tuple[int, int], seconds: float) -> Event:
    """A picture of three channels; `size` is (height, width)."""
    image = integer_field(1, size[0]) + integer_field(2, size[1]) + integer_field(3, _RGB) + bytes_field(4, png)
    return _summary(text_field(1, tag) + bytes_field(4, image), 0, seconds)


def parameters(values: Mapping[str, str | float | bool], name: str, begun: float, ended: float) -> list[Event]:
    """What a run was made with, for TensorBoard's comparison of runs by their parameters."""
    pairs = b"".join(bytes_field(1, text_field(1, key) + bytes_field(2, _value(item))) for key, item in values.items())
    start = bytes_field(3, pairs + text_field(4, name) + double_field(5, begun))
    end = bytes_field(4, integer_field(1, _SUCCESS) + double_field(2, ended))
    return [
        _of_parameters("_hparams_/session_start_info", start, begun),
        _of_parameters("_hparams_/session_end_info", end, ended),
    ]


def _of_parameters(tag: str, content: bytes, seconds: float) -> Event:
    about = bytes_field(1, text_field(1, "hparams") + bytes_field(2, content))
    return _summary(text_field(1, tag) + bytes_field(9, about), 0, seconds)


def _value(item: str | float | bool) -> bytes:
    """A `google.protobuf.Value`."""
    if isinstance(item, bool):
        return integer_field(4, int(item))
    return text_field(3, item) if isinstance(item, str) else double_field(2, item)


def _summary(value: bytes, step: int, seconds: float) -> Event:
    return Event(seconds, bytes_field(5, bytes_field(1, value)), step)


def _message(event: Event) -> bytes:
    step = integer_field(2, event.step) if event.step else b""
    return double_field(1, event.seconds) + step + event.content


def _record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    parts = (length, struct.pack("<I", crc32c.masked(length)), content, struct.pack("<I", crc32c.masked(content)))
    return b"".join(parts)
