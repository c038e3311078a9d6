"""A whole run on pictures with something planted: what is warned of, recorded, drawn, and found again by its plan."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.doubt import KINDS
from regraft.core.progress import collecting_warnings
from regraft.recipes import running
from regraft.recipes.running import Run
from tests.recipes.doubting.scenes import altered, scene
from tests.recipes.shapes import CLASSES, convolutional

TINTS = {"bars": (1.0, 0.5, 0.4), "rings": (0.4, 1.0, 0.5), "spots": (0.5, 0.5, 1.0)}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in stated splits: two copies and one identical one across them, one picture under two labels."""
    folder = tmp_path_factory.mktemp("planted") / "shapes"
    for split, start, count in (("train", 0, 24), ("validation", 100, 6), ("test", 200, 12)):
        for label in CLASSES:
            (folder / split / label).mkdir(parents=True)
            for number in range(start, start + count):
                seed = 1000 * CLASSES.index(label) + number
                scene(seed, 96, TINTS[label]).save(folder / split / label / f"{number}.png")
    for number in (0, 1):
        altered(Image.open(folder / "train/rings" / f"{number}.png"), "resized").save(
            folder / "test/rings" / f"{number}-again.png"
        )
    (folder / "test/bars/2-again.png").write_bytes((folder / "train/bars/2.png").read_bytes())
    (folder / "train/spots/3-again.png").write_bytes((folder / "train/bars/3.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def run(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[str]]:
    folder = tmp_path_factory.mktemp("run")
    convolutional().save(folder / "network.keras")
    with collecting_warnings() as lines:
        made = running.fit(
            planted, folder / "network.keras", preprocessing="tf", out=folder / "out", fine_tune="no", baselines="no",
            cache=folder / "cache",
        )  # fmt: skip
    return made, lines


def test_what_was_planted_is_in_the_record(run: tuple[Run, list[str]]) -> None:
    record, lines = run[0].record, run[1]
    leaks = {frozenset(one.name for one in each.examples) for each in record.doubts if each.kind == "leak"}
    assert leaks >= {
        frozenset(["train/rings/0.png", "test/rings/0-again.png"]),
        frozenset(["train/rings/1.png", "test/rings/1-again.png"]),
        frozenset(["train/bars/2.png", "test/bars/2-again.png"]),
    }
    assert len(leaks) <= 4
    (contradiction,) = (each for each in record.doubts if each.kind == "contradiction")
    assert contradiction.classes == ("bars", "spots")
    twins = record.twins
    assert twins is not None
    assert twins.split == "test"
    assert twins.with_twin >= 3
    assert twins.identical == 1
    assert twins.accuracy is not None
    assert any(line.startswith(f"{twins.with_twin} of {twins.examples} test examples have a twin") for line in lines)
    assert record.doubt_search is not None
    assert list(record.doubt_search.found) == list(KINDS)
    assert record.seconds["doubts"] > 0


def test_labels_stay_as_they_were_given(run: tuple[Run, list[str]], planted: Path) -> None:
    summary = run[0].record.data
    assert summary.examples == {"train": 73, "validation": 18, "test": 39}
    assert summary.per_class["train"] == {"bars": 24, "rings": 24, "spots": 25}
    assert summary.left_out == ()


def test_the_page_and_the_document_have_it(run: tuple[Run, list[str]]) -> None:
    folder = run[0].folder
    document = json.loads((folder / "run.json").read_text())
    assert len(document["doubts"]) == len(run[0].record.doubts)
    assert document["twins"]["with_twin"] == run[0].record.twins.with_twin  # pyright: ignore[reportOptionalMemberAccess]
    page = (folder / "report.html").read_text()
    section = page.partition('<section id="doubts">')[2].partition("</section>")[0]
    assert section.count("<img ") >= 8
    assert 'alt="train/rings/0.png"' in section
    assert "have a twin in what was learnt from" in (folder / "README.md").read_text()


def test_the_plan_of_a_run_finds_the_same_again(run: tuple[Run, list[str]], planted: Path, tmp_path: Path) -> None:
    again = running.fit(planted, plan=run[0].folder / "plan.toml", out=tmp_path / "again", cache=tmp_path / "c")
    assert again.record.doubts == run[0].record.doubts
    assert again.record.twins == run[0].record.twins


def test_what_cannot_be_told_is_left_alone(network: Callable[..., Path], tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 256, (60, 16, 16, 3), dtype=np.uint8), np.arange(60) % 2
    made = running.fit(
        (x, y),
        network(),
        preprocessing="tf",
        out=tmp_path / "run",
        fine_tune="no",
        baselines="no",
        cache=tmp_path / "c",
    )
    assert made.record.doubts == ()
    assert made.record.twins is not None
    assert made.record.twins.with_twin == 0
