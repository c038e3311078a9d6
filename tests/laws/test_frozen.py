"""Law 4: after any training, every frozen variable, BatchNorm statistics included, is byte-identical.

With the facts about Keras that make the law necessary, each beside the proof that ours holds.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import SourceError
from regraft.core.phase import Phase, Rate
from regraft.graph import flow, names
from regraft.graph.cut_points import cut_points, find
from regraft.surgery.cut import cut
from regraft.surgery.freeze import freeze
from regraft.surgery.graft import graft
from regraft.training.feeds import Feed
from regraft.training.loop import train
from tests.laws.networks import built, examples, parameters

Array = np.ndarray[Any, Any]
layers = keras.layers

_CLASSES = 2


def _bytes(model: keras.Model) -> dict[str, bytes]:
    """The bytes of every variable that a file holds; the seeds of random layers are to go on in training."""
    return {
        name: np.asarray(keras.ops.convert_to_numpy(variable)).tobytes()
        for name, variable in names.variables(model).items()
        if "seed_generator" not in name
    }


def _below(model: keras.Model, point: str) -> set[str]:
    """The canonical names of the variables that a cut point's tensor depends on."""
    return set(_bytes(cut(model, point)[0]))


def _with_top(model: keras.Model) -> keras.Model:
    """The model with a layer on top, so that there is something to learn wherever it is frozen."""
    flat = [layers.Flatten()(keras.ops.cast(output, "float32")) for output in model.outputs]
    together = layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    return keras.Model(
        getattr(model, "_functional", model)._inputs_struct, layers.Dense(_CLASSES, name="added")(together)
    )


def _fit(model: keras.Model, x: Any, **options: Any) -> None:
    model.compile(keras.optimizers.Adam(0.05), "mse", **options)
    count = len(keras.tree.flatten(x)[0])
    y = np.random.default_rng(0).normal(size=(count, *model.output_shape[1:])).astype("float32")
    model.fit(x, y, epochs=2, batch_size=3, verbose=0)


@pytest.mark.parametrize("name", parameters(slow=False, but=("branches", "separable", "twice", "perceptron", "text")))
def test_what_is_frozen_stays_in_plain_keras_training(name: str) -> None:
    source = built(name)
    points = [point.name for point in cut_points(source)]
    point = points[2 * len(points) // 3]
    model = _with_top(source)
    frozen = freeze(model, point)
    before, below = _bytes(frozen), _below(model, point)
    assert before == _bytes(model)
    _fit(frozen, examples(name, 6))
    after = _bytes(frozen)
    assert {key for key in after if after[key] != before[key]}.isdisjoint(below)
    assert after["added/kernel"] != before["added/kernel"]
    assert below.isdisjoint(names.trainable(frozen))


@pytest.mark.parametrize("name", parameters(but=("mobilenet",)))
def test_the_frozen_part_is_the_same_function_in_training(name: str) -> None:
    """No dropout, noise, drop-connect or batch statistics, inside other layers neither."""
    model, x = built(name), examples(name, 4)
    point = cut_points(model)[-1].name
    frozen = freeze(model, point)
    expected = keras.tree.flatten(model(x, training=False))
    for _ in range(2):
        for found, right in zip(keras.tree.flatten(frozen(x, training=True)), expected, strict=True):
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(right), rtol=1e-5, atol=1e-6
            )


@pytest.mark.parametrize(
    ("name", "batch_norm"), [("chain", "frozen"), ("nested", "adapt"), ("residual", "adapt"), ("custom", "frozen")]
)
def test_what_has_no_rate_stays_in_our_training(name: str, batch_norm: Any) -> None:
    model = built(name)
    points = [point.name for point in cut_points(model)]
    trunk, rest = cut(model, points[1])
    branch = graft(rest, _CLASSES)
    before = _bytes(branch)
    held = next(key for key in before if key.endswith("kernel"))
    rates = (Rate(held.replace("kernel", ".*"), 0.0), Rate(".*", 0.05))
    x = np.asarray(keras.ops.convert_to_numpy(trunk(examples(name, 8), training=False)))
    feed = Feed(lambda chosen, view: x[chosen], np.arange(8) % _CLASSES)
    spec = Phase(rates=rates, epochs=2, batch_size=4, batch_norm=batch_norm)
    trained = train(branch, spec, feed, Feed(feed.fetch, feed.labels[:0]), seed=0)
    after = _bytes(trained.model)
    moved = {key for key in after if after[key] != before[key]}
    assert moved.isdisjoint(trained.frozen)
    assert moved >= {"head/kernel", "head/bias"}
    assert held in trained.frozen
    statistics = {key for key in before if "moving" in key}
    assert statistics & moved == (statistics if batch_norm == "adapt" else set())


def test_the_flags_of_the_source_do_not_decide_what_learns() -> None:
    """A source that was saved with its base frozen learns by the plan's rates all the same."""
    model = built("nested")
    model.get_layer("middle").trainable = False
    branch = graft(cut(model, "middle/base/norm1")[1], _CLASSES)
    assert "middle/base/conv2/kernel" not in names.trainable(branch)
    x = np.random.default_rng(0).normal(size=(6, 8, 8, 4)).astype("float32")
    feed = Feed(lambda chosen, view: x[chosen], np.arange(6) % _CLASSES)
    trained = train(branch, Phase(rates=(Rate(".*", 0.01),), epochs=1), feed, feed, seed=0)
    assert "middle/base/conv2/kernel" not in trained.frozen
    assert "middle/base/conv2/kernel" in names.trainable(trained.model)


# Facts


def _official(base: keras.Model) -> keras.Model:
    """The recipe of the official guide: a base that is called with `training=False`, and a new top."""
    inputs = keras.Input(base.input_shape[1:])
    x = layers.GlobalAveragePooling2D()(base(inputs, training=False))
    return keras.Model(inputs, layers.Dense(_CLASSES, name="added")(x))


def _normalised() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    return keras.Model(inputs, layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x)), name="base")


def test_fit_overrides_training_false() -> None:
    """M1: BatchNorm of an unfrozen base follows the data although the base is called with `training=False`."""
    x = np.random.default_rng(0).normal(2.0, 3.0, (8, 8, 8, 3)).astype("float32")
    recipe = _official(_normalised())
    _fit(recipe, x)
    statistics = [variable for variable in recipe.variables if "moving" in variable.name]
    overridden = any(np.any(np.asarray(keras.ops.convert_to_numpy(item)) % 1) for item in statistics)

    ours = freeze(_official(_normalised()), "base/norm")
    before = {name: value for name, value in _bytes(ours).items() if "norm" in name}
    assert len(before) == 4
    _fit(ours, x)
    assert {name: value for name, value in _bytes(ours).items() if "norm" in name} == before
    if not overridden:
        pytest.skip(f"Keras {keras.__version__} keeps the statistics itself; ours hold as well")


def test_freezing_after_compiling_may_do_nothing() -> None:
    """M4, M5: flags that change after `compile` are not what `fit` goes by; a frozen copy is never compiled before."""
    model = _official(_normalised())
    x = np.random.default_rng(0).normal(size=(6, 8, 8, 3)).astype("float32")
    _fit(model, x)
    ours = freeze(model, "base/relu")
    assert model.compiled
    assert not ours.compiled
    assert ours.trainable_variables == [ours.get_layer("added").kernel, ours.get_layer("added").bias]
    before = _bytes(ours)
    _fit(ours, x)
    assert {name for name, value in _bytes(ours).items() if value != before[name]} == {"added/kernel", "added/bias"}

    model.get_layer("base").trainable = False
    kernel = model.get_layer("base").get_layer("conv").kernel
    kept = keras.ops.convert_to_numpy(kernel).copy()
    try:
        model.fit(x, np.ones((6, _CLASSES)), batch_size=3, verbose=0)
        moved = bool(np.any(keras.ops.convert_to_numpy(kernel) != kept))
    except ValueError:
        moved = True
    if not moved:
        pytest.skip(f"Keras {keras.__version__} on {keras.backend.backend()} goes by the flags; ours hold as well")


def test_drop_connect_of_a_frozen_network_goes_on() -> None:
    """M3: a frozen EfficientNet in training is a new function each time; after `freeze` it is that of inference."""
    model, x = built("efficientnet"), examples("efficientnet", 2)
    model.trainable = False
    # Two functions of few blocks may be the same by chance.
    first, *others = (keras.ops.convert_to_numpy(model(x, training=True)) for _ in range(8))
    ours = freeze(model, cut_points(model)[-1].name)
    still, too = (keras.ops.convert_to_numpy(ours(x, training=True)) for _ in range(2))
    assert np.array_equal(still, too)
    np.testing.assert_allclose(still, keras.ops.convert_to_numpy(model(x, training=False)), rtol=1e-5, atol=1e-6)
    if all(np.array_equal(first, other) for other in others):
        pytest.skip(f"Keras {keras.__version__} makes frozen drop-connect still; ours is as well")


def test_optimizer_slots_are_saved_by_position(tmp_path: Any) -> None:
    """M6: Keras' slots are numbered; ours follow the names of the variables through another order of layers."""
    optimizer = keras.optimizers.Adam()
    optimizer.build([keras.Variable(np.zeros(2), name="a"), keras.Variable(np.zeros(2), name="b")])
    store: dict[str, Any] = {}
    optimizer.save_own_variables(store)
    if any("a" in key for key in store):
        pytest.skip(f"Keras {keras.__version__} saves optimizer slots by name")
    assert sorted(store) == [str(index) for index in range(len(store))]


def test_weights_files_are_loaded_by_position(tmp_path: Any) -> None:
    """M8: layers in another order silently get each other's weights; ours go by name."""

    def stack(*order: str) -> keras.Model:
        return keras.Sequential([keras.Input((3,)), *(layers.Dense(3, name=name) for name in order)])

    source, target = stack("a", "b"), stack("b", "a")
    source.save_weights(tmp_path / "it.weights.h5")
    target.load_weights(tmp_path / "it.weights.h5")
    by_name = _bytes(target)["a/kernel"] == _bytes(source)["a/kernel"]
    names.copy_values(source, target)
    assert {name: _bytes(target)[name] for name in sorted(_bytes(target))} == dict(sorted(_bytes(source).items()))
    if by_name:
        pytest.skip(f"Keras {keras.__version__} loads weights by name")


# What cannot be silenced is refused


def _picture(layer: keras.Layer) -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 3, name="conv")(layer(inputs))
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="averaged")(x))


@keras.saving.register_keras_serializable(package="laws")
class OwnChance(layers.Layer):
    """A layer that is random in a way of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.chance = keras.random.SeedGenerator(1)

    def call(self, x: Any, training: bool | None = None) -> Any:
        return x + keras.random.normal(keras.ops.shape(x), seed=self.chance) if training else x

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: layers.RandomFlip(name="random"), "is random in training and cannot be switched off"),
        (lambda: layers.RandomRotation(0.2, name="random"), "is random in training and cannot be switched off"),
        (lambda: layers.RandomZoom(0.2, name="random"), "is random in training and cannot be switched off"),
        (lambda: OwnChance(name="random"), "is random in training and cannot be switched off"),
        (
            lambda: layers.SpectralNormalization(layers.Conv2D(3, 1), name="random"),
            "changes its weights in training even when it is not trainable",
        ),
    ],
)
def test_what_cannot_be_silenced_is_refused_by_name(layer: Callable[[], keras.Layer], reason: str) -> None:
    model = _picture(layer())
    kind = type(model.get_layer("random")).__name__
    with pytest.raises(SourceError, match=f"cannot freeze layer 'random' of class {kind}, which {reason}; take it out"):
        freeze(model, "conv")
    freeze(model, patterns=["conv/.*"])


def test_what_cannot_be_silenced_is_found_inside_other_layers() -> None:
    inputs = keras.Input((3, 8, 8, 3))
    x = layers.TimeDistributed(OwnChance(), name="each")(inputs)
    model = keras.Model(inputs, layers.Flatten(name="flat")(x))
    with pytest.raises(SourceError, match="cannot freeze layer 'each/layer' of class OwnChance"):
        freeze(model, "flat")


@pytest.mark.parametrize("name", ["perceptron", "attention", "recurrent", "nested"])
def test_silence_stays_when_the_model_is_saved(name: str, tmp_path: Any) -> None:
    model, x = built(name), examples(name)
    freeze(model, cut_points(model)[-1].name).save(tmp_path / "frozen.keras")
    loaded = keras.saving.load_model(tmp_path / "frozen.keras")
    found, right = loaded(x, training=True), model(x, training=False)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(right), atol=1e-6)


def test_a_pattern_freezes_the_layer_that_it_names_and_no_other() -> None:
    model = built("chain")
    frozen = freeze(model, patterns=["norm1/gamma"])
    opened = flow.read(frozen)
    flags = {call.name: call.operation.trainable for call in opened.separating()}
    assert [name for name, flag in flags.items() if not flag] == ["norm1"]
    assert find(opened, "norm1").operation.trainable_variables == []
