"""How intervals are counted and judged, and one small resampling for real."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from benchmarks import coverage, digits
from benchmarks.coverage import Drawn, Outcome
from benchmarks.frame import Settings
from regraft.core import comparing


def _outcome(seed: int, truth: float, interval: tuple[float, float], **other: Any) -> Outcome:
    plain = Outcome(200, seed, "a", truth, 0.5, interval, (1.0, 1.1, 0.9, 1.2), (0.6, 0.5, 0.7), 0.55, 0.01, 2, False)
    return dataclasses.replace(plain, **other)


def test_the_share_of_intervals_that_hold_the_truth_is_judged() -> None:
    inside, below, above = (_outcome(0, truth, (0.4, 0.6)) for truth in (0.5, 0.3, 0.7))
    held = coverage.compare([inside] * 94 + [below] * 2 + [above] * 4, Settings())
    assert held.tables[0].rows[0][:5] == ("200", "100", "94.0", "4.0", "2.0")
    assert [(bar.holds, bar.found) for bar in held.bars] == [(True, "94.0 % of 100")]
    assert not coverage.compare([inside] * 92 + [above] * 8, Settings()).bars[0].holds
    # An interval that is too wide says as little as one that is too narrow.
    assert not coverage.compare([inside] * 99 + [above], Settings()).bars[0].holds


def test_the_naive_interval_and_the_log_loss_are_counted_beside_it() -> None:
    missed = _outcome(0, 0.5, (0.4, 0.6), best_truth=0.45, log_loss=(1.3, 1.1, 0.9, 1.2), wrongly_apart=True)
    row = coverage.compare([_outcome(0, 0.5, (0.4, 0.6)), missed], Settings()).tables[0].rows[0]
    named = dict(zip(coverage.compare([missed], Settings()).tables[0].columns, row, strict=True))
    assert (named["naive covered, %"], named["naive error, points"]) == ("50.0", "+10.0")
    assert (named["log loss covered, %"], named["told apart wrongly, %"]) == ("50.0", "50.0")
    assert (named["width, points"], named["regret, points"]) == ("20.0", "1.0")


def test_sizes_are_judged_apart() -> None:
    measured = [_outcome(0, 0.5, (0.4, 0.6)), _outcome(0, 0.7, (0.4, 0.6), n=500)]
    assert [bar.holds for bar in coverage.compare(measured, Settings()).bars] == [False, False]
    assert [bar.found for bar in coverage.compare(measured, Settings()).bars] == ["100.0 % of 1", "0.0 % of 1"]


def test_a_way_is_told_apart_wrongly_if_the_others_show_it_to_be_no_worse() -> None:
    labels = np.zeros(3, np.int64)
    answers = {"a": np.array([[0.9, 0.1]] * 3), "b": np.array([[0.6, 0.4]] * 3)}
    given = Drawn(labels, answers, {"a": 0.9, "b": 0.9}, {"a": 0.3, "b": 0.2})
    assert coverage._called_worse_wrongly("b", "a", given)
    assert not coverage._called_worse_wrongly("b", "a", dataclasses.replace(given, log_losses={"a": 0.2, "b": 0.3}))


def test_a_small_resampling_of_the_digits(shared_folder: object, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = digits.pool()
    # A fifth of the pictures judges two ways as well as all of them.
    monkeypatch.setattr(digits, "pool", lambda: (x[::5], y[::5]))
    every = coverage.ways.__wrapped__()
    few = {name: every[name] for name in ("pixels 7x7", "components 20")}
    monkeypatch.setattr(coverage, "ways", lambda: few)
    given = coverage.drawn(100, 3)
    assert set(given.answers) == set(few)
    assert given.answers["pixels 7x7"].shape == (100, 10)
    found = coverage.outcome(given, 100, 3)
    said = comparing.chosen(given.answers, given.labels, {"pixels 7x7": 0, "components 20": 1})
    assert (found.chosen, found.accuracy, found.interval) == (said.name, said.accuracy.value, said.accuracy.interval)
    # Ten classes: far above chance, and no more than a linear model of a hundred pictures reaches.
    assert 0.6 < found.truth < 0.9
    assert found.truth == given.accuracies[found.chosen]


def test_every_answer_is_of_a_model_that_has_not_seen_the_example() -> None:
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    labels = np.arange(120) % 10
    features = (random.standard_normal((120, 6)) + np.eye(10)[labels][:, :6]).astype(np.float32)
    fold = random.permutation(120) % coverage.FOLDS
    answers, head = coverage.fitted(features, labels, fold)
    reference = LogisticRegression(C=coverage.INVERSE_PENALTY, tol=1e-8, max_iter=1000)
    out = fold == 2
    # The tolerance that penalties are chosen with leaves a thousandth of a probability.
    reference.fit(features[~out], labels[~out])
    np.testing.assert_allclose(answers[out], reference.predict_proba(features[out]), atol=3e-3)
    reference.fit(features, labels)
    np.testing.assert_allclose(coverage.probabilities(features, head), reference.predict_proba(features), atol=3e-3)
