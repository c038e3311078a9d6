"""From an address to a catalogue, and what is said of an address that is none."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from regraft.catalogue import Filters, default_folder, open_catalogue
from regraft.catalogue.index import library, sqlite
from regraft.catalogue.opening import url_files
from regraft.core.errors import RequestError, StorageError
from tests.catalogue.making import made


def test_where_nobody_says_it_is_where_the_environment_says_or_with_the_users_data(tmp_path, monkeypatch) -> None:
    assert open_catalogue(tmp_path / "said").address == str(tmp_path / "said")
    monkeypatch.setenv("REGRAFT_ZOO", str(tmp_path / "named"))
    assert open_catalogue().address == str(tmp_path / "named")
    monkeypatch.delenv("REGRAFT_ZOO")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert open_catalogue().address == str(default_folder())
    assert default_folder().name == "zoo"


def test_an_address_of_a_file_is_a_folder(tmp_path) -> None:
    assert open_catalogue(f"file://{tmp_path}/zoo").address == f"{tmp_path}/zoo"


def test_looking_makes_nothing(tmp_path) -> None:
    assert open_catalogue(tmp_path / "zoo").search() == ()
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s4://bucket/zoo", r"expected an address that fsspec knows, found 's4://bucket/zoo'; nearest known names: s3"),
        ("postgresql://host:port/x", r"expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, found"),
    ],
)
def test_what_is_no_address_is_refused_in_one_line(address, message) -> None:
    with pytest.raises(RequestError, match=message):
        open_catalogue(address)


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'regraft[postgresql]'")
    with pytest.raises(
        StorageError, match=r"^'postgresql\+psycopg://me:\*\*\*@127\.0\.0\.1:1/x.*' refused: "
    ) as caught:
        open_catalogue("postgresql://me:secret@127.0.0.1:1/x?connect_timeout=2")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_the_weights_lie_may_be_said_beside_the_server() -> None:
    assert url_files("postgresql://zoo@host/models?files=s3://bucket/parts&connect_timeout=3") == "s3://bucket/parts"
    assert url_files("postgresql://zoo@host/models") == ""


def test_an_index_that_is_damaged_is_made_anew(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path / "cache"))
    given = made("net")
    first = open_catalogue(tmp_path / "zoo")
    first.add(given.card, given.parts)
    assert [entry.name for entry in first.search()] == ["net"]
    first.close()
    (file,) = (tmp_path / "cache" / "zoo").glob("*.sqlite")
    content = file.read_bytes()
    for damaged in (b"", b"no database at all" * 100, content[:5000], content[:100] + bytes(len(content) - 100)):
        sqlite.remove(file)
        file.write_bytes(damaged)
        catalogue = open_catalogue(tmp_path / "zoo")
        assert [entry.name for entry in catalogue.search("net")] == ["net"]
        catalogue.close()


def test_an_index_of_before_is_made_anew_from_cards_of_before(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path / "cache"))
    given = made("source", kind="pretraining", outputs=8)
    first = open_catalogue(tmp_path / "zoo")
    first.add(given.card, given.parts)
    first.close()
    (file,) = (tmp_path / "cache" / "zoo").glob("*.sqlite")
    # Then the width of a representation was taken for a number of classes.
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE regraft_entries SET classes = 8, line = json_set(line, '$.classes', 8)")
        changed = connection.execute("UPDATE regraft_state SET value = '1.1' WHERE key = 'format'")
        assert changed.rowcount == 1
    catalogue = open_catalogue(tmp_path / "zoo")
    assert [(entry.address, entry.classes) for entry in catalogue.search("")] == [("source@1", 0)]
    assert catalogue.search("", Filters(classes=8)) == ()
    assert catalogue.card("source").architecture.outputs == 8


def test_a_folder_that_may_only_be_read_can_be_looked_through(tmp_path, monkeypatch) -> None:
    given = made("net")
    open_catalogue(tmp_path / "zoo").add(given.card, given.parts)
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path / "other"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "zoo").rglob("*")}
    assert [entry.name for entry in open_catalogue(tmp_path / "zoo").search("net")] == ["net"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "zoo").rglob("*")} == before


def test_sqlite_has_its_own_library_whoever_is_loaded_before() -> None:
    # TensorFlow brings another one along, which has no full-text search.
    script = (
        "import tensorflow\n"
        "from regraft.catalogue.index import sqlite\n"
        "assert type(sqlite.finder()).__name__ == 'Fts5', sqlite.finder()\n"
    )
    pytest.importorskip("tensorflow", reason="needs TensorFlow")
    import os
    import subprocess
    import sys

    if not hasattr(os, "RTLD_DEEPBIND"):
        pytest.skip("this system cannot be asked for it")
    assert library.bind() is None
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_card_goes_where_files_cannot_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    catalogue = open_catalogue(tmp_path / "zoo")
    for seed in range(3):
        given = made("net", layers=(seed,))
        assert catalogue.add(given.card, given.parts).version == seed + 1
    # A writer that was killed between its claim and its card leaves a number that nobody has.
    (tmp_path / "zoo" / "cards" / "net" / "4.json.claim").touch()
    given = made("net", layers=(9,))
    assert catalogue.add(given.card, given.parts).version == 5
    assert [entry.version for entry in catalogue.versions("net")] == [5, 3, 2, 1]


def test_a_store_that_cannot_keep_writers_apart_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = pytest.importorskip("fsspec.implementations.memory", reason="needs fsspec")

    def without_create(self: object, path: str, value: bytes, mode: str = "overwrite") -> None:
        raise NotImplementedError

    monkeypatch.setattr(memory.MemoryFileSystem, "pipe_file", without_create)
    given = made("net")
    with pytest.raises(RequestError, match=r"'memory://apart' cannot make an object only where none is \(MemoryFile"):
        open_catalogue("memory://apart").add(given.card, given.parts)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    given = made("net")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="no space left writing"):
        open_catalogue(tmp_path / "zoo").add(given.card, given.parts)
    monkeypatch.undo()
    assert open_catalogue(tmp_path / "zoo").search() == ()
