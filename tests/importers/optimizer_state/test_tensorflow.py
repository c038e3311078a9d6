import keras
import numpy as np
import pytest

import regraft
from regraft.core.errors import SourceError
from regraft.graph import names
from tests.importers.optimizer_state.stepping import step

tf = pytest.importorskip("tensorflow")
train = tf.compat.v1.train

FORMER = {
    "adam": lambda: train.AdamOptimizer(0.01, 0.8, 0.99, 1e-6),
    "momentum": lambda: train.MomentumOptimizer(0.01, 0.9),
    "rmsprop": lambda: train.RMSPropOptimizer(0.01, 0.8),
    "centred": lambda: train.RMSPropOptimizer(0.01, momentum=0.9, centered=True),
    "adagrad": lambda: train.AdagradOptimizer(0.01),
    "adadelta": lambda: train.AdadeltaOptimizer(0.5),
}


def session(kind, path, steps=5, counted=True):
    """A network of TensorFlow 1, saved after some steps; its weights after one more, and the gradients of that."""
    v1 = tf.compat.v1
    generator = np.random.default_rng(0)
    with tf.Graph().as_default(), v1.Session() as running:
        x = v1.placeholder(tf.float32, [None, 6, 6, 2], name="x")
        kernel = v1.get_variable("conv/weights", initializer=generator.normal(size=(3, 3, 2, 3)).astype("float32"))
        weights = v1.get_variable("fc/weights", initializer=generator.normal(size=(48, 5)).astype("float32"))
        biases = v1.get_variable("fc/biases", initializer=np.ones(5, "float32"))
        hidden = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "VALID"))
        y = tf.nn.bias_add(tf.matmul(tf.reshape(hidden, [-1, 48]), weights), biases, name="y")
        loss = tf.reduce_mean(tf.square(y))
        variables = {"conv/weights": kernel, "fc/weights": weights, "fc/biases": biases}
        gradients = dict(zip(variables, tf.gradients(loss, list(variables.values())), strict=True))
        count = v1.train.get_or_create_global_step() if counted else None
        one = FORMER[kind]().minimize(loss, global_step=count)
        running.run(v1.global_variables_initializer())
        for _ in range(steps):
            running.run(one, {x: generator.normal(size=(4, 6, 6, 2))})
        v1.train.Saver().save(running, str(path))
        last = {x: generator.normal(size=(4, 6, 6, 2))}
        given = running.run(gradients, last)
        running.run(one, last)
        return given, running.run(variables)


def places(path):
    """The canonical name of each variable, and its values."""
    opened = regraft.open(path)
    called = {**dict(opened.report.renamed), **{name: name for name in opened.report.loaded}}
    return called, {name: np.asarray(v) for name, v in names.variables(opened.model).items()}


@pytest.mark.parametrize("kind", list(FORMER))
def test_the_next_step_by_hand_is_that_of_a_session(kind, tmp_path):
    gradients, after = session(kind, tmp_path / "model.ckpt")
    state = regraft.optimizer_state(tmp_path / "model.ckpt.index")
    called, before = places(tmp_path / "model.ckpt.meta")
    assert set(state.variables) == {called[name] for name in gradients}
    for name, gradient in gradients.items():
        own, weight = state.variables[called[name]], before[called[name]]
        assert own.steps == 5
        # Float32 against float64: some roundings of numbers of size one.
        expected = after[name].reshape(weight.shape)
        np.testing.assert_allclose(step(own, weight, gradient.reshape(weight.shape)), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("steps", [1, 40])
def test_steps_are_counted_by_the_powers_of_adam(steps, tmp_path):
    session("adam", tmp_path / "model.ckpt", steps, counted=False)
    state = regraft.optimizer_state(tmp_path / "model.ckpt.meta")
    assert {own.steps for own in state.variables.values()} == {steps}


def test_a_momentum_without_its_rate_is_not_taken(tmp_path):
    session("momentum", tmp_path / "model.ckpt")
    (tmp_path / "model.ckpt.meta").unlink()
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(3, 3, use_bias=False, name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(5, name="fc"),
        ]
    )
    rules = {"(.*)/weights": r"\1/kernel", "(.*)/biases": r"\1/bias", "global_step": None}
    with pytest.raises(SourceError) as caught:
        regraft.optimizer_state(tmp_path / "model.ckpt.index", model, rules=rules)
    assert "the momentum of Momentum is left out (conv/weights, fc/biases, fc/weights): it is in units of" in str(
        caught.value
    )
    state = regraft.optimizer_state(tmp_path / "model.ckpt.index", model, rules=rules, learning_rate=0.01)
    assert set(state.variables) == {"conv/kernel", "fc/kernel", "fc/bias"}
    assert state.notes[0] == "the file does not say momentum of Momentum; the usual is assumed"


MODERN = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "nadam": lambda: keras.optimizers.Nadam(0.01),
    "momentum": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "centred": lambda: keras.optimizers.RMSprop(0.01, momentum=0.0, centered=True),
    "adamax": lambda: keras.optimizers.Adamax(0.01),
}


def network():
    parts = [keras.layers.Dense(4, name="a"), keras.layers.Dense(4, name="b"), keras.layers.Dense(4, name="c")]
    return keras.Sequential([keras.Input((4,)), *parts])


@pytest.mark.parametrize("kind", list(MODERN))
def test_the_next_step_by_hand_is_that_of_objects(kind, tmp_path):
    model, optimizer = network(), MODERN[kind]()
    generator = np.random.default_rng(0)

    def one():
        given = [generator.normal(size=v.shape).astype("float32") for v in model.trainable_variables]
        optimizer.apply([tf.constant(gradient) for gradient in given], model.trainable_variables)
        return given

    for _ in range(3):
        one()
    path = tf.train.Checkpoint(model=model, optimizer=optimizer).write(str(tmp_path / "ckpt"))
    with pytest.raises(SourceError, match="does not say which network it is of; give the model"):
        regraft.optimizer_state(f"{path}.index")
    state = regraft.optimizer_state(f"{path}.index", model, learning_rate=0.01)
    assert list(state.variables) == list(names.variables(model))
    before = {name: np.asarray(v) for name, v in names.variables(model).items()}
    last = one()
    for (name, own), gradient in zip(state.variables.items(), last, strict=True):
        assert own.steps == 3
        after = np.asarray(names.variables(model)[name])
        np.testing.assert_allclose(step(own, before[name], gradient), after, atol=1e-6, rtol=0)


class Linear(tf.Module):
    def __init__(self):
        super().__init__()
        self.w, self.b = tf.Variable(np.ones((4, 3), "float32"), name="w"), tf.Variable(np.ones(3, "float32"), name="b")


@pytest.mark.parametrize("kind", ["adam", "momentum"])
def test_former_optimizers_among_objects(kind, tmp_path):
    module = Linear()
    optimizer = {"adam": lambda: train.AdamOptimizer(0.01), "momentum": FORMER["momentum"]}[kind]()
    generator = np.random.default_rng(0)

    def one():
        given = [generator.normal(size=v.shape).astype("float32") for v in (module.w, module.b)]
        optimizer.apply_gradients(list(zip(map(tf.constant, given), (module.w, module.b), strict=True)))
        return given

    for _ in range(3):
        one()
    path = tf.train.Checkpoint(model=module, optimizer=optimizer).write(str(tmp_path / "ckpt"))
    state = regraft.optimizer_state(f"{path}.index", dense(), rules=RULES, learning_rate=0.01)
    before = [module.w.numpy(), module.b.numpy()]
    last = one()
    for name, old, gradient, now in zip(("fc/kernel", "fc/bias"), before, last, (module.w, module.b), strict=True):
        own = state.variables[name]
        # Nothing depends on how many steps a momentum took, and nothing in the file says it.
        assert own.steps == {"adam": 3, "momentum": 0}[kind]
        np.testing.assert_allclose(step(own, old, gradient), now.numpy(), atol=1e-6, rtol=0)


RULES = {"w": "fc/kernel", "b": "fc/bias"}


def dense():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="fc")])


def test_powers_of_factors_that_nothing_says_are_no_count(tmp_path):
    module, optimizer = Linear(), FORMER["adam"]()
    pairs = [(tf.ones_like(variable), variable) for variable in (module.w, module.b)]
    for _ in range(3):
        optimizer.apply_gradients(pairs)
    path = tf.train.Checkpoint(model=module, optimizer=optimizer).write(str(tmp_path / "ckpt"))
    with pytest.raises(SourceError, match=r"left out \(w, b\): how many steps it took is not said, or by powers of"):
        regraft.optimizer_state(f"{path}.index", dense(), rules=RULES)


def test_powers_and_a_count_say_the_factors(tmp_path):
    session("adam", tmp_path / "model.ckpt", 5)
    (tmp_path / "model.ckpt.meta").unlink()
    rules = {"fc/(bias)es": r"fc/\1", "(fc|conv)/.*|global_step": None}
    model = keras.Sequential([keras.Input((48,)), keras.layers.Dense(5, name="fc")])
    own = regraft.optimizer_state(tmp_path / "model.ckpt.index", model, rules=rules).variables["fc/bias"]
    assert own.steps == 5
    assert own.settings["beta_1"] == pytest.approx(0.8, abs=1e-6)
    assert own.settings["beta_2"] == pytest.approx(0.99, abs=1e-6)


@pytest.mark.shared
def test_a_published_checkpoint_of_a_session(shared_folder):
    folder = shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model"
    state = regraft.optimizer_state(folder)
    called, values = places(folder / "model.ckpt.meta")
    assert set(state.variables) == set(called.values())
    # 34,799 pictures in batches of 128, ten times; the first power is long 0.
    assert {own.steps for own in state.variables.values()} == {2720}
    for name, own in state.variables.items():
        assert {slot.shape for slot in own.slots.values()} == {values[name].shape}
        assert (own.slots["velocity"] >= 0).all()
        assert own.settings["learning_rate"] == pytest.approx(1e-3)
    assert not state.notes


@pytest.mark.shared
def test_a_published_checkpoint_of_objects(shared_folder):
    folder = shared_folder / "nets/tf2_ckpt_mnist_mlp/training_1"
    sizes = (32, 32, 32, 10)
    model = keras.Sequential(
        [keras.Input((784,)), *(keras.layers.Dense(n, name=f"d{n}_{i}") for i, n in enumerate(sizes))]
    )
    state = regraft.optimizer_state(folder, model)
    assert list(state.variables) == list(names.variables(model))
    assert {(own.kind, own.steps) for own in state.variables.values()} == {("adam", 5625)}
    restored = names.variables(regraft.restore(model, folder).model)
    for name, own in state.variables.items():
        assert own.slots["velocity"].shape == tuple(restored[name].shape)
        # Pixels that are always black move no weight, and leave no trace in the second moment.
    still = own_rows(state.variables["d32_0/kernel"].slots["velocity"])
    assert 0.05 < still.mean() < 0.5
    assert still[0]
    assert not still[14 * 28 + 14]


def own_rows(velocity):
    return (velocity == 0).all(axis=1)
