"""`docs/design.md` and the code name the same rooms on the same floors, and the same laws."""

import re
import tomllib
from pathlib import Path

from tests.docs.reading import DOCS, ROOT, blocks

_ROOM = re.compile(r"^  (?P<room>\w+)(?:/|\.py)\s+(?P<floor>\d)\s{2,}\S")
_PLANNED = re.compile(r"^- `(?P<room>\w+)/`", re.MULTILINE)
_NO_ROOMS = ("__init__", "__main__")


def _design() -> str:
    return (DOCS / "design.md").read_text(encoding="utf-8")


def _drawn() -> dict[str, int]:
    """The rooms of the floor plan with their floors."""
    (plan,) = (block for block in blocks(DOCS / "design.md") if block.text.startswith("src/regraft/"))
    found = [_ROOM.match(line) for line in plan.text.splitlines()]
    return {match["room"]: int(match["floor"]) for match in found if match}


def _planned() -> set[str]:
    section = _design().partition("## Rooms to come")[2].partition("\n## ")[0]
    return set(_PLANNED.findall(section))


def _built() -> set[str]:
    package = ROOT / "src" / "regraft"
    folders = {path.name for path in package.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    files = {path.stem for path in package.glob("*.py") if path.stem not in _NO_ROOMS}
    return folders | files


def _contract() -> list[set[str]]:
    """The layers of the contract from the ground up; rooms in brackets may be absent, and stand without them here."""
    settings = tomllib.loads(Path(ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (floors,) = (item for item in settings["tool"]["importlinter"]["contracts"] if item["type"] == "layers")
    layers = [{room.strip().strip("()") for room in re.split(r"[|:]", layer)} for layer in floors["layers"]]
    return [layer - set(_NO_ROOMS) for layer in reversed(layers) if layer - set(_NO_ROOMS)]


def test_the_floor_plan_has_the_rooms_that_are_built() -> None:
    assert set(_drawn()) == _built()


def test_rooms_to_come_are_those_that_the_contract_knows_and_nobody_has_built() -> None:
    assert set().union(*_contract()) - _built() == _planned()


def test_floors_are_those_that_the_contract_enforces() -> None:
    floors = {room: floor for floor, layer in enumerate(_contract()) for room in layer}
    drawn = _drawn()
    assert {room: floors.get(room) for room in drawn} == drawn


def test_the_contributors_page_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    missing = [room for room in _drawn() if f"{room}/" not in text and f"{room}.py" not in text]
    assert not missing


def test_laws_are_numbered_and_those_with_tests_name_them() -> None:
    section = _design().partition("## Laws")[2].partition("\n## ")[0]
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", section, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    laws = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "laws").glob("test_*.py")}
    assert not {path for path in laws if f"`{path}`" not in section}, "a test of laws that docs/design.md does not name"
    for named in re.findall(r"`(tests/[\w/]+\.py)`", section):
        assert (ROOT / named).exists(), f"docs/design.md names {named}, which is not there"
