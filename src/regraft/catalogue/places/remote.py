"""Anything that fsspec reaches: object storage, a web drive, memory."""

import contextlib
import datetime as dt
from collections.abc import Generator, Iterator
from typing import Any, cast

from regraft.catalogue.places import Found
from regraft.core.errors import RequestError, StorageError, nearest

_INSTALL = "pip install 'regraft[remote]'"
_TIMES = ("LastModified", "last_modified", "mtime", "created", "updated", "modified")


class Remote:
    """Objects below an address; see `Place`.

    Objects are written whole by what keeps them; that only one of several writers makes a new one is asked of it too
    (`mode="create"` of fsspec), and what cannot do that is refused.

    Args:
        address: `protocol://path`, as fsspec takes it; what it needs beside that, such as credentials, it takes from
            where it usually does.

    Raises:
        RequestError: fsspec, or what it needs for this protocol, is not installed, or the protocol is unknown.
    """

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._files, self._root = _opened(self._address)

    @property
    def address(self) -> str:
        """As it was said."""
        return self._address

    def read(self, key: str) -> bytes | None:
        """The content of an object."""
        with self._refusals(key):
            try:
                return bytes(self._files.cat_file(self._path(key)))
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    @property
    def is_far(self) -> bool:
        """A network lies between."""
        return True

    def put(self, key: str, content: bytes, durable: bool = True) -> None:
        """Write an object in place of the one that was there."""
        with self._refusals(key):
            self._prepare(key)
            self._files.pipe_file(self._path(key), content)

    def put_new(self, key: str, content: bytes) -> bool:
        """Write an object that is not there yet."""
        with self._refusals(key):
            self._prepare(key)
            try:
                self._files.pipe_file(self._path(key), content, mode="create")
            except FileExistsError:
                return False
            except (NotImplementedError, TypeError) as error:
                raise RequestError(
                    f"'{self.address}' cannot make an object only where none is ({type(self._files).__name__}), which "
                    "several writers need; keep the catalogue in a folder, in object storage that can, or in PostgreSQL"
                ) from error
        return True

    def touch(self, key: str) -> bool:
        """Whether the object is there; most stores keep the time of writing alone, so that it is written once more."""
        with self._refusals(key):
            path = self._path(key)
            if not self._files.exists(path):
                return False
            with contextlib.suppress(NotImplementedError, TypeError, ValueError, OSError):
                self._files.touch(path, truncate=False)
                return True
            content = self.read(key)
            if content is None:
                return False
            self._files.pipe_file(path, content)
            return True

    def remove(self, key: str) -> None:
        """Remove an object."""
        with self._refusals(key), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(key))

    def keys(self, prefix: str) -> Iterator[Found]:
        """All objects below a prefix."""
        root = self._path(prefix).rstrip("/")
        with self._refusals(prefix):
            self._files.invalidate_cache()
            try:
                found = cast(dict[str, dict[str, Any]], self._files.find(root, detail=True))
            except FileNotFoundError:
                return
        for path, about in found.items():
            yield Found(prefix + path[len(root) :].lstrip("/"), int(about.get("size") or 0), _moment(about))

    def close(self) -> None:
        """Nothing is open between two calls."""

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _prepare(self, key: str) -> None:
        # Object storage has no folders, and takes this as done.
        self._files.makedirs(self._path(key).rpartition("/")[0], exist_ok=True)

    @contextlib.contextmanager
    def _refusals(self, key: str) -> Generator[None]:
        """What a store raises where it refuses, in one line."""
        try:
            yield
        except (RequestError, StorageError):
            raise
        # Every store has errors of its own, of no common kind.
        except Exception as error:
            said = " ".join(str(error).split())[:300] or type(error).__name__
            raise StorageError(
                f"'{self.address}' refused '{key}': {said}; see that the address is right, that you may write there, "
                "and that it can be reached"
            ) from error


def _opened(address: str) -> tuple[Any, str]:
    """What reaches an address, and the path there."""
    try:
        import fsspec
    except ImportError:
        raise RequestError(f"'{address}' needs fsspec; install it with: {_INSTALL}") from None
    protocol = address.partition("://")[0]
    try:
        files, root = fsspec.core.url_to_fs(address)
    except ValueError:
        known = list(fsspec.available_protocols())
        raise RequestError(
            f"expected an address that fsspec knows, found '{address}'{nearest(protocol, known)}"
        ) from None
    except ImportError as error:
        raise RequestError(f"'{address}' needs another package: {' '.join(str(error).split())}") from None
    return files, str(root).rstrip("/")


def _moment(about: dict[str, Any]) -> float | None:
    for name in _TIMES:
        said = about.get(name)
        if isinstance(said, (int, float)):
            return float(said)
        if isinstance(said, dt.datetime):
            return said.timestamp()
        if isinstance(said, str):
            with contextlib.suppress(ValueError):
                return dt.datetime.fromisoformat(said).timestamp()
    return None
