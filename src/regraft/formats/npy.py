"""NumPy arrays in files (`.npy`): one array of numbers, or pickled containers of arrays; no pickle is run.

The header is described in https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
"""

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import OperationGraph, TensorArchive
from regraft.formats import damage, elements, extents, pickles
from regraft.formats.pickled_arrays import numeric

NAME = "npy"
TITLE = "NumPy array (.npy)"

# NumPy itself reads no longer header unless told to.
LONGEST_HEADER = 10_000 + 12
# What a single array is called, as in NumPy's own archives.
SINGLE = "arr_0"
_MAGIC = b"\x93NUMPY"


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the numbers.

    Attributes:
        shape: of the array.
        code: of its elements' type, such as `<f4`; `|O` for pickled objects.
        fortran: whether the first axis runs fastest.
        start: where the numbers begin.
    """

    shape: tuple[int, ...]
    code: str
    fortran: bool
    start: int

    @property
    def dtype(self) -> str | None:
        """NumPy's name of the type; None where the elements are no numbers."""
        return numeric(self.code)

    @property
    def pickled(self) -> bool:
        """Whether a pickle follows instead of numbers."""
        return self.code.endswith("O")

    @property
    def little(self) -> bool:
        """Whether the least significant byte of an element comes first."""
        return not self.code.startswith(">")


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a `.npy` file.

    Args:
        path: the file.
        architecture: not used: names are the file's own.

    Raises:
        CorruptFileError: the file is truncated, was altered, or claims more than it holds.
        SourceError: it holds no numbers, or a pickle that asks to run something.
    """
    with damage.refusing_damage(path):
        whole = extents.whole(path)
        found = header(whole.within(0, min(LONGEST_HEADER, whole.size), "the header").bytes(), path, "the file")
        if found.pickled:
            return pickles.archived(NAME, path, whole, found.start)
        if found.dtype is None:
            raise SourceError(
                f"'{path}' holds an array of type {found.code}; expected numbers, or a dictionary of arrays"
            )
        check_size(found, whole.size, path, "the file")
        content = whole.within(found.start, whole.size - found.start, "the array")
        tensor = elements.dense(
            path, SINGLE, found.shape, found.dtype, content.bytes, fortran=found.fortran, little=found.little
        )
    return TensorArchive(NAME, {SINGLE: tensor}, metadata={"path": str(path)})


def graph(archive: TensorArchive) -> OperationGraph:
    """None: arrays have no graph.

    Raises:
        SourceError: always.
    """
    return pickles.graph(archive)


def header(content: bytes, path: Path, what: str) -> Header:
    """The header of a `.npy` file.

    Args:
        content: the first bytes of it, `LONGEST_HEADER` or all.
        path: the file, for messages.
        what: the words for the array, for messages.

    Raises:
        CorruptFileError: it is none.
    """
    version, wide = content[6:7], 4 if content[6:7] != b"\x01" else 2
    length = int.from_bytes(content[8 : 8 + wide], "little")
    text = content[8 + wide : 8 + wide + length]
    if content[:6] != _MAGIC or version not in (b"\x01", b"\x02", b"\x03") or len(text) != length:
        raise CorruptFileError(f"'{path}': {what} has no header of a NumPy array, or one cut off; get the file again")
    with warnings.catch_warnings():
        # Python would tell the user about the letters behind a backslash in somebody else's file.
        warnings.simplefilter("ignore")
        stated = ast.literal_eval(text.decode("utf-8" if version == b"\x03" else "latin-1").strip())
    if not isinstance(stated, dict) or set(cast(dict[Any, Any], stated)) != {"descr", "fortran_order", "shape"}:
        raise CorruptFileError(f"'{path}': {what} has the header of no NumPy array; get the file again")
    shape, code = cast(dict[str, Any], stated)["shape"], cast(dict[str, Any], stated)["descr"]
    return Header(
        elements.checked_shape(shape if isinstance(shape, tuple) else (None,), what),
        code if isinstance(code, str) else "V",
        bool(cast(dict[str, Any], stated)["fortran_order"]),
        8 + wide + length,
    )


def check_size(found: Header, size: int, path: Path, what: str) -> None:
    """Refuse an array that claims another size than is stored.

    Raises:
        CorruptFileError: it does.
    """
    claimed = elements.bytes_of(found.shape, found.dtype or "uint8")
    if claimed != size - found.start:
        raise CorruptFileError(
            f"'{path}': {what}, an array of shape {found.shape} and type {found.dtype}, claims {claimed} bytes, "
            f"{size - found.start} are stored; get the file again"
        )
