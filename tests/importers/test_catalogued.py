"""`zoo:NAME` as a source: the network that was added, to the bit, whatever it is made of."""

import keras
import numpy as np
import pytest

import regraft
from regraft.catalogue import open_catalogue
from regraft.core.errors import CorruptFileError, ProofError, RequestError, SourceError
from regraft.core.progress import collecting_warnings
from regraft.graph import names
from regraft.recipes.cataloguing import adding
from tests.laws.networks import NETWORKS, built, parameters


def _kept(model: keras.Model) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in names.values(model).items() if "seed_generator" not in name}


@pytest.mark.parametrize("name", parameters())
def test_every_network_comes_back_to_the_bit(name: str) -> None:
    model = built(name)
    before = names.values(model)
    added = adding.add(model, name="net")
    opened = regraft.open("zoo:net")
    assert _kept(opened.model) == _kept(model)
    assert opened.source == "zoo:net@1"
    assert added.card.architecture.parameters == sum(value.size for key, value in before.items() if "seed_g" not in key)
    # Law 3: what was given is not changed.
    assert all(np.array_equal(value, before[key], equal_nan=True) for key, value in names.values(model).items())
    if not NETWORKS[name].whole_numbers and len(model.inputs) == 1:
        shape = [size or 8 for size in model.inputs[0].shape[1:]]
        given = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
        ours, theirs = opened.model(given, training=False), model(given, training=False)
        for one, other in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs), strict=True):
            assert np.array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other), equal_nan=True)


def _model(units: int = 3) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,), name="numbers")
    return keras.Model(inputs, keras.layers.Dense(units, name="top")(inputs), name="net")


def test_names_and_convention_travel_with_the_card() -> None:
    model = _model()
    adding.add(model, name="net", classes=("a", "b", "c"), task="tabular-classification")
    opened = regraft.open("zoo:net@1")
    assert opened.classes == ("a", "b", "c")
    assert opened.inputs == regraft.open(model).inputs
    with pytest.raises(RequestError, match="expected 3 classes, one for each output, found 2"):
        adding.add(model, name="net", classes=("a", "b"))


def test_a_convention_that_was_assumed_is_assumed_and_said_again() -> None:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(inputs))
    adding.add(keras.Model(inputs, keras.layers.Dense(2)(x), name="pictures"), name="net")
    with collecting_warnings() as warned:
        opened = regraft.open("zoo:net")
    assert (opened.inputs.shape, opened.inputs.origin) == ((8, 8, 3), "assumed")
    assert [message for message in warned if "neither stated nor known" in message]
    assert regraft.open("zoo:net", preprocessing="tf").inputs.name == "tf"


def test_the_state_of_an_optimizer_is_kept_unless_it_is_not_wanted(tmp_path) -> None:
    model = _model()
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(np.ones((8, 4), np.float32), np.ones((8, 3), np.float32), epochs=2, verbose=0)
    model.save(tmp_path / "net.keras")
    added = adding.add(tmp_path / "net.keras")
    assert added.card.optimizer is not None
    assert (added.card.optimizer.kinds, added.card.optimizer.variables, added.card.optimizer.steps) == (("adam",), 2, 2)
    file, ours = regraft.optimizer_state(tmp_path / "net.keras"), regraft.optimizer_state("zoo:net")
    assert ours.origin == "zoo:net@1"
    assert ours.variables.keys() == file.variables.keys()
    for name, state in file.variables.items():
        assert {slot: array.tobytes() for slot, array in state.slots.items()} == {
            slot: array.tobytes() for slot, array in ours.variables[name].slots.items()
        }
        assert (state.steps, state.settings) == (ours.variables[name].steps, ours.variables[name].settings)
    adding.add(tmp_path / "net.keras", name="bare", optimizer=False)
    with pytest.raises(SourceError, match="expected the state of an optimizer with 'bare@1', found none"):
        regraft.optimizer_state("zoo:bare")


def test_code_is_built_only_for_those_who_trust_it() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2, name="twice")(inputs), name="code")
    with pytest.raises(SourceError, match="twice"):
        adding.add(model, name="code")
    adding.add(model, name="code", trust=True)
    with pytest.raises(SourceError, match="'zoo:code@1': layer 'twice'"):
        regraft.open("zoo:code")
    assert regraft.open("zoo:code", trust=True).model(np.ones((1, 4)))[0][0] == 2


def test_what_cannot_be_built_anew_is_refused_when_it_is_added() -> None:
    class Untold(keras.Model):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.top = keras.layers.Dense(width)

        def call(self, x):
            return self.top(x)

    model = Untold(3)
    model(np.ones((1, 2)))
    with pytest.raises(RequestError):
        adding.add(model, name="untold")
    assert open_catalogue().search() == ()


def test_a_vocabulary_that_was_learnt_is_refused() -> None:
    words = keras.layers.StringLookup(name="words") if keras.backend.backend() == "tensorflow" else None
    if words is None:
        pytest.skip("texts in a model need TensorFlow")
    words.adapt(["a", "b"])
    inputs = keras.Input((1,), dtype="string")
    model = keras.Model(inputs, words(inputs))
    with pytest.raises(SourceError, match=r"layer '.*' \(StringLookup\) keeps its vocabulary in a file of its own"):
        adding.add(model, name="words")


def test_damage_is_told_by_the_layer(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("REGRAFT_ZOO", str(tmp_path))
    added = adding.add(_model(), name="net")
    part = next(layer for layer in added.card.architecture.layers if layer.digest).digest
    (tmp_path / "parts" / part[:2] / part).unlink()
    with pytest.raises(CorruptFileError, match="is missing: layer 'top' of 'net@1'; add the model again"):
        regraft.open("zoo:net")
    adding.add(_model(), name="net")
    assert regraft.open("zoo:net").source == "zoo:net@1"


def test_a_keras_that_builds_something_else_is_told(monkeypatch) -> None:
    adding.add(_model(), name="net")
    deserialize = keras.saving.deserialize_keras_object
    other = {"config": None}

    def another(config, **options):
        other["config"] = config
        return _model(units=3) if config is None else keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])

    monkeypatch.setattr(keras.saving, "deserialize_keras_object", another)
    with pytest.raises(ProofError, match=r"builds other variables than 'zoo:net@1' was added with, such as 'dense"):
        regraft.open("zoo:net")
    assert other["config"] is not None
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", deserialize)
    assert regraft.open("zoo:net").model.name == "net"


def test_a_source_of_the_catalogue_takes_nothing_that_it_would_ignore() -> None:
    adding.add(_model(), name="net")
    with pytest.raises(SourceError, match="expected an architecture only for files, found 'keras:MobileNet'"):
        regraft.open("zoo:net", architecture="keras:MobileNet")
    with pytest.raises(RequestError, match="'zoo:net' is in the catalogue already"):
        adding.add("zoo:net")
