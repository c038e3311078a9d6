"""From a source string to a model: kinds of sources, and what is refused."""

import keras
import numpy as np
import pytest

from regraft import importers
from regraft.core.errors import SourceError
from regraft.graph import names
from regraft.importers import hub
from regraft.importers.opening import KINDS


def _small() -> keras.Model:
    return keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(2, 3, name="first")], name="small"
    )


def test_the_kinds_have_the_same_functions() -> None:
    for kind in KINDS:
        assert {"handles", "load"} <= set(vars(kind))


def test_a_live_model_is_taken_as_it_is() -> None:
    model = _small()
    opened = importers.open(model)
    assert opened.model is model
    assert opened.source == "model 'small'"
    assert (opened.inputs.name, opened.inputs.origin, opened.inputs.shape) == ("raw", "stated", (8, 8, 3))
    assert opened.report.loaded == ("first/kernel", "first/bias")


def test_an_unbuilt_model_is_refused() -> None:
    with pytest.raises(SourceError, match=r"expected a built model, found 'mine' without weights; call it once"):
        importers.open(keras.Sequential([keras.layers.Dense(2)], name="mine"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(value: float) -> None:
    model = _small()
    bias = names.variables(model)["first/bias"]
    bias.assign(np.array([0, value], np.float32))
    with pytest.raises(
        SourceError, match=r"expected finite weights, found NaN or infinity in 1 .* 'small'': first/bias;"
    ):
        importers.open(model)


def test_a_picture_can_be_required() -> None:
    importers.require_picture(importers.open(_small()))
    words = keras.Sequential([keras.Input((7,)), keras.layers.Dense(2)], name="words")
    with pytest.raises(
        SourceError, match=r"takes pictures \(height, width, channels\), found \(7,\) in 'model 'words''"
    ):
        importers.require_picture(importers.open(words))
    first, second = keras.Input((4,)), keras.Input((5,))
    two = keras.Model([first, second], keras.layers.Concatenate()([first, second]))
    with pytest.raises(SourceError, match=r"found 2 inputs \(4,\), \(5,\)"):
        importers.require_picture(importers.open(two))


def test_the_user_may_say_the_convention_and_the_size() -> None:
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 3)])
    opened = importers.open(model, preprocessing="caffe", input_size=64)
    assert (opened.inputs.name, opened.inputs.origin, opened.inputs.shape) == ("caffe", "requested", (64, 64, 3))


def test_what_would_be_ignored_is_refused() -> None:
    with pytest.raises(
        SourceError, match=r"expected weights only for keras:NAME sources, found weights 'imagenet' for"
    ):
        importers.open(_small(), weights="imagenet")
    with pytest.raises(SourceError, match=r"architecture only for files, found 'keras:VGG16' for 'keras:VGG19'"):
        importers.open("keras:VGG19", architecture="keras:VGG16")


def test_hubs_say_which_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_installed", lambda package: False)
    with pytest.raises(SourceError, match=r"needs the package keras-hub; install it with: pip install keras-hub"):
        importers.open("kaggle://keras/resnet/keras/resnet_18")
    with pytest.raises(SourceError, match=r"keras-hub \(presets\) or huggingface_hub \(models saved by Keras\)"):
        importers.open("hf://someone/something")


def test_hubs_load_through_keras_and_report_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _small()
    monkeypatch.setattr(hub, "_installed", lambda package: package == "huggingface_hub")
    monkeypatch.setattr(keras.saving, "load_model", lambda address, **options: model)
    assert importers.open("hf://someone/something").model is model

    def nowhere() -> None:
        raise OSError("no connection")

    monkeypatch.setattr(hub, "_library", nowhere)

    def failing(address: str, **options: bool) -> keras.Model:
        raise OSError("no\nconnection")

    monkeypatch.setattr(keras.saving, "load_model", failing)
    with pytest.raises(SourceError, match=r"could not open 'hf://someone/something': no connection; check the address"):
        importers.open("hf://someone/something")
