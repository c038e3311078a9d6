"""The page of a run that a search led to shows its depth curve, the answer and how sure it is, and is whole alone."""

import dataclasses
import re

import pytest

from regraft import report
from regraft.core.depth import DepthRecord
from regraft.core.records import RunRecord
from regraft.report import depth_page, depth_reading
from regraft.report.plots.depth import DEPTH_PLOTS
from tests.report.depth_records import DEPTH_RECORDS
from tests.report.test_depth_page import words_of
from tests.report.test_page import SECTIONS, Structure


def section(page: str) -> str:
    found = re.search(r'<section id="cut">.*?</section>', page, re.DOTALL)
    assert found is not None
    return found[0]


@pytest.fixture
def search() -> DepthRecord:
    """Three of its ways cannot be told from the recommended one."""
    return DEPTH_RECORDS["small"]()


def test_shows_the_very_picture_of_the_search_s_own_page(good_record: RunRecord, search: DepthRecord) -> None:
    figure = DEPTH_PLOTS["cuts"](search)
    assert figure is not None
    drawing = str(figure.drawing)
    shown = section(report.page(good_record, {}, None, search))
    assert shown.count(drawing) == depth_page.depth_page(search).count(drawing) == 1
    assert "Head alone" in shown
    # Probes of the one cut point that was found say nothing beside it.
    assert "All probed cut points" not in shown
    assert shown.count("<figure>") == 1


def test_its_colours_are_the_page_s(good_record: RunRecord, search: DepthRecord) -> None:
    figure = DEPTH_PLOTS["cuts"](search)
    assert figure is not None
    styles = "".join(Structure(report.page(good_record, {}, None, search)).words["style"])
    kinds = {kind for found in re.findall(r'class="((?:mark|stroke|whisker|block) [^"]*)"', figure.drawing)
             for kind in found.split()[1:]}  # fmt: skip
    assert {"tuned", "new", "probe", "hollow", "b1"} <= kinds
    for kind in kinds - {"faint"}:
        assert re.search(rf"\.(mark|stroke|whisker|block)[.\w]*\.{kind}\b", styles), kind


def test_says_the_answer_and_what_cannot_be_told_from_it(good_record: RunRecord, search: DepthRecord) -> None:
    said = words_of(section(report.page(good_record, {}, None, search)))
    assert search.recommended.sentence in said
    assert "These 3 and the recommended way cannot be told apart on your data" in said
    for trial in depth_reading.alike(search):
        assert trial.way.name in said
    assert "the test examples were not looked at. 24 ways were tried in 36 trials" in said
    judged = dataclasses.replace(good_record, evaluated_on="validation")
    assert "not looked at" not in words_of(section(report.page(judged, {}, None, search)))


@pytest.mark.parametrize(("page", "links"), [(None, []), ("depth.html", ["depth.html"])])
def test_names_the_search_s_page_and_links_it_only_where_it_is(
    good_record: RunRecord, search: DepthRecord, page: str | None, links: list[str]
) -> None:
    shown = section(report.page(good_record, {}, None, search, page))
    assert re.findall(r'href="([^"]*)"', shown) == links
    assert "told in depth.html , the page of the search, which lies in the folder of the run" in words_of(shown)


@pytest.mark.parametrize(("page", "links"), [(None, []), ("depth.html", ["depth.html#ways", "depth.html"])])
def test_ways_for_which_there_is_no_room_are_counted(
    good_record: RunRecord, page: str | None, links: list[str]
) -> None:
    shown = section(report.page(good_record, {}, None, DEPTH_RECORDS["huge"](), page))
    assert re.findall(r'href="([^"]*)"', shown) == links
    assert "and 9 more" in words_of(shown)


@pytest.mark.parametrize("name", sorted(DEPTH_RECORDS))
def test_is_whole_safe_and_self_contained(good_record: RunRecord, name: str) -> None:
    page = report.page(good_record, {}, None, DEPTH_RECORDS[name]())
    found = Structure(page)
    assert [attributes["id"] for attributes in found.all("section")] == list(SECTIONS)
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in found.tags}
    assert all(each["href"] and each["href"].startswith("#") for each in found.all("a"))
    assert not re.search(r"url\(|@import", "".join(found.words["style"]))
    assert not re.search(r"\b(nan|inf|None)\b", section(page))
    assert page.encode()


def test_a_run_without_a_search_shows_its_probes(good_record: RunRecord, search: DepthRecord) -> None:
    page = report.page(good_record, {})
    assert "A search led to this run" not in page
    assert "All probed cut points" in section(page)
    assert ".mark.probe" not in page
    assert "A search led to this run" in report.page(good_record, {}, None, search)
