"""Networks by name: every function, its arguments, and what a failed download says.

`test_conventions.py` opens each of them.
"""

import inspect

import keras
import pytest

from regraft import importers
from regraft.core.errors import SourceError
from regraft.core.progress import collecting_warnings
from regraft.graph import names
from regraft.importers import keras_applications
from regraft.importers.keras_applications import functions, parse


def test_every_building_function_is_found() -> None:
    assert len(functions()) >= 38
    assert {"MobileNet", "VGG19", "ConvNeXtXLarge", "NASNetLarge", "EfficientNetV2L"} <= set(functions())
    for function in functions().values():
        assert {"weights", "include_top", "input_shape", "pooling", "classes"} <= set(
            inspect.signature(function).parameters
        )


def test_arguments_are_read_as_what_they_mean() -> None:
    assert parse(
        "keras:MobileNet?alpha=0.25&include_top=true&classes=7&pooling=avg&input_shape=64,64,3&weights=none"
    ) == (
        "MobileNet",
        {
            "alpha": 0.25,
            "include_top": True,
            "classes": 7,
            "pooling": "avg",
            "input_shape": (64, 64, 3),
            "weights": None,
        },
    )
    assert parse("keras:VGG16") == ("VGG16", {})


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(SourceError, match=r"no network 'MobileNetV4'.*nearest known names: MobileNetV2"):
        importers.open("keras:MobileNetV4")
    with pytest.raises(SourceError, match=r"'MobileNet' has no argument 'alfa'.*nearest known names: alpha"):
        importers.open("keras:MobileNet?alfa=0.25")
    with pytest.raises(SourceError, match=r"expected keras:NAME\?argument=value&argument=value, found"):
        importers.open("keras:MobileNet?alpha")


def test_random_weights_are_said_to_be_random() -> None:
    for text in ("keras:MobileNet?alpha=0.25&weights=none", "keras:MobileNet?alpha=0.25&weights=random"):
        with collecting_warnings() as warnings:
            opened = importers.open(text, input_size=32)
        assert opened.report.loaded == ()
        assert opened.report.missing == tuple(names.variables(opened.model))
        assert warnings == [f"'{text}' has random weights: nothing learnt before is reused"]


def test_a_network_comes_without_its_classifier_unless_asked() -> None:
    with collecting_warnings():
        trunk = importers.open("keras:MobileNet?alpha=0.25&weights=none")
        whole = importers.open("keras:MobileNet?alpha=0.25&include_top=true&classes=5&weights=none")
    assert trunk.model.output_shape == (None, 7, 7, 256)
    assert whole.model.output_shape == (None, 5)
    assert trunk.inputs.shape == (224, 224, 3)


def test_what_keras_refuses_is_one_line() -> None:
    with pytest.raises(
        SourceError, match=r"keras.applications.VGG16 does not take .*input_shape=\(8, 8, 3\).*at least"
    ) as caught:
        importers.open("keras:VGG16?input_shape=8,8,3&weights=none")
    assert "\n" not in str(caught.value)


def test_a_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def building(weights: str, include_top: bool, input_shape: tuple[int, ...]) -> keras.Model:
        print("Downloading data")
        raise Exception("URL fetch failure on https://example.org/w.h5: None -- no such host")

    monkeypatch.setattr(keras_applications, "functions", lambda: {"VGG16": building})
    with pytest.raises(SourceError) as caught:
        importers.open("keras:VGG16")
    assert str(caught.value) == (
        "could not download the ImageNet weights of 'VGG16' (URL fetch failure on https://example.org/w.h5: None -- no "
        "such host); try again with a connection, or say keras:VGG16?weights=none for random weights"
    )
    assert capsys.readouterr().out == ""


def test_weights_that_are_no_file_are_refused() -> None:
    with pytest.raises(SourceError, match=r"expected weights=imagenet, none or a file, found 'imagnet'"):
        importers.open("keras:MobileNet?alpha=0.25&weights=imagnet", input_size=32)


def test_names_do_not_depend_on_what_was_built_before() -> None:
    first = keras_applications.build("MobileNetV3Small", {"weights": None}, 64)
    keras.layers.Dense(1)
    second = keras_applications.build("MobileNetV3Small", {"weights": None}, 64)
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
