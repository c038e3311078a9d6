"""Targets: what is learnt from is not judged by, nor seen by the sources that are trained here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ranking import learning, targets
from benchmarks.ranking.targets import TARGETS


def test_divided_takes_so_many_of_each_class_and_the_rest_is_judged() -> None:
    labels = np.repeat([0, 1, 2], [30, 20, 10])
    train, test = targets.divided(labels, 4, split=1)
    assert np.bincount(labels[train]).tolist() == [4, 4, 4]
    assert sorted([*train, *test]) == list(range(60))
    other, _ = targets.divided(labels, 4, split=2)
    assert set(other) != set(train)
    again, few = targets.divided(labels, 4, split=1, judged=10)
    np.testing.assert_array_equal(again, train)
    np.testing.assert_array_equal(few, test[:10])


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_written_as_it_is_described(name: str, shared_folder: Path, tmp_path: Path) -> None:
    from regraft import data

    given = replace(TARGETS[name], learn=5)
    examples = data.open(str(given.write(given, 0, tmp_path)))
    learnt, judged = (examples.split != "test", examples.split == "test")
    assert set(np.bincount(examples.labels[learnt])) == {5}
    assert len(np.unique(examples.labels[judged])) == len(examples.classes) >= 5
    assert 400 <= judged.sum() <= targets.JUDGED


def test_no_lesson_has_a_picture_of_a_target(shared_folder: Path, tmp_path: Path) -> None:
    for lesson, name in ((learning.mnist, "mnist"), (learning.characters, "omniglot")):
        given = TARGETS[name]
        known = {row.tobytes() for row in np.rint(lesson().x).astype(np.uint8)}
        with np.load(given.write(given, 0, tmp_path)) as file:
            seen = np.concatenate([file["x_train"], file["x_test"]])
        assert not [row for row in seen if row.tobytes() in known]
        assert len(known) > 1000


def test_ten_shapes_are_drawn_and_are_different() -> None:
    random = np.random.default_rng(0)
    drawn = [learning._drawn(label, random) for label in range(10)]
    assert all(picture.shape == (48, 48, 3) and 0 <= picture.min() < picture.max() <= 255 for picture in drawn)
