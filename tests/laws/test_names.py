"""Law 7: names are unique, and stable under save, load, copy, nesting, two towers and the counters of the process."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from regraft.graph import names
from regraft.graph.cut_points import cut_points
from regraft.surgery.copy import copy_model
from regraft.surgery.cut import cut
from regraft.surgery.freeze import freeze
from regraft.surgery.graft import graft
from tests.laws.networks import NETWORKS, built, parameters


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {name: tuple(variable.shape) for name, variable in names.variables(model).items()}


def _contents(model: keras.Model) -> dict[str, bytes]:
    """The bytes of every variable that a file holds."""
    return {
        name: np.asarray(keras.ops.convert_to_numpy(variable)).tobytes()
        for name, variable in names.variables(model).items()
        if "seed_generator" not in name
    }


@pytest.mark.parametrize("name", parameters())
def test_every_variable_has_one_name_and_every_name_one_variable(name: str) -> None:
    model = built(name)
    named = names.variables(model)
    assert len({id(variable) for variable in named.values()}) == len(named) == len(model.variables)
    layers = [path for path, _ in names.layers(model)]
    assert len(set(layers)) == len(layers)
    assert set(names.trainable(model)) <= set(named)


@pytest.mark.parametrize("name", parameters())
def test_names_and_values_survive_saving_and_loading(name: str, tmp_path: Path) -> None:
    model = built(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert _shapes(loaded) == _shapes(model)
    assert _contents(loaded) == _contents(model)
    assert [point.name for point in cut_points(loaded)] == [point.name for point in cut_points(model)]


@pytest.mark.parametrize("name", parameters(slow=False))
def test_names_and_values_survive_copying_and_freezing(name: str) -> None:
    model = built(name)
    for other in (copy_model(model), freeze(model, cut_points(model)[0].name)):
        assert _shapes(other) == _shapes(model)
        assert _contents(other) == _contents(model)
        assert [point.name for point in cut_points(other)] == [point.name for point in cut_points(model)]


@pytest.mark.parametrize("name", parameters(slow=False, but=("several",)))
def test_nesting_puts_the_name_of_the_model_in_front(name: str) -> None:
    model = built(name)
    inputs = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
    outer = keras.Model(inputs, keras.layers.Flatten()(model(inputs)), name="around")
    assert _shapes(outer) == {f"{model.name}/{inner}": shape for inner, shape in _shapes(model).items()}
    stack = keras.Sequential([inputs, model])
    assert _shapes(stack) == _shapes(outer)


@pytest.mark.parametrize("name", parameters(slow=False, but=("several",)))
def test_parts_and_branches_keep_the_names(name: str) -> None:
    model = built(name)
    known, points = _contents(model), cut_points(model)
    trunk, rest = cut(model, points[len(points) // 2].name)
    assert {**_contents(trunk), **_contents(rest)} == known
    if rest.outputs[0].shape[1:] and points[-1].name != points[len(points) // 2].name:
        grown = _contents(graft(rest, 2))
        assert set(grown) - set(known) == {"head/kernel", "head/bias"}
        assert {key: value for key, value in grown.items() if key in known} == _contents(rest)


def test_two_towers_that_share_a_model_have_its_variables_once() -> None:
    model = built("towers")
    named = names.variables(model)
    assert [name for name in named if name.startswith("tower/conv1")] == ["tower/conv1/kernel", "tower/conv1/bias"]


def test_two_towers_of_two_models_have_names_of_their_own() -> None:
    left, right = built("chain"), built("chain", seed=1)
    left.name, right.name = "left", "right"
    inputs = keras.Input((12, 12, 3))
    model = keras.Model(inputs, keras.layers.Add()([left(inputs), right(inputs)]))
    named = names.variables(model)
    assert {name.partition("/")[0] for name in named} == {"left", "right"}
    assert [name.partition("/")[2] for name in named if name.startswith("left")] == list(names.variables(left))


def _after_other_models(name: str) -> Iterator[keras.Model]:
    yield built(name)
    for _ in range(3):
        NETWORKS[name].build()
        keras.layers.LSTM(2)(keras.Input((3, 2)))
        keras.layers.MultiHeadAttention(1, 2)(keras.Input((3, 2)), keras.Input((3, 2)))
    yield built(name)


@pytest.mark.parametrize("name", ["attention", "custom", "recurrent", "text"])
def test_names_do_not_depend_on_what_the_process_made_before(name: str) -> None:
    before, after = _after_other_models(name)
    assert _shapes(after) == _shapes(before)


def test_names_of_layers_inside_layers_are_the_attributes_that_hold_them() -> None:
    assert set(names.variables(built("custom"))) >= {
        "gated/gate/kernel",
        "gated/steps/0/kernel",
        "gated/steps/1/gamma",
        "gated/dropped/seed_generator_state",
        "scaled/factor",
        "scaled/shift",
    }
    assert set(names.variables(built("attention"))) >= {"attended/query_dense/kernel", "attended/output_dense/bias"}
    assert "both/backward_layer/cell/recurrent_kernel" in names.variables(built("recurrent"))


def test_path_which_keras_gives_is_neither_unique_nor_stable() -> None:
    """The fact that makes names of our own necessary (M8)."""
    inputs = keras.Input((4,))
    layers = [keras.layers.Dense(4, name="dense") for _ in range(2)]
    inner = keras.Model(inputs, layers[0](inputs), name="inner")
    model = keras.Model(inputs, layers[1](inner(inputs)), name="outer")
    paths = [variable.path for variable in model.variables]
    if len(set(paths)) == len(paths):
        pytest.skip(f"Keras {keras.__version__} gives each variable a path of its own here")
    assert list(names.variables(model)) == ["inner/dense/kernel", "inner/dense/bias", "dense/kernel", "dense/bias"]
