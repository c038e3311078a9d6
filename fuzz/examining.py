"""What must hold for any file: it is read as it says, or refused in one line by one of Regraft's own errors."""

import contextlib
import json
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regraft import formats
from regraft.core.errors import RegraftError, SourceError
from regraft.core.tensors import TensorArchive, TensorEntry
from regraft.formats import damage, drawing, inspection, keras_config

# Of processor time, so that a busy machine changes nothing; honest files of this size take some milliseconds.
SLOWEST = 5.0
# Beyond what the process had before: a fixed part, and what a file's own content may take.
MOST_MEMORY, MEMORY_OF_FILE = 128 << 20, 16
_LONGEST_MESSAGE = 2000
# Drawing takes as long as all the rest: files of every so many sizes are drawn.
_DRAWN = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one file did.

    Attributes:
        outcome: `read` or `refused`; else a defect: `crash`, `lies`, `slow`, `memory`, `message`, `warning`.
        said: what it was refused with, or what is wrong.
        seconds: of processor time.
        memory: bytes taken beyond what the process had before.
    """

    outcome: str
    said: str
    seconds: float
    memory: int


def examined(path: Path, architecture: Path | None, size: int) -> Verdict:
    """Do all that can be done with a file without a framework.

    Args:
        path: the file or folder.
        architecture: of the file, where it lies beside it.
        size: of all its files, in bytes.
    """
    before = _memory_now()
    _forget_peak()
    said: list[str] = []
    started = time.process_time()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        outcome, reason = _tried(path, architecture, size, said)
    seconds, memory = time.process_time() - started, max(_peak() - before, 0)
    if outcome in ("read", "refused"):
        if warned:
            outcome, reason = "warning", f"{warned[0].category.__name__}: {warned[0].message}"
        elif unfit := [text for text in said if not _is_one_line(text)]:
            outcome, reason = "message", repr(unfit[0][:300])
        elif seconds > SLOWEST:
            outcome = "slow"
        elif memory > MOST_MEMORY + MEMORY_OF_FILE * size:
            outcome = "memory"
    return Verdict(outcome, reason, seconds, memory)


def _tried(path: Path, architecture: Path | None, size: int, said: list[str]) -> tuple[str, str]:
    try:
        return "read", _used(path, architecture, size, said)
    except RegraftError as error:
        said.append(str(error))
        if _cause(error, MemoryError):
            return "memory", f"asked for more than there is: {error}"
        return "refused", type(error).__name__
    except _Lie as error:
        return "lies", str(error)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return "crash", f"{type(error).__name__}: {str(error)[:200]} ({Path(where.filename).name}:{where.lineno})"


def _used(path: Path, architecture: Path | None, size: int, said: list[str]) -> str:
    """All of a file: description, values, graph, drawing."""
    config = None
    if architecture:
        # As the importer of weights with their architecture beside them does it.
        with damage.refusing_damage(architecture):
            config = keras_config.parsed(architecture.read_bytes())
    archive = formats.read(path, config)
    found = inspection.summary(archive, str(path))
    json.dumps(_plain(found.metadata), default=str)
    said += found.warnings
    for tensor in _tensors(archive):
        _check(tensor)
    if size % _DRAWN == 0:
        with contextlib.suppress(SourceError):
            drawing.page(archive, path.name)
    return archive.format


def _tensors(archive: TensorArchive) -> Iterator[TensorEntry]:
    yield from archive.tensors.values()
    if archive.optimizer is not None:
        yield from (slot.tensor for slot in archive.optimizer.slots)


class _Lie(Exception):  # noqa: N818 - a finding
    pass


def _check(tensor: TensorEntry) -> None:
    values = tensor.read()
    if values.shape != tensor.shape:
        raise _Lie(f"'{tensor.name}' is said to have shape {tensor.shape}, and has {values.shape}")
    stated = "object" if tensor.dtype == "string" else tensor.dtype
    if values.dtype.name != stated:
        raise _Lie(f"'{tensor.name}' is said to be {stated}, and is {values.dtype.name}")


def _plain(value: Any) -> Any:
    return {str(key): _plain(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _cause(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__
    return False


def _is_one_line(text: str) -> bool:
    return "\n" not in text and "\r" not in text and 0 < len(text) <= _LONGEST_MESSAGE


def _memory_now() -> int:
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(key: str) -> int:
    with Path("/proc/self/status").open() as file:
        line = next(line for line in file if line.startswith(key))
    return int(line.split()[1]) << 10


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")
