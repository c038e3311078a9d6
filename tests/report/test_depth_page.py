"""The page of a depth search is whole, safe and self-contained for every record, and says what the record says."""

import base64
import dataclasses
import hashlib
import html
import re
from pathlib import Path

import pytest

from regraft.core import plan
from regraft.core.depth import DepthRecord, Way
from regraft.report import depth_page, depth_reading
from regraft.report.depth_page import DEPTH_PAGE, SECTIONS, write
from regraft.report.naming import breakable
from tests.report.depth_records import DEPTH_RECORDS, cut
from tests.report.test_page import Structure


@pytest.fixture(params=sorted(DEPTH_RECORDS))
def depth_record(request: pytest.FixtureRequest) -> DepthRecord:
    return DEPTH_RECORDS[request.param]()


def small() -> DepthRecord:
    return DEPTH_RECORDS["small"]()


def words_of(page: str) -> str:
    """What a reader sees, in the page's order, spaces of any width alike."""
    told = re.sub(r"<(style|script)>.*?</\1>|<wbr>|</?span[^>]*>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", told)).split())


def test_is_balanced_and_has_every_section_once(depth_record: DepthRecord) -> None:
    page = depth_page.depth_page(depth_record)
    found = Structure(page)
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert [attributes["id"] for attributes in found.all("section")] == list(SECTIONS)
    assert {attributes["href"] for attributes in found.all("a")} >= {f"#{name}" for name in SECTIONS}
    assert re.search(rf"<h1[^>]*>{re.escape(breakable(depth_record.recommended.sentence))}</h1>", page)


def test_loads_nothing_and_runs_only_its_own_script(depth_record: DepthRecord) -> None:
    page = depth_page.depth_page(depth_record)
    found = Structure(page)
    for tag, attributes in found.tags:
        assert tag not in {"link", "iframe", "object", "embed", "img"}
        assert not any(name.startswith("on") for name in attributes)
        assert not {"src", "srcset", "xlink:href", "action"} & set(attributes)
    (script,) = found.words["script"]
    assert found.all("script") == [{}]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(each["content"] for each in found.all("meta") if each.get("http-equiv"))
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert not re.search(r"url\(|@import", "".join(found.words["style"]))


def test_names_are_text_and_never_markup() -> None:
    page = depth_page.depth_page(DEPTH_RECORDS["hostile"]())
    assert page.count("<script") == 1
    assert "<img" not in page
    assert page.count("&lt;script&gt;") > 20
    assert page.encode()


def test_no_figure_of_a_record_without_figures_is_written_as_nan() -> None:
    page = depth_page.depth_page(DEPTH_RECORDS["undefined"]())
    assert not re.search(
        r"\b(nan|inf|None)\b", re.sub(r'data-value="[^"]*"|<script>.*?</script>', "", page, flags=re.S)
    )


def test_tables_have_captions_and_drawings_are_described(depth_record: DepthRecord) -> None:
    found = Structure(depth_page.depth_page(depth_record))
    assert len(found.all("table")) == len(found.all("caption"))
    assert len(found.all("figure")) == len(found.all("figcaption"))
    assert all(attributes.get("aria-label") for attributes in found.all("svg") if attributes.get("role") == "img")
    assert all(attributes.get("scope") for attributes in found.all("th"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("small", "4 ways cannot be told apart"),
        ("huge", "16 ways cannot be told apart"),
        ("alone", "Only one way was tried"),
        ("hurried", "More time may change this"),
        ("hurried", "6 ways were ahead of it when they were left early: more time may change the answer."),
    ],
)
def test_says_how_sure_the_answer_is(name: str, said: str) -> None:
    assert said in words_of(depth_page.depth_page(DEPTH_RECORDS[name]()))


@pytest.mark.parametrize(
    ("cheaper", "expected"),
    [
        (0, "within a standard error of the best."),
        (1, "of the best. One of these trains fewer and is further behind than that; more examples would tell"),
        (3, "of the best. 3 of these train fewer and are further behind than that; more examples would tell"),
    ],
)
def test_says_why_ways_that_train_fewer_layers_are_not_taken_though_they_cannot_be_told_apart(
    cheaper: int, expected: str
) -> None:
    record = small()
    same = {trial.way.name: place for place, trial in enumerate(depth_reading.alike(record))}

    def tuned(way: Way) -> Way:
        if way.name in same:
            return dataclasses.replace(way, tuned=0 if same[way.name] < cheaper else way.reused, hidden=way.hidden)
        return way

    table = tuple(dataclasses.replace(trial, way=tuned(trial.way)) for trial in record.table)
    said = depth_reading.told_apart(dataclasses.replace(record, table=table))
    assert expected in said
    assert ("fewer and" in said) == bool(cheaper)


def test_the_answer_stands_at_the_top_with_its_interval_and_what_cannot_be_told_from_it() -> None:
    record = small()
    top = words_of(depth_page.depth_page(record).partition('<section id="depth">')[0])
    assert "90.1 % 95 %: 87.8 to 92.4 %" in top
    assert "These 3 and the recommended way cannot be told apart on your data" in top
    assert len(depth_reading.alike(record)) == 3
    for trial in depth_reading.alike(record):
        assert trial.way.name in top
    only = dataclasses.replace(record.recommended, indistinguishable=())
    assert "On your data it can be told apart from each of the other 21 ways that were judged to the end." in words_of(
        depth_page.depth_page(dataclasses.replace(record, recommended=only))
    )


def test_every_way_has_a_row_and_the_recommended_one_is_first(depth_record: DepthRecord) -> None:
    page = depth_page.depth_page(depth_record)
    table = re.search(r'<table class="sortable ways">.*?</table>', page, re.S)
    assert table is not None
    rows = re.findall(r'<tr class="([^"]*)">', table[0])
    assert len(rows) == len(depth_record.table)
    assert rows[0] == "recommended chosen"
    assert rows.count("recommended chosen") == 1
    assert rows.count("unfinished") == sum(
        depth_reading.standing(depth_record, each) == "unfinished" for each in depth_record.table
    )


def test_figures_of_a_way_are_its_trial_s() -> None:
    record = small()
    page = depth_page.depth_page(record)
    trial = next(each for each in record.table if each.way == Way(cut(9), cut(8), (), 36, 4))
    row = next(
        each
        for each in re.findall(r"<tr class.*?</tr>", page, re.S)
        if "conv_pw_9_relu < conv_pw_8_relu" in words_of(each)
    )
    values = [float(value) for value in re.findall(r'data-value="([^"]*)"', row)]
    assert values == [
        trial.accuracy.value, trial.log_loss.value, 32, 4, trial.rate, trial.steps, trial.seconds,
    ]  # fmt: skip
    assert "head on conv_pw_9_relu, 36\xa0layers reused; the 4\xa0layers above conv_pw_8_relu learn" in html.unescape(
        row
    )


def test_says_which_lower_cut_point_a_head_reads_and_what_its_name_means() -> None:
    record = small()
    assert "the head reads" not in words_of(depth_page.depth_page(record))
    way = dataclasses.replace(record.recommended.way, tap=cut(5))
    best = dataclasses.replace(record.table[0], way=way)
    answer = dataclasses.replace(record.recommended, way=way)
    record = dataclasses.replace(record, recommended=answer, table=(best, *record.table[1:]))
    words = words_of(depth_page.depth_page(record))
    assert "up to conv_pw_11_relu; the head reads conv_pw_5_relu as well" in words
    assert "conv_pw_11_relu & conv_pw_5_relu < conv_pw_9_relu recommended" in words
    assert "“a & b”: the head on a reads b as well" in words


def test_says_what_it_took_what_was_known_and_what_was_left_early() -> None:
    assert depth_reading.cost(small()).replace("\xa0", " ") == (
        "24 ways were tried in 36 trials, of which 11 were known from before and not run again. It took 3 min 31 s of "
        "the 4 min 0 s that were allowed. 2 ways were left early, because others did better or because time was up."
    )
    assert "of the 1 min 0 s" in depth_reading.cost(DEPTH_RECORDS["hurried"]()).replace("\xa0", " ")
    assert depth_reading.cost(DEPTH_RECORDS["alone"]()).replace("\xa0", " ") == "1 way was tried in 1 trial."


def test_holds_the_plan_and_the_command_that_obeys_it() -> None:
    record = small()
    words = words_of(depth_page.depth_page(record))
    assert " ".join(plan.to_toml(record.plan).split()) in words
    assert "regraft fit 'data/my flowers' --plan depth/flowers/plan.toml" in words
    assert "regraft fit DATA --plan depth/flowers/plan.toml" in words_of(
        depth_page.depth_page(DEPTH_RECORDS["alone"]())
    )


def test_links_to_the_report_of_the_run_that_followed_from_where_the_page_is(tmp_path: Path) -> None:
    record = dataclasses.replace(small(), run=str(tmp_path / "runs" / "a b"))
    path = write(tmp_path / "depth", record)
    assert path == tmp_path / "depth" / DEPTH_PAGE
    links = {each["href"] for each in Structure(path.read_text(encoding="utf-8")).all("a")}
    assert "../runs/a%20b/report.html" in links
    assert not any(link.endswith("report.html") for link in _links(DEPTH_RECORDS["alone"]()))


def _links(record: DepthRecord) -> set[str]:
    return {str(each["href"]) for each in Structure(depth_page.depth_page(record)).all("a")}


def test_every_warning_is_there(depth_record: DepthRecord) -> None:
    words = words_of(depth_page.depth_page(depth_record))
    for warning in depth_record.warnings:
        assert " ".join(warning.split()) in words


def test_is_small_with_sixty_ways_and_120_cut_points() -> None:
    # Mailed and opened at once: a few hundred kilobytes, whatever the source.
    assert len(depth_page.depth_page(DEPTH_RECORDS["huge"]()).encode()) < 400_000


def test_a_cut_point_of_no_known_depth_is_placed_by_the_layers_below_it() -> None:
    record = dataclasses.replace(small(), probes=())
    between = dataclasses.replace(record.table[0], way=Way("between", "between", (), 6, 0))
    record = dataclasses.replace(record, table=(*record.table, between))
    # Blocks of four layers end at depths 5 and 11: six layers end half way between.
    assert depth_reading.depths(record)["between"] == 8.0
    assert depth_reading.block_of(record, "between") == "block 2"
