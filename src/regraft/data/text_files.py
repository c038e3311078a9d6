"""Text files, read one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from regraft.core import digest
from regraft.data import files
from regraft.data.described import TEXT_ENDING
from regraft.data.examples import Array, UnreadableExample
from regraft.data.names import Texts
from regraft.data.table_lines import unknown_encoding


class UndecodableText(UnreadableExample):
    """A text file is in another encoding than is said.

    Attributes:
        encoding: that is said.
        byte: the first that is none of it.
    """

    def __init__(self, name: str, encoding: str, byte: int) -> None:
        super().__init__(
            name,
            f"is no {encoding} text: it holds the byte 0x{byte:02x}; say the encoding of all of them, such as "
            f"--encoding latin-1, or save it as {encoding}",
        )
        self.encoding = encoding
        self.byte = byte

    def __reduce__(self) -> tuple[type["UndecodableText"], tuple[str, str, int]]:  # pyright: ignore
        """Survive the way from another process."""
        return type(self), (self.name, self.encoding, self.byte)


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """Text files by their paths.

    Attributes:
        folder: where the paths begin.
        paths: of each file.
        encoding: of all.
    """

    folder: Path
    paths: Texts
    encoding: str

    def text(self, index: int) -> str:
        """The text of a file.

        Raises:
            UndecodableText: it is no text of the encoding.
            UnreadableExample: it is empty, or cannot be read.
            RequestError: there is no such encoding.
        """
        name = self.paths[index]
        try:
            known = "utf-8-sig" if self.encoding.lower() in ("utf-8", "utf8") else self.encoding
            text = (self.folder / name).read_text(encoding=known)
        except UnicodeDecodeError as error:
            raise UndecodableText(files.shown(name), self.encoding, error.object[error.start]) from None
        except LookupError:
            raise unknown_encoding(self.encoding) from None
        except (OSError, UnicodeError) as error:
            raise UnreadableExample(files.shown(name), f"cannot be read: {error}") from None
        if not text.strip():
            raise UnreadableExample(files.shown(name), "is empty")
        return text

    def identify(self, index: int) -> str:
        """The digest of a text."""
        return digest.of_bytes(b"text", self.text(index).encode("utf-8", "replace"))

    def read(self, index: int, channels: int | None) -> Array:
        """The text, object (1,)."""
        made = np.empty(1, object)
        made[0] = self.text(index)
        return made


def text_files(path: Path) -> Iterator[Path]:
    """The text files in a folder, sorted."""
    return (file for file in files.below(path) if file.suffix.lower() == TEXT_ENDING)
