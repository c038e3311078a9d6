"""What the last Keras 2 saves of its optimizers, those of before 2.11 and those since, in each of its formats."""

import json
import warnings

import h5py
import numpy as np
import pytest

import regraft
from regraft.core.optimizer_state import VariableState
from regraft.graph import names
from tests.importers.optimizer_state.stepping import step

KINDS = {
    "adam": ("Adam", {"learning_rate": 0.01}),
    "amsgrad": ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    "momentum": ("SGD", {"learning_rate": 0.01, "momentum": 0.9}),
    "nesterov": ("SGD", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01}),
    "centred": ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5, "centered": True}),
    "adagrad": ("Adagrad", {"learning_rate": 0.01}),
    "adadelta": ("Adadelta", {"learning_rate": 0.5}),
    "adamax": ("Adamax", {"learning_rate": 0.01}),
}


def network(keras):
    inputs = keras.Input((4,))
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="low")], name="base")
    x = keras.layers.BatchNormalization(name="norm")(base(inputs))
    frozen = keras.layers.Dense(4, name="frozen", trainable=False)
    return keras.Model(inputs, keras.layers.Dense(4, name="high")(frozen(x)))


def stepped(model, seed):
    generator = np.random.default_rng(seed)
    given = [generator.normal(size=v.shape).astype("float32") for v in model.trainable_variables]
    model.optimizer.apply_gradients(list(zip(given, model.trainable_variables, strict=True)))
    return given


def saved(keras, room, kind, path):
    keras.backend.clear_session()
    class_name, options = KINDS[kind]
    module = keras.optimizers.legacy if room == "legacy" else keras.optimizers
    model = network(keras)
    model.compile(getattr(module, class_name)(**options), "mse")
    for seed in range(3):
        stepped(model, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return model


# A `.keras` file leaves optimizers of before 2.11 out.
@pytest.mark.parametrize(("room", "ending"), [("legacy", ".h5"), ("since 2.11", ".h5"), ("since 2.11", ".keras")])
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_next_step_by_hand_is_that_of_keras_2(keras_2, kind, room, ending, tmp_path):
    path = tmp_path / f"model{ending}"
    model = saved(keras_2, room, kind, path)
    state = regraft.optimizer_state(path)
    learning = names.trainable(regraft.open(path, preprocessing="raw").model)
    assert list(state.variables) == learning
    before = [np.asarray(v) for v in model.trainable_variables]
    gradients = stepped(model, 9)
    for name, old, gradient, now in zip(learning, before, gradients, model.trainable_variables, strict=True):
        own = state.variables[name]
        assert own.steps == 3
        # Float32 against float64, and an epsilon of 1e-7 outside or inside of a root of size one.
        np.testing.assert_allclose(step(own, old, gradient), now.numpy(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("room", ["legacy", "since 2.11"])
@pytest.mark.parametrize("kind", ["adam", "momentum", "centred"])
def test_the_same_in_a_saved_model(keras_2, kind, room, tmp_path):
    model = saved(keras_2, room, kind, tmp_path / "model")
    state = regraft.optimizer_state(tmp_path / "model")
    opened = regraft.open(tmp_path / "model", preprocessing="raw")
    called = {**dict(opened.report.renamed), **{name: name for name in opened.report.loaded}}
    before = {v.name.partition(":")[0]: np.asarray(v) for v in model.trainable_variables}
    assert set(state.variables) == {called[name] for name in before}
    gradients = dict(zip(before, stepped(model, 9), strict=True))
    after = {v.name.partition(":")[0]: v.numpy() for v in model.trainable_variables}
    for name, old in before.items():
        own = state.variables[called[name]]
        assert own.steps == 3
        if (kind, room) == ("centred", "since 2.11"):
            # Since 2.11 a setting that does not change is no variable, and so not in the checkpoint.
            assert "the file does not say epsilon, rho, momentum of RMSprop; the usual is assumed" in state.notes
            own = VariableState(own.kind, own.steps, own.slots, {**own.settings, "momentum": 0.5}, own.scalars)
        np.testing.assert_allclose(step(own, old, gradients[name]), after[name], atol=1e-6, rtol=0)


def test_kernels_of_theano_and_their_moments_are_turned_alike(tmp_path):
    convolution = {
        "name": "conv", "nb_filter": 4, "nb_row": 3, "nb_col": 3, "border_mode": "valid", "subsample": [1, 1],
        "dim_ordering": "th", "activation": "linear", "init": "glorot_uniform", "bias": True, "trainable": True,
        "batch_input_shape": [None, 3, 8, 7], "input_dtype": "float32",
    }  # fmt: skip
    dense = {"name": "top", "output_dim": 2, "input_dim": None, "activation": "linear", "init": "one", "bias": True}
    config = [("Convolution2D", convolution), ("Flatten", {"name": "flat"}), ("Dense", {**dense, "trainable": True})]
    generator = np.random.default_rng(0)
    shapes = {"conv_W": (4, 3, 3, 3), "conv_b": (4,), "top_W": (120, 2), "top_b": (2,)}
    weights = {name: generator.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    moments = [generator.normal(size=shape).astype("float32") for shape in shapes.values()]
    with h5py.File(tmp_path / "m.h5", "w") as file:
        layers = [{"class_name": kind, "config": settings} for kind, settings in config]
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers})
        stated = {"name": "SGD", "lr": 0.1, "momentum": 0.9, "nesterov": False, "decay": 0.0}
        file.attrs["training_config"] = json.dumps({"optimizer_config": {"class_name": "SGD", "config": stated}})
        file.attrs["keras_version"] = "1.2.2"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"conv", b"flat", b"top"]
        for layer in ("conv", "flat", "top"):
            inside = group.create_group(layer)
            held = [name for name in weights if name.startswith(layer)]
            inside.attrs["weight_names"] = np.array([name.encode() for name in held], dtype="S16")
            for name in held:
                inside[name] = weights[name]
        own = file.create_group("optimizer_weights")
        arrays = {"iterations": np.float32(7), **{f"moment_{i}": value for i, value in enumerate(moments)}}
        own.attrs["weight_names"] = [name.encode() for name in arrays]
        for name, value in arrays.items():
            own[name] = value
    state = regraft.optimizer_state(tmp_path / "m.h5")
    assert {(own.kind, own.steps) for own in state.variables.values()} == {("sgd", 7)}
    turned = moments[0].transpose(2, 3, 1, 0)[::-1, ::-1]
    np.testing.assert_array_equal(state.variables["conv/kernel"].slots["momentum"], turned)
    rows = moments[2].reshape(4, 6, 5, 2).transpose(1, 2, 0, 3).reshape(120, 2)
    live = regraft.open(tmp_path / "m.h5", preprocessing="raw").model
    order = weights["top_W"].reshape(4, 6, 5, 2).transpose(1, 2, 0, 3).reshape(120, 2)
    same = np.array_equal(np.asarray(names.variables(live)["top/kernel"]), order)
    np.testing.assert_array_equal(state.variables["top/kernel"].slots["momentum"], rows if same else moments[2])
