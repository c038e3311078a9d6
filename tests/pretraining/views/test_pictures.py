"""Views against plain loops, and where nothing may change."""

from typing import Any

import numpy as np
import pytest

from regraft.pretraining.views import pictures
from regraft.pretraining.views.pictures import Changes

Array = np.ndarray[Any, Any]
NOTHING = Changes(turn=0, scale=0, shift=0, slant=0, contrast=0, noise=0)


def some(count: int = 4, height: int = 7, width: int = 5, channels: int = 2) -> Array:
    return np.random.default_rng(0).random((count, height, width, channels), np.float32)


def test_pixels_between_pixels_are_those_of_a_loop():
    x, random = some(), np.random.default_rng(1)
    rows, columns = random.uniform(-2, 9, (4, 7, 5)), random.uniform(-2, 7, (4, 7, 5))
    found = pictures.warped(x, rows.astype(np.float32), columns.astype(np.float32))
    for place in np.ndindex(4, 7, 5):
        row, column = np.clip(rows[place], 0, 6), np.clip(columns[place], 0, 4)
        top, left = min(int(row), 5), min(int(column), 3)
        down, right = row - top, column - left
        corners = x[place[0], top : top + 2, left : left + 2]
        expected = (1 - down) * ((1 - right) * corners[0, 0] + right * corners[0, 1])
        expected += down * ((1 - right) * corners[1, 0] + right * corners[1, 1])
        # Places are float32: of six pixels, a unit in the last place is 5e-7.
        assert found[place] == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("shape", [(7, 5), (1, 6), (6, 1), (1, 1)])
def test_nothing_allowed_is_the_picture_itself(shape: tuple[int, int]):
    x = some(3, *shape)
    # The centre is a float: half-way places are exact, the rest of the arithmetic is to float32.
    assert pictures.view(x, NOTHING, np.random.default_rng(0)) == pytest.approx(x, abs=1e-6)


def test_a_mirrored_picture_is_mirrored_to_the_pixel():
    x = some(40)
    made = pictures.view(x, Changes(0, 0, 0, 0, 0, 0, mirror=True), np.random.default_rng(0))
    mirrored = [bool(np.allclose(one, other[:, ::-1], atol=1e-6)) for one, other in zip(made, x, strict=True)]
    same = [bool(np.allclose(one, other, atol=1e-6)) for one, other in zip(made, x, strict=True)]
    assert [one != other for one, other in zip(mirrored, same, strict=True)] == [True] * 40
    assert 10 < sum(mirrored) < 30


def test_a_quarter_turn_turns_by_a_quarter():
    x = some(1, 5, 5, 1)
    angle = np.pi / 2
    row, column = np.meshgrid(np.arange(5) - 2.0, np.arange(5) - 2.0, indexing="ij")
    rows, columns = np.cos(angle) * row - np.sin(angle) * column + 2, np.sin(angle) * row + np.cos(angle) * column + 2
    found = pictures.warped(x, rows[None].astype(np.float32), columns[None].astype(np.float32))
    assert found[0] == pytest.approx(np.rot90(x[0], -1), abs=1e-5)


def test_turns_scales_and_shifts_stay_in_their_bounds():
    spot = np.zeros((400, 41, 41, 1), np.float32)
    spot[:, 20, 30] = 1
    moved = pictures.view(spot, Changes(90, 0, 0, 0, 0, 0), np.random.default_rng(0))[..., 0]
    total = moved.sum(axis=(1, 2))
    centre = [
        (np.einsum("nhw,h->n", moved, np.arange(41.0)) / total - 20),
        (np.einsum("nhw,w->n", moved, np.arange(41.0)) / total - 20),
    ]
    # A turned spot stays ten pixels from the centre; it is drawn from at most four pixels.
    assert np.hypot(*centre) == pytest.approx(10, abs=0.5)
    assert np.abs(np.degrees(np.arctan2(*centre))).max() <= 93
    assert np.degrees(np.arctan2(*centre)).std() == pytest.approx(90 / 3**0.5, rel=0.1)


def test_contrast_keeps_the_mean_and_noise_has_the_size_that_was_asked_for():
    x = some(50, 20, 20, 1)
    made = pictures.view(x, Changes(0, 0, 0, 0, contrast=0.5, noise=0), np.random.default_rng(0))
    assert made.mean(axis=(1, 2, 3)) == pytest.approx(x.mean(axis=(1, 2, 3)), abs=1e-5)
    factors = made.std(axis=(1, 2, 3)) / x.std(axis=(1, 2, 3))
    assert factors.min() >= 0.5 - 1e-4
    assert factors.max() <= 1.5 + 1e-4
    noisy = pictures.view(x, Changes(0, 0, 0, 0, 0, noise=0.3), np.random.default_rng(0))
    # Of 20,000 draws, half a per cent.
    assert (noisy - x).std() == pytest.approx(0.3 * x.std(), rel=0.02)


def test_erasing_puts_one_place_of_a_picture_over_another():
    x = some(30, 10, 10, 1)
    made = pictures.view(x, Changes(0, 0, 0, 0, 0, 0, erase=0.16), np.random.default_rng(0))
    different = np.abs(made - x) > 1e-4
    assert different.reshape(30, -1).sum(axis=1).max() <= 16
    assert different.reshape(30, -1).any(axis=1).mean() > 0.8
    for one, other, where in zip(made, x, different, strict=True):
        assert np.isclose(one[where][:, None], other.reshape(1, -1), atol=1e-6).any(axis=1).all()
