"""Gradients of tied weights, the size of a Jacobian, and decoders that lead back."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.pretraining import autoencoder, denoising_autoencoder, greedy, stacked_autoencoder, trunks
from regraft.pretraining.decoding import decoder
from regraft.pretraining.learner import Sample
from regraft.pretraining.tying import tied_decoder


class _Rows:
    labels = groups = None

    def __init__(self, x):
        self._x = x

    def __len__(self):
        return len(self._x)

    def take(self, indices):
        return self._x[indices]


def _given(count: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)


_METHODS = [autoencoder, denoising_autoencoder, stacked_autoencoder]


def _learner(text: str, x: np.ndarray, method=autoencoder, **settings):
    trunk = trunks.build(text, x.shape[1:], "numbers", 1)
    sample = Sample(kind="numbers", x=x, count=len(x))
    return method.learner(trunk, sample, method.Settings(**settings), 0)


def _loss(made, method, x: np.ndarray, *directions: np.ndarray) -> float:
    """Of rows that are shown as they are."""
    shown = (x,) if method is autoencoder else (x, x)
    return float(made.loss(made.model, (*shown, *directions), False))


def test_the_gradient_of_tied_weights_is_that_of_finite_differences() -> None:
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are taken by TensorFlow here; steps of the other backends are compared by the laws")
    x = _given(7, 5)
    made = _learner("mlp?units=4,3&activation=tanh", x, tied=True)
    assert [tuple(weight.shape) for weight in made.model.trainable_variables] == [
        (5, 4),
        (4,),
        (4, 3),
        (3,),
        (4,),
        (5,),
    ]
    kernel = made.trunk.get_layer("hidden2").kernel
    with tf.GradientTape() as tape:
        loss = made.loss(made.model, (tf.constant(x),), True)
    found = tape.gradient(loss, kernel.value).numpy()
    start, step = kernel.numpy(), 1e-2
    for place in np.ndindex(start.shape):
        ends = []
        for sign in (1, -1):
            moved = start.copy()
            moved[place] += sign * step
            kernel.assign(moved)
            ends.append(float(made.loss(made.model, (tf.constant(x),), True)))
        kernel.assign(start)
        # float32: a loss of order 1 is known to 1e-7, divided by the step of 2e-2; the third derivative costs 1e-4.
        assert found[place] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=2e-4)


@pytest.mark.parametrize("method", _METHODS)
def test_contraction_is_the_squared_norm_of_the_jacobian(method) -> None:
    x = _given(1, 6)
    plain, made = (_learner("mlp?units=4&activation=tanh", x, method, contraction=weight) for weight in (0.0, 1.0))
    directions = np.random.default_rng(3).standard_normal((4000, 6)).astype(np.float32)
    rows = np.repeat(x, 4000, axis=0)
    penalty = _loss(made, method, rows, directions) - _loss(plain, method, rows)
    layer = made.trunk.get_layer("hidden1")
    kernel, bias = (np.asarray(keras.ops.convert_to_numpy(item)) for item in (layer.kernel, layer.bias))
    jacobian = kernel * (1 - np.tanh(x @ kernel + bias) ** 2)
    # The error is a mean over the six values, and the penalty is in its units.
    # The mean of 4,000 squares of normal numbers is known to 1.4 / sqrt(4000) of itself, here over several directions.
    assert 6 * penalty == pytest.approx(float(np.square(jacobian).sum()), rel=0.06)


@pytest.mark.parametrize("method", _METHODS)
def test_sparsity_draws_the_representation_to_zero_or_to_its_target(method) -> None:
    x = np.abs(_given(9, 5))
    plain, bound = (_learner("mlp?units=4", x, method, sparsity=weight) for weight in (0.0, 0.5))
    size = float(np.abs(np.asarray(plain.trunk(x))).mean()) if keras.backend.backend() != "torch" else None
    if size is not None:
        difference = _loss(bound, method, x) - _loss(plain, method, x)
        assert difference == pytest.approx(0.5 * size, rel=1e-4)
    zeros = np.zeros((9, 5), np.float32)
    met = _learner("mlp?units=4&activation=sigmoid", zeros, method, sparsity=1.0, target=0.5)
    free = _learner("mlp?units=4&activation=sigmoid", zeros, method)
    # Sigmoids of nothing are a half: exactly the target.
    assert _loss(met, method, zeros) == pytest.approx(_loss(free, method, zeros))


@pytest.mark.parametrize("method", _METHODS)
def test_what_is_drawn_is_what_the_loss_takes(method) -> None:
    x = _given(9, 5)
    made = _learner("mlp?units=4", x, method, contraction=0.1, **({"noise": 0.0} if method is not autoencoder else {}))
    batch = made.draw(_Rows(x), np.arange(9), np.random.default_rng(0), 1.0)
    directions = np.random.default_rng(0).standard_normal((9, 5), np.float32)
    assert float(made.loss(made.model, batch, False)) == pytest.approx(_loss(made, method, x, directions))


def test_all_layers_at_once_pay_for_the_topmost_values_too() -> None:
    x = _given(9, 5)
    trunk = trunks.build("mlp?units=4,3", (5,), "numbers", 1)
    sample = Sample(kind="numbers", x=x, count=len(x))
    losses = []
    for sparsity in (0.0, 0.5):
        settings = stacked_autoencoder.Settings(sparsity=sparsity)
        stages = [
            stacked_autoencoder.learner(piece, replace(sample, x=given, stage=number), settings, 0)
            for number, (piece, given) in enumerate(zip(greedy.stages(trunk), (x, _given(9, 4)), strict=True))
        ]
        whole = stacked_autoencoder.whole(trunk, stages, sample, settings, 0)
        losses.append(_loss(whole, stacked_autoencoder, x))
    size = float(np.abs(keras.ops.convert_to_numpy(trunk(x))).mean())
    assert losses[1] - losses[0] == pytest.approx(0.5 * size, rel=1e-4)


@pytest.mark.parametrize("method", _METHODS)
def test_weights_that_no_penalty_can_have_are_refused(method) -> None:
    with pytest.raises(RequestError, match="sparsity"):
        method.Settings(sparsity=-0.1)
    with pytest.raises(RequestError, match="contraction"):
        method.Settings(contraction=float("inf"))
    with pytest.raises(RequestError, match="target"):
        method.Settings(sparsity=0.1, target=1.0)
    assert method.Settings(target=0.1).unused("numbers")["target"] == "sparsity above 0"


@pytest.mark.parametrize("shape", [(9, 9, 1), (8, 12, 3), (7, 6, 1)])
@pytest.mark.parametrize("text", ["cnn?filters=4,6&units=5", "cnn?filters=4&units=0", "mlp?units=6,5"])
def test_decoders_give_back_the_shape_that_was_given(shape: tuple[int, ...], text: str) -> None:
    trunk = trunks.build(text, shape, "pictures", 0)
    assert decoder(trunk, shape, 0).output_shape == (None, *shape)


def test_tied_weights_need_dense_layers() -> None:
    trunk = trunks.build("cnn?filters=4&units=5", (8, 8, 1), "pictures", 0)
    with pytest.raises(RequestError, match="expected a network of dense layers for tied weights, found 'block1_conv1'"):
        tied_decoder(trunk, (8, 8, 1))


def test_one_seed_draws_one_network_on_every_backend() -> None:
    kernel = trunks.build("mlp?units=3", (4,), "numbers", 5).get_layer("hidden1").kernel
    drawn = np.asarray(keras.ops.convert_to_numpy(kernel))
    # Drawn once by NumPy, whose generators do not change between versions.
    assert drawn[0] == pytest.approx(_FIRST, abs=1e-6)


_FIRST = [-0.4085425, 0.11153672, 0.01191658]


@pytest.mark.parametrize(
    ("text", "shape", "name"),
    [
        ("mlp?units=4", (5,), "relu"),
        ("mlp?units=4&activation=tanh", (5,), "tanh"),
        ("cnn?filters=2", (8, 8, 1), "relu"),
    ],
)
def test_a_mean_is_drawn_to_a_target_where_values_are_from_0_to_1(text: str, shape: tuple[int, ...], name: str) -> None:
    x = np.random.default_rng(0).random((6, *shape), np.float32)
    trunk = trunks.build(text, shape, "numbers" if len(shape) == 1 else "pictures", 0)
    sample = Sample(kind="numbers", x=x, count=6)
    for method in _METHODS:
        with pytest.raises(RequestError, match=rf"target=0.05 needs a representation from 0 to 1, .* with {name};"):
            method.learner(trunk, sample, method.Settings(sparsity=0.1, target=0.05), 0)
    autoencoder.learner(trunk, sample, autoencoder.Settings(sparsity=0.1), 0)


def test_sigmoids_take_a_target_also_where_maps_are_averaged() -> None:
    inputs = keras.Input((8, 8, 1))
    maps = keras.layers.Conv2D(3, 3, activation="sigmoid")(inputs)
    trunk = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(maps))
    sample = Sample(kind="pictures", x=np.zeros((6, 8, 8, 1), np.float32), count=6)
    autoencoder.learner(trunk, sample, autoencoder.Settings(sparsity=0.1, target=0.05), 0)
