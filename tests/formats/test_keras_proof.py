"""The proof inside of a `.keras` file: shown where it is about that file, doubted where it is not."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import pytest

from regraft import formats
from regraft.cli import main
from regraft.core.errors import CorruptFileError
from regraft.formats.keras_proof import INSIDE, MEMBERS

PARITY = {"runtime": "onnxruntime 1", "backend": "jax", "examples": 4, "tolerance": 1e-5, "error": 2e-7}


def _saved(path: Path) -> dict[str, str]:
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in MEMBERS}


def _with(path: Path, record: Any) -> Path:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(INSIDE, record if isinstance(record, str) else json.dumps(record))
    return path


def test_it_is_about_the_network_that_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = _saved(tmp_path / "m.keras")
    path = _with(tmp_path / "m.keras", {"source": "m.onnx", "parity": {**PARITY, "written": written}})
    archive = formats.read(path)
    assert archive.metadata["proof"] == {**PARITY, "source": "m.onnx", "whole": True}
    assert archive.warnings == ()
    assert main(["inspect", str(path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "proof computes what onnxruntime 1 computed for 'm.onnx': 2.0e-07 of the largest at most, 4 examples" in said


def test_weights_that_were_changed_since_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = _saved(tmp_path / "other.keras")
    _saved(tmp_path / "m.keras")
    path = _with(tmp_path / "m.keras", {"source": "m.onnx", "parity": {**PARITY, "written": written}})
    archive = formats.read(path)
    assert archive.metadata["proof"]["whole"] is False
    assert archive.warnings == ("the network is not the one that the proof inside is about",)
    assert main(["inspect", str(path)]) == 0
    assert "computes what" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"parity": None},
        {"parity": []},
        {"parity": {**PARITY, "error": "small"}},
        {"parity": {**PARITY, "runtime": {"a": 1}}},
        {"classes": ["a"]},
    ],
)
def test_a_record_without_a_proof_that_can_be_read_says_nothing(tmp_path: Path, record: Any) -> None:
    _saved(tmp_path / "m.keras")
    archive = formats.read(_with(tmp_path / "m.keras", record))
    assert archive.metadata["proof"] is None
    assert archive.warnings == ()


@pytest.mark.parametrize("record", ["{", "[1]", '"text"'])
def test_a_damaged_record_is_refused(tmp_path: Path, record: str) -> None:
    _saved(tmp_path / "m.keras")
    with pytest.raises(CorruptFileError, match=r"'regraft.json' inside is no (JSON|record)"):
        formats.read(_with(tmp_path / "m.keras", record))


@pytest.mark.parametrize("written", [None, [], {"config.json": 1}])
def test_a_proof_without_checksums_is_about_nothing(tmp_path: Path, written: Any) -> None:
    _saved(tmp_path / "m.keras")
    archive = formats.read(_with(tmp_path / "m.keras", {"parity": {**PARITY, "written": written}}))
    assert archive.metadata["proof"]["whole"] is False
