import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import pictures, views
from benchmarks.frame import Settings
from benchmarks.pictures import Pictures
from benchmarks.views import WAYS, Outcome
from regraft.core.plan import Plan, changes


def _outcomes(data: str, gains: dict[str, tuple[float, ...]]) -> list[Outcome]:
    return [
        Outcome(way, data, split, 0.8 + 0.01 * split + gain, 0.5 - gain / 2, 1.0)
        for way in WAYS
        for split, gain in enumerate(gains.get(way, (0.0, 0.0)))
    ]


def test_every_way_is_compared_with_the_pictures_alone_split_by_split():
    ways = list(WAYS)
    measured = _outcomes("flowers", {ways[1]: (0.01, 0.03)}) + _outcomes("signs", {ways[1]: (0.02, 0.02)})
    flowers, signs = views.compare(measured, Settings()).tables
    assert flowers.title == "flowers: 2 splits"
    assert [row[0] for row in flowers.rows] == ways
    assert flowers.rows[0] == (ways[0], "80.50", "", "0.5000", "")
    # The differences 1 and 3 points have the mean 2, the deviation sqrt(2) and, of two, the standard error 1.
    assert flowers.rows[1] == (ways[1], "82.50", "+2.00 ± 1.00", "0.4900", "-0.0100 ± 0.0050")
    assert flowers.rows[2][2] == "+0.00 ± 0.00"
    assert signs.rows[1][2] == "+2.00 ± 0.00"


def test_one_split_has_no_standard_error():
    mean, error = views.with_error([0.5])
    assert mean == 0.5
    assert math.isnan(error)


def test_every_way_is_a_plan_that_there_can_be():
    for way in WAYS.values():
        assert Plan("x", views=way.views, augment=changes(way.augment)).views == way.views
    assert len({(way.views, way.augment, way.brightness, way.noise) for way in WAYS.values()}) == len(WAYS)


def test_a_way_gets_the_same_splits_and_its_own_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given = Pictures(tuple(Path(f"{index}.png") for index in range(20)), (0, 1) * 10, ("a", "b"))
    seen: dict[str, Any] = {}

    def stand_in(data: str, **options: Any) -> Any:
        seen.update(options, rows=Path(data).read_text().splitlines())
        metrics = SimpleNamespace(accuracy=SimpleNamespace(value=0.75), log_loss=SimpleNamespace(value=0.5))
        return SimpleNamespace(record=SimpleNamespace(metrics={"test": metrics}, seconds={"fine_tune": 2.0}))

    monkeypatch.setattr("regraft.fit", stand_in)
    monkeypatch.setattr(pictures, "trunk", lambda: Path("trunk.keras"))
    way = views.Way(5, ("flip", "crop"), noise=0.1)
    outcome = views.measure("five", way, given, "flowers", 3, tmp_path / "cache", tmp_path)
    assert outcome == Outcome("five", "flowers", 3, 0.75, 0.5, 2.0)
    _, test = pictures.split(given.labels, 3)
    assert [row.split(",")[0] for row in seen["rows"] if row.endswith(",test")] == [f"{i}.png" for i in sorted(test)]
    assert sum(row.endswith(",train") for row in seen["rows"]) == 16
    plan = seen["plan"]
    assert (plan.views, plan.augment, plan.seed, plan.source) == (5, ("flip", "crop"), 3, "trunk.keras")
    spec = plan.fine_tune
    assert (spec.enabled, spec.feature_noise, spec.feature_brightness) == ("yes", 0.1, 0.0)
