"""A folder on a disk, or on a network's."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from regraft.catalogue.places import Found
from regraft.core import storage

_PARTIAL = ".partial-"
# Who may write where nobody may link: a name that one alone can make.
_CLAIM = ".claim"
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


class Folder:
    """Files below a folder, each whole or not at all; see `Place`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def address(self) -> str:
        """The path."""
        return str(self.root)

    def read(self, key: str) -> bytes | None:
        """The content of a file."""
        path = self._path(key)
        with storage.storage_errors(path):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    @property
    def is_far(self) -> bool:
        """A disk answers at once."""
        return False

    def put(self, key: str, content: bytes, durable: bool = True) -> None:
        """Write a file in place of the one that was there."""
        storage.write_with(self._path(key), lambda partial: partial.write_bytes(content), durable)

    def put_new(self, key: str, content: bytes) -> bool:
        """Write a file that is not there yet; it is on the disk when this returns."""
        path = self._path(key)
        with storage.storage_errors(path), storage.partial(path.parent) as partial:
            made = partial / path.name
            with made.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            is_new = _linked(made, path)
        if is_new:
            _flush_folder(path.parent)
        return is_new

    def touch(self, key: str) -> bool:
        """Whether the file is there; its time becomes now, where we may say so."""
        path = self._path(key)
        if not path.is_file():
            return False
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        except OSError:
            # Somebody else's file: it is there, and it is for its owner to say how old it is.
            return True
        return True

    def remove(self, key: str) -> None:
        """Remove a file."""
        path = self._path(key)
        with storage.storage_errors(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()

    def keys(self, prefix: str) -> Iterator[Found]:
        """All files below a folder, but for those that are being written."""
        with storage.storage_errors(self.root):
            yield from self._below(self._path(prefix), prefix)

    def close(self) -> None:
        """Nothing is open between two calls."""

    def _below(self, folder: Path, prefix: str) -> Iterator[Found]:
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            if entry.name.startswith(_PARTIAL):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._below(Path(entry.path), f"{prefix}{entry.name}/")
                continue
            with contextlib.suppress(FileNotFoundError):
                about = entry.stat()
                yield Found(prefix + entry.name, about.st_size, about.st_mtime)

    def _path(self, key: str) -> Path:
        return self.root / key


def _linked(made: Path, path: Path) -> bool:
    """Give a file its name, unless another has it; whether it did."""
    try:
        os.link(made, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _claimed(made, path)
    return True


def _claimed(made: Path, path: Path) -> bool:
    """The same where files cannot be linked: the name of a claim is made by one alone, and stays."""
    if path.exists():
        return False
    try:
        path.with_name(f"{path.name}{_CLAIM}").touch(exist_ok=False)
    except FileExistsError:
        return False
    made.replace(path)
    return True


def _flush_folder(folder: Path) -> None:
    # Some systems cannot flush a folder.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
