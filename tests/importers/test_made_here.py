"""What a run leaves is a source: its folder, or the model in it."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import regraft
from regraft.cli import main
from regraft.core.errors import SourceError
from regraft.core.plan import Plan
from regraft.recipes import run_folder


def _run(folder: Path, **said: Any) -> Path:
    """The folder of a run, as far as others look at it."""
    folder.mkdir()
    inputs = keras.Input((8, 8, 3), name="pictures")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scaled")(inputs)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(keras.layers.Conv2D(4, 3, name="conv")(scaled))
    outputs = keras.layers.Dense(2, activation="softmax", name="head")(pooled)
    keras.Model(inputs, outputs, name="flowers").save(folder / "model.keras")
    with zipfile.ZipFile(folder / "model.keras", "a") as archive:
        archive.writestr("regraft.json", json.dumps({"classes": ["daisy", "rose"], "cut_point": "conv", **said}))
    (folder / "run.json").write_text("{}")
    return folder


@pytest.mark.parametrize("inside", ["", "model.keras"])
def test_the_model_of_a_run_opens_with_its_classes(inside: str, tmp_path: Path) -> None:
    source = _run(tmp_path / "run") / inside
    opened = regraft.open(source)
    assert opened.source == str(source)
    assert opened.classes == ("daisy", "rose")
    assert (opened.inputs.shape, opened.inputs.name) == ((8, 8, 3), "raw")
    kept = keras.models.load_model(tmp_path / "run" / "model.keras")
    x = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    made, expected = (keras.ops.convert_to_numpy(model(x)) for model in (opened.model, kept))
    np.testing.assert_array_equal(made, expected)


def test_names_that_are_not_those_of_the_outputs_are_left_out(tmp_path: Path) -> None:
    assert regraft.open(_run(tmp_path / "run", classes=["a", "b", "c"])).classes is None
    assert regraft.open(_run(tmp_path / "other", classes="two")).classes is None


def test_a_run_is_looked_into_by_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(_run(tmp_path / "run"))]) == 0
    assert "conv" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["pretraining", "run"])
@pytest.mark.parametrize("words", [["inspect"], ["fit", "DATA", "--source"]], ids=" ".join)
def test_what_is_not_finished_says_how_to_go_on(
    words: list[str], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my source"
    folder.mkdir()
    if what == "run":
        run_folder.begin(folder, Plan("n.keras"))
    else:
        (folder / "asked.toml").write_text('method = "autoencoder"\ndata = "n.npz"\n')
    np.savez(tmp_path / "data.npz", x=np.eye(4), y=[0, 1, 0, 1])
    said = f"the {what} in '{folder}' is not finished; `regraft resume '{folder}'` finishes it"
    with pytest.raises(SourceError, match=re.escape(said)):
        regraft.open(folder)
    data = str(tmp_path / "data.npz")
    assert main([*(data if word == "DATA" else word for word in words), str(folder)]) == 2
    assert capsys.readouterr().err == f"regraft: {said}\n"


def test_a_run_that_is_not_finished_is_no_source(tmp_path: Path) -> None:
    (_run(tmp_path / "run") / "model.keras").unlink()
    with pytest.raises(regraft.RegraftError):
        regraft.open(tmp_path / "run")
