"""Same or different, then what is it: how falls of the error are counted, how pictures are divided, a small version."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks import digits
from benchmarks.frame import Settings
from benchmarks.pretraining import digit_pairs
from benchmarks.pretraining.digit_pairs import Outcome
from benchmarks.pretraining.intervals import of_mean
from regraft.pretraining import pairs
from regraft.recipes.pretraining.probing import Labelled

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")


def test_the_fall_of_the_error_is_judged_by_its_mean_over_seeds() -> None:
    measured = [
        *(
            Outcome("digits", "same", seed, 0.95, "top", frozen, 0.9, 10.0)
            for seed, frozen in enumerate((0.94, 0.95, 0.945))
        ),
        *(
            Outcome("digits", "triplet, no views", seed, 0.95, "top", frozen, 0.9, 10.0)
            for seed, frozen in enumerate((0.99, 0.88))
        ),
    ]
    assert measured[0].fall == pytest.approx(0.4)
    result = digit_pairs.compare(measured, Settings())
    assert [(bar.holds, bar.found.partition(" (")[0]) for bar in result.bars] == [(False, "35 %")]
    alone = digit_pairs.compare(
        [dataclasses.replace(item, loss="triplet, no views") for item in measured[:3]], Settings()
    )
    assert [(bar.holds, bar.found.partition(" (")[0]) for bar in alone.bars] == [(True, "45 %")]
    assert result.tables[0].rows[0][:5] == ("digits", "same", "95.0", "90.0", "94.5")


def test_what_is_judged_sees_no_views_and_has_the_textbooks_loss_or_the_usual_one() -> None:
    judged = {way: pairs.Settings(**digit_pairs.WAYS[way]) for _, way in digit_pairs.JUDGED}
    assert {settings.views for settings in judged.values()} == {0}
    assert {settings.loss for settings in judged.values()} == {"same", pairs.Settings().loss}
    assert pairs.Settings().views == 1


def test_the_interval_of_a_mean_is_that_of_student() -> None:
    low, high = of_mean([0.1, 0.2, 0.3, 0.4])
    # 3.182 is in every table, for three degrees of freedom.
    assert (high - low) / 2 == pytest.approx(3.182 * np.std([0.1, 0.2, 0.3, 0.4], ddof=1) / 2, rel=1e-3)
    assert of_mean([1.0]) == (-float("inf"), float("inf"))


def test_digits_are_divided_without_overlap(shared_folder: Path) -> None:
    given = digit_pairs.of_digits(3)
    assert (len(given.x), len(given.known), len(given.test)) == (8000, 500, 1500)
    assert np.bincount(given.labels).tolist() == [50] * 10
    every = {picture.tobytes() for part in (given.x, given.known, given.test) for picture in part}
    assert every == {picture.tobytes() for picture in digits.pool()[0]}


def test_characters_that_are_judged_are_of_an_alphabet_that_no_pair_is_of(shared_folder: Path) -> None:
    x, alphabet, character = digit_pairs.drawings()
    assert len(x) == 2720
    assert np.bincount(alphabet).tolist() == [480, 440, 480, 800, 520]
    given = digit_pairs.of_unseen_characters(8)
    assert len(given.known) == len(given.test) == 400
    assert set(np.bincount(given.labels).tolist()) == set(np.bincount(given.truth).tolist()) == {10}
    assert set(given.groups.tolist()) == set(character[alphabet != 3].tolist())
    given = digit_pairs.of_characters(1)
    counts = [np.bincount(part) for part in (given.groups, given.labels, given.truth)]
    assert [set(each.tolist()) for each in counts] == [{10}, {5}, {5}]
    every = [picture.tobytes() for part in (given.x, given.known, given.test) for picture in part]
    assert sorted(every) == sorted(picture.tobytes() for picture in x)
    assert 0.02 < x.mean() < 0.2


def test_a_small_version_learns_and_is_judged(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(digit_pairs.NETWORKS, "digits", "mlp?units=32")
    monkeypatch.setattr("regraft.recipes.baselines.tuning.STEPS", 30)
    monkeypatch.setattr(digit_pairs, "VIEWS", 3)
    ways = {name: digit_pairs.WAYS[name] for name in ("same", "same, no views")}
    made = digit_pairs.of_seed("digits", 0, ways=ways, reduced=True)
    for found in made:
        assert 0 < found.pairs < 1
        assert found.frozen > 0.5
        assert found.scratch > 0.5
    assert made[0].scratch != made[1].scratch


def test_a_softmax_learns_from_views_of_the_labelled_pictures_where_there_are_any() -> None:
    shape = (28, 28, 1)
    first, second, third = (np.zeros(shape, np.float32) for _ in range(3))
    first[:, :14] = second[:, 14:] = third[:, 13:27] = 1
    learning = Labelled(np.stack([first, second] * 6), np.arange(12) % 2, 2)
    judging = Labelled(np.stack([third, second]), np.arange(2), 2)
    inputs = keras.Input(shape)
    trunk = keras.Model(inputs, keras.layers.Flatten(name="flat")(inputs))
    # It looks like the second class until views show that the first may look like this too.
    views = [np.stack([third, second] * 6)] * 2
    alone, _ = digit_pairs.softmax(trunk, learning, judging, 0, [])
    seen, layer = digit_pairs.softmax(trunk, learning, judging, 0, views)
    assert (alone, seen, layer) == (0.5, 1.0, "flat")


def test_a_network_from_scratch_sees_each_picture_in_views_and_is_judged_by_the_picture_itself() -> None:
    learning = Labelled(np.random.default_rng(0).random((6, 28, 28, 1)).astype(np.float32), np.arange(6), 6)
    feed = digit_pairs.in_views(learning, digit_pairs.views_of(learning.x, 0))(np.array([4, 1]))
    assert (len(feed), feed.views, feed.labels.tolist()) == (2, digit_pairs.VIEWS, [4, 1])
    assert np.array_equal(feed.fetch(np.array([1, 0]), 0), learning.x[[1, 4]])
    views = [feed.fetch(np.array([0]), view) for view in range(digit_pairs.VIEWS)]
    assert len({view.tobytes() for view in views}) == digit_pairs.VIEWS
    assert all(np.array_equal(feed.fetch(np.array([0]), number), view) for number, view in enumerate(views))
