"""A run's page is drawn again from its folder alone, and several runs are compared by what they answered."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from regraft import report
from regraft.core import metrics, plain
from regraft.core.errors import CorruptFileError, RequestError
from regraft.core.evidence import Evidence
from regraft.core.phase import Phase
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.records import Metric
from regraft.recipes import run_folder, side_by_side
from regraft.recipes.reporting import write_report
from regraft.recipes.side_by_side import short_names
from regraft.report.comparison_page import headline
from tests.report.conftest import pictures
from tests.report.depth_records import DEPTH_RECORDS
from tests.report.runs import kept, written


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for seed, folder in enumerate(folders):
        written(folder, kept(seed))
    return folders


def test_the_page_of_a_run_is_drawn_from_what_lies_in_its_folder(tmp_path: Path) -> None:
    record = written(tmp_path / "run", None)
    own = dataclasses.replace(kept(), thumbnails=pictures(record))
    from regraft.formats import evidence

    evidence.write(tmp_path / "run" / "report.npz", own)
    made = write_report([tmp_path / "run"])
    assert made.report == str(tmp_path / "run" / "report.html")
    assert made.runs[0].accuracy == record.metrics["test"].accuracy
    page = Path(made.report).read_text(encoding="utf-8")
    assert page == report.page(record, own.thumbnails, own)
    assert page.count("<img") == len(own.thumbnails) == 11
    assert write_report([tmp_path / "run"], tmp_path / "again.html").report == str(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_the_page_of_a_run_that_a_search_led_to_has_its_curve_wherever_the_folder_goes(tmp_path: Path) -> None:
    record, search = written(tmp_path / "run", kept()), DEPTH_RECORDS["small"]()
    (tmp_path / "run" / "depth.json").write_text(plain.to_json(search), encoding="utf-8")
    write_report([tmp_path / "run"])
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    # The search's own page is not there, so that a link would lead nowhere.
    assert page == report.page(record, {}, kept(), search)
    (tmp_path / "run" / "depth.html").write_text("the page of a search", encoding="utf-8")
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    write_report([tmp_path / "elsewhere"])
    page = (tmp_path / "elsewhere" / "report.html").read_text(encoding="utf-8")
    assert page == report.page(record, {}, kept(), search, "depth.html")
    # A page in another folder is to be sent, and the search's page stays where it is.
    write_report([tmp_path / "elsewhere"], tmp_path / "sent.html")
    assert (tmp_path / "sent.html").read_text(encoding="utf-8") == report.page(record, {}, kept(), search)


def test_a_damaged_record_of_the_search_is_refused_and_what_is_said_works(tmp_path: Path) -> None:
    written(tmp_path / "run", kept())
    path = tmp_path / "run" / "depth.json"
    path.write_text(plain.to_json(DEPTH_RECORDS["small"]())[:-200], encoding="utf-8")
    with pytest.raises(CorruptFileError, match=r"depth\.json' is not the record of a search: .*; take it from a copy"):
        write_report([tmp_path / "run"])
    path.unlink()
    write_report([tmp_path / "run"])


def test_gains_are_those_of_the_answers_that_were_kept(runs: list[Path], tmp_path: Path) -> None:
    made = write_report(runs, tmp_path / "page.html")
    assert [run.name for run in made.runs] == ["first", "second", "third"]
    first, second = kept(0).answers, kept(1).answers
    gain = made.gains[0]
    assert (gain.run, gain.against, gain.examples) == ("second", "first", 112)
    assert gain.gain == metrics.paired_gain(second.correct, first.correct)
    assert gain.both_right + gain.only_run + gain.only_against + gain.both_wrong == 112
    assert gain.only_run == int((second.correct & ~first.correct).sum())
    assert {(item.name, item.right) for item in gain.disagreements} == {
        *((first.names[row], "second") for row in np.flatnonzero(second.correct & ~first.correct)),
        *((first.names[row], "first") for row in np.flatnonzero(first.correct & ~second.correct)),
    }
    sure = [item.confidence for item in gain.disagreements]
    assert sure == sorted(sure, reverse=True)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"<h1>{headline(made)}</h1>" in page
    counts = [count for gain in made.gains for count in (gain.only_run, gain.only_against)]
    assert page.count("<li>\n") == sum(min(12, count) for count in counts)


def test_of_several_runs_those_that_are_better_are_named(runs: list[Path], tmp_path: Path) -> None:
    made = write_report(runs, tmp_path / "page.html")

    def said(*intervals: tuple[float, float]) -> str:
        gains = tuple(
            dataclasses.replace(gain, gain=Metric(sum(interval) / 2, interval))
            for gain, interval in zip(made.gains, intervals, strict=True)
        )
        return headline(dataclasses.replace(made, gains=gains)).replace("\N{NO-BREAK SPACE}", " ")

    one = said((0.01, 0.04), (-0.01, 0.02))
    assert one == "second is better than first: +2.5 points (+1.0 to +4.0) on the same 112 examples"
    assert said((0.01, 0.04), (0.02, 0.05)) == "second and third are better than first"
    assert said((-0.05, -0.01), (-0.01, 0.02)) == "None of 2 other runs is measurably better than first"


def test_a_run_that_is_better_on_the_same_examples_is_said_to_be(tmp_path: Path) -> None:
    own = kept()
    perfect = dataclasses.replace(own, answers=dataclasses.replace(own.answers, predicted=own.answers.labels))
    written(tmp_path / "worse", own)
    written(tmp_path / "better", perfect)
    page = tmp_path / "page.html"
    write_report([tmp_path / "worse", tmp_path / "better"], page)
    assert "<h1>better is better than worse: +" in page.read_text(encoding="utf-8")
    write_report([tmp_path / "better", tmp_path / "worse"], page)
    assert "<h1>worse is worse than better: \N{MINUS SIGN}" in page.read_text(encoding="utf-8")


def test_of_different_data_only_what_both_were_judged_by_is_compared(tmp_path: Path) -> None:
    def rows(own: Evidence, chosen: slice) -> Evidence:
        fields = {field.name: getattr(own.answers, field.name)[chosen] for field in dataclasses.fields(own.answers)}
        return Evidence(type(own.answers)(**fields))

    one = written(tmp_path / "one", rows(kept(0), slice(0, 80)))
    plan = dataclasses.replace(one.plan, data_digest="another")
    written(tmp_path / "two", rows(kept(1), slice(50, 112)), plan=plan)
    written(tmp_path / "far", rows(kept(1), slice(80, 112)), plan=plan)
    made = write_report([tmp_path / "one", tmp_path / "two", tmp_path / "far"], tmp_path / "page.html")
    shared, nothing = made.gains
    assert shared.examples == 30
    assert shared.gain == metrics.paired_gain(kept(1).answers.correct[50:80], kept(0).answers.correct[50:80])
    assert nothing.gain is None
    assert nothing.why == "no example is among those that both are judged by"
    assert any("are of different data" in note for note in made.notes)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "are of different data" in page
    assert "no example is among those" in page


def test_examples_with_different_labels_are_left_out_and_said_to_be(tmp_path: Path) -> None:
    own = kept()
    labels = own.answers.labels.copy()
    labels[:7] = (labels[:7] + 1) % 5
    written(tmp_path / "one", own)
    written(tmp_path / "two", dataclasses.replace(own, answers=dataclasses.replace(own.answers, labels=labels)))
    (gain,) = write_report([tmp_path / "one", tmp_path / "two"], tmp_path / "page.html").gains
    assert gain.examples == 105
    assert gain.why == "7 of the examples in common are left out: they are labelled differently"


def test_classes_are_compared_by_name_and_not_by_place(tmp_path: Path) -> None:
    own = kept()
    record = written(tmp_path / "one", own)
    order = np.array([3, 1, 4, 0, 2], np.int32)
    turned = dataclasses.replace(own.answers, labels=order[own.answers.labels], predicted=order[own.answers.predicted])
    classes = tuple(record.classes[int(np.flatnonzero(order == place)[0])] for place in range(5))
    written(tmp_path / "two", dataclasses.replace(own, answers=turned), classes=classes)
    (gain,) = write_report([tmp_path / "one", tmp_path / "two"], tmp_path / "page.html").gains
    assert (gain.examples, gain.only_run, gain.only_against, gain.why) == (112, 0, 0, "")


def test_identical_examples_are_counted_once(tmp_path: Path) -> None:
    own = kept()
    ids = own.answers.ids.copy()
    ids[1] = ids[0]
    labels, predicted = own.answers.labels.copy(), own.answers.predicted.copy()
    labels[1], predicted[1] = labels[0], predicted[0]
    twice = dataclasses.replace(own.answers, ids=ids, labels=labels, predicted=predicted)
    for name in ("one", "two"):
        written(tmp_path / name, dataclasses.replace(own, answers=twice))
    (gain,) = write_report([tmp_path / "one", tmp_path / "two"], tmp_path / "page.html").gains
    assert gain.examples == 111


def test_plans_are_told_apart_key_by_key(tmp_path: Path) -> None:
    spec = FineTuneSpec("yes", phases=(Phase(name="warm", epochs=3), Phase(name="main", epochs=5)))
    other = dataclasses.replace(spec, phases=(Phase(name="warm", epochs=4), Phase(name="main", epochs=5)))
    plans = [Plan("a.keras", seed=1, fine_tune=spec), Plan("a.keras", seed=2, fine_tune=other, input_size=96)]
    found = {item.key: item.values for item in side_by_side.differences(plans)}
    assert found == {"seed": ("1", "2"), "input_size": ("", "96"), "fine_tune.phases[warm].epochs": ("3", "4")}
    assert side_by_side.differences([plans[0], plans[0]]) == ()
    written(tmp_path / "one", kept(), plan=plans[0])
    written(tmp_path / "two", kept(), plan=plans[1])
    write_report([tmp_path / "one", tmp_path / "two"], tmp_path / "page.html")
    assert "<code>fine_tune.phases[warm].epochs</code>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_names_are_as_long_as_it_takes_to_tell_them_apart() -> None:
    assert short_names([Path("/x/a/run"), Path("/x/b/run"), Path("/x/other")]) == ["a/run", "b/run", "other"]
    assert short_names([Path("/x/run"), Path("/x/y/x/run")]) == ["/x/run", "y/x/run"]


def test_a_run_of_before_answers_were_kept_is_compared_by_its_figures(runs: list[Path], tmp_path: Path) -> None:
    (runs[1] / "report.npz").unlink()
    made = write_report(runs[:2], tmp_path / "page.html")
    assert made.gains[0].gain is None
    assert made.gains[0].why == "second is from before answers were kept example by example"
    assert "second is from before answers were kept" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_page_of_such_a_run_is_not_written_over(runs: list[Path], tmp_path: Path) -> None:
    write_report(runs[:1])
    (runs[0] / "report.npz").unlink()
    with pytest.raises(RequestError, match=r"would lose them; name another page with --out"):
        write_report(runs[:1])
    write_report(runs[:1], tmp_path / "page.html")
    assert "No map was kept of this run" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_record_that_lacks_what_is_new_is_read(runs: list[Path]) -> None:
    table = json.loads((runs[0] / "run.json").read_text(encoding="utf-8"))
    for key in ("similarity", "found_rates", "interrupted", "phases", "activations", "environment"):
        del table[key]
    (runs[0] / "run.json").write_text(json.dumps(table), encoding="utf-8")
    assert write_report(runs[:1]).runs[0].name == "first"


def test_a_map_is_drawn_in_another_way_from_what_was_kept(runs: list[Path], tmp_path: Path) -> None:
    pages = {way: tmp_path / f"{way}.html" for way in ("tsne", "pca")}
    for way, page in pages.items():
        write_report(runs[:1], page, way)
    told = {way: page.read_text(encoding="utf-8") for way, page in pages.items()}
    assert "(t-SNE)" in told["tsne"]
    assert "(PCA)" in told["pca"]
    paths = {way: text.partition('class="dots"')[2].partition("</svg>")[0] for way, text in told.items()}
    assert paths["tsne"] != paths["pca"]
    write_report(runs[:1], tmp_path / "again.html", "tsne")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == told["tsne"]


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("none", "expected the folder of a finished run, found none"),
        ("twice", "is named twice; name another one to compare it with"),
        ("map of two", "a map is of one run; leave --map out, or name one run"),
        ("unknown map", "expected a map of tsne or pca, found 'umap'"),
        ("folder", r"is a folder; name the page, such as '.*comparison\.html'"),
        ("no run", r"expected a run folder with run\.json, found none at .*names: first"),
        ("unfinished", r"is not finished; `regraft resume .*` finishes it"),
        ("other file", "is there and no page of Regraft's; name another with --out"),
        ("no map", "keeps no map that could be drawn in another way"),
    ],
)
def test_what_cannot_be_done_is_said(case: str, said: str, runs: list[Path], tmp_path: Path) -> None:
    out, method, folders = tmp_path / "page.html", None, runs[:2]
    if case == "none":
        folders = []
    if case == "twice":
        folders = [runs[0], runs[1] / ".." / "first"]
    if case == "map of two":
        method = "pca"
    if case == "unknown map":
        folders, method = runs[:1], "umap"
    if case == "folder":
        out = tmp_path
    if case == "no run":
        folders = [runs[0], tmp_path / "firs"]
    if case == "unfinished":
        run_folder.begin(tmp_path / "begun", Plan("a.keras"))
        folders = [runs[0], tmp_path / "begun"]
    if case == "other file":
        out.write_text("<html>my thesis</html>", encoding="utf-8")
    if case == "no map":
        written(tmp_path / "small", dataclasses.replace(kept(), embedding=None, pictures=None))
        folders, method = [tmp_path / "small"], "pca"
    with pytest.raises(RequestError, match=said):
        write_report(folders, out, method)  # type: ignore[arg-type]
    assert case == "other file" or not out.is_file()


def test_damaged_evidence_is_refused(runs: list[Path]) -> None:
    path = runs[0] / "report.npz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CorruptFileError, match=r"report\.npz"):
        write_report(runs[:1])


def test_what_a_run_with_damaged_evidence_is_told_to_do_works(runs: list[Path], tmp_path: Path) -> None:
    path = runs[0] / "report.npz"
    path.write_bytes(b"")
    with pytest.raises(CorruptFileError) as caught:
        write_report(runs[:1])
    said = str(caught.value)
    assert "get the file again" not in said
    assert f"`regraft fit --plan {runs[0] / 'plan.toml'} --out again`" in said
    assert f"once it is removed, `regraft report {runs[0]} --out page.html` draws the page without map" in said
    path.unlink()
    write_report(runs[:1], tmp_path / "page.html")
    assert (tmp_path / "page.html").exists()


def test_what_is_said_is_json(runs: list[Path], tmp_path: Path) -> None:
    made = write_report(runs, tmp_path / "page.html")
    assert plain.from_plain(type(made), json.loads(plain.to_json(made))) == made


def test_hostile_names_are_text(tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>"
    own = kept()
    names = (attack, *own.answers.names[1:])
    predicted = own.answers.labels.copy()
    predicted[0] = (predicted[0] + 1) % 5
    for name, answers in (("one", predicted), ("two", own.answers.labels)):
        changed = dataclasses.replace(own.answers, names=names, predicted=answers)
        written(
            tmp_path / name, dataclasses.replace(own, answers=changed), classes=(attack, "b", "c", "d", "e"),
            plan=Plan(attack, data=f"{attack}{name}"),
        )  # fmt: skip
    write_report([tmp_path / "one", tmp_path / "two"], tmp_path / "page.html")
    write_report([tmp_path / "one"])
    for page in (tmp_path / "page.html", tmp_path / "one" / "report.html"):
        text = page.read_text(encoding="utf-8")
        assert "<script" not in text
        assert "&lt;script&gt;" in text
