"""Figures against scikit-learn and published examples; intervals against brute force."""

import numpy as np
import pytest
from sklearn import metrics as reference

from regraft.core import metrics
from regraft.core.errors import DataError


def predictions(n: int, k: int = 5, seed: int = 0, sharpness: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Overconfident probabilities, and labels."""
    draw = np.random.default_rng(seed)
    logits = draw.standard_normal((n, k)) * sharpness
    labels = (0.7 * logits + draw.gumbel(size=(n, k))).argmax(axis=1)
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("n", [40, 700, 5000])
def test_the_figures_are_those_of_scikit_learn(n: int) -> None:
    probabilities, labels = predictions(n)
    found, answers = metrics.measure(probabilities, labels), probabilities.argmax(axis=1)
    assert found.examples == n
    assert found.accuracy.value == pytest.approx(reference.accuracy_score(labels, answers), rel=1e-12)
    assert found.balanced_accuracy.value == pytest.approx(reference.balanced_accuracy_score(labels, answers), rel=1e-12)
    assert found.log_loss.value == pytest.approx(reference.log_loss(labels, probabilities, labels=range(5)), rel=1e-9)
    for metric in (found.accuracy, found.balanced_accuracy, found.log_loss, found.calibration_error):
        assert metric.interval[0] <= metric.value <= metric.interval[1]
        assert metric.interval[0] < metric.interval[1]


def test_wilson_interval_of_a_published_example() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263, method 3.
    correct = np.arange(263) < 81
    low, high = metrics.accuracy(correct).interval
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_wilson_interval_at_the_ends() -> None:
    assert metrics.accuracy(np.ones(20, bool)).interval == (pytest.approx(1 / (1 + metrics.Z**2 / 20)), 1.0)
    assert metrics.accuracy(np.zeros(20, bool)).interval == (0.0, pytest.approx(1 - 1 / (1 + metrics.Z**2 / 20)))


def test_calibration_error_is_the_mean_gap_over_the_bins() -> None:
    probabilities, labels = predictions(3000)
    bins = metrics.calibration_bins(probabilities, labels)
    by_hand = sum(b.examples * abs(b.confidence - b.accuracy) for b in bins) / 3000
    assert metrics.measure(probabilities, labels).calibration_error.value == pytest.approx(by_hand, rel=1e-9)
    assert sum(b.examples for b in bins) == 3000
    confidence = probabilities.max(axis=1)
    for b in bins:
        inside = (confidence >= b.low) & (confidence < b.high)
        assert b.examples == inside.sum()
        assert b.accuracy == pytest.approx((probabilities.argmax(axis=1) == labels)[inside].mean())


def test_full_confidence_is_in_the_last_bin() -> None:
    (only,) = metrics.calibration_bins(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1, 1]))
    assert (only.low, only.high, only.examples, only.confidence, only.accuracy) == (14 / 15, 1.0, 2, 1.0, 0.5)


def test_intervals_of_the_bootstrap_equal_those_of_resampled_examples() -> None:
    # 2,500 examples: more than the cells of the log loss, so that the grouping is tested too.
    probabilities, labels = predictions(2500)
    found = metrics.measure(probabilities, labels)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    losses = -np.log(probabilities[np.arange(2500), labels])
    draw, by_loss, by_gap = np.random.default_rng(1), [], []
    for _ in range(1000):
        rows = draw.integers(0, 2500, 2500)
        by_loss.append(losses[rows].mean())
        place = (confidence[rows] * 15).astype(int)
        by_gap.append(np.abs(np.bincount(place, weights=correct[rows] - confidence[rows])).sum() / 2500)
    for metric, resampled in ((found.log_loss, by_loss), (found.calibration_error, by_gap)):
        expected = np.quantile(resampled, [0.025, 0.975])
        # A quantile of 1,000 resamples is itself uncertain by about a tenth of the interval.
        np.testing.assert_allclose(metric.interval, expected, atol=0.12 * (expected[1] - expected[0]))


def test_one_seed_gives_one_result() -> None:
    probabilities, labels = predictions(300)
    assert metrics.measure(probabilities, labels, seed=4) == metrics.measure(probabilities, labels, seed=4)
    assert metrics.measure(probabilities, labels, seed=4).log_loss != metrics.measure(probabilities, labels, 5).log_loss


def test_balanced_accuracy_counts_classes_and_not_examples() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    metric = metrics.balanced_accuracy(labels == 0, labels)
    assert metric.value == 0.5
    assert 0 < metric.interval[0] < 0.5 < metric.interval[1] < 1


def test_balanced_accuracy_of_no_mistake_is_not_certain() -> None:
    labels = np.repeat(np.arange(5), 30)
    low, high = metrics.balanced_accuracy(np.ones(150, bool), labels).interval
    assert high == 1.0
    assert 0.9 < low < 0.98


def test_balanced_interval_covers_the_truth() -> None:
    draw, labels, truth = np.random.default_rng(0), np.repeat(np.arange(3), (60, 25, 15)), np.array([0.9, 0.8, 0.6])
    covered = 0
    for _ in range(1000):
        low, high = metrics.balanced_accuracy(draw.random(100) < truth[labels], labels).interval
        covered += low <= truth.mean() <= high
    assert 0.92 < covered / 1000 < 0.985


def test_a_rounded_zero_is_not_an_infinite_mistake() -> None:
    found = metrics.measure(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1, 1]))
    assert found.log_loss.value == pytest.approx(-np.log(1e-7) / 2)


def test_paired_gain_by_hand() -> None:
    # 12 better, 5 worse of 100: Bonett and Price with (12 + 1) / 102 and (5 + 1) / 102.
    ours, other = np.ones(100, bool), np.ones(100, bool)
    other[:12], ours[12:17] = False, False
    metric = metrics.paired_gain(ours, other)
    up, down = 13 / 102, 6 / 102
    spread = 1.959963984540054 * np.sqrt((up + down - (up - down) ** 2) / 102)
    assert metric.value == pytest.approx(0.07)
    assert metric.interval == (pytest.approx(up - down - spread), pytest.approx(up - down + spread))
    turned = metrics.paired_gain(other, ours)
    assert turned.value == pytest.approx(-0.07)
    assert turned.interval == (pytest.approx(-metric.interval[1]), pytest.approx(-metric.interval[0]))


def test_paired_gain_without_disagreement_is_not_certain() -> None:
    metric = metrics.paired_gain(np.ones(50, bool), np.ones(50, bool))
    assert metric.value == 0
    assert metric.interval[0] < 0 < metric.interval[1]


def test_paired_interval_covers_the_truth() -> None:
    draw, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        shared = draw.random(80)
        ours, other = shared < 0.9, (shared < 0.78) | (draw.random(80) < 0.05)
        truth = 0.9 - (0.78 + 0.22 * 0.05)
        low, high = metrics.paired_gain(ours, other).interval
        covered += low <= truth <= high
    assert 0.92 < covered / 1000 < 0.985


def test_confusion_is_that_of_scikit_learn() -> None:
    probabilities, labels = predictions(500)
    answers = probabilities.argmax(axis=1)
    found = metrics.confusion(labels.astype(np.uint8), answers, 6)
    np.testing.assert_array_equal(found, reference.confusion_matrix(labels, answers, labels=range(6)))
    assert isinstance(found[0][0], int)


def test_a_million_examples_take_little_memory_and_time() -> None:
    import tracemalloc

    probabilities, labels = predictions(1_000_000, k=2)
    tracemalloc.start()
    metrics.measure(probabilities, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (
            np.ones((2, 2)) / 2,
            np.array([0]),
            r"probabilities \(n, classes\) and labels \(n,\).*found \(2, 2\) and \(1,\)",
        ),
        (np.ones((0, 2)), np.zeros(0, int), "at least one example"),
        (np.ones((2, 2)) / 2, np.array([0, 2]), "labels from 0 to 1, found 0 to 2"),
        (np.array([[0.5, 0.5], [np.nan, 1]]), np.array([0, 1]), r"NaN or infinity for 1 examples \(first: 1\)"),
    ],
)
def test_what_cannot_be_measured_is_refused(probabilities: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        metrics.measure(probabilities, labels)


def test_unpaired_answers_are_refused() -> None:
    with pytest.raises(DataError, match=r"equally long.*found 3 and 2"):
        metrics.paired_gain(np.ones(3, bool), np.ones(2, bool))
    with pytest.raises(DataError, match="at least one example"):
        metrics.accuracy(np.ones(0, bool))
