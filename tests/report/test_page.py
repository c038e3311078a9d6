"""The page is whole, safe and self-contained for every record, and says what the record says."""

import base64
import dataclasses
import re
from collections.abc import Mapping
from html.parser import HTMLParser

import pytest

from regraft import report
from regraft.core import plan
from regraft.core.found_rate import FoundRate
from regraft.core.records import Baseline, Metric, RunRecord
from regraft.report.page import MOST_MISTAKES, SECTIONS

VOID = {"meta", "img", "br", "wbr", "hr", "input", "link"}


class Structure(HTMLParser):
    """Collects tags, attributes and text, and fails on a tag that is closed out of turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: dict[str, list[str]] = {}
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute is given twice in {tag}: {attrs}"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.setdefault(self.open[-1] if self.open else "", []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def text_of(page: str) -> str:
    """What a reader sees, without the style sheet."""
    words = Structure(page).words
    return " ".join(word for tag, found in words.items() if tag != "style" for word in found)


def test_is_balanced_and_has_every_section(record: RunRecord, thumbnails: Mapping[str, bytes]) -> None:
    found = Structure(report.page(record, thumbnails))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert ids == list(SECTIONS)
    assert [word for word in found.words["h2"] if word.strip()] == list(SECTIONS.values())
    assert {attributes["href"] for attributes in found.all("a")} >= {f"#{name}" for name in SECTIONS}
    assert "".join(found.words["h1"]) == record.verdict


def test_loads_nothing_and_runs_nothing(record: RunRecord, thumbnails: Mapping[str, bytes]) -> None:
    page = report.page(record, thumbnails)
    found = Structure(page)
    for tag, attributes in found.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "srcset", "xlink:href", "action"}:
                assert value is not None
                assert value.startswith(("#", "data:image/"))
    style = "".join(found.words["style"])
    assert "url(" not in style
    assert "@import" not in style


def test_names_are_text_and_never_markup(records: Mapping[str, RunRecord]) -> None:
    page = report.page(records["hostile"], {"<script>alert('x')</script>": b"not a picture"})
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") > 30
    # What cannot be written as UTF-8 stands in a file name of the record.
    assert page.encode()


def test_no_figure_of_a_record_without_figures_is_written_as_nan(records: Mapping[str, RunRecord]) -> None:
    page = report.page(records["undefined"], {})
    assert not re.search(r"\b(nan|inf|None)\b", page)


def test_every_drawing_has_a_caption(record: RunRecord, thumbnails: Mapping[str, bytes]) -> None:
    found = Structure(report.page(record, thumbnails))
    assert len(found.all("figure")) == len(found.all("figcaption"))
    assert all(attributes.get("aria-label") for attributes in found.all("svg") if attributes.get("role") == "img")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("good", "Reuse helped"),
        ("bad", "Reuse did not help: it is worse than no reuse"),
        ("huge", "Reuse did not help measurably"),
        ("bare", "Not compared with a network from scratch"),
        ("undefined", "Not compared with a network from scratch"),
    ],
)
def test_says_plainly_whether_reuse_helped(records: Mapping[str, RunRecord], name: str, said: str) -> None:
    assert said in text_of(report.page(records[name], {}))


def test_says_plainly_that_a_simpler_way_scored_higher(good_record: RunRecord) -> None:
    better = Baseline("nearest_neighbour", Metric(0.97, (0.95, 0.99)))
    record = dataclasses.replace(good_record, baselines={"nearest_neighbour": better})
    assert "A simpler way scored higher." in text_of(report.page(record, {}))
    assert "A simpler way scored higher." not in text_of(report.page(good_record, {}))


def test_a_certificate_that_did_not_hold_names_every_variable(records: Mapping[str, RunRecord]) -> None:
    record = records["bad"]
    words = text_of(report.page(record, {}))
    assert "did not hold" in words
    assert "20\N{NO-BREAK SPACE}variables" in words
    assert all(name in words for name in record.certificate.changed)
    assert "did not hold" not in text_of(report.page(records["good"], {}))


def test_every_warning_and_everything_left_out_is_there(record: RunRecord) -> None:
    words = " ".join(text_of(report.page(record, {})).split())
    for said in (
        *record.warnings,
        *record.data.left_out,
        *record.load.missing,
        *record.load.unused,
        *record.load.notes,
    ):
        assert " ".join(said.split()) in words


def test_holds_the_plan_as_it_is_written(good_record: RunRecord) -> None:
    assert plan.to_toml(good_record.plan).strip() in text_of(report.page(good_record, {}))


def test_pictures_are_inside_the_page(good_record: RunRecord) -> None:
    shown, unknown = good_record.mistakes[:2]
    picture = b"\xff\xd8\xff\xe0 and so on"
    found = Structure(report.page(good_record, {shown.id: picture, unknown.id: b"GIF89a", "no mistake": picture}))
    (image,) = found.all("img")
    assert image == {"src": f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}", "alt": shown.name}


def test_shows_the_first_mistakes_and_counts_the_rest(records: Mapping[str, RunRecord]) -> None:
    record = records["huge"]
    words = text_of(report.page(record, {}))
    assert f"{len(record.mistakes) - MOST_MISTAKES} more are in run.json" in words


def test_is_the_same_every_time(good_record: RunRecord) -> None:
    assert report.page(good_record, {}) == report.page(good_record, {})


def test_phases_are_told_with_what_became_of_the_optimizer_s_state(good_record: RunRecord) -> None:
    html = report.page(good_record, {})
    assert re.search(r"<td>calibrated for \d+, kept for 2</td>", html)
    assert "<td>new for 2</td>" in html
    assert "<td>the start</td>" in html
    assert "gradients are as large as before" in html
    assert "Variables that had a rate in phase warm and did not move (2)" in html
    assert "ended by hand" not in html
    assert "ended by hand" in report.page(dataclasses.replace(good_record, interrupted=True), {})


def test_a_range_test_has_a_page_of_its_own_that_needs_nothing_else() -> None:
    found = FoundRate(
        "a <b>", "adam", (1e-3, 1e-2, 0.1), (1.0, 0.5, 0.7), (1.0, 0.5, 0.7), 0.01, 0.001, None, 0.01, False, "so"
    )
    page = report.rate_page(found)
    assert "A learning rate of 0.01 is suggested" in text_of(page)
    assert "a <b>" in text_of(page).lower()
    rows = re.findall(r'<th scope="row">([^<]*)</th><td class="n">([^<]*)</td>', page)
    assert rows == [("steepest descent", "0.01"), ("a tenth of the least loss&#39;s rate", "0.001")]
    assert not re.search(r"(src|href)=|url\(|@import", page)
