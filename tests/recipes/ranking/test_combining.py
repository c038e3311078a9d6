"""The rule of a ranking: what agreement, disagreement and few examples do to a score."""

from dataclasses import replace

import numpy as np
import pytest

from regraft.core.input_spec import InputSpec
from regraft.core.ranking import Ranked
from regraft.recipes.ranking import combining


def log_odds(share, count):
    return np.log((share * count + 0.5) / (count - share * count + 0.5))


def share(odds):
    return 1 / (1 + np.exp(-odds))


def test_one_source_has_the_score_of_its_probe():
    ((score, (low, high)),) = combining.combined([{"probe": 0.8, "logme": -3.0}], [200])
    assert score == pytest.approx(share(log_odds(0.8, 200)))
    # Wilson's interval of 160 of 200 is 0.739 to 0.850.
    assert (low, high) == pytest.approx((0.739, 0.850), abs=0.003)


def test_where_all_agree_on_the_order_each_keeps_its_own_probe_and_is_surer():
    table = [{"probe": p, "neighbours": p / 2, "logme": p - 7, "h_score": 90 * p} for p in (0.6, 0.9, 0.7)]
    for scores, (score, _) in zip(table, combining.combined(table, [500] * 3), strict=True):
        assert score == pytest.approx(share(log_odds(scores["probe"], 500)))


def test_a_score_that_disagrees_moves_by_its_weight_and_widens_the_interval():
    table = [{"probe": 0.8, "logme": 1.0}, {"probe": 0.7, "logme": 2.0}]
    agreed = combining.combined([{"probe": 0.8, "logme": 2.0}, {"probe": 0.7, "logme": 1.0}], [400, 400])
    made = combining.combined(table, [400, 400])
    first, second = log_odds(0.8, 400), log_odds(0.7, 400)
    part = combining.WEIGHTS["logme"] / (combining.WEIGHTS["probe"] + combining.WEIGHTS["logme"])
    assert made[0][0] == pytest.approx(share(first + part * (second - first)))
    assert made[1][0] == pytest.approx(share(second + part * (first - second)))
    assert made[0][1][1] - made[0][1][0] > agreed[0][1][1] - agreed[0][1][0]


def test_units_of_a_score_do_not_matter():
    table = [{"probe": p, "sfda": s} for p, s in ((0.5, 0.1), (0.6, 0.3), (0.7, 0.2))]
    other = [{**scores, "sfda": np.exp(90 * scores["sfda"]) - 1e6} for scores in table]
    assert combining.combined(table, [99] * 3) == combining.combined(other, [99] * 3)


def test_a_source_without_a_score_is_judged_by_the_others():
    made = combining.combined(
        [{"probe": 0.8}, {"probe": 0.7, "quality": 0.9}, {"probe": 0.6, "quality": 0.7}], [99] * 3
    )
    assert [score for score, _ in made] == pytest.approx([share(log_odds(p, 99)) for p in (0.8, 0.7, 0.6)])


def test_equal_scores_say_nothing_about_the_order():
    made = combining.combined([{"probe": 0.8, "logme": 1.0}, {"probe": 0.8, "logme": 1.0}], [50, 50])
    assert made[0] == made[1]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_ends_are_finite(value):
    ((score, (low, high)),) = combining.combined([{"probe": value}], [10])
    assert 0 < low <= score <= high < 1


def test_weights_are_those_of_the_scores_that_there_are():
    found = combining.weights([{"probe": 0.5, "neighbours": 0.5}, {"probe": 0.5}])
    assert set(found) == {"probe", "neighbours"}
    assert sum(found.values()) == pytest.approx(1)


def test_order_is_by_fit_then_by_round_then_by_score_and_memory_comes_last():
    def item(name, score, **more):
        made = Ranked(name, score, (0, 1), {}, "c", 9, InputSpec((8, 8, 3)), 8, 4, 4, None, 1.0)
        return replace(made, **more)

    from regraft.core.metric import Metric

    given = [
        item("knows", 0.99, trained_on_these=True),
        item("early", 0.95, dropped_at=200),
        item("later", 0.6, dropped_at=800),
        item("last", 0.7),
        item("better", 0.8),
        item("fitted", 0.5, confirmed=Metric(0.9, (0.8, 1.0))),
    ]
    assert [each.source for each in combining.order(given)] == [
        "fitted", "better", "last", "later", "early", "knows",
    ]  # fmt: skip
