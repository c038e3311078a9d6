"""What holds for every score: it does not matter how examples and axes are turned, and poor data have an answer."""

from types import ModuleType

import numpy as np
import pytest

from regraft.core.errors import DataError
from regraft.zoo.scores import SCORES
from tests.zoo.scores.examples import examples

_every = pytest.mark.parametrize("module", SCORES.values(), ids=list(SCORES))
_shapes = pytest.mark.parametrize(("n", "d"), [(120, 20), (60, 150)], ids=["tall", "wide"])


def test_the_table_is_keyed_by_the_names_of_its_members() -> None:
    assert list(SCORES) == ["logme", "h_score", "nleep", "sfda"]
    for name, module in SCORES.items():
        assert name == module.NAME
        assert "\n" not in module.WHAT
        assert module.WHAT


@_every
@_shapes
def test_activations_that_tell_the_classes_score_higher_than_those_that_do_not(
    module: ModuleType, n: int, d: int
) -> None:
    activations, labels = examples(n, d, 4, noise=1.5)
    noisier, _ = examples(n, d, 4, noise=8.0)
    shuffled = np.random.default_rng(1).permutation(labels)
    found = module.score(activations, labels, 4)
    assert found > module.score(noisier, labels, 4)
    assert found > module.score(activations, shuffled, 4)


@_every
@_shapes
def test_the_order_of_examples_does_not_matter(module: ModuleType, n: int, d: int) -> None:
    activations, labels = examples(n, d, 3, noise=2.0)
    order = np.random.default_rng(2).permutation(n)
    found, turned = (
        [module.score(rows, given, 3, seed) for seed in range(20)]
        for rows, given in ((activations, labels), (activations[order], labels[order]))
    )
    if module.NAME != "nleep":
        assert turned == pytest.approx(found, rel=1e-7)
        return
    # Where its mixture begins is drawn by place, so that only the mean over many seeds is the same.
    error = np.hypot(np.std(found), np.std(turned)) / np.sqrt(20)
    assert abs(np.mean(found) - np.mean(turned)) < 3 * error + 1e-9
    assert np.std(found) > 0


@_every
def test_one_seed_gives_one_score(module: ModuleType) -> None:
    activations, labels = examples(100, 20, 4, noise=3.0)
    assert module.score(activations, labels, 4, seed=5) == module.score(activations, labels, 4, seed=5)


@_every
@_shapes
def test_a_rotation_does_not_matter(module: ModuleType, n: int, d: int) -> None:
    activations, labels = examples(n, d, 3, noise=2.0)
    rotation = np.linalg.qr(np.random.default_rng(3).standard_normal((d, d)))[0]
    rows = activations.astype(np.float64)
    assert module.score(rows @ rotation, labels, 3) == pytest.approx(module.score(rows, labels, 3), rel=1e-6)


@_every
@_shapes
def test_the_unit_does_not_matter(module: ModuleType, n: int, d: int) -> None:
    activations, labels = examples(n, d, 3, noise=2.0)
    rows = activations.astype(np.float64)
    for factor in (1e-3, 1e4):
        assert module.score(factor * rows, labels, 3) == pytest.approx(module.score(rows, labels, 3), rel=1e-6)


@_every
def test_an_offset_does_not_matter_to_what_is_centred(module: ModuleType) -> None:
    activations, labels = examples(80, 10, 3, noise=2.0)
    rows = activations.astype(np.float64)
    same = module.score(rows + 50.0, labels, 3) == pytest.approx(module.score(rows, labels, 3), rel=1e-6)
    # LogME has no intercept, as published.
    assert same == (module.NAME != "logme")


@_every
def test_a_class_without_examples_counts_for_nothing(module: ModuleType) -> None:
    activations, labels = examples(80, 10, 3, noise=2.0)
    assert module.score(activations, 2 * labels + 1, 9) == module.score(activations, labels, 3)


@_every
def test_what_is_given_stays_as_it_is(module: ModuleType) -> None:
    activations, labels = examples(80, 10, 3, noise=2.0)
    before = activations.astype(np.float64)
    given = before.copy()
    module.score(given, labels, 3)
    np.testing.assert_array_equal(given, before)


@_every
@pytest.mark.parametrize(
    "kind", ["constant", "zero", "dead", "one", "two", "twins", "perfect", "single column", "huge"]
)
def test_poor_data_have_a_finite_score(module: ModuleType, kind: str) -> None:
    activations, labels = examples(40, 12, 3, noise=2.0)
    rows = activations.astype(np.float64)
    if kind == "constant":
        rows[:] = 3.1
    elif kind == "zero":
        rows[:] = 0.0
    elif kind == "dead":
        rows[:, 2:] = 7.7
    elif kind == "one":
        labels[:] = 0
        labels[5] = 1
    elif kind == "two":
        rows, labels = rows[:2], np.array([0, 1])
    elif kind == "twins":
        rows[:] = rows[labels]
    elif kind == "perfect":
        rows = np.eye(3)[labels]
    elif kind == "single column":
        rows = rows[:, :1]
    else:
        rows *= 1e30
    assert np.isfinite(module.score(rows, labels, 3))


@_every
def test_constant_activations_are_no_better_than_shuffled_ones(module: ModuleType) -> None:
    activations, labels = examples(90, 12, 3, noise=1.0)
    assert module.score(np.full((90, 12), 3.1), labels, 3) < module.score(activations, labels, 3)


@_every
def test_what_cannot_be_scored_is_said(module: ModuleType) -> None:
    activations, labels = examples(30, 5, 3, noise=1.0)
    broken = activations.copy()
    broken[3, 2] = np.nan
    for rows, given, message in (
        (
            activations[:, 0],
            labels,
            r"expected activations \(n, d\) and labels \(n,\) of at least two examples, found \(30,\)",
        ),
        (activations[:1], labels[:1], r"found \(1, 5\) and \(1,\)"),
        (activations, labels[:-1], r"found \(30, 5\) and \(29,\)"),
        (activations, labels + 1, "expected labels from 0 to 2, found 1 to 3"),
        (
            activations,
            np.zeros(30, np.int64),
            "expected examples of at least two classes to score a source by, found class 0",
        ),
        (broken, labels, "expected finite activations to score a source by"),
    ):
        with pytest.raises(DataError, match=message):
            module.score(rows, given, 3)
