"""The folder of a pretraining: what was asked for, the network, the record, the page."""

import json
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import keras

from regraft.core import plain, storage
from regraft.core.errors import RequestError, nearest
from regraft.core.input_spec import InputSpec
from regraft.core.pretraining import Asked, PretrainingRecord
from regraft.formats.folders import ASKED, MODEL, is_pretraining, unfinished
from regraft.formats.folders import PRETRAINING as RECORD
from regraft.formats.keras_proof import INSIDE
from regraft.recipes import run_folder

PAGE, CARD = "report.html", "README.md"
CHECKPOINTS = "stage-*.npz"


def require_free(folder: Path) -> None:
    """Refuse a folder that holds something already, but for a pretraining that was begun.

    Raises:
        RequestError: it does.
    """
    run_folder.refuse_taken(folder, "pretraining", RECORD, is_pretraining)


def begin(folder: Path, asked: Asked) -> None:
    """Write down what is to be done, so that it can be resumed from here on."""
    storage.write_text(folder / ASKED, plain.to_toml(asked))


def asked(folder: Path) -> Asked:
    """What a pretraining was begun with.

    Raises:
        RequestError: there is none, or it cannot be read.
    """
    path = folder / ASKED
    if not path.exists():
        raise RequestError(f"expected a pretraining with {ASKED}, found none at '{folder}'")
    try:
        return plain.from_plain(Asked, tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RequestError) as error:
        raise RequestError(f"'{path}' does not say what to pretrain: {error}") from None


def read(folder: Path) -> PretrainingRecord:
    """The record of a finished pretraining.

    Raises:
        RequestError: there is none; the message says whether it can be resumed.
    """
    path = folder / RECORD
    if not path.exists():
        if is_pretraining(folder):
            raise RequestError(unfinished(folder))
        siblings = [path.parent.name for path in folder.parent.glob(f"*/{RECORD}")]
        raise RequestError(
            f"expected a pretraining with {RECORD}, found none at '{folder}'{nearest(folder.name, siblings)}"
        )
    try:
        return plain.from_plain(PretrainingRecord, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RequestError) as error:
        raise RequestError(f"'{path}' is not the record of a pretraining: {error}") from None


def save_model(folder: Path, model: keras.Model, inputs: InputSpec) -> None:
    """Write the network, with its input convention inside the file."""
    about: dict[str, Any] = {"takes": plain.to_plain(inputs)}

    def write(partial: Path) -> None:
        model.save(partial)
        # Keras reads the members that it knows and leaves others alone.
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(INSIDE, json.dumps(about, ensure_ascii=False, indent=2))

    storage.write_with(folder / MODEL, write)


def finish(folder: Path, record: PretrainingRecord, page: str, card: str) -> None:
    """Write the pages and the record, which comes last: its presence says that the pretraining is whole."""
    storage.write_text(folder / PAGE, page)
    storage.write_text(folder / CARD, card)
    storage.write_text(folder / RECORD, plain.to_json(record))
    tidy(folder)


def tidy(folder: Path) -> None:
    """Remove from the folder of a finished pretraining what only an unfinished one needs."""
    for path in (*folder.glob(CHECKPOINTS), folder / ASKED):
        path.unlink(missing_ok=True)
