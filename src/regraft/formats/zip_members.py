"""The members of a zip file where they lie: checked before they are believed, verified before they are given."""

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regraft.core.errors import CorruptFileError, SourceError
from regraft.formats import damage, extents
from regraft.formats.extents import Extent

# Deflate cannot make more than 1032 bytes of one, and weights never come near it.
_LARGEST_EXPANSION = 1000
_SMALL = 1 << 24
_CHUNK = 1 << 17
_HEADER = 30


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a zip file.

    Attributes:
        name: as the file states it.
        stored: its bytes in the file, compressed or not.
        size: of its content in bytes.
        checksum: CRC-32 of its content.
        compressed: whether `stored` is deflated.
    """

    name: str
    stored: Extent
    size: int
    checksum: int
    compressed: bool


@dataclass(frozen=True, slots=True)
class Members:
    """All members of a zip file by name; nothing of it is ever unpacked to disk.

    Attributes:
        path: the file.
        by_name: its members.
        unchecked: whether it was written without checksums, so that damage cannot be told.
    """

    path: Path
    by_name: dict[str, Member]
    unchecked: bool = False
    _verified: set[str] = field(default_factory=set[str], repr=False)

    def extent(self, name: str) -> Extent:
        """Where the content of a member lies, verified once.

        Raises:
            CorruptFileError: there is no such member, or its checksum is wrong.
            SourceError: it is compressed.
        """
        member = self._member(name)
        if member.compressed:
            raise SourceError(f"'{self.path}': expected '{name}' as it is, found it compressed; write the file anew")
        if name not in self._verified:
            checksum = 0
            with member.stored.opened() as content:
                while chunk := content.read(_CHUNK):
                    checksum = zlib.crc32(chunk, checksum)
            self._check(member, checksum)
        return member.stored

    def content(self, name: str) -> bytes:
        """The content of a member, verified."""
        member = self._member(name)
        if not member.compressed:
            return self.extent(name).bytes()
        content = self._inflated(member, member.size)
        self._check(member, zlib.crc32(content))
        return content

    def plain(self, name: str) -> Extent:
        """The content of a member, verified: where it lies if it is stored as it is, in memory if it is compressed."""
        member = self._member(name)
        return extents.in_memory(self.path, self.content(name)) if member.compressed else self.extent(name)

    def head(self, name: str, count: int) -> bytes:
        """The first bytes of a member, not verified; fewer where it is shorter."""
        member = self._member(name)
        count = min(count, member.size)
        if member.compressed:
            return self._inflated(member, count)
        return member.stored.within(0, count, f"'{name}'").bytes()

    def _member(self, name: str) -> Member:
        if name not in self.by_name:
            raise CorruptFileError(f"'{self.path}': expected a member '{name}', found none; get the file again")
        return self.by_name[name]

    def _inflated(self, member: Member, count: int) -> bytes:
        """The first bytes of a compressed member; never more than asked for, whatever it expands to."""
        with damage.refusing_damage(self.path), member.stored.opened() as file:
            machine = zlib.decompressobj(-zlib.MAX_WBITS)
            parts: list[bytes] = []
            while count > 0 and (chunk := machine.unconsumed_tail or file.read(_CHUNK)):
                parts.append(machine.decompress(chunk, count))
                count -= len(parts[-1])
        if count > 0:
            raise CorruptFileError(f"'{self.path}': '{member.name}' is shorter than it claims; get the file again")
        return b"".join(parts)

    def _check(self, member: Member, checksum: int) -> None:
        if checksum != member.checksum and not self.unchecked:
            raise CorruptFileError(
                f"'{self.path}' was altered: the checksum of '{member.name}' is wrong; get the file again"
            )
        self._verified.add(member.name)


def members(path: Path, unchecked: bool = False) -> Members:
    """The members of a zip file.

    Args:
        path: the file.
        unchecked: whether a file may have been written without checksums: all of them are 0 then.

    Raises:
        CorruptFileError: the file is truncated or was altered, has a name twice, a member that leads out of the
            archive, or one that claims more than could be stored of it.
    """
    whole = extents.whole(path)
    found: dict[str, Member] = {}
    with damage.refusing_damage(path), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.filename in found:
                raise CorruptFileError(f"'{path}' holds '{info.filename}' twice; get the file again")
            found[info.filename] = _checked(path, archive, info, whole)
    return Members(path, found, unchecked and not any(member.checksum for member in found.values()))


def _checked(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, whole: Extent) -> Member:
    name: str = info.filename
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name[:2]:
        raise CorruptFileError(f"'{path}' holds '{name}', which leads out of the archive; get the file elsewhere")
    if info.flag_bits & 1:
        raise SourceError(f"'{path}': '{name}' is encrypted; give the file without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SourceError(f"'{path}': '{name}' is compressed by method {info.compress_type}; expected deflate or none")
    if info.file_size > max(_SMALL, _LARGEST_EXPANSION * info.compress_size):
        raise CorruptFileError(f"'{path}': '{name}' claims {info.file_size} bytes, {info.compress_size} are stored")
    compressed = info.compress_type != zipfile.ZIP_STORED
    if not compressed and info.file_size != info.compress_size:
        raise CorruptFileError(f"'{path}': '{name}' claims {info.file_size} bytes, {info.compress_size} are stored")
    stored = whole.within(_content_start(archive, info, whole), info.compress_size, f"'{name}'")
    return Member(name, stored, info.file_size, info.CRC, compressed)


def _content_start(archive: zipfile.ZipFile, info: zipfile.ZipInfo, whole: Extent) -> int:
    with archive.open(info):
        # Opening alone compares the local header with the directory.
        pass
    header: Any = whole.within(info.header_offset, _HEADER, f"'{info.filename}'").bytes()
    return (
        info.header_offset + _HEADER + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:], "little")
    )
