"""What makes an engine equal to Keras, and which cut point is named where one is not."""

from collections.abc import Callable

import numpy as np
import pytest

from regraft.activations.engines import BATCH, Wanted
from regraft.activations.engines import keras as keras_engine
from regraft.activations.engines.proving import Proof, prove, relative
from regraft.activations.engines.trunk import Trunk, trunk_of
from regraft.core.input_spec import InputSpec
from tests.laws.networks import built, examples

Array = np.ndarray
# From the top downwards, so that the first that differs is not the first that is wanted.
_WANTED = [Wanted("relu1", True), Wanted("relu1", False), Wanted("relu0", False), Wanted("conv0", False)]


@pytest.fixture(scope="module")
def trunk() -> Trunk:
    return trunk_of(built("chain"), InputSpec((12, 12, 3)), 255.0, _WANTED)


@pytest.fixture(scope="module")
def batch() -> Array:
    return np.asarray(examples("chain", BATCH), "float32")


def _proof(trunk: Trunk, batch: Array, altered: Callable[[Array, list[Array]], list[Array]]) -> Proof:
    run = keras_engine.compile(trunk)
    return prove(trunk, run(batch), lambda given: altered(given, [rows.copy() for rows in run(given)]), batch)


def test_keras_is_equal_to_itself(trunk: Trunk, batch: Array) -> None:
    found = _proof(trunk, batch, lambda _, made: made)
    assert found.holds
    assert found.difference == 0


def test_rounding_is_allowed_and_measured(trunk: Trunk, batch: Array) -> None:
    found = _proof(trunk, batch, lambda _, made: [rows * np.float32(1 + 2e-5) for rows in made])
    assert found.holds
    assert found.difference == pytest.approx(2e-5, rel=0.1)


def test_the_lowest_cut_point_that_differs_is_named(trunk: Trunk, batch: Array) -> None:
    def wrong(_: Array, made: list[Array]) -> list[Array]:
        return [made[0] * 1.5, made[1] * 1.01, made[2] * 1.001, made[3]]

    found = _proof(trunk, batch, wrong)
    assert found.against.startswith("at 'relu0' it differs from Keras by 1.0e-03 of the largest activation, 1e-04 is")
    assert found.at == 2


def test_an_averaged_result_that_differs_is_named_as_such(trunk: Trunk, batch: Array) -> None:
    found = _proof(trunk, batch, lambda _, made: [made[0] * np.float32(2), *made[1:]])
    assert "at 'relu1' (averaged) it differs" in found.against


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_differs(trunk: Trunk, batch: Array, value: float) -> None:
    def broken(_: Array, made: list[Array]) -> list[Array]:
        made[3][5, 0, 0, 0] = value
        return made

    assert "at 'conv0' it differs from Keras by inf" in _proof(trunk, batch, broken).against


def test_another_result_the_second_time_is_refused(trunk: Trunk, batch: Array) -> None:
    random = np.random.default_rng(0)

    def restless(_: Array, made: list[Array]) -> list[Array]:
        return [*made[:2], made[2] + random.normal(scale=1e-7, size=made[2].shape).astype("float32"), made[3]]

    assert _proof(trunk, batch, restless).against == "at 'relu0' it gives another result the second time"


def test_rows_that_depend_on_their_neighbours_are_refused(trunk: Trunk, batch: Array) -> None:
    def mixed(given: Array, made: list[Array]) -> list[Array]:
        return [made[0], made[1] + np.float32(1e-7) * given.mean(), *made[2:]]

    message = "at 'relu1' an example's result depends on its place or neighbours"
    assert _proof(trunk, batch, mixed).against == message


def test_rows_that_depend_on_their_place_are_refused(trunk: Trunk, batch: Array) -> None:
    def by_place(_: Array, made: list[Array]) -> list[Array]:
        made[3][8:16] += np.float32(1e-6)
        return made

    message = "at 'conv0' an example's result depends on its place or neighbours"
    assert _proof(trunk, batch, by_place).against == message


def test_differences_are_relative_to_the_largest_expected_value() -> None:
    assert relative(np.array([0.0, 4.0]), np.array([0.1, 4.0])) == pytest.approx(0.025)
    assert relative(np.zeros(2), np.array([0.0, 1e-9])) == np.inf
    assert relative(np.zeros(2), np.zeros(2)) == 0
    assert relative(np.zeros(2), np.zeros(3)) == np.inf
    assert relative(np.zeros((0, 3)), np.zeros((0, 3))) == 0
