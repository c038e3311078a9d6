"""Layers that are random in inference too are refused by name; those that can be told to infer run."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from regraft.activations.engines import Wanted, compile_trunk
from regraft.core.errors import SourceError
from regraft.core.input_spec import InputSpec
from regraft.graph import flow, random_layers

layers = keras.layers
_PICTURES = (8, 8, 3)


@keras.saving.register_keras_serializable(package="random_layers")
class Noisy(layers.Layer):
    """Adds noise whatever it is told, in a way that is given to it."""

    def __init__(self, noise: Callable[[Any], Any], **options: Any) -> None:
        super().__init__(**options)
        self.noise = noise

    def call(self, x: Any, training: bool = False) -> Any:
        return x + self.noise(x)


@keras.saving.register_keras_serializable(package="random_layers")
class Seeded(layers.Layer):
    """Keeps a seed, and cannot be told to infer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, x: Any) -> Any:
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seed_generator)


@keras.saving.register_keras_serializable(package="random_layers")
class Outer(layers.Layer):
    """Calls other layers, and hands nothing on to them."""

    def __init__(self, inner: list[layers.Layer], **options: Any) -> None:
        super().__init__(**options)
        self.inner = inner

    def call(self, x: Any) -> Any:
        for layer in self.inner:
            x = layer(x)
        return x


def _network(*random: layers.Layer) -> keras.Model:
    x = inputs = keras.Input(_PICTURES)
    x = layers.Conv2D(4, 3, name="below")(x)
    for layer in random:
        x = layer(x)
    return keras.Model(inputs, layers.Conv2D(2, 3, name="top")(x), name="network")


def _pictures(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, *_PICTURES)).astype("float32")


def _run(model: keras.Model, point: str = "top", count: int = 3) -> np.ndarray:
    return compile_trunk(model, InputSpec(_PICTURES), 255.0, [Wanted(point, False)])(_pictures(count))[0]


def _silent(kind: type[layers.Layer], *arguments: Any, **options: Any) -> Any:
    return pytest.param(lambda: kind(*arguments, **options), id=kind.__name__)


SILENT = [
    _silent(layers.Dropout, 0.5),
    _silent(layers.SpatialDropout2D, 0.5),
    _silent(layers.Dropout, 0.5, noise_shape=(None, 1, 1, 1)),
    _silent(layers.AlphaDropout, 0.5),
    _silent(layers.GaussianNoise, 0.5),
    _silent(layers.GaussianDropout, 0.5),
    _silent(layers.RandomFlip),
    _silent(layers.RandomRotation, 0.3),
    _silent(layers.RandomZoom, 0.3),
    _silent(layers.RandomTranslation, 0.3, 0.3),
    _silent(layers.RandomContrast, 0.5),
    _silent(layers.RandomBrightness, 0.5),
]


@pytest.mark.parametrize("make", SILENT)
@pytest.mark.parametrize("outside", [False, True], ids=["alone", "in a layer that hands nothing on"])
def test_random_layers_of_keras_are_silent(make: Callable[[], layers.Layer], outside: bool) -> None:
    layer = Outer([make()], name="outer") if outside else make()
    model = _network(layer)
    expected = keras.ops.convert_to_numpy(model.get_layer("top")(model.get_layer("below")(_pictures())))
    # Fused or not, two convolutions round alike to 1e-6.
    np.testing.assert_allclose(_run(model), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_no_layer_of_keras_is_taken_for_one_that_cannot_be_told() -> None:
    kinds = [kind for kind in vars(layers).values() if isinstance(kind, type) and issubclass(kind, layers.Layer)]
    made = []
    for kind in kinds:
        for arguments in ((), (2,), (0.3,), (2, 2), (0.2, 0.2)):
            try:
                made.append(kind(*arguments))
                break
            except Exception:
                continue
    seeded = [layer for layer in made if getattr(layer, "_seed_generators", None)]
    assert len(seeded) > 15
    assert not [type(layer).__name__ for layer in seeded if not flow.takes_training(layer)]


@pytest.mark.parametrize("inside", [False, True])
def test_a_layer_with_a_seed_that_cannot_be_told_to_infer_is_refused(inside: bool) -> None:
    layer = Outer([Seeded(name="seeded")], name="outer") if inside else Seeded(name="noise")
    where = "outer/inner/0" if inside else "noise"
    message = (
        f"layer '{where}' of class Seeded draws random numbers .it has a SeedGenerator. and its 'call' takes no "
        "'training', so that it cannot be told to infer; give 'call' the argument 'training' and draw only where it is "
        "true, or cut above that layer"
    )
    with pytest.raises(SourceError, match=message):
        compile_trunk(_network(layer), InputSpec(_PICTURES), 255.0, [Wanted("top", True)])


def test_a_random_layer_above_all_that_is_wanted_does_not_matter() -> None:
    assert _run(_network(Seeded(name="noise")), "below").shape == (3, 6, 6, 4)


def _by_seed(x: Any) -> Any:
    return keras.random.normal(keras.ops.shape(x), seed=3)


NOISES = {
    "unseeded": lambda x: keras.random.normal(keras.ops.shape(x)),
    "one seed": _by_seed,
    "NumPy": lambda x: keras.ops.convert_to_tensor(np.random.default_rng().normal(size=(1, *x.shape[1:])), "float32"),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("count", [1, 3])
def test_a_layer_that_draws_all_the_same_is_named(noise: str, count: int) -> None:
    if noise == "unseeded" and keras.backend.backend() == "jax":
        pytest.skip("on JAX, Keras itself refuses to draw without a seed in a network")
    model = _network(layers.Dropout(0.5), Noisy(NOISES[noise], name="noisy"), Noisy(_by_seed, name="above"))
    draws = "layer 'noisy' of class Noisy draws random numbers although it runs with training=False"
    repeats = "layer 'noisy' of class Noisy gives an example another result at another place of a batch: it draws"
    with pytest.raises(SourceError, match=repeats if noise == "one seed" else draws):
        _run(model, count=count)


def test_a_layer_that_reads_an_examples_neighbours_is_named() -> None:
    def first(x: Any) -> Any:
        return x[:1]

    with pytest.raises(SourceError, match="'noisy' of class Noisy gives an example another result at another place"):
        _run(_network(Noisy(first, name="noisy")))


def test_a_function_in_a_layer_of_keras_is_looked_at_too() -> None:
    drawn = layers.Lambda(lambda x: x + keras.random.uniform(keras.ops.shape(x)), name="drawn", output_shape=(6, 6, 4))
    with pytest.raises(SourceError, match="layer 'drawn' of class Lambda draws random numbers although"):
        _run(_network(drawn))


def test_a_layer_of_ones_own_that_is_not_random_runs() -> None:
    model = _network(Noisy(lambda x: x * 2, name="tripled"))
    below = keras.ops.convert_to_numpy(model.get_layer("below")(_pictures()))
    np.testing.assert_allclose(_run(model, "tripled"), 3 * below, rtol=1e-5, atol=1e-3)


def test_networks_of_keras_alone_are_not_run_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("was run twice")

    monkeypatch.setattr(random_layers, "refuse_by_running", never)
    assert _run(_network(layers.Dropout(0.5), layers.Activation("relu"))).shape == (3, 4, 4, 2)
