"""What a run leaves behind: a folder that tells everything, and from which everything can be done again."""

import contextlib
import json
import os
import re
import time
import zipfile
from collections.abc import Generator
from pathlib import Path

import keras

from regraft.core import plain, plan, storage
from regraft.core.errors import RequestError, StorageError, nearest
from regraft.core.plan import Plan
from regraft.core.records import RunRecord

PLAN, RECORD, MODEL, REPORT, CARD, HISTORY = (
    "plan.toml", "run.json", "model.keras", "report.html", "README.md", "history.csv",
)  # fmt: skip
CHECKPOINT = "fine-tune.checkpoint.npz"
_LOCK = ".lock"
_INSIDE = "regraft.json"


def default_folder(data: str, source: str) -> Path:
    """A new folder below `regraft-runs`, named after the data, the source and the time."""
    words = "-".join(_word(part) for part in (data, source))
    return Path("regraft-runs") / f"{words}-{time.strftime('%Y%m%d-%H%M%S')}"


def begin(folder: Path, asked: Plan) -> None:
    """Make the folder and write down what is to be done, so that it can be resumed from here on.

    Raises:
        RequestError: the folder holds something else, or a finished run.
    """
    if (folder / RECORD).exists():
        raise RequestError(f"'{folder}' holds a finished run; name another folder with --out")
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if any(entry.name != _LOCK for entry in folder.iterdir()) and not (folder / PLAN).exists():
            raise RequestError(f"'{folder}' is not empty and holds no run; name a new folder with --out")
    plan.write(folder / PLAN, asked)


@contextlib.contextmanager
def held(folder: Path) -> Generator[None]:
    """Keep a second process out of the folder while the block runs.

    Raises:
        StorageError: another living process is at work in it.
    """
    with storage.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / _LOCK
        owner = _owner(lock)
        if owner is not None:
            raise StorageError(f"process {owner} is at work in '{folder}'; wait for it, or name another folder with --out")
        lock.write_text(str(os.getpid()))
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def save_model(folder: Path, model: keras.Model, record: RunRecord) -> None:
    """Write the deployable model, with the class names and the input convention inside the file."""
    about = {"classes": list(record.classes), "input": plain.to_plain(record.plan.input), "cut_point": record.cut_point}

    def write(partial: Path) -> None:
        model.save(partial)
        # Keras reads the members that it knows and leaves others alone.
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(_INSIDE, json.dumps(about, ensure_ascii=False, indent=2))

    storage.write_with(folder / MODEL, write)


def finish(folder: Path, record: RunRecord, page: str, card: str, history: str) -> None:
    """Write the records; `run.json` comes last, because its presence says that the run is whole."""
    plan.write(folder / PLAN, record.plan)
    storage.write_text(folder / REPORT, page)
    storage.write_text(folder / CARD, card)
    storage.write_text(folder / HISTORY, history)
    storage.write_text(folder / RECORD, plain.to_json(record))
    (folder / CHECKPOINT).unlink(missing_ok=True)


def read(folder: Path) -> RunRecord:
    """The record of a finished run.

    Raises:
        RequestError: the folder holds none; the message says whether it can be resumed.
    """
    path = folder / RECORD
    if not path.exists():
        if (folder / PLAN).exists():
            raise RequestError(f"the run in '{folder}' is not finished; `regraft resume {folder}` finishes it")
        siblings = [entry.name for entry in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise RequestError(f"expected a run folder with {RECORD}, found none at '{folder}'{nearest(folder.name, siblings)}")
    try:
        return plain.from_plain(RunRecord, json.loads(path.read_text()))
    except (ValueError, RequestError) as error:
        raise RequestError(f"'{path}' is not the record of a run: {error}") from None


def load_model(folder: Path) -> keras.Model:
    """The deployable model of a run."""
    if not (folder / MODEL).exists():
        raise RequestError(f"'{folder}' has no {MODEL}; `regraft resume {folder}` makes it")
    return keras.saving.load_model(folder / MODEL, compile=False)


def _owner(lock: Path) -> int | None:
    """The living process that holds the lock, other than this one."""
    try:
        owner = int(lock.read_text())
        os.kill(owner, 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    except PermissionError:
        pass
    return None if owner == os.getpid() else owner


def _word(text: str) -> str:
    stem = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    return re.sub(r"[^\w.]+", "_", stem.rsplit(".keras", 1)[0]).strip("_")[:40] or "data"
