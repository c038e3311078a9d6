import dataclasses
import json

import pytest

from benchmarks import frame, sides, transfer
from benchmarks.frame import Settings, UnavailableError
from benchmarks.sides import Request, Side

DATA = "flowers5_227px"


def side(way: str, split: int, accuracy: float, seconds: float, data: str = DATA) -> Side:
    return Side(way, Request(data, split), accuracy, seconds, {"whole call": seconds + 1}, seconds)


def measured(head: float, fit: float) -> list[Side]:
    """Three splits in which the head takes 10 s, the whole fit 20 s, the guide 220 s."""
    return [
        one
        for split, guide in enumerate((0.86, 0.84, 0.85))
        for one in (
            side("head", split, guide + head, 10.0),
            side("fit", split, guide + fit, 20.0),
            side("guide", split, guide, 220.0),
        )
    ]


def test_bars_hold_when_gain_and_time_are_exactly_what_is_required():
    result = transfer.compare(measured(0.015, 0.03), Settings())
    assert [bar.holds for bar in result.bars] == [True, True, True, True]
    assert result.bars[1].found == "1/22.0 (median of 3)"
    assert result.bars[1].aim == "1/40, not reached"


def test_a_bar_fails_below_the_required_gain():
    result = transfer.compare(measured(0.014, 0.029), Settings())
    assert [bar.holds for bar in result.bars] == [False, True, False, True]


def test_other_data_are_reported_without_bars():
    other = [
        dataclasses.replace(one, request=Request("sign_language_digits", one.request.split)) for one in measured(0, 0)
    ]
    result = transfer.compare(other, Settings())
    assert result.bars == ()
    assert [table.title for table in result.tables] == ["sign_language_digits: accuracy", "sign_language_digits: time"]


def test_tables_show_every_pair_and_the_medians():
    accuracy, time = transfer.compare(measured(0.02, 0.04), Settings()).tables
    assert accuracy.rows[0] == ("0", "86.0", "88.0", "90.0", "+2.0", "+4.0")
    assert accuracy.rows[3] == ("median", "85.0", "87.0", "89.0", "+2.0", "+4.0")
    assert time.rows[0] == ("0", "220", "10.0", "11.0", "20.0", "22.0x", "11.0x")


def test_an_earlier_guide_stands_in_on_the_same_machine(tmp_path, monkeypatch):
    frame.write(sides.result("guide", "", [side("guide", 0, 0.85, 220.0)], Settings()), tmp_path, frame.machine())
    asked: list[str] = []

    def fresh(module: str, request: Request) -> Side:
        asked.append(module)
        return side("head" if request.fine_tune == "no" else "fit", request.split, 0.9, 10.0)

    monkeypatch.setattr(sides, "fresh", fresh)
    (result,) = transfer.run(Settings(splits=1, data=(DATA,), reference=tmp_path / "guide.json"))
    assert asked == ["benchmarks.fit", "benchmarks.fit"]
    assert len(result.bars) == 4
    assert "1 measurements of the guide are from an earlier run on the same machine" in result.notes[0]


def test_an_earlier_guide_of_another_machine_is_refused(tmp_path):
    facts = {**frame.machine(), "processor": "Abacus"}
    frame.write(sides.result("guide", "", [side("guide", 0, 0.85, 220.0)], Settings()), tmp_path, facts)
    with pytest.raises(UnavailableError, match=r"is of another machine \(processor Abacus, here"):
        next(transfer.run(Settings(reference=tmp_path / "guide.json")))


def test_an_earlier_guide_of_other_settings_is_refused(tmp_path):
    frame.write(sides.result("guide", "", [side("guide", 0, 0.85, 220.0)], Settings()), tmp_path, frame.machine())
    with pytest.raises(UnavailableError, match="has no measurement of the guide for these data and settings"):
        next(transfer.run(Settings(epochs=(1, 1), reference=tmp_path / "guide.json")))


def test_a_file_that_is_no_result_is_refused(tmp_path):
    (tmp_path / "other.json").write_text(json.dumps([1]))
    with pytest.raises(UnavailableError, match=r"holds no results of a benchmark; `python -m benchmarks guide`"):
        next(transfer.run(Settings(reference=tmp_path / "other.json")))
