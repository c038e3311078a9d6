"""Files that are there whole or not at all: written beside their place, flushed to disk, then renamed.

A process killed at any moment leaves either the old file or the new one, and at most a `.partial-*` folder beside it,
which the next writer there removes once it is old enough not to belong to a living one.
"""

import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

from regraft.core.errors import StorageError

_PARTIAL = ".partial-"
_ABANDONED_AFTER = 24 * 3600.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_UNSUITABLE = (
    *(errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY, errno.ENOENT),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EFBIG, errno.EIO, errno.EBUSY),
)
_WHILE_WRITING = (*_NO_SPACE, errno.EROFS, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def replacing(path: Path, durable: bool = True) -> Generator[Path]:
    """Yield a path to write to; when the block ends without an error it becomes `path`, in one step.

    The yielded path has the same name as `path`, so that writers who look at its ending behave as usual. It may be made
    a file or a folder; a folder becomes `path` only where `path` is absent.

    Args:
        path: what is written.
        durable: wait until the disk has it. Without that a power cut, though no kill, may leave a torn file: enough
            for what is verified when it is read and can be made again.

    Raises:
        StorageError: no space is left, or the place cannot be written to.
    """
    with storage_errors(path), partial(path.parent) as folder:
        made = folder / path.name
        yield made
        for written in [made, *made.rglob("*")] if durable else []:
            if written.is_file():
                _flush(written)
        made.replace(path)
        # Some systems cannot flush a folder; the file is whole there too, only perhaps still under its old content.
        with contextlib.suppress(OSError):
            if durable:
                _flush(path.parent)


@contextlib.contextmanager
def partial(folder: Path) -> Generator[Path]:
    """Yield a new folder in this one, for what is not whole yet; in the end it goes, with all that is in it."""
    # Python looks again whether it is a folder, and another process may have removed it by then: what follows tells.
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    made = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    write_bytes(path, content.encode())


def write_with(path: Path, write: Callable[[Path], object], durable: bool = True) -> None:
    """Let `write` make a file at the path it is given, then move it to `path` in one step; see `replacing`."""
    with replacing(path, durable) as partial:
        write(partial)


@contextlib.contextmanager
def storage_errors(path: Path) -> Generator[None]:
    """Turn the operating system's refusals to write `path` into one line that says why and what to do.

    Errors about other files, which the block may read while it writes, pass unchanged.

    Raises:
        StorageError: no space is left, or the place cannot be written to.
    """
    try:
        yield
    except OSError as error:
        if not _is_about(error, path):
            raise
        if error.errno in _NO_SPACE or _is_cut_short(error):
            raise StorageError(
                f"no space left writing '{path}' ({free_bytes(path) / 1e6:.1f} MB free there); "
                "free some space, or name another folder with --out or REGRAFT_CACHE"
            ) from error
        if error.errno in _FORBIDDEN:
            raise StorageError(
                f"cannot write '{path}': {error.strerror}; name a folder that you may write to"
            ) from error
        if error.errno in _UNSUITABLE:
            raise StorageError(f"cannot write '{path}': {error.strerror}; name another place") from error
        raise


def free_bytes(path: Path) -> int:
    """Bytes free where `path` is, or would be."""
    return _usage(path)[1]


def total_bytes(path: Path) -> int:
    """Bytes of the whole disk that `path` is on, or would be."""
    return _usage(path)[0]


def _usage(path: Path) -> tuple[int, int]:
    """Bytes of the disk, and those free on it."""
    path = path.absolute()
    # Tried rather than looked for: another process may remove a folder in between.
    for existing in [path, *path.parents[:-1]]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            usage = shutil.disk_usage(existing)
            return usage.total, usage.free
    usage = shutil.disk_usage(path.anchor)
    return usage.total, usage.free


def remove_abandoned(folder: Path, after: float = _ABANDONED_AFTER) -> None:
    """Remove the partial files that a killed writer left behind in this folder.

    Args:
        folder: where it wrote.
        after: seconds without a change after which a writer is taken for dead; a day by default.
    """
    for left in folder.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError):
            # A folder's own time stands still while a file in it grows; a writer that is slow is not dead.
            touched = max(entry.stat().st_mtime for entry in [left, *left.rglob("*")])
            if time.time() - touched > after:
                shutil.rmtree(left, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_cut_short(error: OSError) -> bool:
    """Whether this is NumPy's error for an array of which only a part went to disk, which has words but no number."""
    return error.errno is None and re.fullmatch(r"\d+ requested and \d+ written", str(error)) is not None


def _is_about(error: OSError, path: Path) -> bool:
    """Whether the error is about `path`, what is above it, in it, or its partial form."""
    if not isinstance(error.filename, (str, bytes)):
        # Raised by writing, which does not know the name; opening another file without naming it raises other numbers.
        return error.errno in _WHILE_WRITING or _is_cut_short(error)
    path, named = path.absolute(), Path(os.fsdecode(error.filename)).absolute()
    inside = path.parent in named.parents and named.relative_to(path.parent).parts[0].startswith(_PARTIAL)
    return inside or named in (path, *path.parents) or path in named.parents


def absolute(text: str | os.PathLike[str]) -> str:
    """The path from the root where there is such a file or folder, so that it holds in any folder; else the text."""
    path = Path(text).expanduser()
    try:
        return str(path.absolute()) if path.exists() else os.fspath(text)
    except OSError:
        # Too long for a path: it names something else.
        return os.fspath(text)
