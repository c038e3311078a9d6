"""Regret, rank correlation, cost, and the bars."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.frame import Settings, UnavailableError
from benchmarks.ranking import judging, regret, truth
from benchmarks.ranking.regret import Ranking

_TRUE = {"mobilenet-1.0": 0.80, "squeezenet": 0.90, "own-noise": 0.40}


def _lines(target: str, cpu: float = 100.0) -> list[dict]:
    return [
        {"target": target, "source": name, "split": split, "accuracy": value + shift, "cpu_seconds": cpu}
        for split, shift in ((0, 0.01), (1, -0.01))
        for name, value in _TRUE.items()
    ]


def test_the_truth_is_the_mean_over_splits() -> None:
    lines = [*_lines("usps"), {"target": "usps", "source": "broken", "refused": "no"}]
    assert judging.truth_of(lines) == {"usps": pytest.approx(_TRUE)}


def test_regret_is_what_the_first_stays_below_the_best() -> None:
    poor = judging.judged("way", "usps", 0, {"mobilenet-1.0": 2.0, "squeezenet": 1.0, "own-noise": 0.0}, _TRUE)
    assert (poor.chosen, poor.regret) == ("mobilenet-1.0", pytest.approx(0.1))
    right = judging.judged("way", "usps", 0, {"mobilenet-1.0": 1.0, "squeezenet": 2.0, "own-noise": 0.0}, _TRUE)
    assert (right.chosen, right.regret, right.tau) == ("squeezenet", 0.0, pytest.approx(1.0))
    assert poor.tau is not None
    assert -1 < poor.tau < 1
    alike = judging.judged("way", "usps", 0, dict.fromkeys(_TRUE, 1.0), _TRUE)
    assert (alike.chosen, alike.tau) == ("mobilenet-1.0", None)
    # What a way did not score cannot be its choice, and counts against it all the same.
    assert judging.judged("way", "usps", 0, {"own-noise": 1.0}, _TRUE).regret == pytest.approx(0.5)
    assert judging.always("way", "mobilenet-1.0", "usps", 0, _TRUE).regret == pytest.approx(0.1)


def _ranking(split: int, order: tuple[str, ...], cpu: float = 3.0) -> Ranking:
    scores = {name: float(-place) for place, name in enumerate(order)}
    turned = {"logme": {name: -score for name, score in scores.items()}}
    return Ranking("usps", split, scores, turned, {}, 2 * cpu, cpu)


def test_the_bars_hold_where_the_best_is_found_cheaply() -> None:
    order = ("squeezenet", "mobilenet-1.0", "own-noise")
    result = regret.compare([_ranking(0, order), _ranking(1, order)], _lines("usps"), Settings())
    assert [bar.holds for bar in result.bars] == [True] * 5
    assert [(row[0], row[1], row[2]) for row in result.tables[0].rows] == [
        ("regraft.rank", "0.00", "0.0"),
        ("always the best of ImageNet", "10.00", "10.0"),
        ("logme alone", "50.00", "50.0"),
    ]
    # Two rankings of 3 s for two splits of 300 s each.
    assert result.bars[-1].found == "1.0 %"


def test_the_bars_do_not_hold_where_it_is_missed_or_dear() -> None:
    order = ("mobilenet-1.0", "squeezenet", "own-noise")
    result = regret.compare([_ranking(0, order, cpu=30.0)], _lines("usps"), Settings())
    assert [bar.holds for bar in result.bars] == [False, False, False, True, False]
    assert result.bars[-1].found == "10.0 %"


def test_what_could_not_be_used_is_said() -> None:
    given = _ranking(0, ("squeezenet",))
    refused = Ranking("usps", 0, given.scores, {}, {"gender": "it takes sounds"}, 1.0, 1.0)
    lines = [*_lines("usps"), {"target": "usps", "source": "emotion", "split": 0, "refused": "signal 6"}]
    notes = regret.compare([refused], lines, Settings()).notes
    assert notes == ("`rank` for usps: gender: it takes sounds", "`fit` for usps: emotion: signal 6")


def test_a_source_without_a_truth_is_said_and_passed_over() -> None:
    given = _ranking(0, ("gender", "squeezenet", "mobilenet-1.0", "own-noise"))
    result = regret.compare([given], _lines("usps"), Settings())
    assert result.notes == ("usps: no truth of gender",)
    assert result.tables[1].rows[0][1:3] == ("squeezenet", "squeezenet")


def test_a_truth_that_is_still_being_measured_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "truth.jsonl"
    settings = replace(Settings(), splits=2, reference=file)
    with pytest.raises(UnavailableError, match="has the truth of no target"):
        regret.known(settings)
    pairs = [pair for pair in truth.Asked(1).pairs() if pair.target.name in ("flowers5_227px", "usps")]
    for pair in pairs[:-1]:
        truth.append(file, pair.line() | {"accuracy": 0.5})
    # Nearly all of usps, and of the signs one.
    truth.append(file, truth.Asked(1, (), ("sign_language_digits",)).pairs()[0].line() | {"accuracy": 0.5})
    truth.append(file, {**pairs[-1].line(), "version": 99, "accuracy": 0.5})
    asked, lines = regret.known(settings)
    assert len(lines) == len(pairs)
    assert regret.measured(asked, lines) == [("flowers5_227px", 0), ("usps", 0)]
