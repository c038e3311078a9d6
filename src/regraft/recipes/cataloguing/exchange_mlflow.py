"""A model of the catalogue in MLflow's registry, and back: the folder that hubs know is its artifact."""

import hashlib
import os
import re
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import Any

from regraft.core import card as cards
from regraft.core import storage
from regraft.core.card import Card
from regraft.core.errors import RequestError
from regraft.core.progress import say
from regraft.core.records import Metric, Metrics
from regraft.formats import card_folder
from regraft.recipes.tracking import mlflow_store
from regraft.recipes.tracking.mlflow_store import AT_ONCE, TRACKING, key, shortened

_PREFIX = "models:/"
_DIGEST = "regraft.card"
_FOLDER = "model"
# By which MLflow knows that a folder is a model, https://mlflow.org/docs/latest/ml/model; the flavour is ours.
_MLMODEL = "flavors:\n  regraft:\n    data: .\n    card: regraft.json\n"


def is_address(text: str) -> bool:
    """Whether a source is a model of MLflow's registry."""
    return text.startswith(_PREFIX)


def write(card: Card, parts: Mapping[str, bytes], readme: str, store: Path | None) -> tuple[str, tuple[str, ...], int]:
    """Register a model; one that is there already, by its card, is not registered again.

    Args:
        card: of the model.
        parts: that it needs.
        readme: what people read.
        store: a folder with a store, made if it is not there; None: the server that `MLFLOW_TRACKING_URI` names.

    Returns:
        Its address `models:/NAME/VERSION`, the names of its files, their bytes.

    Raises:
        RequestError: MLflow is not installed, or neither a folder nor a server is named.
        WorkError: MLflow refused.
    """
    library = mlflow_store.library()
    with mlflow_store.quiet():
        client = _client(library, store, make=True)
    digest = hashlib.sha256(cards.write(card).encode("utf-8", "surrogatepass")).hexdigest()
    with tempfile.TemporaryDirectory() as made, mlflow_store.quiet(), mlflow_store.refusals(f"'{card.address}'"):
        folder = Path(made) / _FOLDER
        files = (*card_folder.write(folder, card, parts, readme), "MLmodel")
        storage.write_text(folder / "MLmodel", _MLMODEL)
        size = sum((folder / name).stat().st_size for name in files)
        version = _registered(client, card, digest)
        if version is None:
            version = _register(library, client, card, digest, folder, store)
    place = f"{_PREFIX}{card.name}/{version}"
    if store is not None:
        say(f"to look at it: mlflow ui --backend-store-uri {mlflow_store.address(store)}")
    return place, files, size


@contextmanager
def downloaded(address: str, store: Path | None) -> Generator[Path]:
    """The folder of a registered model, for as long as the block lasts.

    Args:
        address: `models:/NAME/VERSION`, `models:/NAME` for the latest, or `models:/NAME@ALIAS`.
        store: as for `write`.

    Raises:
        RequestError: MLflow is not installed, there is no such model, or it was not exported from a catalogue.
        WorkError: MLflow refused.
    """
    library = mlflow_store.library()
    with mlflow_store.quiet():
        client = _client(library, store, make=False)
    with tempfile.TemporaryDirectory() as made:
        with mlflow_store.quiet(), mlflow_store.refusals(f"'{address}'"):
            uri = _artifacts(client, address)
            folder = Path(library.artifacts.download_artifacts(artifact_uri=uri, dst_path=made))
        yield folder


def _client(library: Any, store: Path | None, make: bool) -> Any:
    named = os.environ.get(TRACKING, "")
    if store is None and not named:
        raise RequestError(f"expected a folder for MLflow's store, or {TRACKING}, which names a server; found neither")
    if store is None:
        return library.MlflowClient(named)
    if make:
        mlflow_store.prepare(store)
    elif not store.is_dir():
        raise RequestError(f"expected the folder of MLflow's store, found none at '{store}'")
    return library.MlflowClient(mlflow_store.address(store))


def _artifacts(client: Any, address: str) -> str:
    """Where the files of a registered model are."""
    found = re.fullmatch(r"models:/([^/@]+)(?:/(\d+)|@([^/@]+))?", address)
    if found is None:
        raise RequestError(f"expected models:/NAME/VERSION, models:/NAME or models:/NAME@ALIAS, found '{address}'")
    name, version, alias = found.groups()
    if alias is not None:
        version = client.get_model_version_by_alias(name, alias).version
    if version is None:
        known = [int(each.version) for each in client.search_model_versions(f"name='{name}'")]
        if not known:
            raise RequestError(f"MLflow has no model '{name}'")
        version = max(known)
    return client.get_model_version_download_uri(name, str(version))


def _registered(client: Any, card: Card, digest: str) -> str | None:
    """The version under which MLflow has this very card."""
    for each in client.search_model_versions(f"name='{card.name}'"):
        if each.tags.get(_DIGEST) == digest:
            say(f"MLflow has it already, as version {each.version} of '{card.name}'")
            return str(each.version)
    return None


def _register(library: Any, client: Any, card: Card, digest: str, folder: Path, store: Path | None) -> str:
    """A run with the figures and the files, and a version of the registered model that points to it."""
    exceptions = library.exceptions
    experiment = mlflow_store.experiment(client, store)
    tags = {_DIGEST: digest, "regraft.model": card.address, "mlflow.note.content": card.summary}
    run = client.create_run(experiment, tags=tags, run_name=card.address)
    try:
        _log(library, client, run.info.run_id, card)
        client.log_artifacts(run.info.run_id, str(folder), _FOLDER)
    except BaseException:
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    client.set_terminated(run.info.run_id, "FINISHED")
    try:
        client.get_registered_model(card.name)
    except exceptions.MlflowException:
        client.create_registered_model(card.name, description=card.summary)
    where = f"{run.info.artifact_uri}/{_FOLDER}"
    about = {_DIGEST: digest, "regraft.version": str(card.version), **dict.fromkeys(map(key, card.tags), "true")}
    made = client.create_model_version(card.name, where, run.info.run_id, tags=about, description=card.verdict or None)
    return str(made.version)


def _log(library: Any, client: Any, run: str, card: Card) -> None:
    entities = library.entities
    measured = [entities.Metric(key(name), value, 0, 0) for name, value in _figures(card)]
    told = [entities.Param(key(name), shortened(value)) for name, value in _parameters(card) if value]
    for at in range(0, len(measured), AT_ONCE):
        client.log_batch(run, metrics=measured[at : at + AT_ONCE])
    for at in range(0, len(told), AT_ONCE):
        client.log_batch(run, params=told[at : at + AT_ONCE])


def _figures(card: Card) -> Iterator[tuple[str, float]]:
    """Every finite figure, with its interval as two more."""
    for split, metrics in card.metrics.items():
        for field in fields(Metrics):
            value = getattr(metrics, field.name)
            if isinstance(value, Metric):
                ends = zip(("", "_low", "_high"), (value.value, *value.interval), strict=True)
                yield from ((f"{split}/{field.name}{end}", each) for end, each in ends if isfinite(each))
        yield f"{split}/examples", float(metrics.examples)


def _parameters(card: Card) -> Iterator[tuple[str, str]]:
    yield from (("kind", card.kind), ("task", card.task), ("licence", card.licence), ("digest", card.digest))
    yield from (("parameters", str(card.architecture.parameters)), ("classes", ", ".join(card.classes)))
    if card.lineage is not None:
        yield from (("source", card.lineage.source), ("parent", card.lineage.parent))
        yield "cut_point", card.lineage.cut_point
