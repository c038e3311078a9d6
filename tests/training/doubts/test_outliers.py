"""What is unlike all others is found, and clouds of every shape have nothing of that kind."""

import numpy as np
import pytest

from regraft.training.doubts import outliers as search
from regraft.training.doubts.outliers import isolation, outliers


def test_planted_ones_are_found_the_strangest_first() -> None:
    draw = np.random.default_rng(0)
    activations = draw.standard_normal((8, 50))[draw.integers(0, 8, 400)] + 0.3 * draw.standard_normal((400, 50))
    strange = np.linalg.qr(draw.standard_normal((50, 4)))[0].T
    activations[[5, 50, 150, 250]] = 8 * strange
    how_far = isolation(activations.astype(np.float32))
    found = outliers(how_far)
    assert set(found.tolist()) == {5, 50, 150, 250}
    assert (np.diff(how_far[found]) <= 0).all()


def cloud(shape: str, draw: np.random.Generator) -> np.ndarray:
    if shape == "normal":
        return draw.standard_normal((300, 16))
    if shape == "uniform":
        return draw.uniform(-1, 1, (300, 6))
    if shape == "heavy":
        return draw.standard_t(8, (300, 16))
    return draw.standard_normal((5, 16))[draw.integers(0, 5, 300)] + 0.4 * draw.standard_normal((300, 16))


@pytest.mark.parametrize("shape", ["normal", "uniform", "clusters", "heavy"])
def test_chance_makes_few(shape: str) -> None:
    found = [
        len(outliers(isolation(cloud(shape, np.random.default_rng(seed)).astype(np.float32)))) for seed in range(40)
    ]
    # Of 12,000 examples. Were the distances normal, two would be expected; at most one in 250 is what is claimed.
    assert sum(found) <= 48


def test_a_sample_of_references_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    activations = cloud("normal", np.random.default_rng(1)).astype(np.float32)
    activations[17] *= 12
    whole = isolation(activations)
    monkeypatch.setattr(search, "REFERENCES", 100)
    sampled = isolation(activations, seed=3)
    assert outliers(whole).tolist() == outliers(sampled).tolist() == [17]
    assert np.corrcoef(whole, sampled)[0, 1] > 0.9
    np.testing.assert_array_equal(sampled, isolation(activations, seed=3))
