"""Pages in a real browser: light and dark, wide and narrow, by pointer and by keys; nothing asked of the network."""

import dataclasses
import io
import itertools
import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regraft import report
from regraft.core.depth import DepthRecord
from regraft.core.evidence import GRID, Evidence
from regraft.core.side_by_side import SideBySide
from regraft.core.similarity import Similarity
from regraft.recipes import side_by_side
from regraft.report import embedding_map
from tests.report.chromium import Browser, needs_chromium, opened
from tests.report.conftest import good, pictures
from tests.report.depth_records import DEPTH_RECORDS
from tests.report.evidence import evidence
from tests.report.runs import finished, kept

pytestmark = needs_chromium

WIDE, NARROW = 1200, 390
MOST_NODES = 6000


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser]:
    with opened(tmp_path_factory.mktemp("profile")) as made:
        yield made


def run_page(given: Evidence, search: DepthRecord | None = None) -> str:
    similarity = tuple(Similarity(f"conv_pw_{block}_relu", 1.01 - 0.01 * block, 112) for block in (9, 10, 11))
    record = dataclasses.replace(good(), similarity=similarity)
    return report.page(record, pictures(record), given, search)


def comparison() -> str:
    runs = [finished(Path(f"runs/{name}"), kept(seed)) for seed, name in enumerate(("first", "second", "third"))]
    runs[1] = finished(Path("runs/second"), kept(1), plan=dataclasses.replace(runs[1].record.plan, seed=4))
    summaries = side_by_side.summarised(runs)
    differing = side_by_side.differences([run.record.plan for run in runs])
    found = SideBySide("x.html", summaries, side_by_side.gains(runs, summaries), differing, ("A note.",))
    return report.comparison_page(found, [run.record for run in runs], [run.evidence for run in runs if run.evidence])


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "run": run_page(kept()),
        "one map": run_page(evidence(60, 5, two=False)),
        "searched": run_page(kept(), DEPTH_RECORDS["huge"]()),
        "comparison": comparison(),
    }
    for name, html in made.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", ["run", "one map", "searched", "comparison"])
def test_it_fits_asks_for_nothing_and_complains_of_nothing(
    browser: Browser, pages: Mapping[str, Path], name: str, width: int, dark: bool
) -> None:
    browser.open(pages[name], width=width, dark=dark)
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.complaints == []
    assert browser.requests == [pages[name].as_uri()]
    background = browser.value("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(21, 24, 27)" if dark else "rgb(251, 250, 247)")


# What text stands on: the nearest background that is not clear, at full opacity.
_CONTRAST = """(() => {
  const parts = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = node => { for (; node; node = node.parentElement) {
    const found = parts(getComputedStyle(node).backgroundColor);
    if (found.length && (found.length < 4 || found[3] === 1)) return found; } return [255, 255, 255]; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), poor = [];
  let seen = 0;
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement, style = getComputedStyle(node);
    if (!walker.currentNode.textContent.trim() || !node.checkVisibility() || node.tagName === "TITLE") continue;
    if (node.closest("svg .count, style")) continue;
    const ink = parts(node.closest("svg") ? style.fill : style.color), size = parseFloat(style.fontSize);
    const [high, low] = [light(ink), light(ground(node.closest("svg")?.parentElement || node))].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    seen += 1;
    if (ratio < (large ? 3 : 4.5)) poor.push([walker.currentNode.textContent.trim().slice(0, 40), ratio]);
  }
  return [seen, poor];
})()"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["run", "searched", "comparison"])
def test_all_text_stands_out_from_what_it_stands_on(
    browser: Browser, pages: Mapping[str, Path], name: str, dark: bool
) -> None:
    """WCAG 2.1, 1.4.3: 4.5 to 1, and 3 to 1 for large text."""
    browser.open(pages[name], dark=dark)
    browser.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    seen, poor = browser.value(_CONTRAST)
    assert seen > 100
    assert poor == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_colour_of_a_class_stands_out_from_the_map(
    browser: Browser, pages: Mapping[str, Path], dark: bool
) -> None:
    """WCAG 2.1, 1.4.11: 3 to 1 for what is not text."""
    browser.open(pages["run"], dark=dark)
    read = "getComputedStyle(document.documentElement).getPropertyValue('--{}').trim()"
    panel = browser.value(read.format("panel"))
    colours = [browser.value(read.format(f"c{index}")) for index in range(embedding_map.COLOURS)]
    assert len(set(colours)) == embedding_map.COLOURS
    assert min(contrast(colour, panel) for colour in colours) > 3


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05

    first, second = light(one), light(other)
    return max(first, second) / min(first, second)


@pytest.mark.parametrize("name", ["run", "one map", "searched", "comparison"])
def test_it_can_be_read_without_being_seen(browser: Browser, pages: Mapping[str, Path], name: str) -> None:
    browser.open(pages[name])
    assert browser.value("document.documentElement.lang") == "en"
    levels = browser.value("[...document.querySelectorAll('h1,h2,h3,h4')].map(each => +each.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    wanting = {
        "pictures without words": "img:not([alt]), img[alt='']",
        "drawings without words": "svg:not([aria-hidden]):not([aria-label]):not(svg svg)",
        "tables without a caption": "table:not(:has(caption))",
        "heads of tables without a scope": "th:not([scope])",
        "empty heads of tables": "th:empty",
        "regions that cannot be scrolled by keys": ".scroll:not([tabindex='0'])",
        "controls without a label": "input:not([aria-label]):not(label input)",
    }
    found = {word: browser.value(f'document.querySelectorAll("{what}").length') for word, what in wanting.items()}
    assert found == dict.fromkeys(wanting, 0)
    targets = "[...document.querySelectorAll('a')].filter(each => !document.querySelector(each.getAttribute('href')))"
    assert browser.value(f"{targets}.length") == 0


_CARDS = "[...document.querySelectorAll('.card')].filter(each => each.checkVisibility())"


def visible_cards(browser: Browser) -> list[str]:
    return browser.value(f"{_CARDS}.map(each => each.innerText.replace(/\\s+/g, ' ').trim())")


def middle(browser: Browser, selector: str, index: int = 0) -> tuple[float, float]:
    """The middle of an element in the window, after going there."""
    place = browser.value(
        f"(() => {{ const one = document.querySelectorAll({json.dumps(selector)})[{index}];"
        "scrollTo({ top: one.getBoundingClientRect().top + scrollY - innerHeight / 2, behavior: 'instant' });"
        "const at = one.getBoundingClientRect(); return [at.left + at.width / 2, at.top + at.height / 2]; })()"
    )
    return place[0], place[1]


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("which", [0, 1], ids=["before", "after"])
def test_pointing_at_an_example_shows_its_picture(
    browser: Browser, pages: Mapping[str, Path], which: int, width: int
) -> None:
    browser.open(pages["run"], width=width)
    browser.point(1, 1)
    assert visible_cards(browser) == ["No picture chosen."]
    own = kept()
    assert own.pictures is not None
    browser.point(*middle(browser, ".pin:first-of-type i", which))
    row = int(own.pictures.rows[0])
    (card,) = visible_cards(browser)
    assert own.answers.names[row] in card
    assert "but labelled" in card
    thumb = f"getComputedStyle({_CARDS}[0].querySelector('.thumb'))"
    assert browser.value(f"{thumb}.backgroundImage").startswith('url("data:image/jpeg;base64,')
    browser.point(1, 1)
    assert visible_cards(browser) == ["No picture chosen."]


def test_the_picture_is_that_of_the_example(browser: Browser, pages: Mapping[str, Path], tmp_path: Path) -> None:
    browser.open(pages["run"])
    own = kept()
    assert own.pictures is not None
    with Image.open(io.BytesIO(own.pictures.jpeg)) as sheet:
        whole = np.asarray(sheet.convert("RGB"), float)
    for number in (0, 5, len(own.pictures.rows) - 1):
        browser.point(*middle(browser, ".pin input", number))
        place = browser.value(f"(() => {{ const at = {_CARDS}[0].querySelector('.thumb').getBoundingClientRect();"
                              "return [at.left, at.top, at.right, at.bottom]; })()")  # fmt: skip
        seen = Image.open(browser.picture(tmp_path / "seen.png")).convert("RGB").crop([round(at) for at in place])
        row, column = divmod(number, own.pictures.columns)
        side = own.pictures.side
        wanted = whole[row * side : (row + 1) * side, column * side : (column + 1) * side]
        # Enlarged by the browser: compared as sixteenths, away from the rounded corners.
        small = np.asarray(seen.resize((4, 4), Image.Resampling.BOX), float)
        assert small[1:3, 1:3] == pytest.approx(
            wanted.reshape(4, side // 4, 4, side // 4, 3).mean((1, 3))[1:3, 1:3], abs=8
        )


def test_keys_go_from_picture_to_picture(browser: Browser, pages: Mapping[str, Path]) -> None:
    browser.open(pages["run"])
    browser.point(1, 1)
    own = kept()
    assert own.pictures is not None
    rows = own.pictures.rows.tolist()
    browser.value("[...document.querySelectorAll('.switches input')].at(-1).focus()")
    browser.press("Tab")
    assert browser.value("document.activeElement.name") == "pin"
    browser.press(" ")
    assert own.answers.names[rows[0]] in visible_cards(browser)[0]
    for place in (1, 2):
        browser.press("ArrowRight")
        (card,) = visible_cards(browser)
        assert own.answers.names[rows[place]] in card
    said = browser.value("document.activeElement.getAttribute('aria-label')")
    assert said.startswith(f"{own.answers.names[rows[2]]}: mistake, labelled ")
    browser.press("Tab")
    # One stop for all of them: the next is not on the map.
    assert browser.value("document.activeElement.name") != "pin"


def test_a_touch_chooses_and_another_chooses_another(browser: Browser, pages: Mapping[str, Path]) -> None:
    browser.open(pages["run"], width=NARROW)
    own = kept()
    assert own.pictures is not None
    for place in (3, 7):
        browser.click(*middle(browser, ".pin input", place))
        browser.point(1, 1)
        (card,) = visible_cards(browser)
        assert own.answers.names[int(own.pictures.rows[place])] in card


def test_a_class_can_be_put_away(browser: Browser, pages: Mapping[str, Path]) -> None:
    browser.open(pages["run"])
    shown = "[...document.querySelectorAll('.map .k{}')].filter(each => each.checkVisibility()).length"
    assert browser.value(shown.format(2)) > 2
    browser.click(*middle(browser, ".switches input", 2))
    assert browser.value(shown.format(2)) == 0
    assert browser.value(shown.format(1)) > 2
    browser.click(*middle(browser, ".switches input", 2))
    assert browser.value(shown.format(2)) > 2


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", ["run", "one map"])
def test_what_answers_lies_on_its_dot(browser: Browser, pages: Mapping[str, Path], name: str, width: int) -> None:
    browser.open(pages[name], width=width)
    own = kept() if name == "run" else evidence(60, 5, two=False)
    assert own.embedding is not None
    assert own.pictures is not None
    views = [view for view in (own.embedding.before, own.embedding.after) if view is not None]
    boxes = browser.value(
        "[...document.querySelectorAll('.dots')].map(each => {"
        "const at = each.getBoundingClientRect(); return [at.left, at.top, at.width, at.height]; })"
    )
    marks = browser.value(
        "[...document.querySelectorAll('.pin')].map(pin => [...pin.querySelectorAll('i')].map(each => {"
        "const at = each.getBoundingClientRect(); return [at.left + at.width / 2, at.top + at.height / 2]; }))"
    )
    assert len(marks) == len(own.pictures.rows)
    for row, found in zip(own.pictures.rows.tolist(), marks, strict=True):
        for view, (left, top, across, down), at in zip(views, boxes, found, strict=True):
            x, y = view.places[row].astype(int).tolist()
            wanted = (left + (x + 30) / (GRID + 60) * across, top + (GRID - y + 30) / (GRID + 60) * down)
            assert at == pytest.approx(wanted, abs=1.0)


def test_dots_are_drawn_in_the_colours_of_their_classes(
    browser: Browser, pages: Mapping[str, Path], tmp_path: Path
) -> None:
    browser.open(pages["one map"], height=1400)
    browser.value("document.querySelectorAll('.pin').forEach(each => each.remove())")
    middle(browser, ".dots")
    left, top, across, _ = browser.value("(() => { const at = document.querySelector('.dots').getBoundingClientRect();"
                                         "return [at.left, at.top, at.width, at.height]; })()")  # fmt: skip
    seen = np.asarray(Image.open(browser.picture(tmp_path / "map.png")).convert("RGB"), float)
    own = evidence(60, 5, two=False)
    assert own.embedding is not None
    colours = {
        index: np.array([int(text[at : at + 2], 16) for at in (1, 3, 5)], float)
        for index in range(5)
        for text in [browser.value(f"getComputedStyle(document.documentElement).getPropertyValue('--c{index}').trim()")]
    }
    places = own.embedding.before.places.astype(int)
    alone = [at for at in range(60) if np.partition(np.abs(places - places[at]).max(axis=1), 1)[1] > 40]
    assert len(alone) > 3
    for at in alone:
        x, y = places[at].tolist()
        pixel = seen[round(top + (GRID - y + 30) / (GRID + 60) * across), round(left + (x + 30) / (GRID + 60) * across)]
        # A little of the ground shines through.
        assert np.abs(pixel - colours[int(own.answers.labels[at])]).max() < 45


def nodes(browser: Browser, tmp_path: Path, count: int, classes: int, pictured: int) -> Any:
    page = tmp_path / f"{count}.html"
    page.write_text(run_page(evidence(count, classes, pictured)), encoding="utf-8")
    browser.open(page)
    return browser.value("document.querySelectorAll('*').length"), page.stat().st_size


def test_ten_thousand_examples_are_no_more_elements_than_one_thousand(browser: Browser, tmp_path: Path) -> None:
    thousand, _ = nodes(browser, tmp_path, 1000, 5, 192)
    many, size = nodes(browser, tmp_path, 10_000, 5, 192)
    assert many == thousand < MOST_NODES
    # 100,000 numbers of up to four digits, and the pictures.
    assert size < 1_500_000
    assert browser.value("document.querySelectorAll('.dots path').length") <= 2 * 3 * 5
