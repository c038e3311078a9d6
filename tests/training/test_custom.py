"""What a training loop of one's own takes: what learns, what is still, with which state, and what is refused."""

from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import ProofError, RequestError, SelectorError, SourceError
from regraft.core.optimizer_state import OptimizerState, VariableState
from regraft.core.phase import Phase
from regraft.graph import names
from regraft.training import carrying
from regraft.training.custom import updates

layers = keras.layers
_TENSORFLOW = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="by GradientTape; the law has all three"
)
_X = np.random.default_rng(0).normal(size=(12, 6, 6, 2)).astype("float32")
_HEAD = {"head/.*": 0.01, ".*": None}


def _network() -> keras.Model:
    inputs = keras.Input((6, 6, 2))
    base = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3, name="conv0"),
            layers.BatchNormalization(name="norm0"),
            layers.Dropout(0.5, name="low"),
            layers.Conv2D(3, 3, name="conv1"),
        ],
        name="base",
    )
    x = layers.GlobalAveragePooling2D(name="averaged")(base(inputs, training=False))
    x = layers.Dropout(0.25, name="high")(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x), name="network")


def _flags(model: keras.Model) -> dict[str, Any]:
    flags: dict[str, Any] = {f"{path}.": layer.trainable for path, layer in names.layers(model)}
    flags |= {name: variable.trainable for name, variable in names.variables(model).items()}
    return flags | {path: layer.rate for path, layer in names.layers(model) if isinstance(layer, layers.Dropout)}


def _values(model: keras.Model) -> dict[str, bytes]:
    found = names.variables(model).items()
    return {name: np.asarray(keras.ops.convert_to_numpy(variable)).tobytes() for name, variable in found}


def _gradients(made: Any) -> list[Any]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = keras.ops.mean(keras.ops.square(made.model(_X, training=True) - 1.0))
    return tape.gradient(loss, made.variables)


@_TENSORFLOW
def test_what_has_no_rate_keeps_its_bytes_whatever_the_loop_calls() -> None:
    model = _network()
    before = _values(model)
    made = updates(model, _HEAD, optimizer="rmsprop")
    for _ in range(3):
        made.apply(_gradients(made))
    after = _values(model)
    weights = {name for name in before if "seed_generator" not in name}
    assert {name for name in weights if before[name] != after[name]} == {"head/kernel", "head/bias"}
    assert set(made.frozen) == weights - {"head/kernel", "head/bias"}
    made.verify()
    names.variables(model)["base/norm0/moving_mean"].assign(np.ones(3))
    with pytest.raises(ProofError, match=r"1 of 8 frozen variables moved, first 'base/norm0/moving_mean'"):
        made.verify()


@_TENSORFLOW
def test_the_frozen_part_is_still_also_in_fit() -> None:
    model = _network()
    made = updates(model, _HEAD)
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(_X, np.ones((12, 2)), epochs=2, verbose=0)
    made.verify()
    assert names.variables(model)["head/kernel"].trainable


def test_dropout_below_all_that_learns_is_off_and_the_heads_own_stays() -> None:
    model = _network()
    made = updates(model, _HEAD)
    assert made.silenced == ("base/low",)
    assert "dropout and noise are off in 1 frozen layers: base/low" in made.summary
    low, high = model.get_layer("base").get_layer("low"), model.get_layer("high")
    assert (low.rate, high.rate) == (0.0, 0.25)
    updates(model, {"base/conv1/.*": 0.01, **_HEAD})
    assert (low.rate, high.rate) == (0.5, 0.25)


def test_a_model_is_given_back_as_it_was() -> None:
    model = _network()
    model.get_layer("base").get_layer("conv0").trainable = False
    before = _flags(model)
    made = updates(model, _HEAD)
    assert _flags(model) != before
    made.release()
    assert _flags(model) == before


@pytest.mark.parametrize(
    ("rates", "words", "error", "message"),
    [
        (_HEAD | {"head/.*": -1.0}, {}, RequestError, r"expected a rate above 0, .* for 'head/\.\*', found -1.0"),
        ({"head/.*": 0.1}, {}, SelectorError, "found none that matches 'base/conv0/kernel'; add a last rule"),
        ({".*": None}, {}, RequestError, "expected a rate above 0 for some pattern, found none: nothing would learn"),
        (
            {".*norm0/.*": 0.1, ".*": 0},
            {},
            RequestError,
            r"learn for rate 0.1 of '\.\*norm0/\.\*', found only base/norm0",
        ),
        (_HEAD, {"optimizer": "rmsprob"}, RequestError, "no optimizer 'rmsprob'; nearest known names: rmsprop"),
        (_HEAD, {"options": {"rho": 1}}, RequestError, "expected known names in options of the optimizer 'adam'"),
        (_HEAD, {"clip_norm": -1.0}, RequestError, r"^expected clip_norm above 0, found -1.0"),
        (_HEAD, {"schedule": "cosine"}, RequestError, "expected steps beside schedule 'cosine'"),
        (_HEAD, {"warmup": 0.1}, RequestError, "expected steps beside warmup 0.1"),
        (_HEAD, {"schedule": "cosin", "steps": 9}, RequestError, "expected schedule as one of .*nearest.*: cosine"),
        (_HEAD, {"steps": 3, "done": 4}, RequestError, "expected done from 0 to steps, found 4"),
        (_HEAD, {"batch_norm": "thaw"}, RequestError, "expected batch_norm as one of frozen, affine, adapt"),
        (_HEAD, {"batch_norm": "recalibrate"}, RequestError, "needs a pass of the examples"),
        (_HEAD, {"policy": "kept"}, RequestError, "expected policy as one of .*nearest known names: keep"),
        (_HEAD, {"state": "old.keras"}, RequestError, "found str; a file is read by regraft.optimizer_state"),
        (_HEAD, {"state": keras.optimizers.Adam()}, RequestError, "found one that was built with none"),
        (_HEAD, {"optimizer": keras.optimizers.Adam(clipnorm=1.0)}, RequestError, "say clip_norm="),
        (_HEAD, {"optimizer": keras.optimizers.SGD, "options": {}}, RequestError, "expected optimizer as a name"),
    ],
)
def test_what_cannot_be_is_refused_in_words_of_a_loop(rates: Any, words: Any, error: Any, message: str) -> None:
    model = _network()
    before = _flags(model)
    with pytest.raises(error, match=message) as caught:
        updates(model, rates, **words)
    assert "fine_tune" not in str(caught.value)
    assert "plan" not in str(caught.value)
    assert _flags(model) == before


def test_a_frozen_layer_that_cannot_be_silenced_is_refused_and_one_that_augments_is_not() -> None:
    inputs = keras.Input((6, 6, 2))
    x = layers.RandomFlip(name="flip")(inputs)
    x = layers.SpectralNormalization(layers.Conv2D(2, 3), name="normed")(x)
    x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(2, name="head")(x))
    with pytest.raises(SourceError, match="cannot freeze layer 'normed' of class SpectralNormalization"):
        updates(model, _HEAD)
    assert updates(model, {"head/.*": 0.1, "normed/.*": 0.1, ".*": None}).silenced == ()
    plain = keras.Sequential(
        [inputs, layers.RandomFlip(), layers.Conv2D(2, 3, name="conv"), layers.Dense(2, name="head")]
    )
    assert updates(plain, _HEAD).silenced == ()


def test_a_model_whose_graph_only_its_code_knows_is_taken_too() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.base, self.head = layers.LSTM(3, dropout=0.5), layers.Dense(2)

        def call(self, x: Any, training: bool = False) -> Any:
            return self.head(self.base(x, training=training))

    model = Own()
    model(np.zeros((1, 4, 2), "float32"))
    made = updates(model, _HEAD)
    assert set(made.named) == {"head/kernel", "head/bias"}
    assert made.silenced == ("base/cell",)
    assert model.base.cell.dropout == 0.0
    made.release()
    assert model.base.cell.dropout == 0.5


def test_a_live_optimizer_gives_its_class_and_settings_and_stays_as_it_is() -> None:
    given = keras.optimizers.RMSprop(0.5, rho=0.8, momentum=0.7, global_clipnorm=2.0, weight_decay=0.1)
    made = updates(_network(), _HEAD, optimizer=given)
    (group,) = made.updates.groups
    assert type(group.optimizer) is keras.optimizers.RMSprop
    assert (group.optimizer.rho, group.optimizer.momentum, group.optimizer.weight_decay) == (0.8, 0.7, 0.1)
    assert made.updates.clip_norm == 2.0
    assert made.rates == {"head/kernel": pytest.approx(0.01), "head/bias": pytest.approx(0.01)}
    assert not given.built


@_TENSORFLOW
def test_gradients_are_given_in_order_or_by_name() -> None:
    one, other = _network(), _network()
    made, same = updates(one, _HEAD), updates(other, _HEAD)
    other.set_weights(one.get_weights())
    found = [np.full(variable.shape, 0.5, "float32") for variable in made.variables]
    made.apply(found)
    same.apply(dict(reversed(list(zip(same.named, found, strict=True)))))
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_no_gradient_counts_as_zeros_and_none_at_all_is_refused() -> None:
    model = _network()
    made = updates(model, _HEAD, optimizer="sgd")
    before = _values(model)
    made.apply([keras.ops.ones(made.variables[0].shape), None])
    after = _values(model)
    assert {name for name in before if after[name] != before[name]} == {"head/kernel"}
    for given, message in (
        ([None, None], "expected a gradient for some of 2 variables, found None for all"),
        ([None], "expected 2 gradients, one for each of `.variables`, found 1"),
        ([keras.ops.ones(2), keras.ops.ones((3, 2))], r"of shape \(3, 2\) for 'head/kernel', found \(2,\)"),
        ({"head/kern": None}, "found one of 'head/kern'; nearest known names: head/kernel"),
        ({"head/kernel": None}, "expected a gradient of every variable that learns, found none of 'head/bias'"),
    ):
        with pytest.raises(RequestError, match=message):
            made.apply(given)


def _steps(made: Any, count: int) -> list[np.ndarray]:
    random = np.random.default_rng(5)
    for _ in range(count):
        made.apply([random.normal(size=variable.shape).astype("float32") for variable in made.variables])
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in made.variables]


def test_steps_go_on_with_a_state_as_if_nothing_had_been_between() -> None:
    words: dict[str, Any] = {"optimizer": "adam", "schedule": "cosine", "steps": 20}
    model = _network()
    made = updates(model, _HEAD, **words)
    _steps(made, 8)
    weights, state = model.get_weights(), made.state()
    expected = _steps(made, 8)
    model.set_weights(weights)
    made.restore(state)
    for found, wanted in zip(_steps(made, 8), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    model.set_weights(weights)
    again = updates(model, _HEAD, **words, state=state, done=8)
    assert again.rates == pytest.approx({name: 0.005 * (1 + np.cos(np.pi * 0.4)) for name in again.named}, rel=1e-5)
    for found, wanted in zip(_steps(again, 8), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert [(row.done, row.steps) for row in again.carried] == [("keep", 8)] * 2


def test_a_thawed_variable_begins_to_count_where_it_begins() -> None:
    model = _network()
    first = updates(model, _HEAD)
    _steps(first, 3)
    made = updates(model, {"base/conv1/.*": 0.001, **_HEAD}, state=first.state())
    counts = {name: own.steps for name, own in made.state().variables.items()}
    assert counts == {"head/kernel": 3, "head/bias": 3, "base/conv1/kernel": 0, "base/conv1/bias": 0}
    kept, fresh = made.summary.splitlines()[-2:]
    assert kept.startswith("0.01   keep   3      adam  head/kernel, head/bias")
    assert fresh.startswith("0.001  reset  0      -     base/conv1/kernel, base/conv1/bias")


def test_a_state_that_does_not_belong_is_refused() -> None:
    made = updates(_network(), _HEAD)
    kernel = VariableState("adam", 3, {})
    for state, message in (
        ({"head/kernel": kernel}, "expected the state of 'head/bias', found none; nearest known names: head/kernel"),
        (
            {name: VariableState("sgd", 3, {}) for name in made.named},
            "state of adam for 'head/kernel', found that of sgd",
        ),
        (
            {"head/kernel": kernel, "head/bias": VariableState("adam", 4, {})},
            "one count of steps for the variables of rate 0.01, found 3, 4",
        ),
    ):
        with pytest.raises(RequestError, match=message):
            made.restore(OptimizerState(state))


def test_the_state_of_a_live_optimizer_is_taken_by_name() -> None:
    model = _network()
    model.get_layer("base").trainable = False
    live = keras.optimizers.Adam(0.01)
    live.build(model.trainable_variables)
    random = np.random.default_rng(5)
    for _ in range(4):
        live.apply([random.normal(size=variable.shape).astype("float32") for variable in model.trainable_variables])
    made = updates(model, {"base/conv1/.*": 0.001, **_HEAD}, state=live)
    assert {name: own.steps for name, own in made.state().variables.items()}["head/kernel"] == 4
    (kept,) = [value for slot, value in made.state().variables["head/kernel"].slots.items() if "momentum" in slot]
    np.testing.assert_array_equal(kept, keras.ops.convert_to_numpy(live._momentums[0]))
    strange = keras.optimizers.Adam()
    strange.build(_network().trainable_variables)
    with pytest.raises(RequestError, match=r"built with variables of model 'network', found one with '.*conv0/kernel'"):
        updates(model, _HEAD, state=strange)


@_TENSORFLOW
def test_gradients_are_measured_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def plan(kept: Any, learning: Any, phase: Phase, samples: Any) -> Any:
        seen.extend(samples(2))
        return OptimizerState({}), ()

    monkeypatch.setattr(carrying, "plan", plan)

    def gradients(made: Any) -> Any:
        while True:
            yield _gradients(made)

    model = _network()
    for variable in model.variables:
        variable.assign(keras.random.uniform(variable.shape, seed=3) if "float" in variable.dtype else variable)
    before = _values(model)
    made = updates(model, {"head/.*": 0.1, ".*": 0.01}, batch_norm="adapt", gradients=gradients, clip_value=0.001)
    assert _values(model) == before
    assert [set(found) for found in seen] == [set(made.named)] * 2
    assert max(float(np.abs(array).max()) for array in seen[0].values()) == pytest.approx(0.001)
    assert all(array.dtype == np.float32 for array in seen[0].values())
    for bad, error, message in (
        (lambda made: [], RequestError, "expected gradients= to yield the gradients of one batch at least"),
        (None, RequestError, "expected gradients= beside policy 'auto'"),
    ):
        with pytest.raises(error, match=message):
            updates(model, _HEAD, policy="auto", gradients=bad)


def test_without_a_word_a_state_is_kept_or_translated_and_nothing_is_measured() -> None:
    model = _network()
    first = updates(model, _HEAD)
    _steps(first, 3)
    kept = first.state()
    mixed = OptimizerState(
        {**kept.variables, "head/bias": VariableState("sgd", 3, {"momentum": np.ones(2, "float32")})}
    )
    for state, words, expected in (
        (None, {}, ["reset", "reset"]),
        (kept, {}, ["keep", "keep"]),
        (kept, {"policy": "reset"}, ["reset", "reset"]),
        (kept, {"policy": {"head/bias": "reset"}}, ["keep", "reset"]),
        (kept, {"optimizer": "momentum"}, ["translate", "translate"]),
        (mixed, {"optimizer": "momentum"}, ["translate", "keep"]),
    ):
        made = updates(model, _HEAD, state=state, **words)
        assert [row.done for row in made.carried] == expected, words
    for words, message in (
        (
            {"policy": {"hed/.*": "keep"}},
            r"^expected the policy for 'hed/\.\*' to match a variable that learns in this loop",
        ),
        ({"policy": "keep", "optimizer": "sgd"}, "expected this loop to go on with adam .* say policy 'translate' or"),
    ):
        with pytest.raises(RequestError, match=message):
            updates(model, _HEAD, state=kept, **words)


@_TENSORFLOW
def test_a_state_that_is_measured_takes_steps_of_their_size() -> None:
    """The first step of a new RMSprop is of 1 / sqrt(1 - rho) = 3.2 rates; of one that was measured, of about one."""

    def gradients(made: Any) -> Any:
        while True:
            yield _gradients(made)

    model = _network()
    rates = {"head/bias": 0.01, ".*": None}
    made = updates(model, rates, optimizer="rmsprop", gradients=gradients, calibration=5)
    (row,) = made.carried
    assert (row.done, row.kind, row.to) == ("calibrate", "", "rmsprop")
    before = np.array(made.variables[0].numpy())
    made.apply(_gradients(made))
    far = np.abs(made.variables[0].numpy() - before) / 0.01
    # Dropout lets gradients vary from pass to pass.
    assert 0.5 < float(far.mean()) < 1.5


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="gradients row by row are TensorFlow's")
def test_a_gradient_that_comes_row_by_row_is_taken_as_one_tensor() -> None:
    import tensorflow as tf

    from regraft.training.model_updates import listed

    variable = keras.Variable(np.zeros((3, 2), np.float32), name="words")
    rows = tf.IndexedSlices(tf.ones((3, 2)), tf.constant([1, 1, 2]), tf.constant([3, 2]))
    (made,) = listed([rows], {"words": variable})
    np.testing.assert_array_equal(np.asarray(made), [[0, 0], [2, 2], [1, 1]])
