"""The file of the truth: what is there is not measured again, and a torn line is no harm."""

from pathlib import Path

import pytest

from benchmarks.ranking import truth
from benchmarks.ranking.sources import SOURCES
from benchmarks.ranking.targets import TARGETS
from benchmarks.ranking.truth import Asked
from regraft.recipes.ranking import confirming


def test_all_pairs_of_a_split_come_before_those_of_the_next() -> None:
    pairs = Asked(2).pairs()
    assert len(pairs) == 2 * len(SOURCES) * len(TARGETS) >= 2 * 20 * 5
    assert [pair.split for pair in pairs] == sorted(pair.split for pair in pairs)
    assert len({truth.key(pair.line()) for pair in pairs}) == len(pairs)


def test_what_is_there_is_left_out(tmp_path: Path) -> None:
    file, asked = tmp_path / "truth.jsonl", Asked(1, ("mlp-40", "squeezenet"), ("usps",))
    first, second = asked.left(file)
    truth.append(file, first.line() | {"accuracy": 0.5})
    assert asked.left(file) == [second]
    assert Asked(2, ("mlp-40",), ("usps",)).left(file) == Asked(2, ("mlp-40",), ("usps",)).pairs()[1:]
    # Fewer pictures of each class, or a source that is made in another way, are another measurement.
    assert len(Asked(1, ("mlp-40",), ("usps",), per_class=5).left(file)) == 1
    truth.append(file, second.line() | {"version": 99, "accuracy": 0.5})
    assert asked.left(file) == [second]


def test_a_line_that_was_torn_is_passed_over_and_the_next_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "deeper" / "truth.jsonl"
    truth.append(file, {"source": "a"})
    with file.open("a") as out:
        out.write('{"source": "b", "accu')
    truth.append(file, {"source": "c"})
    assert [line["source"] for line in truth.read(file)] == ["a", "c"]
    assert truth.read(tmp_path / "absent") == []


def test_what_was_asked_is_the_same_on_a_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = Asked(2, ("mlp-40", "gender"), ("usps",), 7)
    given: list[tuple[Path, Asked]] = []
    monkeypatch.setattr(truth, "measure_here", lambda file, wanted: given.append((file, wanted)))
    assert truth.main([f"--out={tmp_path / 'f'}", "--here", *asked.arguments()]) == 0
    assert given == [(tmp_path / "f", asked)]


def test_a_process_that_is_brought_down_is_a_line_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, asked = tmp_path / "truth.jsonl", Asked(1, ("mlp-40", "gender", "squeezenet"), ("usps",))

    class Ended:
        returncode = -11

    def run(*_: object, **__: object) -> Ended:
        truth.append(file, asked.left(file)[0].line() | {"accuracy": 0.5, "seconds": 1.0})
        return Ended()

    monkeypatch.setattr(truth.subprocess, "run", run)
    lines = truth.measure(file, asked)
    assert [line.get("accuracy") for line in lines] == [0.5, None, 0.5]
    assert lines[1]["refused"] == "the process ended with signal 11"


def test_rates_are_those_that_confirming_tries() -> None:
    assert truth.RATES == confirming.RATES
