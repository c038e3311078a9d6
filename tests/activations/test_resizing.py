"""Pictures are resized as the deployable model's own layer does it."""

import keras
import numpy as np
import pytest

from regraft.activations import resizing as module
from regraft.activations.resizing import by_matrices, compile_resizing
from regraft.core.input_spec import InputSpec
from regraft.surgery.graft import resizing as layer


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the short way is TensorFlow's")
@pytest.mark.parametrize("resizing", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("size", [(128, 128), (97, 61), (224, 150)])
def test_the_short_way_to_resize_is_the_layer_bit_for_bit(resizing: str, size: tuple[int, int]) -> None:
    spec = InputSpec((*size, 3), resizing=resizing)  # pyright: ignore[reportArgumentType]
    resize, random = compile_resizing(spec), np.random.default_rng(0)
    for height, width in [(227, 227), (100, 101), (33, 500), (500, 33), (1, 1), (60, 80), (301, 199), size]:
        picture = random.uniform(0, 255, (height, width, 3)).astype("float32")
        assert np.array_equal(resize(picture), keras.ops.convert_to_numpy(layer(spec)(picture)))
        in_bytes = picture.astype("uint8")
        expected = keras.ops.convert_to_numpy(layer(spec)(in_bytes.astype("float32")))
        assert np.array_equal(resize(in_bytes), expected)
        batch = np.full((2, *spec.shape), 7, np.float32)
        assert resize(in_bytes, batch[1]).base is batch
        assert np.array_equal(batch[1], expected)
        assert (batch[0] == 7).all()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the kernel is TensorFlow's")
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_products_with_matrices_are_the_kernel_bit_for_bit(channels: int) -> None:
    random = np.random.default_rng(channels)
    for _ in range(60):
        tall, wide, height, width = (int(size) for size in np.exp(random.uniform(0, 6, 4)).round())
        picture = random.integers(0, 256, (tall, wide, channels), np.uint8)
        for taken in (picture, picture.astype("float32") / np.float32(3)):
            expected = layer(InputSpec((height, width, channels), resizing="stretch"))(taken.astype("float32"))
            assert by_matrices(taken, height, width).tobytes() == np.asarray(expected).tobytes(), (taken.shape, height)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the kernel is TensorFlow's")
def test_large_pictures_and_machines_that_round_otherwise_go_to_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, picture = InputSpec((20, 30, 3)), np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    expected = compile_resizing(spec)(picture)
    monkeypatch.setattr(module, "_SMALL", 100)
    assert np.array_equal(compile_resizing(spec)(picture), expected)
    monkeypatch.setattr(module, "by_matrices", lambda picture, height, width: np.zeros((height, width, 3)))
    assert np.array_equal(compile_resizing(spec)(picture), expected)


@pytest.mark.parametrize("resizing", ["crop", "stretch", "pad"])
def test_one_picture_is_resized_as_the_layer_does_it(resizing: str) -> None:
    spec = InputSpec((8, 8, 3), resizing=resizing)  # pyright: ignore[reportArgumentType]
    picture = np.random.default_rng(0).uniform(0, 255, (13, 21, 3)).astype("float32")
    expected = keras.ops.convert_to_numpy(layer(spec)(picture[None], training=False))[0]
    np.testing.assert_allclose(compile_resizing(spec)(picture), expected, rtol=1e-5, atol=1e-3)
