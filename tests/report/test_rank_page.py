"""The page of a ranking is whole, safe and self-contained, and says of each source what the record says."""

import base64
import hashlib
import re

import pytest

from regraft.core.ranking import RankRecord
from regraft.report import rank_page
from tests.report.chromium import needs_chromium, opened
from tests.report.rankings import ATTACK, RANKINGS, whole
from tests.report.test_depth_page import words_of
from tests.report.test_page import Structure


@pytest.fixture(params=sorted(RANKINGS))
def record(request: pytest.FixtureRequest) -> RankRecord:
    return RANKINGS[request.param]()


def test_is_balanced_and_has_every_section_once(record: RankRecord) -> None:
    found = Structure(rank_page.rank_page(record))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert [attributes["id"] for attributes in found.all("section")] == list(rank_page.SECTIONS)
    assert {attributes["href"] for attributes in found.all("a")} == {f"#{name}" for name in rank_page.SECTIONS}


def test_loads_nothing_and_runs_only_its_own_script(record: RankRecord) -> None:
    page = rank_page.rank_page(record)
    found = Structure(page)
    for tag, attributes in found.tags:
        assert tag not in {"link", "iframe", "object", "embed", "img"}
        assert not any(name.startswith("on") for name in attributes)
        assert not {"src", "srcset", "xlink:href", "action"} & set(attributes)
    (script,) = found.words["script"]
    policy = next(each["content"] for each in found.all("meta") if each.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert not re.search(r"url\(|@import", "".join(found.words["style"]))
    assert "nan" not in words_of(page).lower().split()


def test_names_are_text_and_never_markup() -> None:
    page = rank_page.rank_page(RANKINGS["hostile"]())
    assert page.count("<script") == 1
    assert ATTACK not in page


def test_says_what_the_record_says() -> None:
    words = words_of(rank_page.rank_page(whole()))
    for said in (
        "Reuse a/first.keras",
        "All files are in /nets",
        "a/first.keras 90.0 %85.0 to 94.0 % 90.0 % 80.0 % \N{MINUS SIGN}0.300 93.0 %90.0 to 95.0 % 800 conv_3128 wide",
        "Neighbours LogME Fitted",
        "zoo:third@2it tells classes of these names apart already",
        "c/fourth.onnxleft behind at 200 examples",
        "d.keras '/nets/d.keras' is empty; get the file again",
        "zoo:same@1made from these very examples",
        "b/second.keras: its convention was assumed",
        "a class has few examples",
    ):
        assert said in words, said


def test_a_ranking_is_written_as_it_is_asked_for(tmp_path) -> None:
    path = rank_page.write(tmp_path / "rank.html", whole())
    assert path.read_text(encoding="utf-8") == rank_page.rank_page(whole())


@needs_chromium
def test_in_a_browser_nothing_complains_and_tables_sort(tmp_path) -> None:
    path = rank_page.write(tmp_path / "rank.html", whole())
    with opened(tmp_path) as browser:
        browser.open(path)
        first = "document.querySelector('table.sortable tbody th').textContent"
        assert "first.keras" in browser.value(first)
        browser.value("void document.querySelectorAll('table.sortable th button')[1].click()")
        browser.value("void document.querySelectorAll('table.sortable th button')[1].click()")
        assert "fourth.onnx" in browser.value(first)
        browser.open(path, width=375, height=800, touch=True)
        assert browser.value("document.documentElement.scrollWidth") == 375
        assert browser.complaints == []
        assert browser.requests == [path.as_uri()]
