"""The detector of wrong input conventions, on real networks and real photographs."""

import gzip
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from regraft import importers
from regraft.core.input_spec import InputSpec
from regraft.importers.wrong_input import judge

WRONG = ("raw", "unit", "caffe", "torch", "bgr:x/127.5-1", "bgr:x/255", "x/64")


@pytest.fixture(scope="module")
def trunk(shared_folder: Path) -> keras.Model:
    return importers.open(shared_folder / "nets/mobilenet_v1_1.0_224_trunk/mobilenet_v1_1.0_224_trunk.keras").model


@pytest.fixture(scope="module")
def quarter(shared_folder: Path) -> keras.Model:
    path = shared_folder / "nets/tf1_frozen_mobilenet_v1_0.25_224/derived/mobilenet_2_5_224_tf_no_top.h5"
    return importers.open(path, architecture="keras:MobileNet?alpha=0.25").model


@pytest.fixture(scope="module")
def flowers(shared_folder: Path) -> np.ndarray:
    return _pictures(shared_folder / "data/flowers5_227px", "*/*.jpg", 16)


@pytest.mark.parametrize("name", ["trunk", "quarter"])
def test_the_right_convention_is_confirmed(name: str, flowers: np.ndarray, request: pytest.FixtureRequest) -> None:
    verdict = judge(request.getfixturevalue(name), _spec("tf"), flowers)
    assert verdict is not None
    assert (verdict.requested, verdict.best, verdict.warning) == ("tf", "tf", None)
    assert (
        verdict.distances["tf"]
        < 0.3
        < 0.7
        < min(verdict.distances[other] for other in ("raw", "unit", "caffe", "torch"))
    )


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["trunk", "quarter"])
def test_every_wrong_convention_is_warned_of(
    name: str, wrong: str, flowers: np.ndarray, request: pytest.FixtureRequest
) -> None:
    verdict = judge(request.getfixturevalue(name), _spec(wrong), flowers)
    assert verdict is not None
    assert verdict.warning is not None
    assert "first layer's activations look as if the network expects" in verdict.warning
    if wrong == "bgr:x/127.5-1":
        assert "in the order RGB, not BGR" in verdict.warning
        assert verdict.warning.endswith("say --preprocessing x/127.5-1")
    else:
        assert f"expects 'tf' (x / 127.5 - 1), not '{wrong}'" in verdict.warning
        assert f"say --preprocessing tf, or '{wrong}' to keep it" in verdict.warning


def test_the_handed_in_order_of_channels_is_noticed(trunk: keras.Model, flowers: np.ndarray) -> None:
    verdict = judge(trunk, _spec("tf"), flowers[..., ::-1])
    assert verdict is not None
    assert verdict.warning is not None
    assert "in the order BGR, not RGB" in verdict.warning
    assert verdict.warning.endswith("say --preprocessing bgr:x/127.5-1")


def test_one_kind_of_flower_and_few_pictures_do_not_mislead(trunk: keras.Model, shared_folder: Path) -> None:
    for kind in ("daisy", "dandelion", "rose", "sunflower", "tulip"):
        few = _pictures(shared_folder / "data/flowers5_227px" / kind, "*.jpg", 6)
        verdict = judge(trunk, _spec("tf"), few)
        assert verdict is not None
        assert verdict.warning is None, kind


def test_pictures_unlike_any_training_data_are_not_blamed_on_the_convention(
    trunk: keras.Model, flowers: np.ndarray, shared_folder: Path
) -> None:
    flowers = flowers[:8]
    hands = _pictures(shared_folder / "data/sign_language_digits", "*/*.JPG", 8)
    (images,) = (shared_folder / "data/mnist_t10k_idx").glob("*images*")
    small = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28)[:8]
    digits = np.stack([_array(Image.fromarray(digit)) for digit in small])
    grey = flowers.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    for pictures in (hands, digits, 255 - digits, grey, flowers * 0.3, 255 - (255 - flowers) * 0.3):
        verdict = judge(trunk, _spec("tf"), pictures)
        assert verdict is not None
        assert verdict.warning is None
        gross = judge(trunk, _spec("raw"), pictures)
        assert gross is not None
        assert gross.warning is not None


def test_a_network_for_one_channel_is_judged_too(shared_folder: Path) -> None:
    path = shared_folder / "nets/keras_face_classification/emotion_models/fer2013_mini_XCEPTION.102-0.66.hdf5"
    opened = importers.open(path, preprocessing="tf")
    grey = _pictures(shared_folder / "data/flowers5_227px", "*/*.jpg", 16, 64).mean(axis=-1, keepdims=True)
    right = judge(opened.model, opened.inputs, grey)
    wrong = judge(opened.model, opened.inputs.with_convention("raw"), grey)
    assert right is not None
    assert wrong is not None
    assert right.warning is None
    assert wrong.warning is not None
    assert set(right.distances) == {"tf", "raw", "unit"}


def test_a_nested_network_is_looked_into(quarter: keras.Model, flowers: np.ndarray) -> None:
    picture = keras.Input((224, 224, 3))
    nested = keras.Model(picture, keras.layers.GlobalAveragePooling2D()(quarter(picture)))
    flat, inside = judge(quarter, _spec("unit"), flowers), judge(nested, _spec("unit"), flowers)
    assert flat == inside


def test_networks_without_a_memory_get_no_verdict() -> None:
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    spec = InputSpec((32, 32, 3)).with_convention("unit")
    fresh = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()])
    without = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3)])
    assert judge(fresh, spec, pictures) is None
    assert judge(without, spec, pictures) is None
    fresh.layers[-1].moving_mean.assign(np.ones(4))
    assert judge(fresh, spec, pictures) is not None
    assert judge(fresh, spec, pictures[:0]) is None


def _spec(name: str) -> InputSpec:
    return InputSpec((224, 224, 3)).with_convention(name)


def _pictures(folder: Path, pattern: str, count: int, size: int = 224) -> np.ndarray:
    files = sorted(folder.glob(pattern))
    return np.stack([_array(Image.open(file), size) for file in files[:: len(files) // count][:count]])


def _array(picture: Image.Image, size: int = 224) -> np.ndarray:
    return np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR), np.float32)
