"""Views of a picture follow from its content and the number of the view alone."""

import numpy as np

from regraft.activations.views import view_of

_PICTURE = np.arange(40 * 60 * 3, dtype="float32").reshape(40, 60, 3)
_ID = "0123456789abcdef0123456789abcdef"


def test_the_first_is_the_picture_and_the_second_its_mirror_image() -> None:
    assert view_of(_PICTURE, 0, _ID) is _PICTURE
    assert np.array_equal(view_of(_PICTURE, 1, _ID), np.flip(_PICTURE, axis=1))


def test_others_are_crops_of_half_the_area_or_more() -> None:
    shapes = set()
    for number in range(2, 60):
        seen = view_of(_PICTURE, number, _ID)
        rows = np.sort(seen, axis=1)
        top, left = np.argwhere((rows[0, 0] == _PICTURE).all(axis=-1))[0]
        window = _PICTURE[top : top + seen.shape[0], left : left + seen.shape[1]]
        assert np.array_equal(seen, window) or np.array_equal(seen, window[:, ::-1])
        # Rounding to whole pixels takes a little off.
        assert seen.shape[0] * seen.shape[1] >= 0.45 * 40 * 60
        shapes.add(seen.shape)
    assert len(shapes) > 30


def test_the_same_each_time_and_another_for_another_picture() -> None:
    assert np.array_equal(view_of(_PICTURE, 5, _ID), view_of(_PICTURE.copy(), 5, _ID))
    assert not np.array_equal(view_of(_PICTURE, 5, _ID), view_of(_PICTURE, 5, _ID[::-1]))


def test_a_picture_of_one_pixel_has_views_too() -> None:
    assert view_of(_PICTURE[:1, :1], 7, _ID).shape == (1, 1, 3)
