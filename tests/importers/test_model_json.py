"""Weights with the `model.json` that lay beside them."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft import importers
from regraft.core.errors import CorruptFileError, SourceError


def _model() -> keras.Model:
    keras.utils.set_random_seed(0)
    given = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="first")(keras.layers.Rescaling(1 / 255)(given))
    return keras.Model(given, keras.layers.Dense(2, name="top")(keras.layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("weights", ["m.weights.h5", "m.h5"])
def test_keras_3(tmp_path: Path, weights: str) -> None:
    model = _model()
    (tmp_path / "model.json").write_text(model.to_json())
    model.save_weights(tmp_path / weights) if "weights" in weights else model.save(tmp_path / weights)
    opened = importers.open(tmp_path / weights, architecture=str(tmp_path / "model.json"))
    assert opened.report.loaded == ("first/kernel", "first/bias", "top/kernel", "top/bias")
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(item(pictures)) for item in (opened.model, model)))


@pytest.mark.parametrize("ending", [".h5", ".weights.h5"])
def test_keras_2(tmp_path: Path, ending: str) -> None:
    keras_2: Any = pytest.importorskip("tf_keras", reason="needs Keras 2: pip install --no-deps tf_keras")
    layers, given = keras_2.layers, keras_2.Input((8, 8, 3))
    x = layers.DepthwiseConv2D(3, activation="hard_sigmoid")(layers.Conv2D(4, 3)(given))
    model = keras_2.Model(given, layers.Dense(2)(layers.Flatten()(layers.BatchNormalization()(x))))
    (tmp_path / "model.json").write_text(model.to_json())
    model.save_weights(tmp_path / f"m{ending}")
    opened = importers.open(tmp_path / f"m{ending}", architecture=str(tmp_path / "model.json"), preprocessing="unit")
    pictures = np.random.default_rng(0).uniform(size=(2, 8, 8, 3)).astype("float32")
    found = keras.ops.convert_to_numpy(opened.model(pictures))
    np.testing.assert_allclose(found, model(pictures), rtol=1e-5, atol=1e-5)
    assert len(opened.report.loaded) == 10


def test_what_is_wrong_with_it_is_said(tmp_path: Path) -> None:
    _model().save_weights(tmp_path / "m.weights.h5")
    (tmp_path / "model.json").write_text('{"class_name":')
    with pytest.raises(SourceError, match=r"found none at '.*modle.json'; nearest known names: model.json"):
        importers.open(tmp_path / "m.weights.h5", architecture=str(tmp_path / "modle.json"))
    with pytest.raises(CorruptFileError, match=r"model.json' is truncated or was altered"):
        importers.open(tmp_path / "m.weights.h5", architecture=str(tmp_path / "model.json"))


def test_its_code_is_not_run(tmp_path: Path) -> None:
    _model().save_weights(tmp_path / "m.weights.h5")
    evil = {"module": "os", "class_name": "system", "config": {"command": "true"}, "registered_name": None}
    config = {"class_name": "Sequential", "config": {"layers": [evil]}, "keras_version": "3.9.0"}
    (tmp_path / "model.json").write_text(json.dumps(config))
    with pytest.raises(SourceError, match=r"asks for 'os.system'"):
        importers.open(tmp_path / "m.weights.h5", architecture=str(tmp_path / "model.json"))
