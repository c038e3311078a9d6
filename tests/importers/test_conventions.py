"""The input convention of every network of keras.applications, against Keras' own preprocess_input."""

import sys

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.core.input_spec import InputSpec
from regraft.core.progress import collecting_warnings
from regraft.graph import flow, names
from regraft.importers import conventions, keras_applications
from regraft.importers import open as open_network
from regraft.importers.conventions import FAMILIES, applied, family_of, input_spec, scales_itself, size_of
from regraft.importers.keras_applications import functions

# One small member of each family.
SMALL = {
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3": "MobileNetV3Small",
    "resnet": "ResNet50",
    "resnet_v2": "ResNet50V2",
    "densenet": "DenseNet121",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "xception": "Xception",
    "inception_v3": "InceptionV3",
    "inception_resnet_v2": "InceptionResNetV2",
    "nasnet": "NASNetMobile",
    "efficientnet": "EfficientNetB0",
    "efficientnet_v2": "EfficientNetV2B0",
    "convnext": "ConvNeXtTiny",
}
# Keras itself does not build this one with PyTorch.
NOT_ON_TORCH = "NASNetMobile"
CONTAINS_ITS_OWN = ("mobilenet_v3", "efficientnet", "efficientnet_v2", "convnext")
# What is computed below lies before the first convolution.
pytestmark = pytest.mark.usefixtures("hollow")


def test_every_module_of_keras_applications_is_a_family() -> None:
    modules = {_module(name) for name in functions()}
    assert modules == {family.module for family in FAMILIES} == set(SMALL)


@pytest.mark.parametrize(
    "name",
    [name if name in SMALL.values() else pytest.param(name, marks=pytest.mark.slow) for name in sorted(functions())],
)
def test_every_network_opens_with_the_convention_of_its_family_which_is_preprocess_input(name: str) -> None:
    _skip_what_keras_lacks(name)
    with collecting_warnings():
        opened = open_network(f"keras:{name}?weights=none", input_size=96)
    model, spec, module = opened.model, opened.inputs, _module(name)
    assert model.input_shape == (None, 96, 96, 3)
    assert len(opened.report.missing) == len(model.variables)
    family = family_of(model)
    assert family is not None
    assert family.module == module
    assert scales_itself(model) == (module in CONTAINS_ITS_OWN)
    assert spec.shape == (96, 96, 3)
    assert (spec.name, spec.origin) == (
        ("raw", "stated") if module in CONTAINS_ITS_OWN else (family.convention, "known")
    )
    _assert_is_keras_own(module, spec)
    if family.convention == "x/128-1":
        # What tells the larger ones of their module lies in the upper half.
        return
    below = {path.rpartition("/")[2] for path, _ in list(names.layers(model))[: len(model.layers) // 2]}
    # The lower half of VGG19 could be VGG16's, to the same effect.
    alike = [other for other in FAMILIES if conventions._matches(other.signature, below)]
    assert alike[0].convention == family.convention, "a signature must survive a cut top"


@pytest.mark.parametrize(
    ("name", "module"),
    [("MobileNetV3Small", "mobilenet_v3"), ("EfficientNetV2B0", "efficientnet_v2"), ("ConvNeXtTiny", "convnext")],
)
def test_without_its_own_preprocessing_a_family_expects_what_those_layers_compute(name: str, module: str) -> None:
    bare = input_spec(_build(f"{name}?include_preprocessing=false", 64))
    assert bare.origin == "known"
    _assert_computes_as_own_layers(_build(name, 64), bare)


@pytest.mark.slow
def test_the_larger_efficientnets_of_the_second_generation_scale_otherwise() -> None:
    bare = input_spec(_build("EfficientNetV2S?include_preprocessing=false", 64))
    assert (bare.name, bare.origin) == ("x/128-1", "known")
    _assert_computes_as_own_layers(_build("EfficientNetV2S", 64), bare)


def test_a_cut_top_another_width_and_a_nested_network_are_still_recognised() -> None:
    base = _build("MobileNet?alpha=0.25", 64)
    cut = keras.Model(base.input, base.get_layer("conv_pw_3_relu").output)
    picture = keras.Input((64, 64, 3), name="photograph")
    nested = keras.Model(picture, keras.layers.GlobalAveragePooling2D()(base(picture)))
    for model in (cut, nested, keras.Sequential([base, keras.layers.Flatten()])):
        assert (input_spec(model).name, input_spec(model).origin) == ("tf", "known")


def test_preprocessing_in_front_of_a_known_network_is_stated() -> None:
    base = _build("MobileNet?alpha=0.25", 64)
    picture = keras.Input((64, 64, 3))
    by_layer = keras.Model(picture, base(keras.layers.Rescaling(1 / 127.5, offset=-1)(picture)))
    by_arithmetic = keras.Model(picture, base(picture / 127.5 - 1.0))
    for model in (by_layer, by_arithmetic):
        assert (input_spec(model).name, input_spec(model).origin) == ("raw", "stated")


def test_an_unknown_network_is_assumed_and_said_so() -> None:
    model = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(2, 3)], name="mine")
    with collecting_warnings() as warnings:
        spec = input_spec(model)
    assert (spec.name, spec.origin, spec.shape) == ("unit", "assumed", (224, 224, 1))
    (warning,) = warnings
    assert "'mine'" in warning
    assert "--preprocessing (raw, tf, caffe, torch, unit or a formula" in warning


def test_a_convention_for_three_channels_is_not_taken_for_one() -> None:
    grey = _build("VGG16?input_shape=32,32,1", None)
    with collecting_warnings() as warnings:
        assert (input_spec(grey).name, input_spec(grey).origin) == ("unit", "assumed")
    assert len(warnings) == 1
    with pytest.raises(RequestError, match=r"is for 3 channels, the network takes 1"):
        input_spec(grey, "caffe")


def test_what_the_user_says_goes_before_what_is_known() -> None:
    spec = input_spec(_build("MobileNet?alpha=0.25", 64), "torch")
    assert (spec.name, spec.origin) == ("torch", "requested")


def test_an_input_that_is_no_picture_has_no_convention() -> None:
    words = keras.Sequential([keras.Input((None,)), keras.layers.Embedding(5, 2)])
    assert input_spec(words).shape == ()
    first, second = keras.Input((4,)), keras.Input((4,))
    assert input_spec(keras.Model([first, second], keras.layers.Add()([first, second]))).shape == ()
    assert input_spec(keras.Sequential([keras.Input((7,)), keras.layers.Dense(1)])).shape == (7,)


def test_an_open_size_becomes_the_familys_or_the_requested_one() -> None:
    model = keras.applications.Xception(weights=None, include_top=False, input_shape=(None, None, 3))
    assert input_spec(model).shape == (299, 299, 3)
    assert input_spec(model, size=128).shape == (128, 128, 3)


class _Sized(BaseException):
    """Leaves a building function as soon as it has said its default size."""


# The third MobileNets leave the size open and state 224 in their documentation only.
@pytest.mark.parametrize("name", [n for n in sorted(functions()) if "MobileNetV3" not in n])
def test_default_sizes_are_those_of_the_functions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _skip_what_keras_lacks(name)
    said: list[int] = []

    def obtain_input_shape(*_: object, default_size: int, **__: object) -> None:
        said.append(default_size)
        raise _Sized

    utilities = sys.modules["keras.src.applications.imagenet_utils"]
    monkeypatch.setattr(utilities, "obtain_input_shape", obtain_input_shape)
    with pytest.raises(_Sized):
        functions()[name](weights=None)
    assert said == [size_of(name)]


def _module(name: str) -> str:
    return functions()[name].__module__.rpartition(".")[2]


def _skip_what_keras_lacks(name: str) -> None:
    if name == NOT_ON_TORCH and keras.backend.backend() == "torch":
        pytest.skip("Keras does not build NASNetMobile with PyTorch")


def _build(text: str, size: int | None) -> keras.Model:
    name, arguments = keras_applications.parse(f"keras:{text}")
    return keras_applications.build(name, {**arguments, "weights": None}, size)


def _pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.float32)


def _assert_is_keras_own(module: str, spec: InputSpec) -> None:
    expected = getattr(keras.applications, module).preprocess_input(_pictures())
    # The same arithmetic in another order: x / s - m against x * (1 / s) + (-m), in float32, on values up to 255.
    np.testing.assert_allclose(applied(spec, _pictures()), expected, rtol=0, atol=2e-5)


def _assert_computes_as_own_layers(model: keras.Model, bare: InputSpec) -> None:
    graph = flow.read(model)
    last = next(index for index, call in enumerate(graph.calls) if "Conv" in type(call.operation).__name__)
    kept: dict[int, np.ndarray] = {}
    pictures = _pictures()
    flow.evaluate(
        graph,
        graph.calls[:last],
        {graph.inputs[0]: keras.ops.convert_to_tensor(pictures)},
        lambda value, tensor: kept.__setitem__(value, keras.ops.convert_to_numpy(tensor)),
    )
    np.testing.assert_allclose(applied(bare, pictures), kept[graph.calls[last].reads[0]], rtol=0, atol=2e-5)


def test_a_model_that_resizes_its_pictures_is_given_them_at_that_size():
    inputs = keras.Input((None, None, 3))
    resized = keras.layers.Resizing(20, 20, name="resizing")(inputs)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3, name="conv")(resized))
    assert conventions.input_spec(model).shape == (20, 20, 3)
    assert conventions.input_spec(model, size=32).shape == (32, 32, 3)
