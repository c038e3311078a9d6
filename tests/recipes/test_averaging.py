"""Weights on the line from the start of training to its end, and which of them a plan takes."""

from typing import Any

import keras
import numpy as np
import pytest

from regraft.graph import names
from regraft.recipes.averaging import Line, average, best_average
from regraft.training.feeds import Feed


def test_the_average_is_of_all_that_learnt_in_any_phase() -> None:
    inputs = keras.Input((2,))
    lower = keras.layers.Dense(2, name="lower")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="upper")(lower))
    start = {name: np.zeros(value.shape, "float32") for name, value in names.variables(model).items()}
    end = {name: np.ones(value.shape, "float32") for name, value in names.variables(model).items()}
    # As a last phase leaves it that lets only the upper layer learn.
    model.get_layer("lower").trainable = False
    average(model, Line(start, end, ("lower/kernel", "upper/kernel")), 0.25)
    found = {name: float(value.ravel()[0]) for name, value in names.values(model).items()}
    assert found == {"lower/kernel": 0.25, "lower/bias": 1.0, "upper/kernel": 0.25, "upper/bias": 1.0}


def _feed(x: np.ndarray, y: np.ndarray) -> Feed:
    return Feed(lambda rows, _view: x[rows], y)


@pytest.mark.parametrize(("asked", "count", "expected"), [(0.3, 40, 0.3), ("auto", 0, 0.5), ("auto", 40, 0.75)])
def test_validation_chooses_the_point_where_nobody_says_it(asked: Any, count: int, expected: float) -> None:
    # Logits of two classes are the input times a number: at 0.75 of the way they fit how often the answer is right.
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(2, use_bias=False, name="head")(inputs))
    right = np.arange(count) % 10 < 9
    # Nine in ten are right where the difference of the logits is log 9.
    end = np.array([[0.0, np.log(9.0) / 0.75]], np.float32)
    line = Line({"head/kernel": np.zeros_like(end)}, {"head/kernel": end}, ("head/kernel",))
    given = _feed(np.ones((count, 1), np.float32), right.astype(np.int64))
    assert best_average(model, line, asked, given) == expected
