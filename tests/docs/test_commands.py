"""Every command line in the documentation is one that the real parser takes, and every command has a page."""

import runpy
import shlex

import pytest

from regraft.cli import arguments, start
from regraft.core.errors import RequestError
from tests.docs.reading import DOCS, PAGES, commands, prose

_LINES = [pytest.param(line, id=place) for page in PAGES for place, line in commands(page)]


def _parse(line: str) -> object:
    words = shlex.split(line, comments=True)[1:]
    if words in (["--help"], ["--version"]):
        return None
    command = start.find(words[0])
    parser = arguments.new(words[0], command.SUMMARY, command.EXAMPLE)
    command.add(parser)
    return parser.parse_args(words[1:])


@pytest.mark.parametrize("line", _LINES)
def test_command_lines_parse(line: str) -> None:
    _parse(line)


@pytest.mark.parametrize("line", ["regraft fitt flowers", "regraft fit flowers --sauce x.keras", "regraft cache inf"])
def test_wrong_command_lines_would_be_noticed(line: str) -> None:
    with pytest.raises(RequestError):
        _parse(line)


@pytest.mark.parametrize("name", start.COMMANDS)
def test_every_command_has_a_page_that_shows_it_and_is_in_the_index(name: str) -> None:
    page = DOCS / f"{name}.md"
    assert page.exists()
    assert any(line.startswith(f"regraft {name}") for _, line in commands(page))
    assert f"[`regraft {name}`]({name}.md)" in prose(DOCS / "README.md")
    assert f"cli.md#regraft-{name}" in prose(page)


def test_the_reference_is_what_the_help_says() -> None:
    made = runpy.run_path(str(DOCS / "cli_reference.py"))["reference"]()
    # Lines break differently in different versions of argparse.
    assert (DOCS / "cli.md").read_text(encoding="utf-8").split() == made.split(), "run `make docs`"
