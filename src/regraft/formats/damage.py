"""Whatever a damaged file causes, as one clear line; and how a file that was replaced is told."""

import contextlib
from collections.abc import Generator
from pathlib import Path

from regraft.core.errors import CorruptFileError, RegraftError


@contextlib.contextmanager
def refusing_damage(path: Path) -> Generator[None]:
    """Turn whatever a damaged file causes into one line that names the file."""
    try:
        yield
    except (RegraftError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:
        # zlib, JSON, NumPy and our readers have no error in common; whichever stumbles, the file is what is wrong.
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise CorruptFileError(f"'{path}' is truncated or was altered ({reason}); get the file again") from error


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of last change of a file."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns
