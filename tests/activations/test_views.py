"""Views of a picture follow from its content and the number of the view alone."""

import zlib
from itertools import chain, combinations
from typing import Any

import numpy as np
import pytest

from regraft.activations import views
from regraft.activations.views import in_words, numbers, versions
from regraft.core.plan import CHANGES, most_views

Array = np.ndarray[Any, Any]

_PICTURE = np.arange(40 * 60 * 3, dtype="float32").reshape(40, 60, 3)
_ID = "0123456789abcdef0123456789abcdef"
_SETS = list(chain.from_iterable(combinations(CHANGES, size) for size in range(4)))
_CROPS = numbers(("flip", "crop"), 60)[2:]


def _view(picture: Array, number: int, example: str = _ID, white: float = 255.0) -> Array:
    return views.view_of(picture, number, example, white)


def _bytes(*shape: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


def test_the_first_is_the_picture_and_the_second_its_mirror_image() -> None:
    assert _view(_PICTURE, 0) is _PICTURE
    assert np.array_equal(_view(_PICTURE, 1), np.flip(_PICTURE, axis=1))


def test_crops_have_half_the_area_or_more() -> None:
    shapes = set()
    for number in _CROPS:
        seen = _view(_PICTURE, number)
        rows = np.sort(seen, axis=1)
        top, left = np.argwhere((rows[0, 0] == _PICTURE).all(axis=-1))[0]
        window = _PICTURE[top : top + seen.shape[0], left : left + seen.shape[1]]
        assert np.array_equal(seen, window) or np.array_equal(seen, window[:, ::-1])
        # Rounding to whole pixels takes a little off.
        assert seen.shape[0] * seen.shape[1] >= 0.45 * 40 * 60
        shapes.add(seen.shape)
    assert len(shapes) > 30


def test_the_same_each_time_and_another_for_another_picture() -> None:
    for number in (*_CROPS[:3], 3, 4):
        assert np.array_equal(_view(_PICTURE, number), _view(_PICTURE.copy(), number))
        assert not np.array_equal(_view(_PICTURE, number), _view(_PICTURE, number, _ID[::-1]))


def test_a_picture_of_one_pixel_has_views_too() -> None:
    assert _view(_PICTURE[:1, :1], 7).shape == (1, 1, 3)


def test_views_are_what_they_were() -> None:
    """Whoever changes what a view looks like makes stored rows wrong: its version is to be counted up, then these."""
    picture = _bytes(40, 60, 3)
    # The crop of view 2 and those without colour are as old as the first tuned results.
    sums = {number: zlib.crc32(_view(picture, number).tobytes()) for number in (1, 2, 3003, 3, 4004)}
    assert sums == _SUMS
    assert [versions(number) for number in (2, 3003, 3, 4004)] == [
        {"flip": 1, "crop": 1},
        {"flip": 1, "crop": 1},
        {"flip": 1, "crop": 1, "colour": 1},
        {"colour": 1},
    ]


_SUMS = {1: 3247537930, 2: 2328860962, 3003: 1698667771, 3: 3583207904, 4004: 3219286087}


def test_a_number_means_one_view_whatever_a_plan_allows() -> None:
    by_number: dict[int, set[str]] = {}
    for allowed in _SETS:
        chosen = numbers(allowed, min(6, most_views(allowed)))
        assert chosen[0] == 0
        assert len(set(chosen)) == len(chosen)
        for number in chosen:
            assert set(versions(number)) <= set(allowed)
            by_number.setdefault(number, set()).add(str(versions(number)))
    assert all(len(found) == 1 for found in by_number.values())
    assert numbers(CHANGES, 6) == (0, 1, 2, 3, 4, 5)
    assert set(numbers(("flip", "crop"), 4)) & set(numbers(CHANGES, 4)) == {0, 1, 2}


def test_the_mildest_changes_come_first() -> None:
    def kinds(*allowed: Any) -> list[set[str]]:
        return [set(versions(number)) for number in numbers(allowed, 4)]

    assert kinds("flip", "crop", "colour") == [set(), {"flip"}, {"flip", "crop"}, set(CHANGES)]
    assert kinds("crop", "colour") == [set(), {"crop"}, {"crop", "colour"}, {"crop", "colour"}]
    assert kinds("flip", "colour") == [set(), {"flip"}, {"flip", "colour"}, {"flip", "colour"}]
    assert kinds("colour") == [set(), {"colour"}, {"colour"}, {"colour"}]


@pytest.mark.parametrize("allowed", [allowed for allowed in _SETS if "flip" not in allowed and allowed])
def test_nothing_is_mirrored_where_that_is_not_allowed(allowed: Any) -> None:
    # Brightness rises from left to right, whatever is cropped and coloured.
    slope = np.repeat(np.arange(60, dtype="uint8")[np.newaxis, :, np.newaxis], 3, axis=2).repeat(40, axis=0)
    for number in numbers(allowed, 30)[1:]:
        seen = _view(slope, number).astype(int)
        assert (np.diff(seen, axis=1) >= 0).all()


@pytest.mark.parametrize("allowed", [allowed for allowed in _SETS if "flip" in allowed and len(allowed) > 1])
def test_about_half_of_the_others_are_mirrored_where_it_is(allowed: Any) -> None:
    slope = np.repeat(np.arange(60, dtype="uint8")[np.newaxis, :, np.newaxis], 3, axis=2).repeat(40, axis=0)
    mirrored = [bool(_view(slope, number)[0, 0, 0] > _view(slope, number)[0, -1, 0]) for number in numbers(allowed, 42)]
    assert 10 <= sum(mirrored[2:]) <= 30


def test_a_view_in_other_colours_is_the_crop_of_the_one_without() -> None:
    for plain, coloured in list(zip(numbers(("flip", "crop"), 20), numbers(CHANGES, 20), strict=True))[3:]:
        one, other = _view(_PICTURE, plain, white=7200.0), _view(_PICTURE, coloured, white=7200.0)
        assert one.shape == other.shape
        # Each channel is a linear function of the pixel's colours, but where it was clipped.
        inside = (other > 0) & (other < 7200)
        assert np.corrcoef(one[inside], other[inside])[0, 1] > 0.95


def _expected(picture: Array, number: int, white: float) -> Array:
    """Brightness, contrast and saturation one after the other, as a paint program would do it, in float64."""
    random = np.random.default_rng([number % 1000, int(_ID[:16], 16), 4])
    brightness, contrast, saturation = random.uniform(0.6, 1.4, 3)
    luma = np.array([0.299, 0.587, 0.114])
    x = picture[..., :3].astype("float64") * brightness
    x = contrast * x + (1 - contrast) * (x @ luma).mean()
    x = saturation * x + (1 - saturation) * (x @ luma)[..., np.newaxis]
    return np.clip(x, 0, white)


def test_colours_change_as_brightness_contrast_and_saturation_do() -> None:
    picture = _bytes(30, 40, 3)
    for number in numbers(("colour",), 30)[1:]:
        expected = _expected(picture, number, 255)
        # Half for the rounding to bytes; float32 of the way there is a thousandth of that.
        assert np.abs(_view(picture, number) - expected).max() <= 0.501
        unit = (picture / 255).astype("float32")
        np.testing.assert_allclose(_view(unit, number, white=1.0), expected / 255, rtol=0, atol=2e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("dtype", "white"), [("uint8", 255.0), ("uint16", 255.0), ("float32", 1.0), ("float32", 255.0)]
)
def test_colours_stay_in_range_and_in_their_dtype(channels: int, dtype: str, white: float) -> None:
    picture = (_bytes(30, 40, channels) / 255 * white).astype(dtype)
    before = picture.copy()
    clipped = 0
    for number in numbers(("colour",), 40)[1:]:
        seen = _view(picture, number, white=white)
        assert (seen.dtype, seen.shape) == (picture.dtype, picture.shape)
        assert 0 <= seen.min() <= seen.max() <= white
        assert not np.array_equal(seen, picture)
        clipped += seen.max() == white and seen.min() == 0
    assert clipped
    assert np.array_equal(picture, before)


def test_opacity_is_no_colour() -> None:
    picture = _bytes(30, 40, 4)
    for number in numbers(("colour",), 10)[1:]:
        seen = _view(picture, number)
        assert np.array_equal(seen[..., 3], picture[..., 3])
        assert np.array_equal(seen[..., :3], _view(picture[..., :3], number))


def test_a_grey_picture_stays_grey() -> None:
    grey = _bytes(30, 40, 1)
    for number in numbers(("colour",), 10)[1:]:
        three = _view(np.repeat(grey, 3, axis=2), number)
        # The parts of red, green and blue sum to 1 but for float32's rounding, which can tip a byte.
        assert np.abs(three.astype(int) - _view(grey, number)).max() <= 1


def test_what_is_beyond_the_range_already_is_not_cut_off() -> None:
    scaled = np.random.default_rng(0).normal(size=(30, 40, 3)).astype("float32")
    for number in numbers(("colour",), 10)[1:]:
        seen = _view(scaled, number, white=1.0)
        assert scaled.min() <= seen.min() < -1
        assert 1 < seen.max() <= scaled.max()


def test_views_in_words() -> None:
    assert in_words(CHANGES, 1) == "the picture"
    assert in_words(CHANGES, 2) == "the picture, its mirror image"
    assert in_words(CHANGES, 3) == "the picture, its mirror image, a crop; crops are mirrored or not"
    assert in_words(("crop", "colour"), 3) == "the picture, a crop, a crop in changed colours"
    assert in_words(("colour",), 3) == "the picture, 2 copies in changed colours"
    assert in_words(("flip", "colour"), 3) == (
        "the picture, its mirror image, a copy in changed colours; copies are mirrored or not"
    )
