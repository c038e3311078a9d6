"""A depth search against trying everything: how regret and cost are counted, and a small version."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import regraft
from benchmarks import depth, depth_pictures
from benchmarks.depth import EVERYTHING, SEARCH, Outcome
from benchmarks.frame import Settings
from benchmarks.pictures import Pictures
from regraft.core.metric import Metric

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")


def _seed(seed: int, search: float, everything: float, seconds: float) -> list[Outcome]:
    return [
        Outcome(SEARCH, seed, "low < input", 256, 2e-3, 0.75, search, seconds, 90),
        Outcome(EVERYTHING, seed, "high", 0, None, None, everything, 100.0, 600),
    ]


def _of(data: str, outcome: Outcome) -> depth_pictures.Outcome:
    return depth_pictures.Outcome(
        **depth.row(outcome), data=data, accuracies=(outcome.accuracy,), whole=outcome.seconds
    )


def test_regret_is_what_everything_has_more_and_cost_the_part_of_its_seconds() -> None:
    result = depth.compare(
        _seed(0, 0.94, 0.95, 10.0) + _seed(1, 0.95, 0.94, 25.0) + _seed(2, 0.93, 0.93, 20.0), Settings()
    )
    assert result.tables[0].rows[0] == ("0", "94.0", "low < input, 256, 0.002, 0.75", "95.0", "high", "+1.0", "1/10.0")
    assert result.tables[0].rows[1][5:] == ("-1.0", "1/4.0")
    assert [(bar.found, bar.holds) for bar in result.bars] == [("94.0 %", True), ("+0.0", True), ("1/5.0", True)]
    worse = depth.compare(_seed(0, 0.93, 0.936, 21.0), Settings())
    assert [bar.holds for bar in worse.bars] == [False, False, False]


def test_data_sets_have_bars_of_their_own() -> None:
    measured = [_of("flowers", item) for item in _seed(0, 0.9, 0.91, 10.0)]
    measured += [_of("signs", item) for item in _seed(0, 0.9, 0.9, 30.0)]
    result = depth_pictures.compare(measured, Settings())
    assert [table.title.partition(":")[0] for table in result.tables] == ["flowers", "signs"]
    assert [(bar.requirement.partition(":")[0], bar.holds) for bar in result.bars] == [
        ("flowers", False),
        ("flowers", True),
        ("signs", True),
        ("signs", False),
    ]
    assert [row["data"] for row in result.measurements] == ["flowers"] * 2 + ["signs"] * 2


def test_what_was_found_counts_with_the_mean_of_its_fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[int, str]] = []

    def fit(manifest: str, source: str, *, plan: regraft.Plan, out: Path, cache: Path) -> SimpleNamespace:
        assert (manifest, source, cache) == ("data.csv", "trunk.keras", tmp_path / "cache")
        asked.append((plan.seed, out.name))
        test = SimpleNamespace(accuracy=Metric(0.8 + plan.seed / 5000, (0.0, 1.0)))
        return SimpleNamespace(record=SimpleNamespace(metrics={"test": test}))

    monkeypatch.setattr(regraft, "fit", fit)
    monkeypatch.setattr(depth_pictures.pictures, "trunk", lambda: Path("trunk.keras"))
    found = _of("signs", _seed(3, 0.9, 0.9, 30.0)[0])
    made = depth_pictures.with_fits(found, regraft.Plan("source", seed=3), "data.csv", tmp_path, 5)
    assert asked == [(103, "fit-1"), (203, "fit-2"), (303, "fit-3"), (403, "fit-4")]
    assert made.accuracies == pytest.approx((0.9, 0.8206, 0.8406, 0.8606, 0.8806))
    assert made.accuracy == pytest.approx(np.mean(made.accuracies))


@pytest.mark.parametrize(("other", "fits"), [("low < input", 5), ("high", 15)])
def test_what_both_found_needs_fewer_fits(
    other: str, fits: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours = dict(zip(depth.WAYS, _seed(3, 0.9, 0.9, 30.0), strict=True))
    asked: list[tuple[str, int]] = []

    def found_by(way: str, *given: object, **more: object) -> tuple[Outcome, regraft.Plan]:
        del given, more
        found = "low < input" if way == depth.WAYS[0] else other
        return dataclasses.replace(ours[way], found=found, rate=0.002, steps=256, average=0.75), regraft.Plan("source")

    def with_fits(outcome: depth_pictures.Outcome, *given: object) -> depth_pictures.Outcome:
        assert given[2] == tmp_path / outcome.way
        asked.append((outcome.way, int(str(given[3]))))
        return outcome

    monkeypatch.setattr(depth, "found_by", found_by)
    monkeypatch.setattr(depth_pictures, "with_fits", with_fits)
    monkeypatch.setattr(depth_pictures.pictures, "trunk", lambda: Path("trunk.keras"))
    given = Pictures(tuple(tmp_path / f"{number}.png" for number in range(20)), (0, 1) * 10, ("a", "b"))
    made = depth_pictures.of_split("signs", given, 3, tmp_path)
    assert [item.way for item in made] == list(depth.WAYS)
    assert asked == [(way, fits) for way in depth.WAYS]
    assert [item.whole / item.seconds for item in made] == [1.0, 5.0]


def test_what_everything_would_have_cost_is_as_folds(tmp_path: Path) -> None:
    folder = tmp_path / "depth" / "answers"
    folder.mkdir(parents=True)
    np.savez(folder / "head.npz", averages=np.ones(1), seconds=np.float64(2.0))
    np.savez(folder / "tuned.npz", averages=np.ones(4), seconds=np.float64(3.0))
    assert depth.spent(tmp_path) == (5.0, 2)
    measured = [_of("signs", item) for item in _seed(0, 0.9, 0.9, 30.0)]
    measured[1] = dataclasses.replace(measured[1], whole=200.0)
    assert [bar.holds for bar in depth_pictures.compare(measured, Settings()).bars] == [True, True]


def test_the_manifest_says_what_is_the_test(tmp_path: Path) -> None:
    paths = tuple(tmp_path / f"{number}.png" for number in range(20))
    given = Pictures(paths, tuple(number % 2 for number in range(20)), ("a", "b"))
    depth_pictures.write_manifest(tmp_path / "data.csv", given, 3)
    lines = (tmp_path / "data.csv").read_text().splitlines()
    assert lines[0] == "path,label,split"
    test = [line for line in lines if line.endswith(",test")]
    assert (len(lines), len(test)) == (21, 4)
    assert sorted(line.split(",")[1] for line in test) == ["a", "a", "b", "b"]


@pytest.mark.slow
def test_a_small_version_tries_everything(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = (np.eye(3)[y] @ random.normal(size=(3, 12)) + 0.5 * random.normal(size=(120, 12))).astype(np.float32)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, "relu", name=name) for name in ("low", "high")]
    model = keras.Sequential([keras.Input((12,)), *layers, keras.layers.Dense(4, name="top")])
    given: dict[str, Any] = {"x_train": x[:80], "y_train": y[:80], "x_test": x[80:], "y_test": y[80:]}
    with depth.of_steps((8,), (1e-3, 1e-2)):
        found, plan = depth.found_by(EVERYTHING, model, given, 0, tmp_path)
    folder = tmp_path / "cache" / "depth" / "answers"
    assert found.lessons == len(list(folder.iterdir())) > 10
    # As many lessons of each way as there are folds, at each rate where layers learn.
    assert found.lessons % 5 == 0
    assert 0.5 < found.accuracy <= 1
    assert (found.rate, found.found.startswith(plan.cut_point)) == (plan.fine_tune.rate, True)
    assert found.seconds > 0
