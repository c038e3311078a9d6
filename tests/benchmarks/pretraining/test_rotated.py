"""Turned digits: how the ways are judged, and that pictures are turned and nothing else."""

import keras
import numpy as np
import pytest

from benchmarks.frame import Settings
from benchmarks.pretraining import rotated
from benchmarks.pretraining.rotated import Outcome

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")


def test_the_order_is_that_of_the_means() -> None:
    errors = {"denoising": (0.10, 0.12), "plain": (0.11, 0.12), "from scratch": (0.2, 0.1)}
    measured = [
        Outcome(way, seed, error, 1e-3, (1.0, 2.0)) for way, each in errors.items() for seed, error in enumerate(each)
    ]
    result = rotated.compare(measured, Settings())
    (bar,) = result.bars
    assert (bar.found, bar.holds) == ("plain less denoising +0.5 points (standard error 0.5)", True)
    assert result.tables[0].rows[2] == ("from scratch", "15.0", "10.0 to 20.0", "3.00")
    swapped = [
        Outcome({"plain": "denoising", "denoising": "plain"}.get(item.way, item.way), item.seed, item.error, 1, (1, 1))
        for item in measured
    ]
    assert not rotated.compare(swapped, Settings()).bars[0].holds


def test_a_turned_picture_keeps_its_ink_and_its_distance_from_the_centre() -> None:
    picture = np.zeros((28, 28), "float32")
    picture[12:16, 20:23] = 1
    many = rotated.turned(np.tile(picture.reshape(1, -1), (50, 1)), np.random.default_rng(0)).reshape(-1, 28, 28)
    rows, columns = np.indices((28, 28)) - 13.5
    ink = many.sum(axis=(1, 2))
    # Linear interpolation between pixels moves a little of it.
    np.testing.assert_allclose(ink, picture.sum(), rtol=0.1)
    down, right = ((many * place).sum(axis=(1, 2)) / ink for place in (rows, columns))
    np.testing.assert_allclose(np.hypot(down, right), 7.5, atol=0.3)
    # All round the circle.
    assert len(set(np.floor(np.arctan2(down, right) / (np.pi / 4)).tolist())) == 8
