"""Learning curves: against drawing curves at random, cases that say little or nothing, and how often they are wrong."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regraft.core import learning_curve
from regraft.core.errors import DataError
from regraft.core.learning_curve import LearningCurve, curve

Array = np.ndarray[Any, Any]


def width(metric: Any) -> float:
    return metric.interval[1] - metric.interval[0]


def test_a_power_law_that_is_known_exactly_is_found() -> None:
    sizes = [50, 100, 200, 400, 800, 1600]
    found = curve(sizes, [1 - (0.04 + 0.8 * n**-0.4) for n in sizes], [10**7] * 6)
    assert found.exponent.interval[0] < 0.4 < found.exponent.interval[1]
    assert found.ceiling.interval[0] < 0.96 < found.ceiling.interval[1]
    for n in (100, 1600, 3200):
        truth = 1 - (0.04 + 0.8 * n**-0.4)
        # What was learnt from moves each error by a twentieth, whatever the number of answers: of 0.08 that is 0.004.
        assert found.at(n).value == pytest.approx(truth, abs=0.008)
        assert found.at(n).interval[0] < truth < found.at(n).interval[1]


@pytest.mark.parametrize(
    ("sizes", "shares", "judged"),
    [([50, 100, 200, 400], [0.70, 0.78, 0.84, 0.88], [400] * 4), ([30, 60], [0.8, 0.9], [60, 60])],
)
def test_what_is_said_is_what_drawing_curves_at_random_says(
    sizes: list[int], shares: list[float], judged: list[int]
) -> None:
    """The same prior and the same answers, by half a million curves drawn at random instead of a grid."""
    random, count = np.random.default_rng(0), 500_000
    error = random.beta(0.5, 0.5, count)
    floor = np.where(random.random(count) < 0.2, 1.0, random.random(count))
    exponent = 0.5 * np.exp(0.6 * random.standard_normal(count))
    inside = (exponent > 0.05) & (exponent < 3)
    weight = np.log(np.where(inside, 1.0, 1e-300))
    for n, share, answers in zip(sizes, shares, judged, strict=True):
        model = np.minimum(error * (floor + (1 - floor) * (n / sizes[-1]) ** -exponent), 1 - 1e-9)
        smooth = ((1 - share) * answers + 1) / (answers + 2)
        effective = 1 / (1 / answers + (0.05 * smooth) ** 2 / (smooth * (1 - smooth)))
        weight += effective * ((1 - share) * np.log(np.maximum(model, 1e-300)) + share * np.log1p(-model))
    weight = np.exp(weight - weight.max())
    later = error * (1 - (floor + (1 - floor) * 2.0**-exponent))
    found = curve(sizes, shares, judged).gain(2 * sizes[-1])
    order = np.argsort(later)
    share_below = np.cumsum(weight[order]) / weight.sum()
    # Of half a million curves some thousands agree with the points: 2 % of the interval.
    near = 0.03 * width(found)
    assert found.value == pytest.approx(np.average(later, weights=weight), abs=near)
    assert found.interval == pytest.approx(
        [later[order][np.searchsorted(share_below, t)] for t in (0.025, 0.975)], abs=near
    )


def test_the_interval_is_wider_further_from_what_was_measured() -> None:
    found = curve([50, 100, 200, 400], [0.70, 0.78, 0.84, 0.88], [400] * 4)
    widths = [width(found.at(n)) for n in (400, 800, 1600, 6400)]
    assert widths == sorted(widths)
    assert widths[-1] > 1.5 * widths[0]
    gains = [width(found.gain(n)) for n in (400, 800, 1600, 6400)]
    assert gains == sorted(gains)
    assert gains[0] == 0
    assert found.at(800).value == pytest.approx(found.at(400).value + found.gain(800).value)
    # Both have the same uncertainty of what there is today.
    assert width(found.gain(800)) < width(found.at(800))
    assert (
        found.said(found.sizes[-1]) == "twice the labels (800 instead of 400) would bring about 2.4 points (1.2 to 3.3)"
    )
    # Where a fold was left out of what was learnt from, there are more today.
    assert found.said(500).startswith("twice the labels (1,000 instead of 500) would bring about 2.2 points (")
    assert found.gain(1000, 500).value == pytest.approx(found.at(1000).value - found.at(500).value)


def test_two_points_and_a_handful_of_examples_say_little() -> None:
    found = curve([5, 10], [0.6, 0.7], [10, 10])
    assert width(found.at(10)) > 0.3
    assert found.gain(20).interval[0] == 0
    assert "perhaps none (0.0 to " in found.said(found.sizes[-1])


def test_a_flat_curve_promises_little() -> None:
    found = curve([100, 200, 400, 800], [0.85, 0.851, 0.85, 0.85], [800] * 4)
    assert found.at(800).value == pytest.approx(0.85, abs=0.01)
    assert found.gain(1600).value < 0.005
    assert found.gain(1600).interval[0] == 0
    assert not found.falls


def test_a_falling_curve_is_said_to_fall() -> None:
    found = curve([100, 200, 400], [0.9, 0.85, 0.8], [400] * 3)
    assert found.falls
    assert found.said(found.sizes[-1]) == (
        "accuracy fell from 90.0 to 80.0 % as labels were added (100 to 400): look at the labels; more of them promise"
        " nothing"
    )
    # No curve of the kind falls: the interval is wide enough for what was measured.
    assert found.at(400).interval[0] < 0.8
    assert width(found.at(400)) > 2 * width(curve([100, 200, 400], [0.85] * 3, [400] * 3).at(400)) / 1.5
    # Chance explains this one.
    assert not curve([100, 200, 400], [0.81, 0.80, 0.80], [100] * 3).falls


def test_nothing_but_right_answers() -> None:
    found = curve([100, 200, 400], [1.0, 1.0, 1.0], [400] * 3)
    assert found.at(400).value > 0.998
    assert 0.99 < found.at(400).interval[0] < 1.0
    assert (
        found.said(found.sizes[-1])
        == "twice the labels (800 instead of 400) would bring nothing that could be measured"
    )
    risen = curve([100, 200, 400], [0.97, 0.99, 1.0], [400] * 3)
    assert risen.at(400).value < 1
    assert 0 < risen.gain(800).value < 0.01


def test_nothing_but_wrong_answers() -> None:
    found = curve([10, 20], [0.0, 0.0], [20, 20])
    assert found.at(20).value < 0.1
    assert found.at(20).interval[1] < 0.3


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 1), st.integers(1, 5000)), min_size=2, max_size=6),
    st.integers(0, 1000),
)
def test_laws(points: list[tuple[int, float, int]], seed: int) -> None:
    sizes, shares, judged = ([point[column] for point in points] for column in range(3))
    if len(set(sizes)) < 2:
        return
    found = curve(sizes, shares, judged)
    told = [found.at(n) for n in (1, min(sizes), max(sizes), 2 * max(sizes), 100 * max(sizes))]
    assert all(0 <= metric.interval[0] <= metric.value <= metric.interval[1] <= 1 for metric in told)
    # More labels never cost accuracy, but for what rounding does to sums of thousands of weights.
    assert np.all(np.diff([metric.value for metric in told]) >= -1e-9)
    order = np.random.default_rng(seed).permutation(len(points)).tolist()
    turned = curve(*([given[place] for place in order] for given in (sizes, shares, judged)))
    assert turned.at(2 * max(sizes)) == found.at(2 * max(sizes))
    assert turned.said(turned.sizes[-1]) == found.said(found.sizes[-1])


def test_the_truth_is_inside_as_often_as_is_said() -> None:
    random = np.random.default_rng(0)
    inside = [_holds(random) for _ in range(80)]
    # At least 95 %; of 80 at least 71 in 99 of 100 such tests.
    assert sum(inside) >= 71


def _holds(random: np.random.Generator) -> bool:
    """Curves of the kind that is assumed, with parameters that are not drawn from the prior."""
    sizes, error, floor = np.array([50, 100, 200, 400]), random.uniform(0.03, 0.4), random.uniform(0, 1)
    exponent = random.uniform(0.2, 1.0)

    def truth(n: Any) -> Any:
        return np.minimum(error * (floor + (1 - floor) * (n / 400) ** -exponent), 0.9)

    wrong = random.binomial(400, truth(sizes)) / 400
    found = curve(sizes.tolist(), (1 - wrong).tolist(), [400] * 4)
    low, high = found.at(800).interval
    return low <= 1 - truth(800) <= high


def test_what_cannot_be_a_curve_is_refused() -> None:
    with pytest.raises(DataError, match=r"as many accuracies .* as sizes, found 2 sizes, 1 and 2"):
        curve([1, 2], [0.5], [1, 2])
    with pytest.raises(DataError, match=r"accuracies at two or more numbers of labels, found 1"):
        curve([5, 5], [0.5, 0.6], [5, 5])
    with pytest.raises(DataError, match=r"from 1 on, found 0 and 5"):
        curve([0, 5], [0.5, 0.6], [5, 5])
    with pytest.raises(DataError, match=r"accuracies from 0 to 1, found 60"):
        curve([2, 5], [0.5, 60], [5, 5])
    with pytest.raises(DataError, match=r"accuracies from 0 to 1, found nan"):
        curve([2, 5], [float("nan"), 0.6], [5, 5])
    found = curve([2, 5], [0.5, 0.6], [5, 5])
    assert isinstance(found, LearningCurve)
    with pytest.raises(DataError, match=r"expected at least 1 label, found 0"):
        found.at(0)
    assert learning_curve.curve is curve
