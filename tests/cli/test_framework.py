import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from regraft import cli
from regraft.cli import framework
from regraft.core.errors import RequestError


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A function that makes these backends, and no others, seem to be installed; Keras is not configured."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)

    def seem(*names):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in names else None)
        return tmp_path

    return seem


def test_the_first_that_is_installed(installed):
    installed("torch", "jax")
    assert framework.backend() == "jax"
    installed("torch", "jax", "tensorflow")
    assert framework.backend() == "tensorflow"


def test_what_the_user_chose_comes_first(installed, monkeypatch):
    home = installed("torch", "jax", "tensorflow")
    (home / "keras.json").write_text('{"backend": "torch"}')
    assert framework.backend() == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert framework.backend() == "jax"


def test_a_configured_backend_that_is_not_installed_does_not_count(installed):
    home = installed("jax")
    (home / "keras.json").write_text('{"backend": "tensorflow"}')
    assert framework.backend() == "jax"
    (home / "keras.json").write_text("[")
    assert framework.backend() == "jax"


def test_refusals(installed, monkeypatch):
    installed()
    with pytest.raises(RequestError, match=r"found none; install one with: pip install 'regraft\[tensorflow\]'"):
        framework.backend()
    installed("torch")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(RequestError, match=r"'jax', which is not installed; .*'regraft\[jax\]', or say .*=torch"):
        framework.backend()
    monkeypatch.setenv("KERAS_BACKEND", "tensorfow")
    with pytest.raises(RequestError, match="expected one of tensorflow, jax, torch; nearest known names: tensorflow"):
        framework.backend()


def run(code, **environment):
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=cleared | environment)


def test_the_framework_starts_without_a_word():
    done = run("from regraft.cli import framework; framework.load(); import keras; keras.ops.ones(2) + 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_commands_need_before_it_is_loaded_does_not_load_it():
    early = set[str]()
    for path in Path(cli.__file__).parent.glob("*.py"):
        for function in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)):
            loads = [node.lineno for node in ast.walk(function) if ast.unparse(node) == "framework.load()"]
            early |= {
                f"from {node.module} import {name.name}"
                for node in ast.walk(function)
                if isinstance(node, ast.ImportFrom) and node.lineno < max(loads, default=0)
                for name in node.names
            }
    assert "from regraft.recipes import early" in early
    done = run("\n".join([*sorted(early), "import sys; print('keras' in sys.modules)"]))
    assert done.stdout == "False\n"


NOISY = """
import os
from regraft import cli
from regraft.cli import framework
with framework._without_information():
    os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
    os.write(2, b"I0000 00:00:1 1 port.cc:153] oneDNN custom operations are on.\\n")
    os.write(2, b"E0000 00:00:1 1 cuda.cc:1] a real error\\nand its second line\\n")
    {then}
os.write(2, b"I0000 after\\n")
"""


def test_errors_pass_and_information_does_not():
    done = run(NOISY.format(then="pass"))
    assert done.stderr == "E0000 00:00:1 1 cuda.cc:1] a real error\nand its second line\nI0000 after\n"


def test_the_last_words_of_a_process_that_is_aborted_are_heard():
    done = run(NOISY.format(then="os.abort()"))
    assert done.returncode < 0
    assert "a real error" in done.stderr
