"""Logistic regression on the inputs themselves."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from regraft.core.input_spec import InputSpec
from regraft.data import open as open_data
from regraft.recipes.baselines import Lesson, asking, raw_inputs
from tests.recipes.baselines.small import divided, network, new_digits, opened, task_of


def test_is_as_good_as_logistic_regression_of_scikit_learn(tmp_path: Path) -> None:
    images, labels = new_digits()
    examples = opened(divided(images, labels, (40, 10), 0), tmp_path / "digits.npz")
    task = task_of(network(0), examples, "relu1", tmp_path / "cache")
    training, test = examples.indices("train"), examples.indices("test")
    made = raw_inputs.answer(task, Lesson(training), test)
    assert made.note == "logistic regression on 8 x 8 x 1 values"
    assert (made.probabilities.dtype, made.probabilities.shape) == (np.float32, (len(test), 5))
    np.testing.assert_allclose(made.probabilities.sum(axis=1), 1, rtol=1e-5)
    pixels = np.stack([raw.reshape(-1) for raw in examples.load(range(len(examples)))]) / 255.0
    other = LogisticRegression(C=1.0, max_iter=2000).fit(pixels[training], examples.labels[training])
    ours = np.mean(np.argmax(made.probabilities, axis=1) == examples.labels[test])
    # Another penalty: two of a hundred either way.
    assert abs(ours - other.score(pixels[test], examples.labels[test])) < 0.02
    assert ours > 0.85


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((28, 28, 1), (28, 28, 1)),
        ((224, 224, 3), (18, 18, 3)),
        ((50, 200, 1), (16, 64, 1)),
        ((4, 4000, 3), (1, 584, 3)),
        ((5000,), (5000,)),
    ],
)
def test_large_pictures_are_averaged_down(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert raw_inputs.reduced(InputSpec(shape)).shape == expected


def test_an_averaged_picture_is_the_mean_of_its_parts(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(6):
            picture = random.integers(0, 256, (128, 128, 1), np.uint8)
            Image.fromarray(picture[:, :, 0]).save(tmp_path / "pictures" / label / f"{number}.png")
    examples = open_data(tmp_path / "pictures")
    task = task_of(network(0, side=64), examples, "relu1", tmp_path / "cache")
    rows = raw_inputs.features(task, np.arange(len(examples)))
    assert rows.shape == (12, 32 * 32)
    exact = np.stack(
        [raw.astype(np.float32).reshape(32, 4, 32, 4).mean(axis=(1, 3)) for raw in examples.load(range(12), 1)]
    )
    # A triangular filter reaches into the neighbours of each square: noise of 74 is averaged over other pixels.
    assert np.corrcoef(rows.reshape(-1), exact.reshape(-1))[0, 1] > 0.8
    np.testing.assert_allclose(rows.mean(axis=1), exact.mean(axis=(1, 2)), atol=1.0)


def test_very_wide_examples_are_thinned(tmp_path: Path) -> None:
    import keras

    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, 3000)).astype(np.float32), np.arange(60) % 2
    x[:, 1500:] += 2 * y[:, None]
    model = keras.Sequential([keras.Input((3000,)), keras.layers.Dense(4, activation="relu", name="wide")])
    examples = opened({"x": x, "y": y}, tmp_path / "wide.npz")
    task = task_of(model, examples, "wide", tmp_path / "cache")
    assert raw_inputs.features(task, np.arange(5)).shape == (5, raw_inputs.MOST_VALUES)
    made = raw_inputs.answer(task, Lesson(np.arange(40)), np.arange(40, 60))
    assert np.mean(np.argmax(made.probabilities, axis=1) == examples.labels[40:]) == 1


def test_of_very_many_training_examples_some_are_learnt_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = new_digits()
    examples = opened(divided(images, labels, (40, 10), 0), tmp_path / "digits.npz")
    task = task_of(network(0), examples, "relu1", tmp_path / "cache")
    monkeypatch.setattr(asking, "MOST", 50)
    made = raw_inputs.answer(task, Lesson(examples.indices("train")), examples.indices("validation"))
    assert made.note.endswith("values, of 50 training examples")
