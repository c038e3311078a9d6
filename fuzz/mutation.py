"""One altered file out of a whole one: what is known of its format decides how, and now and then nothing is known."""

from random import Random

from fuzz import blind, containers, flat_tables, hdf5_objects, messages, programs, texts

_TABLE = bytes.fromhex("57fb808b247547db")
_BLIND = 0.3


def altered(name: str, content: bytes, random: Random, other: bytes) -> bytes:
    """The content with one or a few alterations.

    Args:
        name: of the file; only its ending counts, where the content does not say what it is.
        content: of a whole file.
        random: makes every choice, so that the same state gives the same file.
        other: a second file of the same format.
    """
    if random.random() < _BLIND:
        for _ in range(random.choice((1, 1, 2, 3))):
            content = blind.altered(content, random, other)
        return content
    return _known(name, content, random, other)


def _known(name: str, content: bytes, random: Random, other: bytes) -> bytes:
    if content[:4] == b"PK\x03\x04":
        return containers.zip_altered(content, random, other, altered)
    if content[:8] == b"\x89HDF\r\n\x1a\n":
        return hdf5_objects.altered(content, random, other)
    if content[:6] == b"\x93NUMPY":
        return containers.npy_altered(content, random, other, altered)
    if content[4:8] == b"TFL3":
        return flat_tables.altered(content, random, other)
    if content[-8:] == _TABLE:
        return containers.table_altered(content, random, other)
    if content[8:9] == b"{":
        return containers.safetensors_altered(content, random, other)
    if content[:1] == b"{":
        return texts.json_altered(content, random, other)
    if name.endswith((".prototxt", "checkpoint", ".txt", ".py", "version", "byteorder")):
        return texts.text_altered(content, random, other)
    if name.endswith((".pkl", ".pt", ".th", ".pickle")):
        return programs.altered(content, random, other)
    return messages.altered(content, random, other)
