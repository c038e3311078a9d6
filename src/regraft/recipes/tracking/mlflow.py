"""A finished run for MLflow: in a store of files, or on the server that MLflow's own variable names."""

import hashlib
import importlib
import itertools
import json
import logging
import os
import re
import warnings
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from regraft.core import storage
from regraft.core.errors import RequestError, WorkError
from regraft.core.progress import say
from regraft.core.records import RunRecord
from regraft.recipes import run_folder
from regraft.recipes.tracking import figures

T = TypeVar("T")

# MLflow's own variables: where runs go, and under which heading.
TRACKING, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
RECEIPT = "mlflow.json"
_DATABASE, _ARTIFACTS = "mlflow.db", "artifacts"
_HEADING = "regraft"
_DIGEST = "regraft.digest"
# What MLflow takes at once, and how long a parameter may be.
_AT_ONCE, _LONGEST = 100, 6000
_NO_LETTER = re.compile(r"[^\w./ -]")


def write(folder: Path, record: RunRecord, out: Path | None = None) -> Path:
    """Write a run into MLflow: parameters, figures, curves, and report, plan and record as artifacts.

    A run that is there already, byte for byte, is not written again.

    Args:
        folder: of the run.
        record: of the run.
        out: the folder of a store, made if it is not there and added to if it is. None: the server or store that
            `MLFLOW_TRACKING_URI` names, and where it names none, a store below the run folder.

    Returns:
        The folder of the store; for a server a small file that says which run of it this is.

    Raises:
        RequestError: MLflow is not installed, or `out` is no folder.
        WorkError: MLflow refused.
        StorageError: the store cannot be written.
    """
    library = _library()
    named = os.environ.get(TRACKING, "") if out is None else ""
    store = out or folder / run_folder.EXPORTED / "mlflow"
    if not named:
        _prepare(store)
    with _quiet(), _refusals():
        client = library.MlflowClient(named or f"sqlite:///{(store / _DATABASE).absolute()}")
        heading = os.environ.get(EXPERIMENT) or _HEADING
        experiment = _experiment(client, heading, "" if named else (store / _ARTIFACTS).absolute().as_uri())
        digest = hashlib.sha256((folder / run_folder.RECORD).read_bytes()).hexdigest()
        found = client.search_runs([experiment], f"tags.`{_DIGEST}` = '{digest}' and status = 'FINISHED'")
        run = found[0].info.run_id if found else _written(library, client, experiment, folder, record, digest)
    say(f"MLflow {'has it already' if found else 'has it'} as run {run} of experiment '{heading}'")
    if not named:
        say(f"to look at it: mlflow ui --backend-store-uri sqlite:///{(store / _DATABASE).absolute()}")
        return store
    receipt = folder / run_folder.EXPORTED / RECEIPT
    storage.write_text(receipt, json.dumps({"experiment": heading, "run": run}, ensure_ascii=False))
    return receipt


def _library() -> Any:
    try:
        with _quiet():
            return importlib.import_module("mlflow")
    except ImportError:
        raise RequestError("exporting to MLflow needs mlflow; install it with: pip install 'regraft[mlflow]'") from None


def _prepare(store: Path) -> None:
    if store.exists() and not store.is_dir():
        raise RequestError(f"expected a folder for MLflow's store, found the file '{store}'; name a folder")
    with storage.storage_errors(store):
        store.mkdir(parents=True, exist_ok=True)


def _experiment(client: Any, heading: str, artifacts: str) -> str:
    known = client.get_experiment_by_name(heading)
    return known.experiment_id if known is not None else client.create_experiment(heading, artifacts or None)


def _written(library: Any, client: Any, experiment: str, folder: Path, record: RunRecord, digest: str) -> str:
    """A new run with all that is known; returns its id. One that cannot be finished is marked as failed."""
    begun, ended = figures.times(folder, record)
    tags = {
        _DIGEST: digest,
        "regraft.run": str(folder),
        "regraft.verdict": record.verdict,
        "mlflow.note.content": record.verdict,
    }
    run = client.create_run(experiment, _milliseconds(begun), tags, folder.absolute().name).info.run_id
    try:
        _log(library, client, run, folder, record)
    except BaseException:
        client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run, "FINISHED", _milliseconds(ended))
    return run


def _log(library: Any, client: Any, run: str, folder: Path, record: RunRecord) -> None:
    entities = library.entities
    begun, ended = figures.times(folder, record)
    measured = [
        entities.Metric(_key(point.name), point.value, _milliseconds(point.seconds), point.step)
        for point in figures.curves(record, begun)
    ]
    measured += [
        entities.Metric(_key(name), value, _milliseconds(ended), 0) for name, value in figures.figures(record).items()
    ]
    told = [entities.Param(_key(name), _shortened(str(value))) for name, value in figures.parameters(record).items()]
    for part in _parts(measured):
        client.log_batch(run, metrics=part)
    for part in _parts(told):
        client.log_batch(run, params=part)
    for name in figures.TELLING:
        if (folder / name).exists():
            client.log_artifact(run, str(folder / name))
    if record.confusion:
        client.log_text(run, figures.confusion_csv(record), "confusion.csv")


def _parts(items: Iterable[T]) -> Generator[Sequence[T]]:
    remaining = iter(items)
    while part := list(itertools.islice(remaining, _AT_ONCE)):
        yield part


def _key(name: str) -> str:
    return _NO_LETTER.sub("_", name)


def _shortened(value: str) -> str:
    """What does not fit is in `plan.toml`, whole."""
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}..."


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


@contextmanager
def _refusals() -> Generator[None]:
    """What MLflow refuses, as one line."""
    exceptions = importlib.import_module("mlflow.exceptions")
    try:
        yield
    except exceptions.MlflowException as error:
        raise WorkError(f"MLflow refused the run: {' '.join(str(error).split())[:300]}") from error


@contextmanager
def _quiet() -> Generator[None]:
    """Without what MLflow and its database say about their own insides."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
