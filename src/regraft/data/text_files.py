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
            UnreadableExample: it is no text of the encoding, or empty.
        """
        name = self.paths[index]
        try:
            known = "utf-8-sig" if self.encoding.lower() in ("utf-8", "utf8") else self.encoding
            text = (self.folder / name).read_text(encoding=known)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise UnreadableExample(
                files.shown(name),
                f"is no {self.encoding} text: it holds the byte 0x{byte:02x}; say the encoding of all of them, such as "
                f"--encoding latin-1, or save it as {self.encoding}",
            ) from None
        except (OSError, LookupError, UnicodeError) as error:
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
