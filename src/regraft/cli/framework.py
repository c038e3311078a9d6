"""Loading Keras for a command: on a backend that is there, and without the noise of its start."""

import contextlib
import importlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from regraft.core.errors import RequestError, nearest

BACKENDS = ("tensorflow", "jax", "torch")
_CHOICE = "KERAS_BACKEND"
_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

# TensorFlow writes some information to the terminal before it reads its log level. What is no information passes.
_PASS_ON = r"""
import re, sys
for line in sys.stdin.buffer:
    if not re.match(rb"WARNING: All log messages before absl::InitializeLog|[IW]\d{4} ", line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


def load() -> None:
    """Import Keras, so that everything that needs it can be used.

    Raises:
        RequestError: no backend is installed, or not the one that was asked for.
    """
    if "keras" in sys.modules:
        return
    os.environ[_CHOICE] = backend()
    # Whoever says 0 wants to see everything.
    quiet = os.environ.setdefault(_LEVEL, "2") != "0"
    if quiet:
        # Advice on how to write TensorFlow programs, which is for its programmers.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _without_information() if quiet else contextlib.nullcontext():
        importlib.import_module("keras")
        # Keras imports it, where it is there, whatever the backend, as soon as it writes a configuration.
        with contextlib.suppress(ImportError):
            importlib.import_module("tensorflow")


def backend() -> str:
    """The backend that the user chose, or else the first that is installed.

    Raises:
        RequestError: there is none, the choice is unknown, or not installed.
    """
    installed = [name for name in BACKENDS if importlib.util.find_spec(name) is not None]
    chosen = os.environ.get(_CHOICE)
    if chosen and chosen not in BACKENDS:
        raise RequestError(f"{_CHOICE} is '{chosen}', expected one of {', '.join(BACKENDS)}{nearest(chosen, BACKENDS)}")
    if not installed:
        raise RequestError(
            "Regraft needs one of TensorFlow, JAX and PyTorch, found none; install one with: "
            "pip install 'regraft[tensorflow]' (or tensorflow-cpu, jax, torch in the brackets)"
        )
    if chosen and chosen not in installed:
        raise RequestError(
            f"{_CHOICE} is '{chosen}', which is not installed; install it with: pip install 'regraft[{chosen}]', "
            f"or say {_CHOICE}={installed[0]}"
        )
    configured = _configured()
    return chosen or (configured if configured in installed else installed[0])


def _configured() -> str | None:
    """What Keras' own configuration file says."""
    folder = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        return json.loads((Path(folder) / "keras.json").read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError):
        return None


@contextlib.contextmanager
def _without_information() -> Generator[None]:
    """Let only warnings and errors of C++ code through to standard error.

    Another process passes the lines on, so that none is lost when this one is aborted by the very error it tells of.
    """
    try:
        terminal = os.dup(2)
        # A session of its own: Ctrl-C is for us, it ends when we do.
        passing = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PASS_ON], stdin=subprocess.PIPE, start_new_session=True
        )
    except (OSError, ValueError):
        yield
        return
    assert passing.stdin is not None
    try:
        os.dup2(passing.stdin.fileno(), 2)
        passing.stdin.close()
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        passing.wait()
