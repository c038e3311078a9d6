"""Pictures are resized as the deployable model's own layer does it."""

import keras
import numpy as np
import pytest

from regraft.activations.resizing import compile_resizing
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


@pytest.mark.parametrize("resizing", ["crop", "stretch", "pad"])
def test_one_picture_is_resized_as_the_layer_does_it(resizing: str) -> None:
    spec = InputSpec((8, 8, 3), resizing=resizing)  # pyright: ignore[reportArgumentType]
    picture = np.random.default_rng(0).uniform(0, 255, (13, 21, 3)).astype("float32")
    expected = keras.ops.convert_to_numpy(layer(spec)(picture[None], training=False))[0]
    np.testing.assert_allclose(compile_resizing(spec)(picture), expected, rtol=1e-5, atol=1e-3)
