"""Files that are there whole or not at all: written beside their place, flushed to disk, then renamed.

A process killed at any moment leaves either the old file or the new one, and at most a `.partial-*` file beside it, which
the next writer in that folder removes once it is old enough not to belong to a living one.
"""

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from regraft.core.errors import StorageError

_PARTIAL = ".partial-"
_ABANDONED_AFTER = 24 * 3600.0


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to; when the block ends without an error it becomes `path`, in one step.

    The yielded path has the same ending as `path`, so that writers who look at it behave as usual. It may be made a file
    or a folder; a folder replaces `path` only where `path` is absent.

    Raises:
        StorageError: no space is left, or the folder cannot be written to.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent)
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=path.parent)) / path.name
        try:
            yield partial
            if partial.is_file():
                with partial.open("rb") as file:
                    os.fsync(file.fileno())
            partial.replace(path)
        finally:
            shutil.rmtree(partial.parent, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    write_bytes(path, content.encode())


def write_with(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file at the path it is given, then move it to `path` in one step."""
    with replacing(path) as partial:
        write(partial)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one line that names the path, the sizes and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"no space left writing '{path}' ({free_bytes(path) / 1e6:.1f} MB free there); "
                "free some space, or name another folder with --out or REGRAFT_CACHE"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError(
                f"cannot write '{path}': {error.strerror}; name a folder that you may write to"
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
            raise StorageError(f"cannot write '{path}': {error.strerror}; name another place") from error
        raise


def free_bytes(path: Path) -> int:
    """Bytes free where `path` is, or would be."""
    existing = path.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    return shutil.disk_usage(existing).free


def remove_abandoned(folder: Path) -> None:
    """Remove the partial files that a killed writer left behind in this folder a day ago or earlier."""
    for partial in folder.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(partial, ignore_errors=True)
