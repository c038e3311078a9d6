"""Nearest neighbours against scikit-learn, block by block, and their edge cases."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from regraft.core.errors import DataError
from regraft.training import neighbours


def examples(n: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 4, n)
    centres = np.random.default_rng(9).standard_normal((4, 12))
    return (centres[labels] + noise * draw.standard_normal((n, 12)) + 5).astype(np.float32), labels


def directions(rows: np.ndarray, centre: np.ndarray) -> np.ndarray:
    moved = rows - centre
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


@pytest.mark.parametrize("noise", [0.3, 2.0])
def test_answers_are_those_of_scikit_learn(noise: float) -> None:
    activations, labels = examples(200, noise)
    queries, _ = examples(90, noise, seed=1)
    found = neighbours.nearest_neighbours(activations, labels, queries, 4)
    centre = activations.mean(axis=0)
    model = KNeighborsClassifier(found.neighbours).fit(directions(activations, centre), labels)
    votes = model.predict_proba(directions(queries, centre))
    # Where the vote is tied the answer is ours to choose, among the tied.
    np.testing.assert_allclose(votes[np.arange(90), found.predictions], votes.max(axis=1))


def test_the_number_of_neighbours_follows_the_noise() -> None:
    clean, labels = examples(300, 0.1)
    assert neighbours.nearest_neighbours(clean, labels, clean[:5], 4).neighbours == 1
    noisy, labels = examples(300, 2.0)
    assert neighbours.nearest_neighbours(noisy, labels, noisy[:5], 4).neighbours == 20


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    activations, labels = examples(150, 1.0)
    queries, _ = examples(70, 1.0, seed=2)
    whole = neighbours.nearest_neighbours(activations, labels, queries, 4)
    monkeypatch.setattr(neighbours, "SIMILARITIES", 150 * 7)
    blocks = neighbours.nearest_neighbours(activations, labels, queries, 4)
    np.testing.assert_array_equal(whole.predictions, blocks.predictions)
    assert whole.neighbours == blocks.neighbours


def test_an_example_does_not_vote_for_itself() -> None:
    draw = np.random.default_rng(0)
    activations, labels = draw.standard_normal((200, 30)).astype(np.float32), draw.integers(0, 2, 200)
    known = neighbours._directions(activations, activations.mean(axis=0, dtype=np.float64))
    answers = neighbours._votes(known, labels, known, 2, (1,), leave_out=True)
    assert np.mean(answers[:, 0] == labels) < 0.65


def test_examples_answered_by_the_others_are_those_of_scikit_learn() -> None:
    activations, labels = examples(120, 1.5)
    found = neighbours.left_out_neighbours(activations, labels, 4)
    rows = directions(activations, activations.mean(axis=0))
    near = NearestNeighbors(n_neighbors=found.neighbours).fit(rows).kneighbors(return_distance=False)
    for own, voters in enumerate(near):
        tally = np.bincount(labels[voters], minlength=4)
        assert tally[found.predictions[own]] == tally.max()
    # The count of voters is that which `nearest_neighbours` chooses.
    assert found.neighbours == neighbours.nearest_neighbours(activations, labels, activations[:1], 4).neighbours


def test_a_tie_goes_to_the_more_similar() -> None:
    cosines = np.array([[0.9, 0.1, 0.2, 0.8]], np.float32)
    assert neighbours._block_votes(cosines, np.array([1, 0, 0, 1]), 2, (4,))[0, 0] == 1
    assert neighbours._block_votes(cosines, np.array([0, 0, 1, 0]), 2, (3,))[0, 0] == 0


def test_few_examples_and_no_query() -> None:
    activations, _ = examples(3, 1.0)
    labels = np.array([0, 1, 1])
    assert neighbours.nearest_neighbours(activations, labels, activations[:0], 2).predictions.shape == (0,)
    assert neighbours.nearest_neighbours(activations[:1], labels[:1], activations, 2).predictions.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("activations", "labels", "queries", "message"),
    [
        (np.ones((3, 2)), np.zeros(2, int), np.ones((1, 2)), r"found \(3, 2\) and \(2,\)"),
        (np.ones((2, 2)), np.array([0, 5]), np.ones((1, 2)), "labels from 0 to 1, found 0 to 5"),
        (np.ones((2, 2)), np.array([0, 1]), np.ones((1, 3)), r"queries \(q, 2\) like the activations, found \(1, 3\)"),
        (np.full((2, 2), np.nan), np.array([0, 1]), np.ones((1, 2)), "NaN or infinity in 2 of 2 features"),
    ],
)
def test_what_has_no_neighbours_is_refused(
    activations: np.ndarray, labels: np.ndarray, queries: np.ndarray, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        neighbours.nearest_neighbours(activations, labels, queries, 2)
