"""The weights that pretraining begins with: the numbers that a seed draws are the same on every backend."""

from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.pretraining import Kind
from regraft.graph import names
from regraft.pretraining import method, starting, trunks
from tests.laws import learners

# Sums of absolute values, written down once: whatever the backend is, they are these.
TEXTS = {
    "text-cnn?filters=2&windows=2": 58.332010,
    "text-rnn?units=4": 263.638656,
    "text-transformer?width=8&layers=1&heads=2": 341.057461,
}
HEADS: dict[tuple[str, Kind], float] = {
    ("pairs", "numbers"): 148.990308,
    ("corrupted", "numbers"): 101.580454,
    ("ranking", "numbers"): 78.710998,
    ("barlow-twins", "numbers"): 8353.236328,
}


def _sum(model: keras.Model) -> float:
    values = {name: value for name, value in names.values(model).items() if "seed_generator" not in name}
    return float(sum(np.abs(value.astype(np.float64)).sum() for value in values.values()))


def _for_texts(architecture: str, seed: int) -> float:
    return _sum(trunks.build(architecture, (12,), "text", seed, vocabulary=20))


@pytest.mark.parametrize(("architecture", "told"), TEXTS.items())
def test_networks_for_texts_begin_alike_on_every_backend(architecture: str, told: float) -> None:
    assert _for_texts(architecture, 3) == pytest.approx(told, 1e-5)


def test_another_seed_is_another_beginning() -> None:
    told = TEXTS["text-rnn?units=4"]
    assert _for_texts("text-rnn?units=4", 4) != pytest.approx(told, 1e-5)


@pytest.mark.parametrize(("case", "told"), HEADS.items(), ids=lambda item: "-".join(item) if item in HEADS else "")
def test_what_stands_above_a_network_begins_alike_on_every_backend(case: tuple[str, Kind], told: float) -> None:
    chosen = method(case[0])
    learner = chosen.learner(learners.trunk(*case), learners.sample(case[1]), chosen.Settings(), learners.SEED)
    assert _sum(learner.model) == pytest.approx(told, 1e-5)


@pytest.mark.parametrize(
    "start",
    [
        keras.initializers.GlorotUniform(),
        keras.initializers.HeNormal(),
        keras.initializers.LecunUniform(),
        keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        keras.initializers.RandomUniform(-0.1, 0.3),
        keras.initializers.RandomNormal(0.1, 0.3),
        keras.initializers.TruncatedNormal(0.1, 0.3),
        keras.initializers.Orthogonal(2.0),
    ],
    ids=lambda start: type(start).__name__,
)
def test_numbers_are_spread_as_those_of_keras(start: keras.initializers.Initializer) -> None:
    shape = (3, 40, 60)
    ours = starting.by_initializer(start, shape, np.random.default_rng(0))
    theirs: np.ndarray[Any, Any] = np.asarray(keras.ops.convert_to_numpy(start(shape)), np.float64)
    assert ours.dtype == np.float32
    assert ours.shape == shape
    # Of 7,200 numbers: a mean is within a tenth of a deviation, a deviation within a twentieth.
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), abs=float(theirs.std()) / 10)
    assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.05)
    assert float(np.abs(ours).max()) == pytest.approx(float(np.abs(theirs).max()), rel=0.35)
    if isinstance(start, keras.initializers.Orthogonal):
        flat = ours.reshape(-1, shape[-1]).astype(np.float64)
        flat = flat if flat.shape[0] >= flat.shape[1] else flat.T
        np.testing.assert_allclose(flat.T @ flat, 4.0 * np.eye(flat.shape[1]), atol=1e-5)
