"""New layers on pooled activations: they learn what no linear head can, go on where they were stopped, and fold."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import DataError
from regraft.core.head_spec import HeadSpec, NewLayersSpec
from regraft.core.phase import Phase
from regraft.surgery.graft import graft, set_values
from regraft.training.feeds import Feed
from regraft.training.heads import LayeredHead, fit_head, fit_layers, phase_of

Array = np.ndarray[Any, Any]

_PHASE = NewLayersSpec(epochs=40, rate=0.01)


def _circles(count: int, seed: int) -> tuple[Array, Array]:
    """Two classes, one around the other, in activations whose channels have means and scales of their own."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % 2
    x = random.normal(size=(count, 6))
    x *= (np.where(y, 3.0, 1.0) / np.linalg.norm(x, axis=1))[:, None] * random.uniform(0.9, 1.1, (count, 1))
    return (x * [1, 2, 5, 0.3, 1, 10] + [0, 40, -3, 0, 7, 100]).astype("float32"), y


def _feed(x: Array, y: Array) -> Feed:
    return Feed(lambda chosen, view: x[chosen], y)


_X, _Y = _circles(400, 0)
_TEST_X, _TEST_Y = _circles(400, 1)
_TRAINING, _VALIDATION = _feed(_X, _Y), _feed(*_circles(100, 2))


def _fitted(**more: Any) -> LayeredHead:
    return fit_layers(_TRAINING, _VALIDATION, 2, (16, 8), _PHASE, 3, **more).head


@pytest.fixture(scope="module")
def fitted() -> LayeredHead:
    """What the tests compare with; the first draw of the process is one of its own."""
    keras.utils.set_random_seed(1)
    return _fitted()


def _right(head: Any) -> float:
    return float(np.mean(head.probabilities(_TEST_X).argmax(axis=1) == _TEST_Y))


def test_they_learn_what_no_linear_head_can(fitted: LayeredHead) -> None:
    assert _right(fit_head(_X, _Y, 2)) < 0.6
    assert _right(fitted) > 0.97


def test_what_was_learnt_from_standardised_activations_is_folded_into_raw_ones(fitted: LayeredHead) -> None:
    head = fitted
    branch = graft(None, 2, shape=(6,), hidden=(16, 8))
    set_values(branch, head.learnt)
    standard = ((_TEST_X - head.basis.centre) / head.basis.scale).astype("float32")
    expected = keras.ops.convert_to_numpy(branch(standard, training=False))
    set_values(branch, head.values)
    raw = keras.ops.convert_to_numpy(branch(_TEST_X, training=False))
    # Means of a hundred times the spread cost two digits of float32's seven.
    np.testing.assert_allclose(raw, expected, rtol=1e-3, atol=2e-3)
    np.testing.assert_allclose(head.logits(_TEST_X), raw, rtol=1e-3, atol=2e-3)
    np.testing.assert_allclose(head.probabilities(_TEST_X).sum(axis=1), 1, rtol=1e-9)


def test_stopped_and_begun_again_it_ends_as_if_it_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fitted: LayeredHead
) -> None:
    checkpoint = tmp_path / "new-layers.checkpoint.npz"
    fetched = 0

    def dying(chosen: Array, view: int) -> Array:
        nonlocal fetched
        fetched += 1
        if fetched == 150:
            raise KeyboardInterrupt
        return _X[chosen]

    with monkeypatch.context() as patched:
        patched.setattr("regraft.training.checkpoint.SAVE_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            fit_layers(Feed(dying, _Y), _VALIDATION, 2, (16, 8), _PHASE, 3, checkpoint=checkpoint)
    assert checkpoint.exists()
    again = _fitted(checkpoint=checkpoint)
    assert all(np.array_equal(value, again.values[name]) for name, value in fitted.values.items())


def test_one_seed_gives_one_result_whatever_was_drawn_before(fitted: LayeredHead) -> None:
    # The other fit was begun after seed 1.
    keras.utils.set_random_seed(2)
    again = _fitted()
    assert all(np.array_equal(value, again.values[name]) for name, value in fitted.values.items())


def test_they_go_on_from_what_they_had_learnt(fitted: LayeredHead) -> None:
    head = fitted
    gentle = Phase(name="refit", epochs=1, rate=1e-5, layer_decay=1.0, keep="last")
    on = fit_layers(_TRAINING, _feed(_X[:0], _Y[:0]), 2, (16, 8), gentle, 4, start=head)
    assert on.head.basis is head.basis
    for name, value in head.learnt.items():
        moved = np.abs(on.head.learnt[name] - value).max()
        # Adam moves by at most the rate in a step, and a little more in its first ones.
        assert 0 < moved < 13 * 2e-5, name


def test_a_rate_can_be_found() -> None:
    made = fit_layers(_TRAINING, _VALIDATION, 2, (16,), replace(_PHASE, rate="find", epochs=10), 3)
    assert made.found_rate is not None
    assert made.phase.rate == made.found_rate.suggested
    assert made.trained.phases[0].certificate.holds
    assert {rule.rate for rule in made.phase.rates} == {made.found_rate.suggested}


def test_how_long_follows_from_how_many_there_are_unless_the_plan_says() -> None:
    few, many = (phase_of(HeadSpec(hidden=(8,)), count).epochs for count in (100, 1_000_000))
    assert few is not None
    assert many is not None
    assert few > many >= 1
    said = HeadSpec(hidden=(8,), learning=NewLayersSpec(epochs=3, rate=0.5))
    assert (phase_of(said, 100).epochs, phase_of(said, 100).rate) == (3, 0.5)


def test_activations_that_are_no_numbers_are_refused() -> None:
    broken = _X.copy()
    broken[7, 2] = np.nan
    with pytest.raises(DataError, match=r"found NaN or infinity in 1 of 6 features \(first: feature 2\)"):
        fit_layers(_feed(broken, _Y), _VALIDATION, 2, (4,), _PHASE)
