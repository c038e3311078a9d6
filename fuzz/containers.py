"""Alterations inside containers: what is in them is altered and they are made whole again, checksums included."""

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable
from random import Random

from fuzz.blind import altered as blind
from fuzz.blind import number
from fuzz.messages import altered as message_altered
from fuzz.messages import varint
from fuzz.texts import json_altered
from regraft.formats import crc32c

Inside = Callable[[str, bytes, Random, bytes], bytes]

_PATHS = ("../evil", "/etc/evil", "C:/evil", "..\\evil", "a/../../b", "", "x" * 3000, "\n", "config.json", "data.pkl")
_FOOTER, _TRAILER = 48, 5


def zip_altered(content: bytes, random: Random, other: bytes, inside: Inside) -> bytes:
    """A zip file with a member altered, renamed, left out or repeated; or with its directory altered."""
    try:
        members = _members(content)
        donors = dict(_members(other)) if other else {}
    except Exception:
        return blind(content, random, other)
    if not members:
        return blind(content, random, other)
    index = random.randrange(len(members))
    name, held = members[index]
    way = random.randrange(12)
    if way == 0:
        del members[index]
    elif way == 1:
        members[index] = random.choice((random.choice(_PATHS), name + "x")), held
    elif way == 2:
        members.append((name, held))
    elif way == 3:
        return _directory_altered(content, random)
    else:
        members[index] = name, inside(name, held, random, donors.get(name, held))
    return _zipped(members, random)


def _members(content: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def _zipped(members: list[tuple[str, bytes]], random: Random) -> bytes:
    file = io.BytesIO()
    kind = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", kind) as archive:
        warnings.simplefilter("ignore")
        for name, held in members:
            archive.writestr(zipfile.ZipInfo(name) if name else "x", held)
    return file.getvalue()


def _directory_altered(content: bytes, random: Random) -> bytes:
    """A field of an entry of the directory, of a local header, or of the end."""
    mark = random.choice((b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"))
    places, place = [], content.find(mark)
    while place >= 0:
        places.append(place)
        place = content.find(mark, place + 1)
    if not places:
        return content
    out, width = bytearray(content), random.choice((1, 2, 4))
    place = random.choice(places) + random.randrange(4, 46)
    now = int.from_bytes(out[place : place + width], "little")
    out[place : place + width] = number(random, width, now).to_bytes(width, "little")
    return bytes(out)


def npy_altered(content: bytes, random: Random, other: bytes, inside: Inside) -> bytes:
    """An array whose header says something else; or, where objects follow, another pickle."""
    wide = 2 if content[6:7] == b"\x01" else 4
    length = int.from_bytes(content[8 : 8 + wide], "little")
    header, rest = content[8 + wide : 8 + wide + length], content[8 + wide + length :]
    if b"|O" in header and random.random() < 0.8:
        return content[: 8 + wide + length] + inside("data.pkl", rest, random, other[8 + wide + length :])
    old, new = random.choice((
        (b"<f4", random.choice((b"<f8", b">f4", b"|O", b"|S9", b"<U3", b"<c16", b"<M8[s]", b"|V4", b"<f3", b""))),
        (b"False", random.choice((b"True", b"None", b"'x'", b"1"))),
        (b"(", random.choice((b"(9999999999,", b"(-1,", b"(0,", b"(1.5,", b"(" * 3000, b"[", b"('a',", b"(True,"))),
        (b",", random.choice((b",,", b"", b", 'more': 1,", b"\\"))),
        (b"shape", b"shapes"),
    ))  # fmt: skip
    header = header.replace(old, new, 1)
    return content[:8] + (len(header) % (1 << 8 * wide)).to_bytes(wide, "little") + header + rest


def safetensors_altered(content: bytes, random: Random, other: bytes) -> bytes:
    """A header that says something else, of the length that it has."""
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length]
    try:
        donor = json.dumps(json.loads(other[8 : 8 + int.from_bytes(other[:8], "little")])).encode()
    except ValueError:
        donor = header
    header = json_altered(header, random, donor)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def table_altered(content: bytes, random: Random, other: bytes) -> bytes:
    """A table of keys and values whose blocks are altered and have the right checksum again."""
    try:
        blocks = _blocks(content)
    except (ValueError, IndexError, struct.error):
        return blind(content, random, other)
    offset, size = random.choice(blocks)
    block = content[offset : offset + size]
    block = _entry_altered(block, random) if random.random() < 0.7 else blind(block, random, block)
    kind = b"\1" if random.random() < 0.03 else content[offset + size : offset + size + 1]
    # What lies behind keeps its place where the block keeps its size, and is lost where it does not.
    block = block[:size].ljust(size, b"\0") if random.random() < 0.9 else block
    checksum = crc32c.masked(memoryview(block + kind)).to_bytes(4, "little")
    return content[:offset] + block + kind + checksum + content[offset + size + _TRAILER :]


def _blocks(content: bytes) -> list[tuple[int, int]]:
    """Offsets and sizes of the blocks, those of the index included."""
    footer, place, handles = content[-_FOOTER:], 0, list[int]()
    for _ in range(4):
        value, place = _varint(footer, place)
        handles.append(value)
    found = [(handles[0], handles[1]), (handles[2], handles[3])]
    for _, start, length in _entries(content[handles[2] : handles[2] + handles[3]]):
        offset, place = _varint(content, handles[2] + start)
        found.append((offset, _varint(content, place)[0]))
        assert length
    return [(offset, size) for offset, size in found if offset + size + _TRAILER <= len(content)]


def _entries(block: bytes) -> list[tuple[int, int, int]]:
    """Where entries begin, and where their values do, with the values' lengths."""
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    found, place = list[tuple[int, int, int]](), 0
    while place < end:
        start = place
        _, place = _varint(block, place)
        own, place = _varint(block, place)
        length, place = _varint(block, place)
        found.append((start, place + own, length))
        place += own + length
    return found


def _entry_altered(block: bytes, random: Random) -> bytes:
    """A value, which is a message, altered and cut or filled to its length; or the numbers before a key."""
    entries = [item for item in _entries(block) if item[2]]
    if not entries:
        return blind(block, random, block)
    start, place, length = random.choice(entries)
    if random.random() < 0.25:
        at = start + random.randrange(3)
        return block[:at] + varint(number(random, 1, block[at]))[:1] + block[at + 1 :]
    value = block[place : place + length]
    return block[:place] + message_altered(value, random, value)[:length].ljust(length, b"\0") + block[place + length :]


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("no number")
