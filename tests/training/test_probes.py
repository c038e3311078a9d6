"""Probes: the closed form against refitting without each example; the choice of a cut."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from regraft.core.errors import DataError
from regraft.core.metrics import accuracy
from regraft.training import probes
from regraft.training.heads.basis import scale_of


def examples(n: int, d: int, k: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, k, n)
    centres = draw.standard_normal((k, d))
    return (centres[labels] + noise * draw.standard_normal((n, d)) + 2).astype(np.float32), labels


@pytest.mark.parametrize(("n", "d"), [(60, 20), (40, 90)])
def test_left_out_answers_are_those_of_refitting_without_the_example(n: int, d: int) -> None:
    activations, labels = examples(n, d, 3, noise=2.5)
    result = probes.probe(activations, labels, 3)
    raw = activations.astype(np.float64)
    features = (raw - raw.mean(axis=0)) / scale_of(raw.std(axis=0))
    squares = np.linalg.svd(features, compute_uv=False) ** 2
    model, targets = Ridge(alpha=result.penalty * squares.mean()), np.eye(3)[labels]
    answers = [
        model.fit(np.delete(features, i, 0), np.delete(targets, i, 0)).predict(features[i : i + 1])[0].argmax()
        for i in range(n)
    ]
    np.testing.assert_array_equal(result.correct, np.array(answers) == labels)
    assert result.accuracy == accuracy(result.correct)
    assert result.width == d


def test_noise_is_at_chance_and_signal_is_not() -> None:
    activations, labels = examples(300, 400, 4, noise=3.0)
    shuffled = np.random.default_rng(1).permutation(labels)
    assert probes.probe(activations, labels, 4).accuracy.value > 0.9
    assert probes.probe(activations, shuffled, 4).accuracy.value < 0.35


def test_large_data_is_sampled_by_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "PROBE_EXAMPLES", 100)
    activations, labels = examples(1000, 10, 2, noise=1.0)
    labels[:700], labels[700:998], labels[998:] = 0, 1, 2
    found = probes.probe_many({"low": activations, "high": activations + 1}, labels, 3, seed=5)
    np.testing.assert_array_equal(found["low"].indices, found["high"].indices)
    np.testing.assert_array_equal(np.bincount(labels[found["low"].indices]), [70, 30, 2])
    assert len(found["low"].correct) == 102


def test_rare_and_absent_classes_and_dead_features() -> None:
    activations, labels = examples(50, 8, 2, noise=0.5)
    activations[:, 3] = 1.0
    labels[0] = 3
    result = probes.probe(activations, labels, 5)
    assert result.correct[1:].mean() > 0.9
    constant = probes.probe(np.ones((10, 4), np.float32), np.arange(10) % 2, 2)
    assert np.isfinite(constant.accuracy.value)


def result(correct: np.ndarray) -> probes.ProbeResult:
    return probes.ProbeResult(accuracy(correct), correct, np.arange(len(correct)), 1, 1.0, 0.0)


def test_the_deepest_cut_that_cannot_be_told_from_the_best_is_chosen() -> None:
    low, best, level, worse = (np.arange(200) < right for right in (100, 180, 178, 150))
    found = {"low": result(low), "best": result(best), "level": result(level), "worse": result(worse)}
    assert probes.best_cut(found) == "level"
    assert probes.best_cut({name: found[name] for name in ("low", "best", "worse")}) == "best"
    assert probes.best_cut({"best": found["best"], "also": found["best"]}) == "also"


@pytest.mark.parametrize(
    ("activations", "labels", "message"),
    [
        (np.ones((3, 2)), np.zeros(2, int), r"found \(3, 2\) and \(2,\)"),
        (np.ones((1, 2)), np.zeros(1, int), "at least two examples"),
        (np.ones((2, 2)), np.array([0, 2]), "labels from 0 to 1, found 0 to 2"),
        (np.full((2, 2), np.inf), np.array([0, 1]), "NaN or infinity in 2 of 2 features"),
    ],
)
def test_what_cannot_be_probed_is_refused(activations: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        probes.probe(activations, labels, 2)


def test_no_probe_is_refused() -> None:
    with pytest.raises(DataError, match="at least one cut point to choose from"):
        probes.best_cut({})
