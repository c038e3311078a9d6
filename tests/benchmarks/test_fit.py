import csv
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import fit, pictures, sides
from benchmarks.frame import UnavailableError
from benchmarks.sides import Request


@pytest.fixture
def few_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder laid out as the shared one, with two classes of ten files."""
    for kind in ("daisy", "rose"):
        folder = tmp_path / "data" / "flowers5_227px" / kind
        folder.mkdir(parents=True)
        for number in range(10):
            (folder / f"{number}.JPG").write_bytes(b"")
    (tmp_path / pictures.TRUNK).parent.mkdir(parents=True)
    (tmp_path / pictures.TRUNK).write_bytes(b"")
    monkeypatch.setenv("REGRAFT_SHARED", str(tmp_path))
    return tmp_path


def test_the_head_counts_all_that_passes_until_it_is_trained():
    stages = {"whole call": 20.0, "open": 1.0, "head": 3.0, "fine_tune": 5.0, "report": 2.0, "baselines": 4.0}
    assert fit.counted("head", stages) == 9.0
    assert fit.counted("fit", stages) == 16.0


def test_splits_are_in_proportion_and_share_nothing(few_pictures):
    given = pictures.pictures("flowers5_227px")
    train, test = pictures.split(given.labels, 3)
    assert sorted(train + test) == list(range(20))
    assert sorted(given.labels[index] for index in test) == [0, 0, 1, 1]
    assert pictures.split(given.labels, 3) == (train, test)
    assert pictures.split(given.labels, 4) != (train, test)


def test_a_fit_gets_the_stated_split_and_an_empty_cache(few_pictures, monkeypatch):
    seen: dict[str, Any] = {}

    def stand_in(data: str, **arguments: Any) -> Any:
        with Path(data).open() as file:
            seen["rows"] = list(csv.DictReader(file))
        seen["cache"] = Path(os.environ["REGRAFT_CACHE"])
        assert not seen["cache"].exists()
        seen.update(arguments)
        return SimpleNamespace(record=SimpleNamespace(seconds={"head": 0.0}))

    def answers(done: Any, paths: list[Path]) -> list[Any]:
        seen["judged on"] = paths
        return [SimpleNamespace(label=path.parent.name if path != paths[0] else "tulip") for path in paths]

    monkeypatch.setattr(fit, "ready", lambda: stand_in)
    monkeypatch.setattr("regraft.predict", answers, raising=False)
    monkeypatch.setenv("REGRAFT_CACHE", "restored afterwards")
    found = fit.measure(Request("flowers5_227px", 1, fine_tune="no"))
    assert (found.way, found.accuracy) == ("head", 0.75)
    assert found.stages["whole call"] >= 0
    assert [row["split"] for row in seen["rows"]] == ["train"] * 16
    assert not {row["path"] for row in seen["rows"]} & {str(path) for path in seen["judged on"]}
    assert len(seen["judged on"]) == 4
    assert {(Path(row["path"]).parent.name, row["label"]) for row in seen["rows"]} == {("daisy",) * 2, ("rose",) * 2}
    assert (seen["input_size"], seen["baselines"], seen["fine_tune"], seen["seed"]) == (128, "no", "no", 1)
    assert seen["source"] == str(few_pictures / pictures.TRUNK)
    assert not Path(seen["out"]).parent.exists()


def test_a_library_that_cannot_fit_is_said_to_be_so(monkeypatch):
    monkeypatch.setattr(fit.importlib, "import_module", lambda name: SimpleNamespace())
    with pytest.raises(UnavailableError, match="needs a Regraft that can fit; this checkout's cannot"):
        fit.ready()


def test_a_side_survives_the_way_between_processes():
    request = Request("flowers5_227px", 2, per_class=3, epochs=(1, 2))
    side = sides.Side("guide", request, 0.5, 1.5, {"head": 1.0}, 1.25)
    plain = {
        **{name: getattr(side, name) for name in side.__slots__},
        "request": {"data": "flowers5_227px", "split": 2, "per_class": 3, "epochs": [1, 2], "fine_tune": "auto"},
    }
    assert sides.from_plain(plain) == side
