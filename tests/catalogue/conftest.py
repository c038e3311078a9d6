"""Catalogues of every kind, for the laws to be run over."""

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regraft.catalogue import Catalogue, open_catalogue
from regraft.catalogue.index.plain_words import PlainWords
from tests.catalogue import server

# A server of S3 is for whoever has one: said once, by `test_object_storage_is_among_them`.
S3 = ("s3",) if importlib.util.find_spec("moto") and importlib.util.find_spec("s3fs") else ()
MEMBERS = ("folder", "folder without FTS5", "memory", *S3, "server", "server and folder")

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a server; the test is skipped where none can be had."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'regraft[postgresql]'")
    try:
        with server.running() as address:
            yield address
    except server.NoServerError as reason:
        pytest.skip(f"needs a PostgreSQL server: {reason}")


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """The address of a bucket on a server that speaks S3."""
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "anything")
        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket"
    server.stop()


@pytest.fixture(params=MEMBERS)
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a catalogue that is not there yet."""
    if request.param == "folder without FTS5":
        monkeypatch.setattr("regraft.catalogue.index.sqlite.finder", PlainWords)
    if request.param.startswith("folder"):
        return str(tmp_path / "zoo")
    if request.param == "memory":
        pytest.importorskip("fsspec", reason="needs fsspec: pip install 'regraft[remote]'")
        return f"memory://zoo{next(_numbers)}"
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/zoo{next(_numbers)}"
    database = new_database(request.getfixturevalue("postgresql"))
    return database if request.param == "server" else f"{database}&files={tmp_path / 'parts'}"


@pytest.fixture
def opened(address: str) -> Iterator[Callable[[], Catalogue]]:
    """A function that opens the catalogue, each time as another process would."""
    made: list[Catalogue] = []

    def opening() -> Catalogue:
        made.append(open_catalogue(address))
        return made[-1]

    yield opening
    for catalogue in made:
        catalogue.close()


@pytest.fixture
def catalogue(opened: Callable[[], Catalogue]) -> Catalogue:
    """An empty catalogue."""
    return opened()


def new_database(address: str) -> str:
    """The address of a server with a schema of its own: what nobody else sees, made sooner than a database."""
    import psycopg

    name = f"zoo{next(_numbers)}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")  # pyright: ignore
    return f"{address}&options=-csearch_path={name}"
