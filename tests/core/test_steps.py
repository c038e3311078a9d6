"""Steps of rules, each against NumPy or the arithmetic that it stands for."""

import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.core.layouts import Place, channels_first, ways
from regraft.core.rules import parse
from regraft.core.steps import applied

_RANDOM = np.random.default_rng(0)
_CONV = Place("c/kernel", (3, 5, 4, 6), "Conv2D")


def _done(steps, *arrays, places=None):
    (rule,) = parse(f"a -> b | {steps}")
    return applied(rule.steps, arrays, places or [Place("b", ())])


def test_steps_of_one_array_are_numpys():
    a = _RANDOM.normal(size=(6, 4, 3, 5)).astype("float32")
    np.testing.assert_array_equal(_done("transpose 2 3 1 0", a)[0], a.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(_done("transpose 2 3 1 0 | flip", a)[0], a.transpose(2, 3, 1, 0)[::-1, ::-1])
    np.testing.assert_array_equal(_done("flip 3", a)[0], a[..., ::-1])
    np.testing.assert_array_equal(_done("reshape 24 -1", a)[0], a.reshape(24, 15))
    np.testing.assert_array_equal(_done("slice 1 1 3", a)[0], a[:, 1:3])
    np.testing.assert_array_equal(_done("blocks 0 2 0 1", a)[0], np.concatenate([a[4:], a[:2], a[2:4]]))
    np.testing.assert_array_equal(_done("scale 0.5", a)[0], a * np.float32(0.5))
    assert _done("scale 0.1", a)[0].dtype == np.float32


def test_steps_without_numbers_ask_the_variable():
    a = _RANDOM.normal(size=(6, 4, 3, 5))
    np.testing.assert_array_equal(_done("transpose", a, places=[_CONV])[0], a.transpose(2, 3, 1, 0))
    square = _RANDOM.normal(size=(4, 4))
    np.testing.assert_array_equal(_done("transpose", square, places=[Place("d/kernel", (4, 4), "Dense")])[0], square.T)
    np.testing.assert_array_equal(_done("reshape", square, places=[Place("x", (2, 8))])[0], square.reshape(2, 8))


def test_inverse_std_gives_what_makes_the_layer_compute_the_same():
    inverse = _RANDOM.uniform(0.2, 5, 100).astype("float32")
    (variance,) = _done("inverse-std", inverse, places=[Place("n/moving_variance", (100,), epsilon=1e-3)])
    # Two roundings to float32.
    np.testing.assert_allclose(1 / np.sqrt(variance + np.float32(1e-3)), inverse, rtol=5e-7)
    (stated,) = _done("inverse-std 0.0001", inverse)
    np.testing.assert_allclose(stated, 1 / inverse.astype(float) ** 2 - 1e-4, rtol=1e-6)


def test_splitting_and_joining():
    a, b = _RANDOM.normal(size=(2, 6, 4))
    three = [Place(name, ()) for name in "xyz"]
    for found, expected in zip(_done("split 0", a, places=three), np.split(a, 3), strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(
        _done("split 0 1 2 3 | transpose 1 0", a, places=three), np.split(a, [1, 3]), strict=True
    ):
        np.testing.assert_array_equal(found, expected.T)
    np.testing.assert_array_equal(_done("merge 1", a, b)[0], np.concatenate([a, b], 1))
    np.testing.assert_array_equal(_done("transpose 1 0 | merge 0", a, b)[0], np.concatenate([a.T, b.T]))
    np.testing.assert_array_equal(_done("stack 0", a, b)[0], np.stack([a, b]))
    np.testing.assert_array_equal(_done("add", a, b)[0], a + b)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("transpose 1", r"'transpose 1' cannot be done to values of shape 6 x 4: axes don't match"),
        ("transpose", "no transposition of it fits 1; say the axes"),
        ("flip", "it has no height and width; say the axes"),
        ("reshape 5", "cannot reshape"),
        ("inverse-std", "its layer adds no epsilon to a variance; say one"),
        ("slice 0 2 9", "expected 0 <= start < stop <= 6"),
        ("slice 7 0 1", "'slice 7 0 1' cannot be done"),
        ("blocks 0 1 2", "expected the numbers 0 to 1 in their new order"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(steps, message):
    with pytest.raises(RequestError, match=message) as caught:
        _done(steps, np.ones((6, 4)))
    assert "\n" not in str(caught.value)


def test_counts_that_do_not_fit_are_said():
    with pytest.raises(RequestError, match=r"1 tensors for 2 variables: say '\| split AXIS'"):
        applied((), [np.ones(2)], [Place("a", ()), Place("b", ())])
    with pytest.raises(RequestError, match=r"which variable it is for is not known before the split"):
        _done("reshape | split 0", np.ones(4), places=[Place("a", (2,)), Place("b", (2,))])


@pytest.mark.parametrize(
    ("kind", "wanted", "shape", "layouts"),
    [
        ("Conv2D", (3, 3, 8, 16), (16, 8, 3, 3), ["outputs first"]),
        ("Conv2D", (3, 3, 8, 16), (16, 3, 3, 8), ["outputs first, inputs last"]),
        ("Conv2D", (3, 3, 3, 3), (3, 3, 3, 3), ["outputs last", "outputs first", "outputs first, inputs last"]),
        ("Conv2D", (1, 1, 8, 8), (8, 8, 1, 1), ["outputs first"]),
        ("Conv1D", (5, 8, 16), (16, 8, 5), ["outputs first"]),
        ("Conv2DTranspose", (3, 3, 16, 8), (8, 16, 3, 3), ["outputs first"]),
        ("DepthwiseConv2D", (3, 3, 8, 1), (8, 1, 3, 3), ["outputs first"]),
        ("DepthwiseConv2D", (3, 3, 8, 2), (16, 1, 3, 3), ["outputs first"]),
        ("DepthwiseConv2D", (3, 3, 8, 1), (1, 3, 3, 8), ["outputs first, inputs last"]),
        ("Dense", (8, 16), (16, 8), ["outputs first"]),
        ("Dense", (8, 16), (8, 17), []),
        ("Embedding", (8, 16), (16, 8), []),
    ],
)
def test_layouts_are_told_by_kind_and_shape(kind, wanted, shape, layouts):
    place = Place("l/embeddings" if kind == "Embedding" else "l/kernel", wanted, kind)
    found = ways(shape, place)
    assert list(found) == layouts
    for steps in found.values():
        assert applied(steps, [np.zeros(shape)], [place])[0].shape == wanted


def test_axes_of_length_one_do_not_matter_to_a_vector():
    place = Place("c/bias", (16,), "Conv2D")
    assert ways((16, 1, 1), place)
    assert not ways((4, 4), place)


def test_rows_of_a_flattened_map_are_put_in_keras_order():
    dense = _RANDOM.normal(size=(4 * 2 * 3, 7))
    place = Place("d/kernel", (24, 7), "Dense", flattened=(2, 3, 4))
    picture = _RANDOM.normal(size=(4, 2, 3))
    (turned,) = applied(channels_first(place), [dense], [place])
    np.testing.assert_allclose(picture.transpose(1, 2, 0).ravel() @ turned, picture.ravel() @ dense)
