"""The bytes of an HDF5 file by address: never beyond its end, and not again and again.

Structures of an HDF5 file point at each other. Three things keep every walk over them finite and small: each read lies
inside the file, each structure that is part of a tree is read once, and all that is read together is bounded by the
file's length, however the structures overlap.
"""

from pathlib import Path
from typing import BinaryIO

from regraft.core.errors import SourceError
from regraft.formats.hdf5.checksums import lookup3

# An honest file's structures are read once or twice, its values not at all.
_AGAIN, _SMALL = 4, 1 << 16


class Fields:
    """A stretch of bytes, taken apart from its beginning; whatever goes beyond its end is an error.

    Args:
        content: the stretch.
        what: the words for it, for messages.
        addresses: bytes of an address in this file.
        lengths: bytes of a length in this file.
    """

    __slots__ = ("_addresses", "_content", "_lengths", "_what", "position")

    def __init__(self, content: bytes, what: str, addresses: int, lengths: int) -> None:
        self._content, self._what, self.position = content, what, 0
        self._addresses, self._lengths = addresses, lengths

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._content) - self.position

    def take(self, count: int) -> bytes:
        """The next bytes."""
        start, self.position = self.position, self.position + count
        if count < 0 or self.position > len(self._content):
            raise ValueError(f"{self._what} is cut off")
        return self._content[start : self.position]

    def number(self, count: int) -> int:
        """The next bytes as an unsigned number."""
        start, self.position = self.position, self.position + count
        if self.position > len(self._content):
            raise ValueError(f"{self._what} is cut off")
        return int.from_bytes(self._content[start : self.position], "little")

    def length(self) -> int:
        """The next length."""
        return self.number(self._lengths)

    def address(self) -> int | None:
        """The next address; None where it says that there is nothing."""
        found = self.number(self._addresses)
        return None if found == (1 << 8 * self._addresses) - 1 else found

    def required(self) -> int:
        """The next address, which must lead somewhere."""
        found = self.address()
        if found is None:
            raise ValueError(f"{self._what} leads nowhere")
        return found

    def expect(self, *wanted: bytes) -> bytes:
        """The next bytes, which must be one of these."""
        found = self.take(len(wanted[0]))
        if found not in wanted:
            raise ValueError(f"expected {wanted[0]!r} in {self._what}, found {found!r}")
        return found

    def name(self) -> bytes:
        """The next bytes up to a zero, which is taken too."""
        end = self._content.find(b"\0", self.position)
        if end < 0:
            raise ValueError(f"{self._what} is cut off")
        found = self._content[self.position : end]
        self.position = end + 1
        return found


class Content:
    """An HDF5 file, opened.

    Args:
        path: for messages.
        file: its bytes.
        base: where address 0 is.
        size: of the file from there.
        addresses: bytes of an address.
        lengths: bytes of a length.
    """

    def __init__(self, path: Path, file: BinaryIO, base: int, size: int, addresses: int, lengths: int) -> None:
        self.path, self.base, self.size = path, base, size
        self.addresses, self.lengths = addresses, lengths
        self._file, self._left = file, _AGAIN * size + _SMALL
        # What is read again and again: heaps of texts, by address.
        self.heaps: dict[int, dict[int, bytes]] = {}

    def at(self, address: int, count: int, what: str) -> bytes:
        """The bytes at an address.

        Args:
            address: where.
            count: how many.
            what: the words for them, for messages.

        Raises:
            ValueError: the file does not hold them, or was read so often that its structures must overlap.
        """
        if address + count <= self.size:
            self._left -= count
        if self._left < 0:
            raise ValueError(f"{what} at {address} overlaps with others")
        return self.values(address, count, what)

    def values(self, address: int, count: int, what: str) -> bytes:
        """The same for what is no structure: how often it is read is for others to bound."""
        if address + count > self.size:
            raise ValueError(f"{what} at {address} ends beyond the file")
        self._file.seek(self.base + address)
        found = self._file.read(count)
        if len(found) != count:
            raise ValueError(f"{what} at {address} ends beyond the file")
        return found

    def fields(self, address: int, count: int, what: str) -> Fields:
        """The bytes at an address, to be taken apart."""
        return Fields(self.at(address, count, what), f"{what} at {address}", self.addresses, self.lengths)

    def verified(self, address: int, count: int, what: str) -> Fields:
        """The same for a structure whose last four bytes are its checksum."""
        return self.checked(self.at(address, count, what), f"{what} at {address}")

    def checked(self, content: bytes, what: str) -> Fields:
        """A structure without the checksum in its last four bytes.

        Raises:
            ValueError: the checksum is wrong.
        """
        if len(content) < 4 or lookup3(content[:-4]) != int.from_bytes(content[-4:], "little"):
            raise ValueError(f"the checksum of {what} is wrong")
        return self.inside(content[:-4], what)

    def inside(self, content: bytes, what: str) -> Fields:
        """A part of what was read, to be taken apart."""
        return Fields(content, what, self.addresses, self.lengths)

    def unread(self, what: str) -> SourceError:
        """The refusal of something that HDF5 has and this reader does not."""
        return SourceError(
            f"'{self.path}' has {what}, which is not read; "
            "write it plainly with: h5repack --layout=CONTI --filter=NONE OLD NEW"
        )


def once(seen: set[int], address: int, what: str) -> None:
    """Note that a part of a tree was met.

    Raises:
        ValueError: it was met before.
    """
    if address in seen:
        raise ValueError(f"{what} at {address} is in a circle")
    seen.add(address)
