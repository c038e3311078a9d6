"""--trust: what code in a file may do, who has to say so, and that it is written down."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import regraft
from regraft.core import plan as plans
from regraft.core.errors import RequestError, SourceError
from regraft.surgery.copy import copy_model
from tests.cli.conftest import QUICK, write_pictures


@pytest.fixture(scope="module")
def lambda_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with a line of Python in it."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    x = keras.layers.Lambda(lambda t: t * 2, name="double")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    path = tmp_path_factory.mktemp("trust") / "lambda.keras"
    keras.Model(inputs, keras.layers.Dense(2, name="top")(x)).save(path)
    return path


def test_from_the_refusal_to_the_record(lambda_file: Path, tmp_path: Path, say) -> None:
    write_pictures(tmp_path / "pictures", per_class=8)
    asked = ("fit", tmp_path / "pictures", "--source", lambda_file, "--out", tmp_path / "run", *QUICK, "--json")
    refused = say(*asked)
    assert refused.status == 2
    assert "layer 'double' holds Python code (a Lambda layer or the like)" in refused.err
    assert "if you trust its author, say --trust" in refused.err
    said = say(*asked, "--trust")
    assert said.status == 0
    assert said.document["plan"]["trust"] is True
    assert any("was allowed to run" in warning for warning in said.document["warnings"])
    assert plans.read(tmp_path / "run" / "plan.toml").trust
    # What a run folder says of itself is no reason to trust it.
    with pytest.raises(SourceError, match=r"layer 'double' holds Python code .* say --trust"):
        regraft.load(tmp_path / "run")
    assert regraft.load(tmp_path / "run", trust=True).model.count_params() > 0
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(RequestError, match=r"lets Python code in '.*lambda.keras' run; .* say so again: --trust"):
        regraft.resume(tmp_path / "run")


def test_a_plan_of_somebody_else_is_not_enough(tmp_path: Path, say) -> None:
    (tmp_path / "plan.toml").write_text('source = "lambda.keras"\ndata = "pictures"\ntrust = true\n')
    said = say("fit", "--plan", tmp_path / "plan.toml")
    assert said.status == 2
    assert "plan.toml' lets Python code in 'lambda.keras' run; where you trust its author too, say --trust" in said.err


def test_a_conversion_says_that_it_was_trusted(lambda_file: Path, tmp_path: Path, say) -> None:
    assert say("convert", lambda_file, tmp_path / "out.keras").status == 2
    assert not (tmp_path / "out.keras").exists()
    assert say("convert", lambda_file, tmp_path / "out.keras", "--trust", "--json").document["trusted"] is True
    with zipfile.ZipFile(tmp_path / "out.keras") as archive:
        assert json.loads(archive.read("regraft.json"))["trusted"] is True


def test_a_run_folder_with_an_injected_module_is_not_opened(lambda_file: Path, tmp_path: Path) -> None:
    from regraft.recipes import run_folder

    with zipfile.ZipFile(lambda_file) as old, zipfile.ZipFile(tmp_path / "model.keras", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                layer = next(item for item in config["config"]["layers"] if item["class_name"] == "Lambda")
                layer.update(module="os", class_name="system", config={"name": "evil", "command": "true"})
                content = json.dumps(config).encode()
            new.writestr(name, content)
    with pytest.raises(SourceError, match=r"layer 'evil' asks for 'os\.system'"):
        run_folder.load_model(tmp_path)


def test_a_live_lambda_is_copied_with_its_function(lambda_file: Path) -> None:
    model = keras.saving.load_model(lambda_file, safe_mode=False)
    copied = copy_model(model)
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(item(pictures)) for item in (model, copied)))
    assert copied.get_layer("double") is not model.get_layer("double")
