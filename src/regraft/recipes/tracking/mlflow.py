"""A finished run for MLflow: in a store of files, or on the server that MLflow's own variable names."""

import hashlib
import itertools
import json
import os
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from regraft.core import storage
from regraft.core.depth import DepthRecord
from regraft.core.progress import say
from regraft.core.records import RunRecord
from regraft.recipes import run_folder
from regraft.recipes.depth import folder as searches
from regraft.recipes.tracking import figures, mlflow_store, tables
from regraft.recipes.tracking.mlflow_store import AT_ONCE, TRACKING, key, shortened

T = TypeVar("T")

RECEIPT = "mlflow.json"
_DIGEST = "regraft.digest"


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
        CorruptFileError: the record of the search that led to the run is damaged.
        WorkError: MLflow refused.
        StorageError: the store cannot be written.
    """
    library, search = mlflow_store.library(), searches.read(folder)
    named = os.environ.get(TRACKING, "") if out is None else ""
    store = out or folder / run_folder.EXPORTED / "mlflow"
    if not named:
        mlflow_store.prepare(store)
    heading = mlflow_store.heading()
    with mlflow_store.quiet(), mlflow_store.refusals("the run"):
        client = library.MlflowClient(named or mlflow_store.address(store))
        experiment = mlflow_store.experiment(client, None if named else store)
        digest = hashlib.sha256((folder / run_folder.RECORD).read_bytes()).hexdigest()
        found = client.search_runs([experiment], f"tags.`{_DIGEST}` = '{digest}' and status = 'FINISHED'")
        run = found[0].info.run_id if found else _written(library, client, experiment, folder, record, search, digest)
    say(f"MLflow {'has it already' if found else 'has it'} as run {run} of experiment '{heading}'")
    if not named:
        say(f"to look at it: mlflow ui --backend-store-uri {mlflow_store.address(store)}")
        return store
    receipt = folder / run_folder.EXPORTED / RECEIPT
    storage.write_text(receipt, json.dumps({"experiment": heading, "run": run}, ensure_ascii=False))
    return receipt


def _written(
    library: Any, client: Any, experiment: str, folder: Path, record: RunRecord, search: DepthRecord | None, digest: str
) -> str:
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
        _log(library, client, run, folder, record, search)
    except BaseException:
        client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run, "FINISHED", _milliseconds(ended))
    return run


def _log(library: Any, client: Any, run: str, folder: Path, record: RunRecord, search: DepthRecord | None) -> None:
    entities = library.entities
    begun, ended = figures.times(folder, record)
    measured = [
        entities.Metric(key(point.name), point.value, _milliseconds(point.seconds), point.step)
        for point in figures.curves(record, begun, search)
    ]
    measured += [
        entities.Metric(key(name), value, _milliseconds(ended), 0)
        for name, value in figures.figures(record, search).items()
    ]
    told = [entities.Param(key(name), shortened(str(value))) for name, value in figures.parameters(record).items()]
    for part in _parts(measured):
        client.log_batch(run, metrics=part)
    for part in _parts(told):
        client.log_batch(run, params=part)
    for name in figures.TELLING:
        if (folder / name).exists():
            client.log_artifact(run, str(folder / name))
    named = tables.tables(record, search) | ({"confusion": tables.confusion(record)} if record.confusion else {})
    for name, rows in named.items():
        client.log_text(run, tables.as_csv(rows), f"{name}.csv")


def _parts(items: Iterable[T]) -> Generator[Sequence[T]]:
    remaining = iter(items)
    while part := list(itertools.islice(remaining, AT_ONCE)):
        yield part


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)
