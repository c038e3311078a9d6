"""Every kind of doubt, planted and found; nothing in clean data; what leaks do to an accuracy, to the last example."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from regraft import data
from regraft.core import metrics, plain
from regraft.core.doubt import KINDS, Doubt
from regraft.core.plan import Plan, SplitSpec
from regraft.core.progress import collecting_warnings
from regraft.recipes.doubting import doubt, searching
from regraft.recipes.judging import Judged

CLASSES, WIDTH = 4, 32
PLAN = Plan("x", cut_point="top")


def clean(seed: int, examples: int = 400, spread: float = 0.35) -> tuple[np.ndarray, np.ndarray]:
    """Classes around a centre each: float32 (n, 32), and labels."""
    draw = np.random.default_rng(seed)
    labels = np.arange(examples) % CLASSES
    centres = np.random.default_rng(99).standard_normal((CLASSES, WIDTH))
    return (centres[labels] + spread * draw.standard_normal((examples, WIDTH))).astype(np.float32), labels


def survey(x: np.ndarray, y: np.ndarray, averages: str = "disk", test: slice = slice(300, None)) -> Any:
    """What the steps before have made of examples, of which some are for the test; the activations are the examples."""
    known = np.setdiff1d(np.arange(len(x)), np.arange(len(x))[test])
    given = {"x_train": x[known], "y_train": y[known], "x_test": x[test], "y_test": y[test]}
    with collecting_warnings():
        examples = data.open(given, split=SplitSpec(validation=0))
    rows = np.concatenate([x[known], x[test]])
    asked: list[int] = []

    def pooled(cut_points: Any, indices: np.ndarray) -> np.ndarray:
        assert list(cut_points) == ["top"]
        asked.append(len(indices))
        return rows[indices]

    return SimpleNamespace(
        examples=examples,
        pooled=pooled,
        budget=SimpleNamespace(averages=averages),
        halfway="top",
        points={"top": SimpleNamespace(depth=1)},
        asked=asked,
    )


def judged(found: Any, wrong: tuple[int, ...] = ()) -> Judged:
    """Answers on the test that are right but for some."""
    labels, indices = found.examples.labels, found.examples.indices("test")
    answers = labels[indices].copy()
    missed = np.isin(indices, wrong)
    answers[missed] = (answers[missed] + 1) % CLASSES
    probabilities = np.full((len(indices), CLASSES), 0.01, np.float32)
    probabilities[np.arange(len(indices)), answers] = 0.97
    measured = metrics.measure(probabilities, labels[indices])
    return Judged({"test": measured}, "test", indices, probabilities)


def searched(found: Any, wrong: tuple[int, ...] = ()) -> tuple[Any, list[str]]:
    learnt = found.examples.indices("train")
    with collecting_warnings() as lines:
        return doubt(found, PLAN, judged(found, wrong), learnt), lines


def of(doubts: tuple[Doubt, ...], kind: str) -> list[Doubt]:
    return [each for each in doubts if each.kind == kind]


def test_every_kind_is_found_and_nothing_else() -> None:
    x, y = clean(0)
    small = 0.01 * np.random.default_rng(1).standard_normal((400, WIDTH)).astype(np.float32)
    x[300], x[301] = x[0], x[1] + small[1]
    x[12], y[12] = x[13] + small[13], y[13]
    x[20], y[20] = x[21], 1 - y[21] % 2
    y[30] = (y[30] + 2) % CLASSES
    x[340] = 6 * np.random.default_rng(3).standard_normal(WIDTH)
    before = y.copy()
    found = survey(x, y)
    names = {index: f"index {index}" for index in range(300)} | {index: f"index {index}" for index in range(300, 400)}
    doubtful, lines = searched(found)
    labels = found.examples.labels.copy()
    assert {kind: len(of(doubtful.doubts, kind)) for kind in KINDS} == {
        "leak": 2, "contradiction": 1, "label": 1, "outlier": 1, "repeat": 1,
    }  # fmt: skip
    assert [round(each.score, 2) for each in of(doubtful.doubts, "leak")] == [1.0, 1.0]
    assert [each.score == 1 for each in of(doubtful.doubts, "leak")] == [True, False]
    (wrong,) = of(doubtful.doubts, "label")
    assert wrong.classes == (str(y[30]), str((y[30] + 2) % CLASSES))
    assert wrong.score > 0.9
    # The neighbours are counted by hand: the 20 that look in the most similar direction, all but one of the true class.
    # Of identical examples the first is looked at.
    single = np.setdiff1d(np.arange(400), [30, 300, 21])
    centred = found.pooled(["top"], np.arange(400)) - found.pooled(["top"], np.arange(400)).mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    around = labels[single[np.argsort(-(centred[single] @ centred[30]))[:20]]]
    counted = [int((around == label).sum()) for label in ((y[30] + 2) % CLASSES, y[30])]
    assert f"of its 20 nearest neighbours {counted[0]} are '{wrong.classes[1]}' and {counted[1]} " in wrong.text
    assert counted[0] > 15
    assert len(lines) == 3
    np.testing.assert_array_equal(found.examples.labels, labels)
    np.testing.assert_array_equal(y, before)
    assert names


def test_nothing_is_found_in_clean_data_but_what_chance_makes() -> None:
    counts = dict.fromkeys(KINDS, 0)
    for seed in range(30):
        doubtful, _ = searched(survey(*clean(seed, spread=0.5)))
        assert doubtful.twins.with_twin == 0
        for each in doubtful.doubts:
            counts[each.kind] += 1
    # 12,000 examples in all. Of 30 sets 1.5 pairs and 1.5 outliers are expected by chance.
    assert counts["leak"] + counts["repeat"] + counts["contradiction"] <= 5
    assert counts["outlier"] <= 8
    assert counts["label"] <= 12


def test_the_accuracy_without_twins_is_that_of_the_others() -> None:
    x, y = clean(4)
    small = 0.01 * np.random.default_rng(1).standard_normal((20, WIDTH)).astype(np.float32)
    x[300:310], y[300:310] = x[:10], y[:10]
    x[310:320], y[310:320] = x[10:20] + small[:10], y[10:20]
    found = survey(x, y)
    test = found.examples.indices("test")
    # Three of the 80 without a twin are wrong, and one of the 20 with one.
    doubtful, lines = searched(found, wrong=(test[5], test[30], test[50], test[70]))
    twins = doubtful.twins
    assert (twins.split, twins.examples, twins.with_twin, twins.identical) == ("test", 100, 20, 10)
    assert twins.accuracy == metrics.accuracy(np.arange(80) >= 3)
    assert (
        "20 of 100 test examples have a twin in what was learnt from, 10 of them identical; without them accuracy is "
        "96.2% instead of 96.0%; see the report" in lines
    )


def test_where_all_have_twins_no_accuracy_is_left() -> None:
    x, y = clean(5)
    x[300:], y[300:] = x[:100], y[:100]
    doubtful, lines = searched(survey(x, y))
    assert doubtful.twins.accuracy is None
    assert any("the accuracy says nothing about new examples" in line for line in lines)


def test_very_many_are_sampled_and_leaks_are_looked_for_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "COMPARED", 200)
    monkeypatch.setattr(searching, "ASKED", 60)
    monkeypatch.setattr(searching, "_BLOCK", 128)
    x, y = clean(6, 2000)
    small = 0.01 * np.random.default_rng(1).standard_normal((500, WIDTH)).astype(np.float32)
    x[1500:], y[1500:] = x[:500] + small, y[:500]
    found = survey(x, y, test=slice(1500, None))
    doubtful, _ = searched(found)
    assert max(found.asked) <= 200
    assert doubtful.search.examples == 200
    assert doubtful.search.note == "a sample of 200; for leaks, 60 at most with all that were learnt from"
    # A sample of a tenth has one in ten of their twins; compared with all, none is missed.
    assert doubtful.twins.with_twin == doubtful.twins.examples == 60


def test_one_seed_gives_one_result() -> None:
    x, y = clean(7)
    y[5] = (y[5] + 1) % CLASSES
    assert plain.to_json(searched(survey(x, y))[0]) == plain.to_json(searched(survey(x, y))[0])


@pytest.mark.parametrize(
    ("averages", "examples", "note"),
    [
        ("streamed", 400, "activations were not kept: only identical examples were looked for"),
        ("disk", 36, "fewer than 40 examples: only identical ones were looked for"),
    ],
)
def test_without_activations_identical_ones_are_found(averages: str, examples: int, note: str) -> None:
    x, y = clean(8, examples)
    x[-1], y[-1] = x[0], y[0]
    found = survey(x, y, averages, slice(examples - 8, None))
    doubtful, _ = searched(found)
    assert found.asked == []
    assert [each.kind for each in doubtful.doubts] == ["leak"]
    assert (doubtful.search.note, doubtful.search.cut_point, doubtful.search.examples) == (note, "", 0)
    assert (doubtful.twins.examples, doubtful.twins.with_twin, doubtful.twins.identical) == (8, 1, 1)
