"""The section of doubtful examples: what is shown, what is said, and what a browser makes of it."""

import dataclasses
import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft import report
from regraft.cli.summary import summary
from regraft.core import plain
from regraft.core.doubt import KINDS, Doubt, Doubted, DoubtSearch, Kind, Twins
from regraft.core.records import Metric, RunRecord
from regraft.report import doubtful
from tests.report.test_page import Structure, text_of


def example(number: int, label: str = "daisy", split: str = "train") -> Doubted:
    return Doubted(f"{label}/{number:05}_n.jpg", f"d{number:031x}", split, label)


def doubts(kind: Kind, count: int, start: int = 0) -> tuple[Doubt, ...]:
    made: list[Doubt] = []
    for number in range(start, start + count):
        one, other = example(number), example(1000 + number, "rose" if kind == "contradiction" else "daisy", "test")
        alone = kind in ("label", "outlier")
        score = {"label": 0.97, "outlier": 1.61}.get(kind, 1.0 if number % 2 else 0.987)
        classes = ("daisy", "rose") if kind in ("contradiction", "label") else ("daisy",)
        made.append(Doubt(kind, (one,) if alone else (one, other), classes, score, f"{kind} {number} in words"))
    return tuple(made)


WITHOUT = Metric(0.8123, (0.78, 0.84))


def doubted(record: RunRecord, accuracy: Metric | None = WITHOUT) -> RunRecord:
    """The record with doubts of every kind, more than there is room for."""
    made = tuple(each for place, kind in enumerate(KINDS) for each in doubts(kind, 9, 20 * place))
    search = DoubtSearch("conv_pw_11_relu", 3670, 3670, dict.fromkeys(KINDS, 31))
    return dataclasses.replace(record, doubts=made, doubt_search=search, twins=Twins("test", 562, 40, 12, accuracy))


def pictures(record: RunRecord) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for place, name in enumerate(report.doubtful_ids(record)):
        buffer = io.BytesIO()
        Image.fromarray(np.full((64, 64, 3), 60 + 8 * place, np.uint8)).save(buffer, "JPEG")
        found[name] = buffer.getvalue()
    return found


def test_pictures_are_few_and_shared_among_the_kinds(good_record: RunRecord) -> None:
    record = doubted(good_record)
    shown = doubtful.shown(record.doubts)
    counts = [sum(each.kind == kind for each in shown) for kind in KINDS]
    assert sum(len(each.examples) for each in shown) == doubtful.MOST_PICTURES
    assert min(counts) >= 2
    alone = doubtful.shown(doubts("label", 30))
    assert len(alone) == doubtful.MOST_PICTURES


def test_every_doubt_is_in_words_and_those_not_shown_are_counted(good_record: RunRecord) -> None:
    record = doubted(good_record)
    words = text_of(report.page(record, pictures(record)))
    assert all(each.text in words for each in record.doubts)
    shown = doubtful.shown(record.doubts)
    for section in doubtful.sections(record):
        assert f"{section.title} (31)" in words
        more = 31 - sum(each.kind == section.kind for each in shown)
        assert f"{more} more are not shown." in words


def test_pictures_are_embedded_and_named(good_record: RunRecord) -> None:
    record = doubted(good_record)
    images = Structure(report.page(record, pictures(record))).all("img")
    assert len(images) == doubtful.MOST_PICTURES
    assert all(image["alt"] and str(image["src"]).startswith("data:image/jpeg;base64,") for image in images)
    assert "no picture" in text_of(report.page(record, {}))


def test_leaks_are_told_wherever_the_accuracy_is(good_record: RunRecord) -> None:
    record = doubted(good_record)
    page = " ".join(text_of(report.page(record, {})).replace("\xa0", " ").split())
    assert "40 of 562 test examples have a twin in what was learnt from" in page
    assert "Without them accuracy is 81.2 %" in page
    assert "81.2 % without 40 that were learnt from" in page
    assert "without them accuracy is 81.2\xa0%" in report.card(record)
    assert "this model, on 522 without a twin" in summary(record)
    assert "81.2%" in summary(record)
    none = doubted(good_record, None)
    assert "the accuracy says nothing about new examples" in text_of(report.page(none, {}))
    assert "the accuracy says nothing about new examples" in report.card(none)


def test_a_run_without_doubts_says_so_and_one_that_did_not_look_too(good_record: RunRecord) -> None:
    search = DoubtSearch("top", 10_000, 70_000, {}, "a sample of 10,000")
    clean = dataclasses.replace(good_record, doubt_search=search, twins=Twins("test", 562, 0, 0, None))
    words = " ".join(text_of(report.page(clean, {})).split())
    assert "Nothing was found." in words
    assert "No test example has a twin in what was learnt from" in words
    assert "(a sample of 10,000)" in words
    assert "Not looked for in this run." in text_of(report.page(good_record, {}))
    blind = dataclasses.replace(clean, doubt_search=DoubtSearch("", 0, 36, {}, "fewer than 40 examples: and so on"))
    assert "Fewer than 40 examples: and so on." in " ".join(text_of(report.page(blind, {})).split())


def test_names_are_text_and_never_markup(good_record: RunRecord) -> None:
    attack = "<script>alert('x')</script>"
    one = Doubted(attack, attack, attack, attack)
    made = tuple(Doubt(kind, (one, one), (attack, attack), 0.9, attack) for kind in KINDS)
    record = dataclasses.replace(doubted(good_record), doubts=made)
    page = report.page(record, {})
    Structure(page)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 30


def test_records_of_before_are_read(good_record: RunRecord) -> None:
    document = plain.to_plain(good_record)
    for name in ("doubts", "doubt_search", "twins"):
        del document[name]
    assert plain.from_plain(RunRecord, document) == good_record


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_a_browser_draws_couples_side_by_side_within_the_page(good_record: RunRecord, tmp_path: Path) -> None:
    record = doubted(good_record)
    page = tmp_path / "page.html"
    measure = (
        "<script>const boxes = [...document.querySelectorAll('#doubts .couple .beside')].map("
        "side => [...side.children].map(part => part.getBoundingClientRect()));"
        "document.title = 'drawn ' + boxes.filter(([one, other]) => one.top === other.top && one.right <= other.left"
        " && one.width > 40 && other.right <= document.documentElement.clientWidth).length + ' of ' + boxes.length"
        " + ' wide ' + (document.documentElement.scrollWidth > document.documentElement.clientWidth);</script></body>"
    )
    page.write_text(report.page(record, pictures(record)).replace("</body>", measure), encoding="utf-8")
    couples = sum(len(each.examples) > 1 for each in doubtful.shown(record.doubts))
    for width in (390, 1280):
        words = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
                 f"--window-size={width},900", "--dump-dom")  # fmt: skip
        done = subprocess.run(
            ["chromium", *words, page.as_uri()], capture_output=True, text=True, check=False, timeout=120
        )
        title = re.search(r"<title>(.*?)</title>", done.stdout)
        assert title is not None, done.stderr[-2000:]
        assert title[1] == f"drawn {couples} of {couples} wide false"
