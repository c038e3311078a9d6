"""How an HDF5 file begins: where its addresses count from, how wide they are, where its root group is."""

from pathlib import Path
from typing import BinaryIO

from regraft.formats.hdf5 import headers
from regraft.formats.hdf5.content import Content

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# What a user may put before it has 512 bytes or a power of two more.
_FIRST, _LAST = 512, 1 << 20
_WIDTHS = (2, 4, 8)
_LONGEST = 128


def start(file: BinaryIO, size: int) -> int | None:
    """Where the signature stands; None where there is none.

    Args:
        file: any file.
        size: of it.
    """
    place = 0
    while place < min(size, _LAST):
        file.seek(place)
        if file.read(8) == SIGNATURE:
            return place
        place = max(_FIRST, place * 2)
    return None


def opened(path: Path, file: BinaryIO, size: int) -> tuple[Content, int]:
    """The file, and the address of its root group.

    Args:
        path: for messages.
        file: its bytes.
        size: of it.

    Raises:
        ValueError: it does not begin as an HDF5 file does, or is shorter than it says.
        SourceError: it is one of several files, or keeps its structures in a way that is not read.
    """
    base = start(file, size)
    if base is None:
        raise ValueError("no signature of HDF5")
    raw = Content(path, file, base, size - base, 8, 8)
    head = raw.fields(0, min(_LONGEST, raw.size), "superblock")
    head.take(8)
    version = head.number(1)
    if version > 3:
        raise raw.unread(f"a superblock of version {version}")
    if version < 2:
        head.take(4)
    addresses, lengths = head.number(1), head.number(1)
    if addresses not in _WIDTHS or lengths not in _WIDTHS:
        raise ValueError(f"addresses of {addresses} bytes and lengths of {lengths}")
    if version < 2:
        head.take(9 if version == 0 else 13)
    elif head.number(1) & 5 and version == 3:
        raise ValueError("what wrote it did not close it")
    fields = raw.at(0, min(_LONGEST, raw.size), "superblock")
    content = Content(path, file, base, size - base, addresses, lengths)
    rest = content.inside(fields[head.position :], "superblock")
    stated = rest.required()
    # Of old files it says where free space is noted, of new ones where more about the file is.
    extension = rest.address()
    end = rest.required() - stated
    if version < 2 and rest.address() is not None:
        raise content.unread("a driver, which spreads it over several files,")
    if not 0 <= end <= content.size:
        raise ValueError(f"it should have {end} bytes, and has {content.size}")
    content.size = end
    if version < 2:
        rest.length()
        return content, rest.required()
    root = rest.required()
    content.checked(fields[: head.position + rest.position + 4], "superblock")
    if extension is not None:
        _refuse_drivers(content, extension)
    return content, root


def _refuse_drivers(content: Content, address: int) -> None:
    for message in headers.messages(content, address):
        if message.kind == headers.DRIVER:
            raise content.unread("a driver, which spreads it over several files,")
        if message.kind == headers.CACHE_IMAGE:
            raise content.unread("an image of a cache instead of its structures")
