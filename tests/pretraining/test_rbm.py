"""Machines in networks: where they start, what they learn, what they refuse."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.core.pretraining import Spec
from regraft.graph import names
from regraft.pretraining import loop, rbm
from regraft.pretraining.boltzmann import energy, layers
from regraft.pretraining.boltzmann.layers import VISIBLE
from regraft.pretraining.learner import Sample
from regraft.pretraining.rbm import Settings
from tests.pretraining.small_data import InMemory, bits

_SPEC = Spec(epochs=15, batch_size=20, optimizer="sgd", rate=0.2, momentum=0.9)


def _numpy(tensor: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(tensor))


def _trunk(width: int = 12, units: int = 8, activation: Any = "sigmoid", shape: Any = None) -> keras.Model:
    inputs = keras.Input(shape or (width,))
    flat = keras.layers.Flatten(name="flat")(inputs) if shape else inputs
    return keras.Model(inputs, keras.layers.Dense(units, activation=activation, name="hidden")(flat))


def _learner(x: np.ndarray, trunk: keras.Model | None = None, seed: int = 0, **settings: Any) -> Any:
    sample = Sample(kind="numbers", x=x[:300], count=len(x))
    return rbm.learner(trunk or _trunk(x.shape[1]), sample, Settings(**settings), seed)


def _learned(x: np.ndarray, spec: Spec = _SPEC, **options: Any) -> tuple[Any, loop.Learned]:
    learner = _learner(x[:-100], **options)
    return learner, loop.pretrain(learner, InMemory(x[:-100]), InMemory(x[-100:]), spec, 0)


@pytest.fixture(scope="module")
def as_usual() -> loop.Learned:
    """What a machine without any settings has learnt of the patterns."""
    return _learned(bits(600))[1]


@pytest.mark.parametrize("settings", [{}, {"steps": 3}, {"chains": 50}, {"reconstruct": "means"}])
def test_patterns_are_learnt(settings: dict[str, Any], as_usual: loop.Learned) -> None:
    # Persistent chains cannot follow fast changes.
    spec = replace(_SPEC, rate=0.02, epochs=25) if "chains" in settings else _SPEC
    learned = _learned(bits(600), spec, **settings)[1] if settings else as_usual
    before, after = learned.history[0], learned.history[learned.best]
    # A unit that says nothing but its mean has log(2) each; who knows the pattern is wrong one time in twenty.
    surprise = -(0.05 * np.log(0.05) + 0.95 * np.log(0.95))
    assert before.held_out == pytest.approx(np.log(2), abs=0.01)
    assert after.held_out < (np.log(2) + 2 * surprise) / 3
    assert after.measures["pseudo_likelihood"] == pytest.approx(-12 * after.held_out, rel=1e-4)
    assert after.measures["reconstruction_error"] < 0.5 * before.measures["reconstruction_error"]
    assert abs(after.measures["free_energy_gap"]) < 1
    assert after.measures["free_energy"] < before.measures["free_energy"]


def test_it_starts_as_the_guide_says() -> None:
    x = bits()
    learner = _learner(x, _trunk(units=400))
    trunk = learner.trunk
    kernel, bias = trunk.get_layer("hidden").get_weights()
    assert kernel.std() == pytest.approx(0.01, rel=0.05)
    assert not bias.any()
    total = x[:300].sum(axis=0)
    visible = keras.ops.convert_to_numpy(learner.model.get_layer(VISIBLE).bias)
    np.testing.assert_allclose(visible, np.log((total + 0.5) / (300.5 - total)), rtol=1e-4, atol=1e-5)
    assert trunk.get_layer("hidden") is learner.model.get_layer("hidden")
    assert "visible/bias" in names.variables(learner.model)
    assert list(names.variables(trunk)) == ["hidden/kernel", "hidden/bias"]


def test_sparse_units_are_on_as_often_as_asked(as_usual: loop.Learned) -> None:
    x = bits(600)
    _, sparse = _learned(x, sparsity=0.1, sparsity_cost=2.0)
    often = [float(_numpy(done.trunk(x)).mean()) for done in (as_usual, sparse)]
    assert often[0] > 0.25
    assert often[1] < 0.2


def test_gaussian_units_learn_numbers_of_any_scale_and_the_trunk_takes_them_as_they_are() -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=(600, 3)) @ random.normal(size=(3, 12)) + 0.3 * random.normal(size=(600, 12))
    x = (x * 50 + 7).astype("float32")
    # A column that never changes stays what it is.
    x[:, 4] = 7
    _, learned = _learned(x, Spec(epochs=15, batch_size=20, optimizer="sgd", rate=0.2, momentum=0.9))
    history = learned.history
    assert history[learned.best].held_out < 0.6 * history[0].held_out
    assert "pseudo_likelihood" not in history[0].measures
    # What the machine says of standardised values, the trunk says of those as they came.
    placed = layers.place(_trunk(), x, None, sparsity=0.0, random=random)
    machine = placed.machine(placed.model)
    expected = _numpy(energy.hidden_means(machine, placed.visible(x)))
    np.testing.assert_allclose(_numpy(placed.model(x)[0]), expected, atol=1e-5)
    assert np.isfinite(_numpy(learned.trunk(x))).all()


def test_the_scale_of_numbers_does_not_change_what_is_learnt() -> None:
    x = np.random.default_rng(4).normal(size=(400, 5)) @ np.diag([1.0, 0.95, 1.1, 0.9, 1.2])
    x = ((x - x[:300].mean(axis=0)) / x[:300].std(axis=0)).astype("float32")
    factors = np.array([50, 2, 0.1, 1, 1000], "float32")
    spec = Spec(epochs=2, batch_size=20, optimizer="sgd", rate=0.05, momentum=0.9)
    rows = [InMemory(given) for given in (x[:300], x[300:])]
    scaled = [InMemory(given * factors) for given in (x[:300], x[300:])]
    one = loop.pretrain(_learner(x[:300]), rows[0], rows[1], spec, 0)
    other = loop.pretrain(_learner(x[:300] * factors), scaled[0], scaled[1], spec, 0)
    # Thirty steps of float32; the means that are subtracted are those of 300 examples, not 0 to the last digit.
    assert other.history[-1].held_out == pytest.approx(one.history[-1].held_out, rel=1e-3)
    np.testing.assert_allclose(_numpy(other.trunk(x * factors)), _numpy(one.trunk(x)), atol=2e-3)


def test_rectified_units_learn_too() -> None:
    x = bits(600)
    learner = _learner(x[:-100], _trunk(activation="relu"))
    spec = Spec(epochs=15, batch_size=20, optimizer="sgd", rate=0.01, momentum=0.9)
    learned = loop.pretrain(learner, InMemory(x[:-100]), InMemory(x[-100:]), spec, 0)
    history = learned.history
    assert history[learned.best].measures["reconstruction_error"] < 0.5 * history[0].measures["reconstruction_error"]


def test_pictures_are_taken_flat() -> None:
    x = bits(200).reshape(-1, 3, 4, 1)
    learner = _learner(x, _trunk(shape=(3, 4, 1)))
    spec = Spec(epochs=1, batch_size=20, optimizer="sgd")
    learned = loop.pretrain(learner, InMemory(x[:150]), InMemory(x[150:]), spec, 0)
    assert learned.trunk.input_shape == (None, 3, 4, 1)
    assert len(learned.history) == 2


def test_persistent_chains_are_resumed(tmp_path: Any) -> None:
    x, spec = bits(200), Spec(epochs=4, batch_size=20, optimizer="sgd", rate=0.05, momentum=0.9)
    rows = InMemory(x[:150]), InMemory(x[150:])
    options: dict[str, Any] = {"chains": 10, "sparsity": 0.2}
    through = loop.pretrain(_learner(x, **options), *rows, spec, 0)
    first = loop.pretrain(_learner(x, **options), *rows, spec, 0, path=tmp_path / "state.npz", stop_after=2)
    assert first.stopped == "interrupted"
    second = loop.pretrain(_learner(x, **options), *rows, spec, 0, path=tmp_path / "state.npz")
    one, other = names.values(through.trunk), names.values(second.trunk)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": 0}, "expected 'steps' as 1 or more, found 0"),
        ({"sparsity": 1.0}, "expected 'sparsity' from 0 (no matter) to below 1, found 1.0"),
        ({"chains": 3, "reconstruct": "means"}, "persistent chains draw samples, found reconstruct=means"),
    ],
)
def test_settings_that_no_machine_can_have_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError) as error:
        Settings(**settings)
    assert said in str(error.value)


def test_other_networks_are_refused() -> None:
    x = bits()
    two = keras.Sequential([keras.Input((12,)), keras.layers.Dense(3, name="one"), keras.layers.Dense(3, name="two")])
    with pytest.raises(RequestError, match=r"found one \(Dense\), two \(Dense\); several .* by the method dbn"):
        _learner(x, two)
    with pytest.raises(RequestError, match=r"'hidden' to have the activation sigmoid .* found tanh; choose"):
        _learner(x, _trunk(activation="tanh"))
    with pytest.raises(RequestError, match="needs sigmoid units, found rectified ones"):
        _learner(x, _trunk(activation="relu"), sparsity=0.1)
    with pytest.raises(RequestError, match=r"take values from 0 to 1, found 0 to 3 below layer 'hidden'; scale them"):
        _learner(3 * x, visible="binary")
    unflattened = keras.Sequential([keras.Input((3, 4)), keras.layers.Dense(3, activation="sigmoid", name="hidden")])
    with pytest.raises(RequestError, match=r"expected vectors below layer 'hidden', found \(3, 4\)"):
        _learner(x.reshape(-1, 3, 4), unflattened)
