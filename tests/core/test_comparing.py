"""Choices against plain loops, laws under hypothesis, and how often what is said is wrong."""

import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regraft.core import metrics, resampling
from regraft.core.comparing import Choice, chosen
from regraft.core.errors import DataError, RequestError

Array = np.ndarray[Any, Any]


def answers(n: int, skills: list[float], k: int = 4, seed: int = 0, own: float = 0.5) -> tuple[dict[str, Array], Array]:
    """Ways of different skill that share what is hard about the examples; named in the order of their skills."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, k, n)
    shared = random.standard_normal((n, k))
    made = {}
    for number, skill in enumerate(skills):
        logits = shared + own * random.standard_normal((n, k))
        logits[np.arange(n), labels] += skill
        powers = np.exp(logits)
        made[f"way {number}"] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return made, labels


def level(made: dict[str, Array]) -> dict[str, float]:
    return {name: float(number) for number, name in enumerate(made)}


def loss(probabilities: Array, labels: Array) -> list[float]:
    return [-float(np.log(np.float64(row[label]))) for row, label in zip(probabilities, labels, strict=True)]


def by_hand(made: dict[str, Array], labels: Array, costs: dict[str, float], rows: list[int]) -> tuple[str, str]:
    """The rule in plain words, over the rows that are named, as often as they are named."""
    drawn = {name: [loss(array, labels)[row] for row in rows] for name, array in made.items()}
    best = min(drawn, key=lambda name: (round(statistics.fmean(drawn[name]), 9), costs[name], name))
    within: list[str] = []
    for name, own in drawn.items():
        apart = [a - b for a, b in zip(own, drawn[best], strict=True)]
        if statistics.fmean(apart) <= statistics.stdev(apart) / len(rows) ** 0.5 + resampling.SAME:
            within.append(name)
    cheapest = min(costs[name] for name in within)
    return best, min(
        (name for name in within if costs[name] == cheapest), key=lambda name: statistics.fmean(drawn[name])
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_choice_and_its_correction_are_those_of_plain_loops(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "RESAMPLES", 60)
    made, labels = answers(14, [1.0, 1.2, 1.4, 0.2], seed=seed)
    costs = {"way 0": 0.0, "way 1": 2.0, "way 2": 2.0, "way 3": 1.0}
    found = chosen(made, labels, costs)
    assert (found.best, found.name) == by_hand(made, labels, costs, list(range(14)))
    # The rows stand in the order of their content while they are resampled.
    names = sorted(made, key=lambda name: (costs[name], name))
    losses = np.array([loss(made[name], labels) for name in names])
    right = np.array([made[name].argmax(axis=1) == labels for name in names])
    order = sorted(range(14), key=lambda row: (*losses[::-1, row], *right[::-1, row]))
    out: dict[int, list[tuple[bool, float]]] = {row: [] for row in range(14)}
    for counts in np.concatenate(list(resampling.resamples(14, 0))):
        rows = [order[place] for place, count in enumerate(counts) for _ in range(int(count))]
        if len(set(rows)) == 1:
            continue
        way = names.index(by_hand(made, labels, costs, rows)[1])
        for row in set(range(14)) - set(rows):
            out[row].append((bool(right[way, row]), losses[way, row]))
    assert found.accuracy.value == pytest.approx(np.mean([np.mean([a for a, _ in each]) for each in out.values()]))
    # Probabilities are float32.
    assert found.log_loss.value == pytest.approx(
        np.mean([np.mean([b for _, b in each]) for each in out.values()]), rel=1e-6
    )


def test_one_way_is_judged_as_it_is() -> None:
    made, labels = answers(150, [2.0])
    found = chosen(made, labels, {"way 0": 3})
    alone = metrics.measure(made["way 0"], labels)
    assert (found.name, found.best, found.indistinguishable, found.gains) == ("way 0", "way 0", (), {})
    assert found.accuracy.value == pytest.approx(alone.accuracy.value)
    assert found.log_loss.value == pytest.approx(alone.log_loss.value)
    # The interval of a mean of 150 skewed losses: the bootstrap's percentiles within a tenth of its width.
    width = alone.log_loss.interval[1] - alone.log_loss.interval[0]
    assert found.log_loss.interval == pytest.approx(alone.log_loss.interval, abs=width / 10)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 60), st.lists(st.floats(0, 2), min_size=1, max_size=5), st.integers(0, 1000))
def test_neither_the_order_of_ways_nor_that_of_examples_matters(n: int, skills: list[float], seed: int) -> None:
    made, labels = answers(n, skills, seed=seed)
    random = np.random.default_rng(seed)
    costs = {name: float(random.integers(0, 3)) for name in made}
    groups = random.integers(0, n, n)
    order = random.permutation(n)
    turned = {name: made[name][order] for name in random.permutation(list(made)).tolist()}
    assert chosen(turned, labels[order], costs) == chosen(made, labels, costs)
    # Numbers of groups are names.
    same = chosen(turned, labels[order], costs, groups=n - groups[order])
    assert same == chosen(made, labels, costs, groups=groups)


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 80), st.lists(st.floats(0, 1), min_size=2, max_size=6), st.integers(0, 1000))
def test_the_cheapest_within_one_standard_error_of_the_best_is_taken(n: int, skills: list[float], seed: int) -> None:
    made, labels = answers(n, skills, seed=seed)
    costs = {name: -number for name, number in level(made).items()}
    found = chosen(made, labels, costs)
    assert (found.best, found.name) == by_hand(made, labels, costs, list(range(n)))
    # One standard error is less than any bound.
    assert found.best in {found.name, *found.indistinguishable}
    assert found.name not in found.indistinguishable
    assert set(found.gains) == set(made) - {found.name}


@settings(max_examples=25, deadline=None)
@given(st.integers(30, 100), st.integers(1, 8), st.integers(0, 1000))
def test_a_way_that_is_clearly_better_stands_alone(n: int, others: int, seed: int) -> None:
    made, labels = answers(n, [0.5] * others, seed=seed)
    random = np.random.default_rng(seed)
    # On every example at least e times as probable as by any other way: ten standard errors.
    most = np.max([array[np.arange(n), labels] for array in made.values()], axis=0)
    right = np.minimum(1.0, most * np.exp(random.uniform(1, 2, n)))
    made = {name: array.astype(np.float64) / np.e**2 for name, array in made.items()}
    clear = np.repeat(((1 - right) / 3)[:, None], 4, axis=1)
    clear[np.arange(n), labels] = right
    found = chosen({**made, "clear": clear}, labels, {**dict.fromkeys(made, 0), "clear": 9})
    assert (found.name, found.best, found.indistinguishable) == ("clear", "clear", ())


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 3), st.integers(1, 4), st.integers(0, 1000))
def test_identical_ways_cannot_be_told_apart_and_the_cheapest_is_taken(
    n: int, own: int, copies: int, seed: int
) -> None:
    made, labels = answers(n, [0.3 * number for number in range(own)], seed=seed)
    # What float32 leaves of the same sum in another order is no difference.
    again = {
        f"{name}, copy {number}": array * np.float32(1 - 6e-8 * number)
        for name, array in made.items()
        for number in range(copies)
    }
    found = chosen({**made, **again}, labels, {**dict.fromkeys(made, 1), **dict.fromkeys(again, 2)})
    assert found.name in made
    assert {f"{found.name}, copy {number}" for number in range(copies)} <= set(found.indistinguishable)


def test_with_few_examples_hardly_anything_can_be_told_apart() -> None:
    made, labels = answers(10, [1.0, 1.5, 0.5])
    found = chosen(made, labels, level(made))
    assert {found.name, *found.indistinguishable} == set(made)
    low, high = found.accuracy.interval
    assert high - low > 0.4
    assert chosen({"a": made["way 0"][:1]}, labels[:1], {"a": 0}).log_loss.interval == (0.0, np.inf)


def test_ways_that_are_always_right_end_at_one_and_are_not_certain() -> None:
    labels = np.arange(20) % 3
    perfect = np.eye(3)[labels]
    found = chosen({"b": perfect, "a": perfect}, labels, {"a": 1, "b": 1})
    assert (found.name, found.indistinguishable) == ("a", ("b",))
    assert found.accuracy.value == 1.0
    assert found.accuracy.interval == (pytest.approx(1 / (1 + metrics.Z**2 / 20)), 1.0)
    assert found.log_loss.value == 0.0
    assert found.gains["b"] == metrics.paired_gain(np.ones(20, bool), np.ones(20, bool))


def test_equal_ways_are_told_apart_no_more_often_than_promised() -> None:
    wrong = sum(_told_apart(answers(80, [1.0] * 6, seed=seed)) for seed in range(200))
    # 5 % of 200 are 10, and at most 17 in 98 of 100 such tests.
    assert wrong <= 17


def _told_apart(drawn: tuple[dict[str, Array], Array]) -> bool:
    found = chosen(*drawn, dict.fromkeys(drawn[0], 0))
    return len(found.indistinguishable) < len(drawn[0]) - 1


def test_the_best_of_many_is_corrected_for_its_luck() -> None:
    """Forty ways of one skill, each with mistakes of its own: the best looks better than all, and is not."""
    apparent, corrected = [], []
    for seed in range(30):
        made, labels = answers(100, [1.0] * 40, seed=seed, own=2.0)
        found = chosen(made, labels, dict.fromkeys(made, 0))
        apparent.append(np.mean(made[found.name].argmax(axis=1) == labels))
        corrected.append(found.accuracy.value)
    made, labels = answers(20_000, [1.0] * 5, seed=99, own=2.0)
    truth = np.mean([array.argmax(axis=1) == labels for array in made.values()])
    # Thirty means of 100: 0.9 points of standard error.
    assert np.mean(apparent) - truth > 0.04
    assert abs(np.mean(corrected) - truth) < 0.02


def test_copies_of_examples_add_nothing_when_they_are_named() -> None:
    made, labels = answers(60, [1.0, 1.3, 0.8])
    five = {name: np.repeat(array, 5, axis=0) for name, array in made.items()}
    once = chosen(made, labels, level(made))
    again = chosen(five, np.repeat(labels, 5), level(made), groups=np.repeat(np.arange(60), 5))
    assert _figures(again) == pytest.approx(_figures(once))
    assert (again.name, again.indistinguishable) == (once.name, once.indistinguishable)
    blind = chosen(five, np.repeat(labels, 5), level(made))
    assert np.diff(blind.accuracy.interval) < np.diff(once.accuracy.interval) / 2


def _figures(found: Choice) -> list[float]:
    all_of_them = (found.accuracy, found.log_loss, *(found.gains[name] for name in sorted(found.gains)))
    return [figure for metric in all_of_them for figure in (metric.value, *metric.interval)]


def test_gains_are_paired_with_the_way_that_is_taken() -> None:
    made, labels = answers(200, [1.0, 2.5, 0.1])
    found = chosen(made, labels, level(made))
    right = {name: array.argmax(axis=1) == labels for name, array in made.items()}
    assert found.name == "way 1"
    assert list(found.gains) == ["way 0", "way 2"]
    for name, gain in found.gains.items():
        assert gain == metrics.paired_gain(right[name], right["way 1"])
    assert found.gains["way 2"].interval[1] < 0


def test_what_cannot_be_compared_is_refused() -> None:
    made, labels = answers(6, [1.0, 1.0])
    missing = made["way 1"].copy()
    missing[4] = np.nan
    with pytest.raises(DataError, match=r"'way 1' cannot be compared: .* NaN or infinity for 1 examples \(first: 4\)"):
        chosen({**made, "way 1": missing}, labels, level(made))
    with pytest.raises(DataError, match=r"'way 1' cannot be compared: .* found \(5, 4\) and \(6,\)"):
        chosen({**made, "way 1": missing[:5]}, labels, level(made))
    with pytest.raises(DataError, match=r"'way 0' cannot be compared: expected labels from 0 to 3, found 0 to 4"):
        chosen(made, np.arange(6) % 5, level(made))
    with pytest.raises(DataError, match=r"found \(6,\) and \(5,\)"):
        chosen(made, labels, level(made), groups=np.arange(5))
    with pytest.raises(RequestError, match=r"expected the answers of at least one way"):
        chosen({}, labels, {})
    with pytest.raises(RequestError, match=r"expected a cost of every way, found none of 'way 1'; nearest .*: way 0"):
        chosen(made, labels, {"way 0": 1})
    with pytest.raises(RequestError, match=r"expected finite costs, found nan of 'way 0'"):
        chosen(made, labels, {"way 0": float("nan"), "way 1": 1})
