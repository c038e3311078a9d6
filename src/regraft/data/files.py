"""Files and folders as they lie on disk: what counts, in which order, and how a picture file looks from outside."""

import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from regraft.core import digest
from regraft.core.errors import DataError, nearest
from regraft.data import decode
from regraft.data.examples import Array, UnreadableExample
from regraft.data.names import Lazy, Names, Texts

_LITTER = {"__macosx", "thumbs.db", "desktop.ini", "@eadir"}
_HEAD = 16
_BEGINNINGS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    *(b"P%d" % number + space for number in range(1, 7) for space in (b"\n", b" ", b"\r", b"\t", b"#")),
    b"Pf\n",
)
_ENDINGS = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
}


def natural(name: str) -> tuple[int, int, str]:
    """The key that sorts names: whole numbers first, in numeric order, then the others by name.

    >>> sorted(["10", "b", "9", "a"], key=natural)
    ['9', '10', 'a', 'b']
    """
    return (0, int(name), name) if name.isascii() and name.isdigit() else (1, 0, name)


def shown(name: str) -> str:
    """A file name as text: composed Unicode, whatever the file system's form; bytes that are no UTF-8 are replaced."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))


def hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's: hidden, or left there by an operating system."""
    return name.startswith(".") or name.lower() in _LITTER


def existing(path: Path) -> Path:
    """The path itself where something is there.

    Raises:
        DataError: nothing is, with the nearest names in its parent folder.
    """
    try:
        if path.exists():
            return path
    except (OSError, ValueError) as error:
        raise DataError(f"no data at '{str(path)[:80]}': {getattr(error, 'strerror', None) or error}") from None
    parent = path.parent
    if parent.is_dir():
        known = sorted(entry.name for entry in parent.iterdir() if not hidden(entry.name))
        raise DataError(f"no data at '{path}': there is no such file or folder{nearest(path.name, known)}")
    raise DataError(f"no data at '{path}': its folder '{parent}' does not exist either")


def entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """The sub-folders and the other things directly in a folder, sorted, without the hidden ones.

    Raises:
        DataError: the folder cannot be listed.
    """
    folders, others = _listed(folder)
    return [folder / name for name in folders], [folder / name for name in others]


def below(folder: Path) -> Iterator[Path]:
    """All files in a folder and its sub-folders, sorted; links are followed, each folder is visited once."""
    return (folder / path for path in paths_below(folder))


def paths_below(folder: Path) -> Iterator[str]:
    """The same as texts that begin below the folder, with `/` between names: a million paths are never held at once."""
    seen: set[tuple[int, int]] = set()
    waiting = [""]
    while waiting:
        current = waiting.pop()
        where = folder / current
        status = where.stat()
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        folders, others = _listed(where)
        yield from (current + name for name in others)
        waiting.extend(f"{current}{name}/" for name in reversed(folders))


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the sub-folders and of the other things in a folder."""
    folders: list[str] = []
    others: list[str] = []
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if not hidden(entry.name):
                    (folders if _is_folder(entry) else others).append(entry.name)
    except OSError as error:
        raise DataError(f"cannot list folder '{folder}': {error.strerror}") from None
    return _sorted(folders), _sorted(others)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    # A link that leads to itself.
    except OSError:
        return False


def _sorted(names: list[str]) -> list[str]:
    # Names that are no numbers are in the order of their text: no key for each has to be made.
    return sorted(names, key=natural if any(map(str.isdigit, names)) else None)


def looks_like_picture(path: Path) -> bool:
    """Whether a file begins as a picture does, or at least is called one."""
    try:
        return path.suffix.lower() in _ENDINGS or (path.is_file() and is_picture(head(path)))
    except OSError:
        return False


def head(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(_HEAD)


def is_picture(beginning: bytes) -> bool:
    """Whether a file that begins so may be a picture of a known kind."""
    return beginning.startswith(_BEGINNINGS) or (beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP")


def identify(path: Path, name: str) -> str:
    """The digest of a picture file's content, after a cheap look at its beginning.

    Raises:
        UnreadableExample: it is missing, empty, no file, or does not begin as a picture does.
    """
    try:
        # Before opening: a pipe would wait for somebody to write.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableExample(name, "is not a regular file")
        if not status.st_size:
            raise UnreadableExample(name, "is empty (0 bytes)")
        with path.open("rb") as file:
            beginning = file.read(_HEAD)
            _refuse_others(beginning, name)
            return digest.of_opened(file, status.st_size, beginning)
    except FileNotFoundError:
        raise UnreadableExample(name, "is missing: no such file") from None
    except (OSError, ValueError) as error:
        raise UnreadableExample(name, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def identify_bytes(content: bytes, name: str) -> str:
    """The digest of a picture file's content that is in memory, the same as the file's own.

    Raises:
        UnreadableExample: it does not begin as a picture does.
    """
    _refuse_others(content[:_HEAD], name)
    return digest.of_bytes(content)


def _refuse_others(beginning: bytes, name: str) -> None:
    if is_picture(beginning):
        return
    if beginning[4:8] == b"ftyp":
        raise UnreadableExample(name, f"is a HEIC or AVIF picture or a film; convert it to {decode.READABLE}")
    start = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in beginning[:12])
    raise UnreadableExample(name, f"is not a picture: it begins with '{start}', as no {decode.READABLE} does")


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """Picture files by their paths.

    Attributes:
        folder: where the paths begin.
        paths: of each file, as the file system or a table has it.
    """

    folder: Path
    paths: Texts

    def identify(self, index: int) -> str:
        """The digest of the file at an index; see the function `identify`."""
        return identify(self.folder / self.paths[index], shown(self.paths[index]))

    def read(self, index: int, channels: int | None) -> Array:
        """The decoded picture at an index."""
        return decode.read_picture(self.folder / self.paths[index], channels, shown(self.paths[index]))

    def names(self) -> Names:
        """What messages call the files."""
        return Names(Shown(self.paths))


@dataclass(frozen=True, slots=True, eq=False)
class Shown(Lazy):
    """File names as text to be read."""

    paths: Texts

    def __len__(self) -> int:
        """How many there are."""
        return len(self.paths)

    def at(self, index: int) -> str:
        """The one at an index."""
        return shown(self.paths[index])
