import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import depth, depth_pictures, frame, hard_pairs
from benchmarks.__main__ import BENCHMARKS
from benchmarks.frame import Bar, Result, Settings, Table, UnavailableError
from benchmarks.pretraining import digit_pairs, labels, rotated, sentences


def command(tmp_path: Path, *arguments: str, module: str = "benchmarks") -> subprocess.CompletedProcess[str]:
    """Run a module of the benchmarks where there is no folder of networks and data."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=frame.ROOT,
        env={**os.environ, "REGRAFT_SHARED": str(tmp_path / "absent")},
        capture_output=True,
        text=True,
    )


def test_ratios_and_differences_are_taken_pair_by_pair():
    assert frame.ratios([10.0, 9.0], [2.0, 3.0]) == [5.0, 3.0]
    assert frame.differences([0.5, 0.75], [0.75, 0.5]) == [0.25, -0.25]
    with pytest.raises(ValueError, match="zip"):
        frame.ratios([1.0], [1.0, 2.0])


def test_the_summary_of_ratios_is_the_median_of_ratios_not_the_ratio_of_medians():
    guide, ours = [10.0, 20.0, 90.0], [1.0, 10.0, 10.0]
    rows = [list(row) for row in zip([0, 1, 2], guide, ours, frame.ratios(guide, ours), strict=True)]
    written = frame.with_summary(rows, 1, (frame.seconds, frame.seconds, frame.times))
    assert written[:3] == [["0", "10.0", "1.00", "10.0x"], ["1", "20.0", "10.0", "2.0x"], ["2", "90.0", "10.0", "9.0x"]]
    assert written[3] == ["median", "20.0", "10.0", "9.0x"]
    assert written[4] == ["min..max", "10.0..90.0", "1.00..10.0", "2.0x..10.0x"]


def test_one_row_needs_no_summary():
    assert frame.with_summary([[0, 0.5]], 1, [frame.percent]) == [["0", "50.0"]]


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (frame.percent, 0.8667, "86.7"),
        (frame.points, 0.03, "+3.0"),
        (frame.points, -0.0067, "-0.7"),
        (frame.seconds, 0.083, "0.08"),
        (frame.seconds, 13.46, "13.5"),
        (frame.seconds, 286.4, "286"),
        (frame.times, 20.04, "20.0x"),
    ],
)
def test_figures_are_written_with_the_digits_that_tell(write, value, text):
    assert write(value) == text


def test_a_table_lines_up_as_plain_text():
    assert frame.table_lines(Table("", ("way", "s"), (("a", "1.5"), ("guide", "20")))) == [
        "| way   |   s |",
        "|:------|----:|",
        "| a     | 1.5 |",
        "| guide |  20 |",
    ]


def test_a_page_says_which_bars_hold_and_that_a_trial_is_none():
    table = Table("Times", ("way", "s"), (("guide", "20"),))
    bars = (Bar("fast", "1 s", True), Bar("good", "50 %", False, "60 %, not reached"))
    page = frame.to_markdown(Result("sample", "About.", (table,), (), bars, ("a note",)), {"cores": "2"})
    assert page.startswith("# sample\n\nAbout.\n\n## Times\n\n| way   |")
    assert "- holds: fast; found 1 s\n" in page
    assert "- **does not hold**: good; found 50 % (aim: 60 %, not reached)\n" in page
    assert page.endswith("- a note\n\nMeasured on: cores 2.\n")
    assert "Reduced settings" not in page
    trial = Result("sample", "About.", (table,), (), settings=Settings(per_class=3))
    assert "**Reduced settings: a trial of the harness, no measurement.**" in frame.to_markdown(trial, {})


def test_a_result_is_written_as_a_page_and_as_json(tmp_path):
    result = Result("sample", "About.", (), ({"way": "guide", "seconds": 1.5},), settings=Settings(reference=tmp_path))
    frame.write(result, tmp_path / "new", {"cores": "2"})
    document = json.loads((tmp_path / "new" / "sample.json").read_text())
    assert document["machine"] == {"cores": "2"}
    assert document["measurements"] == [{"way": "guide", "seconds": 1.5}]
    assert (tmp_path / "new" / "sample.md").read_text().startswith("# sample\n")


def test_the_machine_is_described_by_what_changes_a_figure():
    facts = frame.machine()
    assert int(facts["cores"]) >= 1
    assert {"processor", "system", "load", "commit", "python", "keras", "numpy"} <= facts.keys()


def test_times_of_another_machine_are_not_comparable():
    here = frame.machine()
    assert frame.differing(here, {**here, "load": "99", "commit": "0"}) == []
    assert frame.differing({**here, "cores": "2"}, {**here, "cores": "16"}) == ["cores 16, here 2"]


def test_all_benchmarks_without_the_shared_folder_say_so_and_end_well(tmp_path):
    done = command(tmp_path, "--out", str(tmp_path / "out"))
    assert done.returncode == 0
    absent = tmp_path / "absent" / "nets"
    assert done.stderr == (
        "start, examples, activations, transfer, switches, thaw, textbook, hard_pairs, steps, coverage, "
        "score_speed, rbm_parity, greedy: not measured: "
        f"needs the real networks and data: no folder '{absent}'; name one with REGRAFT_SHARED\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_named_benchmark_without_the_shared_folder_is_a_wrong_request(tmp_path):
    done = command(tmp_path, "transfer", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "name one with REGRAFT_SHARED" in done.stderr


def test_the_list_names_every_benchmark_and_what_it_measures(tmp_path):
    lines = command(tmp_path, "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(BENCHMARKS)
    # The first sentence of each, beside its name.
    assert all(line.startswith(f"{name:16}") and len(line) > 40 for name, line in zip(BENCHMARKS, lines, strict=True))


def test_every_module_that_can_be_run_is_a_benchmark():
    folder = frame.ROOT / "benchmarks"
    runs = {path.stem for path in folder.rglob("*.py") if "\ndef run(settings: Settings)" in path.read_text("utf-8")}
    assert runs == set(BENCHMARKS)


def test_an_unknown_benchmark_is_one_clear_line(tmp_path):
    done = command(tmp_path, "bogus")
    assert done.returncode == 2
    assert f"unknown benchmark 'bogus'; known: {', '.join(BENCHMARKS)}\n" in done.stderr


def some(of: type[Any], seed: int) -> Any:
    """An outcome of a benchmark, with plain values and nested tuples."""
    known = {"seed": seed, "pair": (4, 9), "errors": ((30, 0.5), (150, 0.25)), "method": "rbm", "network": "mlp"}
    return of(**{field.name: known.get(field.name, 0.5) for field in dataclasses.fields(of)})


@pytest.mark.parametrize("benchmark", [depth, depth_pictures, hard_pairs, rotated, labels, sentences, digit_pairs])
def test_a_benchmark_of_many_seeds_goes_on_where_it_stopped(
    benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = [some(benchmark.Outcome, seed) for seed in (1, 2)]
    rows = tuple(dataclasses.asdict(item) | {"gain": 1.0} for item in measured)
    frame.write(Result(benchmark.NAME, "", (), rows), tmp_path, {})
    settings = Settings(reference=tmp_path / f"{benchmark.NAME}.json")
    monkeypatch.setattr(benchmark.fit, "ready", lambda: None)
    monkeypatch.setattr(benchmark, "compare", lambda measured, settings: list(measured))
    assert BENCHMARKS[benchmark.NAME] is benchmark
    assert next(benchmark.run(settings)) == measured
    assert frame.earlier("another", settings, benchmark.Outcome) == []
    with pytest.raises(UnavailableError, match="was measured with other settings"):
        next(benchmark.run(dataclasses.replace(settings, epochs=(1, 1))))
