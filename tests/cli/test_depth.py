"""`regraft depth` as its user meets it."""

import json
from pathlib import Path

import numpy as np
import pytest

from regraft import cli
from regraft.core.errors import RequestError
from regraft.recipes.depth import halving
from regraft.training.heads import layered
from tests.recipes.shapes import convolutional, write_pictures


@pytest.fixture
def heads_alone(monkeypatch):
    """They are tried in any case, what comes of more is told in the same words; new layers learn for five epochs."""
    monkeypatch.setattr(halving, "work", lambda *_: None)
    monkeypatch.setattr(layered, "_STEPS", 5)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "tiny.keras"
    convolutional(3).save(path)
    return path


def test_a_search_ends_with_a_plan_that_fit_takes(heads_alone, pictures, source, tmp_path, capsys):
    out, cache = tmp_path / "depth", tmp_path / "cache"
    words = ["depth", str(pictures), "--source", str(source), "--out", str(out), "--cache", str(cache)]
    assert cli.main([*words, "--no-fit", "--no-forecast"]) == 0
    shown = capsys.readouterr().out
    record = json.loads((out / "depth.json").read_text())
    assert record["recommended"]["sentence"].split(":")[0] in " ".join(shown.split())
    assert (out / "depth.html").exists()
    run = tmp_path / "run"
    plan = ["fit", str(pictures), "--plan", str(out / "plan.toml"), "--out", str(run), "--cache", str(cache), "--json"]
    assert cli.main([*plan, "--no-baselines"]) == 0
    fitted = json.loads(capsys.readouterr().out)
    assert fitted["cut_point"] == record["recommended"]["cut_point"]


def test_json_has_what_the_design_promises(heads_alone, pictures, source, tmp_path, capsys):
    words = ["depth", str(pictures), "--source", str(source), "--out", str(tmp_path / "d"), "--cache", str(tmp_path)]
    assert cli.main([*words, "--json", "--no-forecast", "--baselines", "no", "--hidden", "8"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"table", "recommended", "seconds"} <= set(found)
    assert {"cut_point", "frozen", "tuned", "accuracy", "interval"} <= set(found["recommended"])
    assert Path(found["run"], "report.html").exists()
    assert any(trial["way"]["hidden"] == [8] for trial in found["table"])


@pytest.mark.parametrize(("words", "taps", "repeats"), [([], False, 1), (["--taps", "--repeats", "3"], True, 3)])
def test_more_is_tried_and_judged_more_often_where_that_is_asked_for(
    words, taps, repeats, pictures, source, monkeypatch
):
    asked = {}

    def noted(_, **given):
        asked.update(given)
        raise RequestError("that is enough")

    monkeypatch.setattr("regraft.depth", noted)
    assert cli.main(["depth", str(pictures), "--source", str(source), *words]) == 2
    assert (asked["taps"], asked["repeats"]) == (taps, repeats)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--time-budget", "soon"], "expected a time such as 90s, 10m or 1h, found 'soon'"),
        (["--hidden", "0"], "expected widths such as 128 or 256,64, found 0"),
        (["--jobs", "0"], "expected a whole number above zero, found 0"),
    ],
)
def test_a_wrong_word_is_refused_in_one_line(words, said, pictures, source, capsys):
    assert cli.main(["depth", str(pictures), "--source", str(source), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_class_with_one_picture_is_named(source, tmp_path, capsys):
    folder = write_pictures(tmp_path / "few")
    kept = sorted(folder.iterdir())[0]
    for path in sorted(kept.iterdir())[1:]:
        path.unlink()
    assert cli.main(["depth", str(folder), "--source", str(source), "--out", str(tmp_path / "o")]) == 2
    assert f"found 1 of '{kept.name}'" in capsys.readouterr().err


def test_a_folder_that_is_taken_is_refused_before_anything_runs(pictures, source, tmp_path, capsys):
    (tmp_path / "note").write_text("")
    assert cli.main(["depth", str(pictures), "--source", str(source), "--out", str(tmp_path)]) == 2
    assert "is not empty and holds no search" in capsys.readouterr().err
    assert np.array_equal(sorted(entry.name for entry in tmp_path.iterdir()), ["note"])


def test_the_plan_of_a_search_is_as_strict_or_lenient_as_was_said() -> None:
    from regraft.cli import arguments, depth

    parser = arguments.new("depth", depth.SUMMARY, depth.EXAMPLE)
    depth.add(parser)
    for words, said in (([], (False, False)), (["--strict"], (True, False)), (["--lenient"], (False, True))):
        plan = depth.plan_of(parser.parse_args(["rows.csv", "--source", "x.keras", *words]))
        assert (plan.strict, plan.lenient) == said
