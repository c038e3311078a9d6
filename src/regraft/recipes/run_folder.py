"""What a run leaves behind: a folder that tells everything, and from which everything can be done again."""

import contextlib
import errno
import itertools
import json
import os
import re
import sys
import time
import zipfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from regraft.core import plain, plan, storage
from regraft.core.errors import CorruptFileError, RequestError, StorageError, nearest
from regraft.core.evidence import Evidence
from regraft.core.plan import Plan
from regraft.core.records import RunRecord
from regraft.formats import evidence, folders
from regraft.formats.folders import MODEL, SEARCH, unfinished
from regraft.formats.folders import RUN as RECORD
from regraft.formats.folders import RUN_ASKED as ASKED
from regraft.formats.folders import RUN_SEARCH as BEGUN_WITH

if TYPE_CHECKING:
    import keras

PLAN, REPORT, CARD, HISTORY = "plan.toml", "report.html", "README.md", "history.csv"
# What the page shows beside the record, and what was answered example by example: see `core/evidence.py`.
EVIDENCE = "report.npz"
# What the optimizers had learnt at the end, by the names of the variables in the model beside it.
OPTIMIZER = "optimizer.npz"
CHECKPOINT, REFIT_CHECKPOINT = "fine-tune.checkpoint.npz", "refit.checkpoint.npz"
# The run that a search fitted, in the folder of the search.
OF_SEARCH = "run"
# Below it goes what is exported to no place of its own.
EXPORTED = "exported"
NEW_LAYERS, NEW_LAYERS_REFIT = "new-layers.checkpoint.npz", "new-layers-refit.checkpoint.npz"
_CHECKPOINTS = "*.checkpoint.npz"
LOCK = ".lock"
# What the frozen part of the deployable model is called.
TRUNK = "trunk"
_INSIDE = "regraft.json"
_OTHERS = (errno.EACCES, errno.EAGAIN)


def default_folder(data: str, source: str) -> Path:
    """A new folder below `regraft-runs`, named after the data, the source and the time."""
    words = "-".join(_word(part) for part in (data, source))
    first = Path("regraft-runs") / f"{words}-{time.strftime('%Y%m%d-%H%M%S')}"
    further = (first.with_name(f"{first.name}-{number}") for number in itertools.count(2))
    return next(folder for folder in itertools.chain([first], further) if not folder.exists())


def require_free(folder: Path) -> None:
    """Refuse a folder that no new run may be put into.

    Raises:
        RequestError: it holds a finished run, or something else than a run.
    """
    if _is_search(folder):
        raise RequestError(f"'{folder}' holds a search; name another folder with --out")
    refuse_taken(folder, "run", RECORD, is_begun)


def refuse_taken(folder: Path, what: str, record: str, begun: Callable[[Path], bool]) -> None:
    """Refuse a folder that holds something already, but for what was begun there.

    Args:
        folder: that is asked for, perhaps not there yet.
        what: is to be put into it.
        record: name of the file that is there once that is finished.
        begun: whether a folder holds one that was begun.

    Raises:
        RequestError: it does.
    """
    if (folder / record).exists():
        raise RequestError(f"'{folder}' holds a finished {what}; name another folder with --out")
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if any(entry.name != LOCK for entry in folder.iterdir()) and not begun(folder):
            raise RequestError(f"'{folder}' is not empty and holds no {what}; name a new folder with --out")


def begin(folder: Path, asked: Plan) -> None:
    """Make the folder and write down what is to be done, so that it can be resumed from here on.

    Raises:
        RequestError: the folder holds something else, or a finished run.
    """
    require_free(folder)
    plan.write(folder / ASKED, asked)
    plan.write(folder / PLAN, asked)


def is_begun(folder: Path) -> bool:
    """Whether a run was begun in the folder."""
    return (folder / ASKED).exists() or (folder / PLAN).exists()


def refuse_search(folder: Path) -> None:
    """Refuse the folder of a search, whose plan is of no run that was begun there.

    Raises:
        RequestError: it is one; the message names its run, or how to make one.
    """
    if not _is_search(folder):
        return
    fitted = (folder / OF_SEARCH / RECORD).exists()
    what = f"its run is '{folder / OF_SEARCH}'" if fitted else f"`regraft fit DATA --plan {folder / PLAN}` makes a run"
    raise RequestError(f"expected a run folder, found a search at '{folder}'; {what}")


def _is_search(folder: Path) -> bool:
    """Whether a search was done here; beside a run, finished or begun, it is that which the run began with."""
    return (folder / SEARCH).exists() and not any((folder / name).exists() for name in (RECORD, ASKED))


def asked_plan(folder: Path) -> Plan:
    """The plan that a run was begun with.

    Raises:
        RequestError: there is none, or it cannot be read.
    """
    refuse_search(folder)
    if not is_begun(folder):
        raise RequestError(f"expected a run folder with {PLAN}, found none at '{folder}'")
    return plan.read(folder / ASKED if (folder / ASKED).exists() else folder / PLAN)


@contextlib.contextmanager
def held(folder: Path) -> Generator[None]:
    """Keep everybody else out of the folder while the block runs.

    The operating system gives the lock back when its holder ends, in whatever way, so none is ever left behind by a
    process that was killed. On file systems without locks there is no protection. A folder that was made for it, and
    into which nothing came, goes again.

    Raises:
        StorageError: another process, or another thread of this one, is at work in it.
    """
    with storage.storage_errors(folder):
        made = not folder.exists()
        file = _locked(folder)
    with file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            # While it is still held: whoever waits for the old file looks again, see `_locked`.
            (folder / LOCK).unlink(missing_ok=True)
            if made:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def save_model(folder: Path, model: "keras.Model", record: RunRecord) -> None:
    """Write the deployable model into the run folder."""
    save_model_as(folder / MODEL, model, record)


def save_model_as(path: Path, model: "keras.Model", record: RunRecord) -> None:
    """Write the deployable model, with the class names and the input convention inside the file as `regraft.json`."""
    about = {"classes": list(record.classes), "input": plain.to_plain(record.plan.input), "cut_point": record.cut_point}

    def write(partial: Path) -> None:
        model.save(partial)
        # Keras reads the members that it knows and leaves others alone.
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(_INSIDE, json.dumps(about, ensure_ascii=False, indent=2))

    storage.write_with(path, write)


def finish(folder: Path, record: RunRecord, kept: Evidence, page: str, card: str, history: str) -> None:
    """Write the records; `run.json` comes last, because its presence says that the run is whole."""
    evidence.write(folder / EVIDENCE, kept)
    storage.write_text(folder / REPORT, page)
    storage.write_text(folder / CARD, card)
    storage.write_text(folder / HISTORY, history)
    plan.write(folder / PLAN, record.plan)
    storage.write_text(folder / RECORD, plain.to_json(record))
    tidy(folder)


def tidy(folder: Path) -> None:
    """Remove from the folder of a finished run what only an unfinished one needs."""
    for path in (*folder.glob(_CHECKPOINTS), folder / ASKED, folder / BEGUN_WITH):
        path.unlink(missing_ok=True)


def read(folder: Path) -> RunRecord:
    """The record of a finished run.

    Raises:
        RequestError: the folder holds none; the message says whether it can be resumed.
    """
    path = folder / RECORD
    if not path.exists():
        refuse_search(folder)
        if is_begun(folder):
            raise RequestError(unfinished(folder, "run"))
        if folders.is_pretraining(folder):
            raise RequestError(
                f"expected a run folder, found a pretraining at '{folder}', which answers nothing yet; "
                f"`regraft fit DATA --source {folder}` makes a run of it"
            )
        siblings = [path.parent.name for path in folder.parent.glob(f"*/{RECORD}")]
        raise RequestError(
            f"expected a run folder with {RECORD}, found none at '{folder}'{nearest(folder.name, siblings)}"
        )
    try:
        return plain.from_plain(RunRecord, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RequestError) as error:
        raise RequestError(f"'{path}' is not the record of a run: {error}") from None


def load_model(folder: Path, trust: bool = False) -> "keras.Model":
    """The deployable model of a run, opened as any other file is: a run folder may come from anyone.

    Raises:
        RequestError: the folder has none, or one with code in it that is not trusted.
        CorruptFileError: its file is truncated or was altered.
    """
    # Here, so that whoever only looks into a run folder, to refuse it say, waits for no framework.
    from regraft.importers import keras_file
    from regraft.importers.pretrained import Request

    path = str(require_model(folder))
    return keras_file.load(Request(path, path, trust=trust)).model


def require_model(folder: Path) -> Path:
    """The file of the deployable model, which is there and whole.

    Raises:
        RequestError: the folder has none.
        CorruptFileError: its file is truncated or was altered.
    """
    path = folder / MODEL
    if not path.exists():
        if (folder / RECORD).exists():
            raise RequestError(
                f"'{folder}' is a finished run that has lost its {MODEL}; take the file from a copy, or fit again"
            )
        raise RequestError(f"'{folder}' has no {MODEL}; `regraft resume {folder}` makes it")
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except zipfile.BadZipFile as error:
        broken = str(error)
    if broken is not None:
        raise CorruptFileError(f"'{path}' is truncated or was altered ({broken}); fit again, or take it from a copy")
    return path


def _locked(folder: Path) -> IO[str]:
    """The lock file, open and locked; the folder is made where there is none."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = (folder / LOCK).open("a+", encoding="utf-8")
        except FileNotFoundError:
            # Its last holder has taken the folder away again.
            continue
        try:
            _lock(file.fileno())
        except OSError as error:
            if error.errno in _OTHERS:
                raise StorageError(_occupied(folder, file)) from None
        with contextlib.suppress(FileNotFoundError):
            # Its last holder may have removed it between our opening and locking it; then it locks nothing.
            if os.path.samestat(os.fstat(file.fileno()), (folder / LOCK).stat()):
                return file
        file.close()


def _occupied(folder: Path, file: IO[str]) -> str:
    with file, contextlib.suppress(OSError):
        file.seek(0)
        if owner := file.read(20).strip():
            return f"process {owner} is at work in '{folder}'; wait for it, or name another folder with --out"
    return f"another process is at work in '{folder}'; wait for it, or name another folder with --out"


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _word(text: str) -> str:
    stem = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    return re.sub(r"[^\w.]+", "_", stem.rsplit(".keras", 1)[0]).strip("_")[:40] or "data"
