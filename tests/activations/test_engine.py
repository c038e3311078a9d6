"""The compiled trunk: what it is given, what it gives, and what it refuses."""

import keras
import numpy as np
import pytest

from regraft.activations import engine
from regraft.activations.engine import BATCH, Wanted, compile_resizing, compile_trunk
from regraft.core.errors import SourceError
from regraft.core.input_spec import InputSpec
from regraft.surgery.cut import cut
from regraft.surgery.graft import resizing as layer
from tests.laws.networks import built, examples

layers = keras.layers


def _identity(dtype: str = "float32") -> keras.Model:
    inputs = keras.Input((4, 4, 3), dtype=dtype)
    return keras.Model(inputs, layers.Activation("linear", name="same")(inputs))


def test_raw_values_are_brought_to_the_scale_and_order_of_the_network() -> None:
    spec = InputSpec((4, 4, 3), scale=(1.0, 2.0, 3.0), offset=(-1.0,), order="bgr")
    raw = np.random.default_rng(0).uniform(size=(5, 4, 4, 3)).astype("float32")
    for white in (255.0, 1.0):
        (found,) = compile_trunk(_identity(), spec, white, [Wanted("same", False)])(raw)
        expected = raw[..., ::-1] * (255.0 / white) * np.array([1, 2, 3]) - 1
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_network_that_takes_whole_numbers_gets_whole_numbers() -> None:
    raw = np.full((2, 4, 4, 3), 7.9, "float32")
    (found,) = compile_trunk(_identity("uint8"), InputSpec((4, 4, 3)), 255.0, [Wanted("same", False)])(raw)
    assert (found == 7).all()
    assert found.dtype == np.float32


def test_half_precision_comes_back_as_float32() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(3, dtype="mixed_float16", name="half")(inputs))
    (found,) = compile_trunk(model, InputSpec((4,)), 255.0, [Wanted("half", False)])(np.ones((2, 4), "float32"))
    assert (found.dtype, found.shape) == (np.float32, (2, 3))


@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH])
def test_as_many_rows_come_back_as_went_in(count: int) -> None:
    run = compile_trunk(built("chain"), InputSpec((12, 12, 3)), 255.0, [Wanted("relu0", False), Wanted("relu1", True)])
    whole, pooled = run(np.zeros((count, 12, 12, 3), "float32"))
    assert (whole.shape, pooled.shape) == ((count, 12, 12, 4), (count, 6))


def test_changed_weights_are_seen_by_the_next_function() -> None:
    model = built("perceptron")
    x = np.ones((2, 5), "float32")
    (before,) = compile_trunk(model, InputSpec((5,)), 255.0, [Wanted("third", False)])(x)
    model.get_layer("third").bias.assign(np.full(3, 10.0))
    (after,) = compile_trunk(model, InputSpec((5,)), 255.0, [Wanted("third", False)])(x)
    assert not np.allclose(before, after)


def test_weights_that_are_too_large_for_constants_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = built("perceptron"), np.ones((2, 5), "float32")
    (expected,) = compile_trunk(model, InputSpec((5,)), 255.0, [Wanted("third", False)])(x)
    monkeypatch.setattr(engine, "_CONSTANT_BYTES", 0)
    (found,) = compile_trunk(model, InputSpec((5,)), 255.0, [Wanted("third", False)])(x)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_the_same_thing_wanted_twice_is_given_twice() -> None:
    run = compile_trunk(built("perceptron"), InputSpec((5,)), 255.0, [Wanted("third", False)] * 2)
    one, other = run(np.ones((2, 5), "float32"))
    assert np.array_equal(one, other)


def test_several_inputs_are_refused() -> None:
    with pytest.raises(SourceError, match="expected a network with one input, found 'several' with 2; cut it where"):
        compile_trunk(built("several"), InputSpec((4,)), 255.0, [Wanted("hidden", False)])


def test_the_part_above_several_inputs_is_taken() -> None:
    rest = cut(built("several"), "together")[1]
    (found,) = compile_trunk(rest, InputSpec((6,)), 255.0, [Wanted("hidden", False)])(np.ones((2, 6), "float32"))
    assert found.shape == (2, 5)


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


def test_a_sequence_network_is_run_as_it_is() -> None:
    x = np.asarray(examples("recurrent", 2), "float32")
    (found,) = compile_trunk(built("recurrent"), InputSpec((5, 3)), 255.0, [Wanted("distributed", True)])(x)
    assert found.shape == (2, 4)
