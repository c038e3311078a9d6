"""Every link within the documentation leads somewhere, and every page can be reached."""

import re
from pathlib import Path

import pytest

from tests.docs.reading import DOCS, PAGES, ROOT, prose

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ELSEWHERE = ("https://", "http://", "mailto:")


def _links(page: Path) -> list[str]:
    return [target for target in _LINK.findall(prose(page)) if not target.startswith(_ELSEWHERE)]


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    titles = [title.lower().replace("`", "") for title in _HEADING.findall(prose(page))]
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in titles}


def _target(page: Path, link: str) -> Path:
    path = link.partition("#")[0]
    return (page.parent / path).resolve() if path else page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_resolve(page: Path) -> None:
    for link in _links(page):
        target, anchor = _target(page, link), link.partition("#")[2]
        assert target.exists(), f"{page.relative_to(ROOT)} links to {link}, which is not there"
        assert not anchor or anchor in _anchors(target), f"{page.relative_to(ROOT)}: {link} has no such heading"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        waiting += [target for link in _links(page) if (target := _target(page, link)).is_file()]
    assert set(DOCS.rglob("*.md")) <= reached


def test_every_picture_is_shown_and_small() -> None:
    shown = {_target(page, link) for page in PAGES for link in _links(page)}
    for picture in (DOCS / "images").glob("*.png"):
        assert picture in shown, f"no page shows {picture.name}"
        assert picture.stat().st_size < 300_000, f"{picture.name} is larger than 300 kB"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_page_names_a_folder_of_the_machine_that_it_was_written_on(page: Path) -> None:
    found = re.findall(r"(?<![\w.])/(?:work|root|home|tmp|Users)/\S*", page.read_text(encoding="utf-8"))
    assert not found, found
