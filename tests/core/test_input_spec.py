"""Input conventions against preprocessing written by hand."""

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.core.errors import RequestError
from regraft.core.input_spec import CONVENTIONS, InputSpec, parse_convention

Array = np.ndarray[Any, Any]

_PICTURE = InputSpec((4, 5, 3))
_RAW = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype("float32")


def _network_input(spec: InputSpec, raw: Array) -> Array:
    """The arithmetic that `InputSpec` documents."""
    ordered = raw[..., ::-1] if spec.order == "bgr" else raw
    return ordered * np.array(spec.scale, "float32") + np.array(spec.offset, "float32")


def _caffe(raw: Array) -> Array:
    red, green, blue = (raw[..., channel] for channel in range(3))
    return np.stack([blue - 103.939, green - 116.779, red - 123.68], axis=-1)


def _torch(raw: Array) -> Array:
    return (raw / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])


_BY_HAND = {
    "raw": _RAW,
    "tf": _RAW / 127.5 - 1,
    "caffe": _caffe(_RAW),
    "torch": _torch(_RAW),
    "unit": _RAW / 255,
    "x": _RAW,
    "x / 127.5 - 1": _RAW / 127.5 - 1,
    "x*2e-3+.5": _RAW * 0.002 + 0.5,
    "x-120": _RAW - 120,
    "rgb:x/255.": _RAW / 255,
    "bgr:x-120": _RAW[..., ::-1] - 120,
}


@pytest.mark.parametrize("text", _BY_HAND)
def test_a_convention_computes_what_its_formula_says(text: str) -> None:
    spec = _PICTURE.with_convention(text)
    # Float32 rounding: a few units in the last place of values up to 255, which the scale then makes smaller.
    np.testing.assert_allclose(_network_input(spec, _RAW), _BY_HAND[text], rtol=1e-6, atol=2e-6)


def test_every_named_convention_is_among_those_checked_by_hand() -> None:
    assert set(CONVENTIONS) <= set(_BY_HAND)


@given(
    factor=st.floats(1e-6, 1e6),
    offset=st.floats(-1e6, 1e6),
    operator=st.sampled_from("/*"),
    order=st.sampled_from(["rgb", "bgr"]),
)
def test_a_formula_is_read_to_the_last_bit(factor: float, offset: float, operator: str, order: str) -> None:
    text = f"{order}:x{operator}{factor!r}{offset:+}"
    scale = 1 / factor if operator == "/" else factor
    assert parse_convention(text, 3) == (text, (scale,), (float(f"{offset:+}"),), order)


@given(st.text(alphabet="xrgb:/*+-.0123456789e ", max_size=12))
def test_any_text_is_a_finite_convention_or_refused(text: str) -> None:
    with contextlib.suppress(RequestError):
        _, scale, offset, _ = parse_convention(text, 3)
        assert np.isfinite([*scale, *offset]).all()
        assert all(scale)


@pytest.mark.parametrize("text", ["", "Tf", "x/0", "x*0", "x/0.0-1", "x/1e999", "x+1e999", "y-1", "x-1-1", "x/\u0661"])
def test_what_is_no_convention_is_named_beside_those_that_are(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_convention(text, 3)
    assert str(caught.value) == (
        f"unknown preprocessing '{text}'; expected one of raw, tf, caffe, torch, unit, "
        "or a formula such as 'x/127.5-1' or 'bgr:x-120'"
    )


@pytest.mark.parametrize("text", ["caffe", "torch", "bgr:x-1"])
@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 4), (), (20,)])
def test_a_convention_for_three_channels_is_refused_for_others(text: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match=r"is for 3 channels, the network takes \d+; say 'unit' or a formula"):
        InputSpec(shape).with_convention(text)


def test_the_convention_keeps_shape_and_resizing_and_says_where_it_came_from() -> None:
    spec = InputSpec((4, 5, 3), resizing="pad").with_convention("caffe", "known")
    assert (spec.shape, spec.resizing, spec.name, spec.origin) == ((4, 5, 3), "pad", "caffe", "known")
    assert _PICTURE.with_convention("unit").origin == "requested"


def test_another_size_keeps_everything_else() -> None:
    spec = InputSpec((224, 224, 3)).with_convention("torch").with_size(96, 128)
    assert spec == InputSpec((96, 128, 3)).with_convention("torch")


@pytest.mark.parametrize("shape", [(), (10,), (8, 8), (8, 8, 8, 3), (8, 8, 2)])
def test_what_is_no_picture_has_no_other_size(shape: tuple[int, ...]) -> None:
    spec = InputSpec(shape)
    assert not spec.is_picture
    with pytest.raises(RequestError, match=r"expected a network that takes pictures .* found one that takes \("):
        spec.with_size(96, 96)


def test_files_may_be_decoded_small_where_the_network_takes_pictures() -> None:
    spec = InputSpec((96, 128, 3)).with_convention("torch")
    assert (spec.draft_side, spec.with_decoding("draft").draft_side) == (0, 256)
    assert spec.with_decoding("draft").with_decoding("full") == spec
    assert InputSpec((10,)).with_decoding("full") == InputSpec((10,))
    with pytest.raises(RequestError, match=r"takes pictures .* found one that takes \(10,\); leave 'draft' out"):
        InputSpec((10,)).with_decoding("draft")
    with pytest.raises(RequestError, match="expected the decoding full or draft, found 'small'"):
        spec.with_decoding("small")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_has_one_three_or_four_channels(channels: int) -> None:
    spec = InputSpec((8, 8, channels))
    assert spec.is_picture
    assert spec.channels == channels


def test_factors_fit_one_channel_or_all() -> None:
    with pytest.raises(RequestError, match="expected one offset for all channels or one for each of 3, found 2"):
        InputSpec((8, 8, 3), offset=(1.0, 2.0))
    with pytest.raises(RequestError, match="expected one scale for all channels or one for each of 1, found 0"):
        InputSpec((), scale=())
