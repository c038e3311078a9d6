"""`regraft report`: the page of a run again, and several side by side."""

import shutil
from pathlib import Path

import pytest

from tests.cli.test_start import loaded_after


@pytest.fixture(scope="module")
def second(place, tmp_path_factory) -> Path:
    """The same run with other answers and another seed in its plan."""
    import json

    from regraft.formats import evidence

    folder = tmp_path_factory.mktemp("second") / "second"
    shutil.copytree(place / "run", folder)
    kept = evidence.read(folder / "report.npz")
    kept.answers.predicted[:] = (kept.answers.labels + 1) % 3
    evidence.write(folder / "report.npz", kept)
    table = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    table["plan"]["seed"] = 7
    (folder / "run.json").write_text(json.dumps(table), encoding="utf-8")
    return folder


def test_a_folder_that_is_no_run_is_answered_with_runs_beside_it_and_not_with_itself(place, say):
    refusal = say("report", place / "run", place / "pictures").refusal
    assert refusal.endswith(f"found none at '{place / 'pictures'}'; known names: run")
    assert say("report", place / "rum").refusal.endswith("nearest known names: run")
    assert say("report", place / "nowhere" / "rum").refusal.endswith(f"found none at '{place / 'nowhere' / 'rum'}'")


def test_the_page_that_is_drawn_again_is_the_one_of_before(place, say, tmp_path):
    before = (place / "run" / "report.html").read_text(encoding="utf-8")
    said = say("report", place / "run", "--out", tmp_path / "again.html", "--json")
    assert said.status == 0
    assert said.document["report"] == str(tmp_path / "again.html")
    (own,) = said.document["runs"]
    assert own["tuned_layers"] == 0
    assert own["folder"] == str(place / "run")
    after = (tmp_path / "again.html").read_text(encoding="utf-8")
    # The page was drawn before the record had the whole time.
    assert strip_times(after) == strip_times(before)
    assert 'class="dots"' in after
    assert 'type="radio"' in after


def strip_times(page: str) -> list[str]:
    kept = page.partition('<section id="time">')
    return [line for line in [*kept[0].splitlines(), *kept[2].partition("</section>")[2].splitlines()]
            if "<dt>Time</dt>" not in line]  # fmt: skip


def test_no_framework_is_loaded(place, tmp_path):
    assert loaded_after("report", place / "run", "--out", tmp_path / "page.html")[:2] == (0, [])


def test_two_runs_are_compared(place, second, say, tmp_path):
    page = tmp_path / "page.html"
    said = say("report", place / "run", second, "--out", page, "--json")
    assert said.status == 0
    (gain,) = said.document["gains"]
    assert (gain["run"], gain["against"], gain["only_run"]) == ("second", "run", 0)
    assert gain["gain"]["value"] == pytest.approx(-gain["only_against"] / gain["examples"])
    assert said.document["differences"] == [{"key": "seed", "values": ["0", "7"]}]
    told = say("report", place / "run", second, "--out", page)
    assert told.out.splitlines()[-1] == str(page)
    assert "worse; 0 only this one got right" in " ".join(told.out.split())
    assert "the plans differ\n  seed  0 | 7" in told.out


def test_the_page_of_several_is_in_the_current_folder(place, second, say, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert say("report", place / "run", second).out.splitlines()[-1] == "comparison.html"
    assert (tmp_path / "comparison.html").exists()
    (tmp_path / "comparison.html").write_text("mine", encoding="utf-8")
    assert "is there and no page of Regraft's" in say("report", place / "run", second).refusal


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "run"], "is named twice"),
        (["runn"], "expected a run folder"),
        (["run", "pictures"], "expected a run folder with run.json"),
        (["run", "--map", "umap"], "invalid choice: 'umap'"),
        ([], "the following arguments are required: RUN"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_is_wrong_is_said_in_one_line(words, said, place, say, monkeypatch):
    monkeypatch.chdir(place)
    found = say("report", *words)
    assert found.status == 2
    assert said in found.refusal


def test_an_unfinished_run_is_to_be_finished_first(place, say, tmp_path):
    from regraft.core.plan import Plan
    from regraft.recipes import run_folder

    run_folder.begin(tmp_path / "begun", Plan("a.keras"))
    said = say("report", place / "run", tmp_path / "begun")
    assert said.status == 2
    assert "is not finished; `regraft resume" in said.refusal
