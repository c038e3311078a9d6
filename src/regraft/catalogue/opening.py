"""From an address to a catalogue: a folder, object storage, a PostgreSQL server."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import platformdirs
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from regraft.catalogue.catalogue import Catalogue
from regraft.catalogue.index import postgresql, sqlite
from regraft.catalogue.index.index import Index
from regraft.catalogue.places import Place
from regraft.catalogue.places.database import Database, refusal
from regraft.catalogue.places.folder import Folder
from regraft.catalogue.places.remote import Remote
from regraft.core.catalogue_place import VARIABLE
from regraft.core.errors import RequestError, StorageError
from regraft.core.storage import storage_errors

_SERVERS = ("postgresql://", "postgres://", "postgresql+psycopg://")
_FILES = "files"
_INSTALL = "pip install 'regraft[postgresql]'"


def open_catalogue(where: str | os.PathLike[str] | None = None) -> Catalogue:
    """A catalogue of models, which need not be there yet.

    Args:
        where: a folder; an address that fsspec knows, such as `s3://bucket/zoo`; or `postgresql://...`, where
            `?files=ADDRESS` says where the weights lie if not in the server too. None: `REGRAFT_ZOO`, or `zoo` in the
            platform's folder for the user's data.

    Raises:
        RequestError: what the address needs is not installed, or there is no such kind.
        StorageError: the server cannot be reached, or refuses.
    """
    said = where if where is not None else os.environ.get(VARIABLE) or default_folder()
    address = os.fspath(said)
    if address.startswith(_SERVERS):
        return _in_server(address)
    place = _place(address)
    return Catalogue(place, place, _index_in_cache(place.address))


def default_folder() -> Path:
    """Where the catalogue is when nobody says otherwise."""
    return Path(platformdirs.user_data_dir("regraft", appauthor=False)) / "zoo"


def _place(address: str) -> Place:
    if "://" in address and not address.startswith("file://"):
        return Remote(address)
    return Folder(Path(address.removeprefix("file://")).expanduser().absolute())


def _index_in_cache(address: str) -> Callable[[bool], Index]:
    """Opens the index of a place, a file in the user's cache.

    Not beside the cards: they may lie on a network, where SQLite's locks are not to be relied upon, or where the user
    may only read.
    """
    named = os.environ.get("REGRAFT_CACHE")
    cache = Path(named) if named else Path(platformdirs.user_cache_dir("regraft", appauthor=False))
    key = hashlib.sha256(os.path.realpath(address).encode() if "://" not in address else address.encode()).hexdigest()

    def opened(anew: bool) -> Index:
        finder = sqlite.finder()
        # Two processes may have different searches, and neither reads the other's.
        file = cache / "zoo" / f"{key[:24]}-{type(finder).__name__.lower()}.sqlite"
        with storage_errors(file):
            if anew:
                sqlite.remove(file)
            try:
                return Index(sqlite.engine(file), finder)
            except DBAPIError:
                # Damaged: there is nothing in it that the cards do not say.
                sqlite.remove(file)
            try:
                return Index(sqlite.engine(file), finder)
            except SQLAlchemyError as error:
                raise StorageError(f"cannot keep the index of '{address}' in '{file}': {error}") from error

    return opened


def _in_server(address: str) -> Catalogue:
    engine, url = _engine(address)
    shown = url.render_as_string(hide_password=True)
    server = Database(engine, shown)
    files = url_files(address)
    parts = _place(files) if files else server

    def opened(anew: bool) -> Index:
        try:
            made = Index(engine, postgresql.TsVector())
            if anew:
                made.forget()
        except SQLAlchemyError as error:
            raise refusal(shown, "", error) from error
        return made

    return Catalogue(server, parts, opened)


def url_files(address: str) -> str:
    """Where an address says that the parts lie; empty where it does not.

    >>> url_files("postgresql://zoo@host/models?files=s3://bucket/parts")
    's3://bucket/parts'
    """
    said = make_url(address).query.get(_FILES, "")
    return said if isinstance(said, str) else said[0]


def _engine(address: str) -> tuple[Engine, URL]:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise RequestError(
            f"expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, found '{address.partition('@')[2] or address}'"
        ) from None
    url = url.set(drivername="postgresql+psycopg").difference_update_query([_FILES])
    try:
        return create_engine(url, pool_pre_ping=True, pool_size=_CONNECTIONS, max_overflow=_CONNECTIONS), url
    except ModuleNotFoundError:
        raise RequestError(f"a catalogue in PostgreSQL needs psycopg; install it with: {_INSTALL}") from None


_CONNECTIONS = 8
