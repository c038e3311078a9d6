"""Every example runs, offline and alone, and holds what it asserts; and the index names them all."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import keras
import pytest

_ROOT = Path(__file__).resolve().parents[2]
_FOLDER = _ROOT / "examples"
_SHARED = "digits"
_EXAMPLES = sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem != _SHARED)
# The backend of a process is chosen once: these have one of their own.
_OTHER_BACKENDS = ("jax_loop", "pytorch_loop")
# As where TensorFlow is not installed: Keras imports it on every backend, which takes seconds, and needs nothing of it.
_WITHOUT_TENSORFLOW = """
import runpy, sys

sys.modules["tensorflow"] = None
runpy.run_path(sys.argv[1], run_name="__main__")
"""
# What JAX compiles here runs for a moment: it takes longer to make it fast than it runs.
_CHEAP = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "JAX_THREEFRY_PARTITIONABLE": "0"}


@pytest.mark.parametrize("name", [name for name in _EXAMPLES if name not in _OTHER_BACKENDS])
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the examples run once, on TensorFlow")
def test_an_example_holds_what_it_asserts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(_FOLDER))
    runpy.run_path(str(_FOLDER / f"{name}.py"), run_name="__main__")
    assert "loss" in capsys.readouterr().out


@pytest.mark.parametrize("name", _OTHER_BACKENDS)
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the examples run once")
def test_an_example_on_another_backend_holds_what_it_asserts(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, **_CHEAP, "PYTHONPATH": os.pathsep.join([str(_FOLDER), *sys.path])}
    command = [sys.executable, "-W", "error::UserWarning", "-c", _WITHOUT_TENSORFLOW, str(_FOLDER / f"{name}.py")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "loss" in done.stdout


@pytest.mark.parametrize("name", _EXAMPLES)
def test_an_example_is_short_asserts_something_and_is_in_the_index(name: str) -> None:
    text = (_FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert 20 <= len(text.splitlines()) <= 60
    assert len(re.findall(r"^assert ", text, re.MULTILINE)) >= 3
    assert f"]({name}.py)" in (_FOLDER / "README.md").read_text(encoding="utf-8")
