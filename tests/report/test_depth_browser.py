"""The page of a depth search in a real browser: keys, sizes, light and dark; it loads nothing, nor complains."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from regraft.report.depth_page import write
from tests.report.chromium import Browser, needs_chromium, opened
from tests.report.depth_records import DEPTH_RECORDS

pytestmark = needs_chromium

CELLS = "[...document.querySelectorAll('table.ways tbody tr')].map(row => row.cells[{}])"
# What is seen where a page has colours of its own for the dark: how bright its paper is.
BRIGHTNESS = "getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with opened(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {name: write(folder / name, make()) for name, make in DEPTH_RECORDS.items()}


@pytest.mark.parametrize("name", sorted(DEPTH_RECORDS))
@pytest.mark.parametrize("dark", [False, True])
def test_asks_for_nothing_and_complains_of_nothing(
    chromium: Browser, pages: dict[str, Path], name: str, dark: bool
) -> None:
    chromium.open(pages[name], dark=dark)
    assert chromium.requests == [pages[name].as_uri()]
    assert chromium.complaints == []
    brightness = chromium.value(BRIGHTNESS)
    assert all(part < 64 if dark else part > 192 for part in brightness)


@pytest.mark.parametrize("name", sorted(DEPTH_RECORDS))
def test_a_telephone_scrolls_tables_and_not_the_page(chromium: Browser, pages: dict[str, Path], name: str) -> None:
    chromium.open(pages[name], width=375, height=800, touch=True)
    assert chromium.value("document.documentElement.scrollWidth") == 375


@pytest.mark.parametrize("width", [375, 1280])
def test_texts_of_the_axis_do_not_meet(chromium: Browser, pages: dict[str, Path], width: int) -> None:
    for name in ("small", "huge"):
        chromium.open(pages[name], width=width, height=800, touch=width < 600)
        boxes = chromium.value(
            "[...document.querySelector('#depth svg.plot').querySelectorAll('text.tick')]"
            ".map(text => text.getBoundingClientRect()).filter(box => box.width)"
            ".map(box => [box.left, box.right, box.top, box.bottom])"
        )
        for index, (left, right, top, bottom) in enumerate(boxes):
            for other in boxes[index + 1 :]:
                assert right <= other[0] or other[1] <= left or bottom - 4 <= other[2] or other[3] - 4 <= top


def test_tables_are_sorted_by_keyboard_and_it_is_said(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["huge"])
    chromium.value("document.querySelector('table.ways thead button').focus()")
    # From the way's name to its accuracy, as a reader without a mouse goes.
    chromium.press("Tab")
    assert chromium.value("document.activeElement.textContent") == "Accuracy"
    accuracies = CELLS.format(1) + ".map(cell => Number(cell.dataset.value))"
    before = chromium.value(accuracies)
    chromium.press("Enter")
    assert chromium.value(accuracies) == sorted(before, reverse=True) != before
    assert chromium.value("document.activeElement.closest('th').getAttribute('aria-sort')") == "descending"
    assert chromium.value("document.querySelector('[role=status]').textContent") == "Sorted by Accuracy, descending"
    chromium.press(" ")
    assert chromium.value(accuracies) == sorted(before)
    assert chromium.value("document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"
    chromium.press("Tab")
    chromium.press("Enter")
    losses = chromium.value(CELLS.format(2) + ".map(cell => Number(cell.dataset.value))")
    assert losses == sorted(losses, reverse=True)
    assert chromium.value("document.querySelectorAll('table.ways [aria-sort]').length") == 1


def test_names_are_sorted_as_names(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["small"])
    chromium.value("document.querySelector('table.ways thead button').click()")
    names = chromium.value(CELLS.format(0) + ".map(cell => cell.firstChild.textContent.trim())")
    # Numbers in names count as numbers: 9 comes before 11.
    assert names.index("conv_pw_5_relu") < names.index("conv_pw_9_relu") < names.index("conv_pw_11_relu")


def test_what_is_not_a_number_comes_last_of_the_largest(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["undefined"])
    chromium.value("document.querySelectorAll('table.ways thead button')[1].click()")
    assert chromium.complaints == []


def test_the_plan_is_copied_as_it_is(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["small"])
    chromium.ask("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    chromium.value(
        "globalThis.kept = []; navigator.clipboard.writeText = async text => { kept.push(text); };"
        "document.querySelectorAll('.copied button').forEach(button => button.click())"
    )
    told = chromium.value("new Promise(done => setTimeout(() => done(kept), 50))")
    assert told == chromium.value("['command', 'plan-text'].map(id => document.getElementById(id).textContent)")
    assert chromium.value("[...document.querySelectorAll('.copied button')].map(each => each.textContent)") == [
        "Copied", "Copied",
    ]  # fmt: skip


def test_where_the_clipboard_is_forbidden_the_plan_is_marked(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["small"])
    chromium.value(
        "navigator.clipboard.writeText = async () => { throw new Error('forbidden'); };"
        "document.execCommand = () => false; document.querySelectorAll('.copied button')[1].click()"
    )
    assert chromium.value("new Promise(done => setTimeout(() => done(getSelection().toString()), 50))").strip() == (
        chromium.value("document.getElementById('plan-text').textContent").strip()
    )
    assert chromium.value("document.querySelectorAll('.copied button')[1].textContent") == "Marked"


def test_everything_that_acts_is_reached_by_keyboard_and_has_a_name(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["small"])
    nameless = chromium.value(
        "[...document.querySelectorAll('button, a, summary, [tabindex]')]"
        ".filter(each => each.tabIndex < 0 || !(each.getAttribute('aria-label') || each.textContent).trim()).length"
    )
    assert nameless == 0
    assert chromium.value("[...document.querySelectorAll('h1, h2, h3')].map(each => each.tagName).join('')").startswith(
        "H1H2H3H2"
    )


def test_text_is_readable_by_day_and_by_night(chromium: Browser, pages: dict[str, Path]) -> None:
    """Contrast of 4.5 to 1 (WCAG 2.2, 1.4.3) between the colours of texts and the paper."""
    for dark in (False, True):
        chromium.open(pages["small"], dark=dark)
        found = chromium.value(
            "(() => { const seen = name => { const probe = document.body.appendChild(document.createElement('i'));"
            " probe.style.color = `var(--${name})`; const worth = getComputedStyle(probe).color; probe.remove();"
            " return worth.match(/[0-9.]+/g).slice(0, 3).map(Number); };"
            " const names = ['paper', 'panel', 'ink', 'soft', 'blue'];"
            " return Object.fromEntries(names.map(name => [name, seen(name)])); })()"
        )
        for paper in ("paper", "panel"):
            for ink in ("ink", "soft", "blue"):
                assert _contrast(found[ink], found[paper]) >= 4.5, (ink, paper, dark)


def _contrast(one: list[float], other: list[float]) -> float:
    light, deep = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (deep + 0.05)


def _luminance(colour: list[float]) -> float:
    parts = [part / 255 for part in colour]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
