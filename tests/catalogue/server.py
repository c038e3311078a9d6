"""A PostgreSQL server of the tests' own: found where it is installed, run in a folder, reached by a socket."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

# Servers refuse to run as the administrator.
_OTHERS = ("postgres", "nobody")
_PATIENCE = 60.0


class NoServerError(Exception):
    """There is none that could be started; the reason."""


@contextlib.contextmanager
def running() -> Generator[str]:
    """The address of a server inside the block.

    Raises:
        NoServerError: none is installed, or it does not start.
    """
    programs = _programs()
    user = _user()
    # The path of a socket may have some hundred letters at most.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        _run([programs / "initdb", "-D", folder / "data", "-U", "zoo", "-A", "trust", "-E", "UTF8", "--no-sync"], user)
        options = ["-k", folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]
        server = subprocess.Popen(
            [str(word) for word in [programs / "postgres", "-D", folder / "data", *options]],
            user=user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(server, folder)
            yield f"postgresql://zoo@/postgres?host={folder}"
        finally:
            # At once: nothing of it is needed any more.
            server.send_signal(signal.SIGQUIT)
            server.wait(_PATIENCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    folders += [Path(found).resolve().parent] if found else []
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoServerError("no PostgreSQL server is installed: neither initdb nor /usr/lib/postgresql")


def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    found = next((name for name in _OTHERS if name in known), None)
    if found is None:
        raise NoServerError("PostgreSQL does not run as the administrator, and there is no other user for it")
    return found


def _run(words: list[object], user: str | None) -> None:
    done = subprocess.run([str(word) for word in words], user=user, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoServerError(f"initdb failed: {done.stderr.strip()[-300:]}")


def _wait(server: "subprocess.Popen[bytes]", folder: Path) -> None:
    import psycopg

    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(host=str(folder), user="zoo", dbname="postgres").close()
            return
        time.sleep(0.1)
    raise NoServerError(f"the server did not start (exit status {server.poll()})")
