"""Gradients of tied weights, the size of a Jacobian, and decoders that lead back."""

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.pretraining import autoencoder, trunks
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


def _learner(text: str, x: np.ndarray, **settings):
    trunk = trunks.build(text, x.shape[1:], "numbers", 1)
    sample = Sample(kind="numbers", x=x, count=len(x))
    return autoencoder.learner(trunk, sample, autoencoder.Settings(**settings), 0)


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


def test_contraction_is_the_squared_norm_of_the_jacobian() -> None:
    x = _given(1, 6)
    plain, made = (_learner("mlp?units=4&activation=tanh", x, contraction=weight) for weight in (0.0, 1.0))
    directions = np.random.default_rng(3).standard_normal((4000, 6)).astype(np.float32)
    rows = np.repeat(x, 4000, axis=0)
    penalty = float(made.loss(made.model, (rows, directions), False)) - float(plain.loss(plain.model, (rows,), False))
    layer = made.trunk.get_layer("hidden1")
    kernel, bias = (np.asarray(keras.ops.convert_to_numpy(item)) for item in (layer.kernel, layer.bias))
    jacobian = kernel * (1 - np.tanh(x @ kernel + bias) ** 2)
    # The error is a mean over the six values, and the penalty is in its units.
    # The mean of 4,000 squares of normal numbers is known to 1.4 / sqrt(4000) of itself, here over several directions.
    assert 6 * penalty == pytest.approx(float(np.square(jacobian).sum()), rel=0.06)


def test_sparsity_draws_the_representation_to_zero_or_to_its_target() -> None:
    x = np.abs(_given(9, 5))
    plain, bound = (_learner("mlp?units=4", x, sparsity=weight) for weight in (0.0, 0.5))
    size = float(np.abs(np.asarray(plain.trunk(x))).mean()) if keras.backend.backend() != "torch" else None
    if size is not None:
        difference = float(bound.loss(bound.model, (x,), False)) - float(plain.loss(plain.model, (x,), False))
        assert difference == pytest.approx(0.5 * size, rel=1e-4)
    met = _learner("mlp?units=4&activation=sigmoid", np.zeros((9, 5), np.float32), sparsity=1.0, target=0.5)
    free = _learner("mlp?units=4&activation=sigmoid", np.zeros((9, 5), np.float32))
    zeros = np.zeros((9, 5), np.float32)
    # Sigmoids of nothing are a half: exactly the target.
    assert float(met.loss(met.model, (zeros,), False)) == pytest.approx(float(free.loss(free.model, (zeros,), False)))


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
    with pytest.raises(RequestError, match=rf"target=0.05 needs a representation from 0 to 1, .* with {name}; choose"):
        autoencoder.learner(trunk, sample, autoencoder.Settings(sparsity=0.1, target=0.05), 0)
    autoencoder.learner(trunk, sample, autoencoder.Settings(sparsity=0.1), 0)


def test_sigmoids_take_a_target_also_where_maps_are_averaged() -> None:
    inputs = keras.Input((8, 8, 1))
    maps = keras.layers.Conv2D(3, 3, activation="sigmoid")(inputs)
    trunk = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(maps))
    sample = Sample(kind="pictures", x=np.zeros((6, 8, 8, 1), np.float32), count=6)
    autoencoder.learner(trunk, sample, autoencoder.Settings(sparsity=0.1, target=0.05), 0)
