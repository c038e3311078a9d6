"""A rate for any Keras model: within what is stable, near the best, and nothing is changed."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import regraft
from regraft.core.errors import RequestError, WorkError

_RANDOM = np.random.default_rng(0)


def _quadratic() -> tuple[keras.Model, Any, Any, float]:
    """Least squares: full batches of it are stable below 2 over the largest eigenvalue of the Hessian."""
    x = (_RANDOM.normal(size=(256, 8)) * np.geomspace(0.7, 2, 8)).astype("float32")
    y = (x @ _RANDOM.normal(size=(8, 1)) + 0.1 * _RANDOM.normal(size=(256, 1))).astype("float32")
    inputs = keras.Input((8,))
    outputs = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs)
    largest = float(np.linalg.eigvalsh(2 * x.T @ x / len(x)).max())
    return keras.Model(inputs, outputs, name="squares"), x, y, 2 / largest


def _descend(x: Any, y: Any, rate: float, steps: int, momentum: float) -> float:
    """The loss after full steps, by hand."""
    weights, moved = np.zeros((8, 1)), np.zeros((8, 1))
    for _ in range(steps):
        moved = momentum * moved - rate * 2 * x.T @ (x @ weights - y) / len(x)
        weights = weights + moved
    return float(np.mean((x @ weights - y) ** 2))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_it_is_stable_and_near_the_best_of_a_grid(momentum: float) -> None:
    model, x, y, stable = _quadratic()
    model.compile(keras.optimizers.SGD(0.01, momentum=momentum), "mse")
    found = regraft.find_rate(model, x, y, batch_size=256)
    assert found.suggested < stable
    grid = np.geomspace(1e-4, stable, 41)
    best = min(grid, key=lambda rate: _descend(x, y, rate, 30, momentum))
    assert best / 10 <= found.suggested <= best * 10
    assert found.exploded
    assert found.rates[-1] < 10


def test_the_model_and_its_optimizer_stay_as_they_are(tmp_path: Path) -> None:
    model, x, y, _ = _quadratic()
    model.compile("adam", "mse")
    model.fit(x, y, epochs=1, verbose=0)
    weights = [np.array(value) for value in model.get_weights()]
    state = [np.array(keras.ops.convert_to_numpy(value)) for value in model.optimizer.variables]
    found = regraft.find_rate(model, x, y, picture=tmp_path / "rate.html")
    assert all(np.array_equal(*pair) for pair in zip(weights, model.get_weights(), strict=True))
    after = [np.array(keras.ops.convert_to_numpy(value)) for value in model.optimizer.variables]
    assert all(np.array_equal(*pair) for pair in zip(state, after, strict=True))
    assert found == regraft.find_rate(model, x, y)
    assert found.optimizer == "Adam"
    page = (tmp_path / "rate.html").read_text("utf-8")
    assert "is suggested" in page
    assert "<svg" in page


def test_other_losses_and_optimizers_can_be_named_and_several_outputs_weighed() -> None:
    model, x, y, _ = _quadratic()
    assert regraft.find_rate(model, x, y, optimizer="Nesterov", loss="mae").optimizer == "SGD"
    inputs = keras.Input((8,), name="x")
    heads = {name: keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b")}
    several = keras.Model({"x": inputs}, heads)
    several.compile("adam", {"a": "mse", "b": "mae"}, loss_weights={"a": 0.0, "b": 2.0})
    found = regraft.find_rate(several, {"x": x}, {"a": y, "b": y}, steps=30, lowest=1e-4)
    weight, bias = (keras.ops.convert_to_numpy(value) for value in several.get_layer("b").weights)
    # The first batch of each step is in an order of the seed; all of them once are all examples.
    assert np.mean(found.losses[:8]) == pytest.approx(2 * np.mean(np.abs(x @ weight + bias - y)), rel=0.02)


def test_what_cannot_be_tried_is_refused_in_one_line() -> None:
    model, x, y, _ = _quadratic()
    with pytest.raises(RequestError, match="expected a compiled model or a loss, found neither; give loss"):
        regraft.find_rate(model, x, y, optimizer="adam")
    with pytest.raises(RequestError, match="expected a compiled model or an optimizer, found neither"):
        regraft.find_rate(model, x, y, loss="mse")
    with pytest.raises(RequestError, match=r"expected arrays of as many examples in x and y, found \[100, 256\]"):
        regraft.find_rate(model, x, y[:100], optimizer="adam", loss="mse")
    with pytest.raises(RequestError, match="expected 0 < lowest < highest and 8 steps or more, found 1,"):
        regraft.find_rate(model, x, y, optimizer="adam", loss="mse", lowest=1.0, highest=0.1)
    with pytest.raises(RequestError, match="Keras has no optimizer 'adan'; nearest known names: adam"):
        regraft.find_rate(model, x, y, optimizer="adan", loss="mse")
    with pytest.raises(WorkError, match="the loss is nan before any step was taken"):
        regraft.find_rate(model, np.where(x > 1, np.nan, x), y, optimizer="adam", loss="mse")
