import keras
import numpy as np
import pytest

import regraft
from regraft.core.errors import RequestError, SelectorError, SourceError
from regraft.formats import optimizer_states
from regraft.graph import names
from tests.importers.optimizer_state.stepping import step

layers, optimizers = keras.layers, keras.optimizers

KINDS = {
    "Adam": lambda: optimizers.Adam(0.01, beta_1=0.8, beta_2=0.99),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "AdamW": lambda: optimizers.AdamW(0.01, weight_decay=0.1),
    "Nadam": lambda: optimizers.Nadam(0.01),
    "Adamax": lambda: optimizers.Adamax(0.01),
    "SGD": lambda: optimizers.SGD(0.01),
    "momentum": lambda: optimizers.SGD(0.01, momentum=0.9),
    "Nesterov": lambda: optimizers.SGD(0.01, momentum=0.8, nesterov=True),
    "RMSprop": lambda: optimizers.RMSprop(0.01),
    "centred": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "Adagrad": lambda: optimizers.Adagrad(0.01),
    "Adadelta": lambda: optimizers.Adadelta(0.5),
    "Lion": lambda: optimizers.Lion(0.01),
    "schedule": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 1, 1.0)),
    "scaled": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.01), initial_scale=1.0, dynamic_growth_steps=99),
}


def small():
    inputs = keras.Input((4,))
    x = layers.Dense(3, name="low")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, layers.Dense(2, name="high")(x))


def gradients(model, seed):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=v.shape).astype("float32") for v in model.trainable_variables]


def trained(model, optimizer, steps=3):
    model.compile(optimizer, "mse")
    for seed in range(steps):
        model.optimizer.apply(
            [keras.ops.convert_to_tensor(g) for g in gradients(model, seed)], model.trainable_variables
        )
    return model


def values(model):
    return {name: np.asarray(keras.ops.convert_to_numpy(v)) for name, v in names.variables(model).items()}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_next_step_by_hand_is_that_of_keras(kind, suffix, tmp_path):
    model = trained(small(), KINDS[kind]())
    model.save(tmp_path / f"m{suffix}")
    state = regraft.optimizer_state(tmp_path / f"m{suffix}")
    assert list(state.variables) == names.trainable(model)
    assert not state.notes
    before, last = values(model), gradients(model, 9)
    model.optimizer.apply([keras.ops.convert_to_tensor(g) for g in last], model.trainable_variables)
    after = values(model)
    for (name, own), gradient in zip(state.variables.items(), last, strict=True):
        assert own.steps == 3
        # Float32 against float64: some roundings of numbers of size one.
        np.testing.assert_allclose(step(own, before[name], gradient), after[name], atol=1e-6, rtol=0)


def attended():
    inputs = keras.Input((5, 6))
    x = layers.MultiHeadAttention(2, 3, name="attended")(inputs, inputs)
    x = layers.Bidirectional(layers.LSTM(3), name="both")(x)
    return keras.Model(inputs, layers.Dense(2, name="top")(x))


def base(name):
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(3, 3, padding="same", name="conv1")(inputs)
    x = layers.BatchNormalization(name="norm1")(x)
    return keras.Model(inputs, layers.Conv2D(3, 3, padding="same", name="conv2")(x), name=name)


def nested():
    inner = base("base")
    inner.get_layer("conv1").trainable = False
    inputs = keras.Input((6, 6, 3))
    head = keras.Sequential([layers.Flatten(name="flat"), layers.Dense(4, name="hidden")], name="head")
    return keras.Model(inputs, layers.Dense(4, name="hidden")(head(inner(inputs))))


def shared():
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    same = layers.Dense(4, name="same")
    late = layers.Dense(4, name="late")
    joined = layers.Subtract(name="difference")([same(left), late(same(right))])
    return keras.Model([left, right], same(joined))


def frozen_norm():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="a"), layers.BatchNormalization(name="n"), layers.Dense(4, name="b")]
    )
    model.get_layer("n").trainable = False
    return model


NETWORKS = {function.__name__: function for function in (attended, nested, shared, frozen_norm)}


@pytest.mark.parametrize("optimizer", ["adam", "average"])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("network", list(NETWORKS))
def test_every_slot_finds_its_variable(network, suffix, optimizer, tmp_path):
    model = NETWORKS[network]()
    chosen = {"adam": optimizers.Adam, "average": lambda: optimizers.SGD(0.1, momentum=0.9, use_ema=True)}[optimizer]()
    trained(model, chosen)
    model.save(tmp_path / f"m{suffix}")
    state = regraft.optimizer_state(tmp_path / f"m{suffix}")
    assert set(state.variables) == set(names.trainable(model))
    called = {id(v): name for name, v in names.variables(model).items()}
    lists = {
        "adam": {"momentum": "_momentums", "velocity": "_velocities"},
        "average": {"momentum": "momentums", "average": "_model_variables_moving_average"},
    }[optimizer]
    for slot, attribute in lists.items():
        for variable, kept in zip(model.trainable_variables, getattr(model.optimizer, attribute), strict=True):
            np.testing.assert_array_equal(state.variables[called[id(variable)]].slots[slot], kept)


def alike(*frozen):
    model = keras.Sequential([keras.Input((4,)), *(layers.Dense(4, name=name) for name in "abc")])
    for name in frozen:
        model.get_layer(name).trainable = False
    return model


def test_layers_that_were_frozen_after_training_keep_their_state(tmp_path):
    model = trained(alike(), optimizers.Adam())
    model.get_layer("a").trainable = False
    model.save(tmp_path / "m.keras")
    state = regraft.optimizer_state(tmp_path / "m.keras")
    assert list(state.variables) == [f"{name}/{leaf}" for name in "abc" for leaf in ("kernel", "bias")]
    np.testing.assert_array_equal(state.variables["a/kernel"].slots["momentum"], model.optimizer._momentums[0])
    assert state.notes == (
        "the optimizer's state is of all layers, of those too that were frozen when the model was saved",
    )


def test_what_does_not_fit_is_not_shifted(tmp_path):
    model = trained(alike("a"), optimizers.Adam())
    # Keras itself would load the state of layer b into layer a.
    model.get_layer("a").trainable, model.get_layer("c").trainable = True, True
    model.save(tmp_path / "m.keras")
    with pytest.raises(SourceError) as caught:
        regraft.optimizer_state(tmp_path / "m.keras")
    assert str(caught.value) == (
        f"none of the optimizer's state in '{tmp_path / 'm.keras'}' can be attributed to variables: the 8 arrays of "
        "the optimizer's state do not fit the 6 variables that learn in the saved model: other layers were frozen when "
        "it was compiled, and the file does not say which"
    )


def test_names_in_the_file_tell_it_where_the_order_does_not(tmp_path):
    model = trained(alike("a"), optimizers.Adam())
    model.get_layer("a").trainable = True
    model.save(tmp_path / "m.h5")
    state = regraft.optimizer_state(tmp_path / "m.h5")
    assert list(state.variables) == [f"{name}/{leaf}" for name in "bc" for leaf in ("kernel", "bias")]
    np.testing.assert_array_equal(state.variables["b/kernel"].slots["velocity"], model.optimizer._velocities[0])


def test_the_rate_is_that_of_the_last_step(tmp_path):
    schedule = optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    trained(small(), optimizers.SGD(schedule, momentum=0.9)).save(tmp_path / "m.keras")
    settings = regraft.optimizer_state(tmp_path / "m.keras").variables["low/kernel"].settings
    # Steps are counted from 0: the third one took 0.1 * 0.5 ** 2.
    assert settings["learning_rate"] == pytest.approx(0.025)
    assert regraft.optimizer_state(tmp_path / "m.keras", learning_rate=3.0).variables["low/kernel"].settings[
        "learning_rate"
    ] == pytest.approx(3.0)


def test_steps_are_those_of_the_optimizer_and_not_batches(tmp_path):
    model = trained(small(), optimizers.Adam(gradient_accumulation_steps=2), steps=4)
    model.save(tmp_path / "m.keras")
    state = regraft.optimizer_state(tmp_path / "m.keras")
    assert state.variables["low/kernel"].steps == 2
    assert "gradient_accumulator" in state.variables["low/kernel"].slots


def test_an_optimizer_of_other_slots_is_named(tmp_path):
    trained(small(), optimizers.Adafactor()).save(tmp_path / "m.keras")
    with pytest.raises(
        SourceError, match=r"can be attributed to variables: the 18 slots of Adafactor cannot be told apart"
    ):
        regraft.optimizer_state(tmp_path / "m.keras")


def test_no_optimizer(tmp_path):
    small().save(tmp_path / "m.keras")
    with pytest.raises(
        SourceError, match=r"expected the state of an optimizer in '.*m.keras', found 8 tensors \(Keras 3 "
    ):
        regraft.optimizer_state(tmp_path / "m.keras")


def test_a_state_that_is_not_finite_is_left_out(tmp_path):
    model = trained(small(), optimizers.Adam())
    model.optimizer._velocities[0].assign(model.optimizer._velocities[0] * np.inf)
    model.save(tmp_path / "m.keras")
    state = regraft.optimizer_state(tmp_path / "m.keras")
    assert "low/kernel" not in state.variables
    assert state.notes == ("the state of 'low/kernel' is left out: it holds NaN or infinity",)


def test_what_is_no_file_and_rules_without_a_model_are_refused(tmp_path):
    with pytest.raises(RequestError, match="expected a file that holds an optimizer's state, found Sequential"):
        regraft.optimizer_state(alike())
    with pytest.raises(RequestError, match="expected a model whose names the rules lead to, found rules alone"):
        regraft.optimizer_state(tmp_path / "m.keras", rules={"a": "b"})


def test_a_file_of_our_own_in_the_names_of_a_model(tmp_path):
    model = trained(alike(), optimizers.Adam())
    model.save(tmp_path / "m.keras")
    state = regraft.optimizer_state(tmp_path / "m.keras")
    optimizer_states.write(tmp_path / "state.npz", state)
    again = regraft.optimizer_state(tmp_path / "state.npz", model)
    assert list(again.variables) == list(state.variables)
    np.testing.assert_array_equal(
        again.variables["b/kernel"].slots["velocity"], state.variables["b/kernel"].slots["velocity"]
    )
    other = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="top")])
    with pytest.raises(
        SelectorError, match=r"expected names of model '.*' in '.*m.keras', found none of the 6: 'a/ker"
    ):
        regraft.optimizer_state(tmp_path / "state.npz", other)


def test_in_the_names_of_another_model(tmp_path):
    model = trained(alike(), optimizers.Adam())
    model.save(tmp_path / "m.keras")
    other = keras.Sequential([keras.Input((4,)), *(layers.Dense(4, name=name) for name in ("a", "b", "top"))])
    state = regraft.optimizer_state(tmp_path / "m.keras", other)
    assert list(state.variables) == ["a/kernel", "a/bias", "b/kernel", "b/bias"]
    assert [note.partition(";")[0] for note in state.notes] == [
        f"'c/{leaf}' is no variable of model '{other.name}'" for leaf in ("kernel", "bias")
    ]
    renamed = keras.Sequential([keras.Input((4,)), *(layers.Dense(4, name=f"new_{name}") for name in "abc")])
    state = regraft.optimizer_state(tmp_path / "m.keras", renamed, rules={"(.*)": r"new_\1"})
    assert list(state.variables) == [f"new_{name}/{leaf}" for name in "abc" for leaf in ("kernel", "bias")]
    np.testing.assert_array_equal(state.variables["new_b/kernel"].slots["momentum"], model.optimizer._momentums[2])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "variables", "steps", "rate"),
    [
        ("keras3_mnist_keras_zip_2/mnist.keras", 4, 9375, 1e-3),
        ("keras_face_classification/emotion_models/fer2013_mini_XCEPTION.102-0.66.hdf5", 52, 92494, 1e-4),
        ("keras_face_classification/gender_models/gender_mini_XCEPTION.21-0.95.hdf5", 52, 51436, 1e-3),
        ("mlperf_tiny_resnet8_cifar10/pretrainedResnet.h5", 34, 781500, 6.636851594521431e-06),
    ],
)
def test_published_networks(name, variables, steps, rate, shared_folder):
    path = shared_folder / "nets" / name
    state = regraft.optimizer_state(path)
    model = regraft.open(path, preprocessing="raw").model
    shapes = {key: tuple(v.shape) for key, v in names.variables(model).items()}
    assert set(state.variables) == set(names.trainable(model))
    assert len(state.variables) == variables
    for key, own in state.variables.items():
        assert (own.kind, own.steps) == ("adam", steps)
        assert own.settings["learning_rate"] == pytest.approx(rate)
        assert {slot: array.shape for slot, array in own.slots.items()} == dict.fromkeys(
            ("momentum", "velocity"), shapes[key]
        )
        # A second moment is never negative, and no smaller than the square of the first, but for how they forget.
        assert (own.slots["velocity"] >= 0).all()
        assert np.median(own.slots["momentum"] ** 2 / np.maximum(own.slots["velocity"], 1e-30)) < 1.0
    assert not state.notes
