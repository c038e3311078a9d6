"""MLflow's stores: a folder with a database and artifacts, or the server that MLflow's own variable names."""

import importlib
import logging
import os
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from regraft.core import storage
from regraft.core.errors import RequestError, WorkError

# MLflow's own variables: where runs go, and under which heading.
TRACKING, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
# What MLflow takes at once, and how long a parameter may be.
AT_ONCE, LONGEST = 100, 6000
_DATABASE, _ARTIFACTS = "mlflow.db", "artifacts"
_HEADING = "regraft"
_NO_LETTER = re.compile(r"[^\w./ -]")


def library() -> Any:
    """MLflow itself.

    Raises:
        RequestError: it is not installed.
    """
    # It draws on a terminal what it copies; what we have to say, we say.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        with quiet():
            return importlib.import_module("mlflow")
    except ImportError:
        raise RequestError("this needs mlflow; install it with: pip install 'regraft[mlflow]'") from None


def address(store: Path) -> str:
    """What MLflow calls the store in a folder."""
    return f"sqlite:///{(store / _DATABASE).absolute()}"


def prepare(store: Path) -> None:
    """Make the folder of a store.

    Raises:
        RequestError: it is a file.
        StorageError: it cannot be made.
    """
    if store.exists() and not store.is_dir():
        raise RequestError(f"expected a folder for MLflow's store, found the file '{store}'; name a folder")
    with storage.storage_errors(store):
        store.mkdir(parents=True, exist_ok=True)


def heading() -> str:
    """Under which runs are kept."""
    return os.environ.get(EXPERIMENT) or _HEADING


def experiment(client: Any, store: Path | None) -> str:
    """The id of the experiment with that heading, which is made if it is not there.

    Args:
        client: of MLflow.
        store: the folder of the store; None: a server, which knows where artifacts go.
    """
    known = client.get_experiment_by_name(heading())
    if known is not None:
        return known.experiment_id
    return client.create_experiment(heading(), (store / _ARTIFACTS).absolute().as_uri() if store is not None else None)


def key(name: str) -> str:
    """A name as MLflow takes it."""
    return _NO_LETTER.sub("_", name)


def shortened(value: str) -> str:
    """A value of a parameter as MLflow takes it."""
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 3]}..."


@contextmanager
def refusals(what: str) -> Generator[None]:
    """What MLflow refuses, as one line.

    Args:
        what: was refused.
    """
    exceptions = importlib.import_module("mlflow.exceptions")
    try:
        yield
    except exceptions.MlflowException as error:
        raise WorkError(f"MLflow refused {what}: {' '.join(str(error).split())[:300]}") from error


@contextmanager
def quiet() -> Generator[None]:
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
