"""The classifier has scikit-learn's manners, and its answers are its run's."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from regraft.activations.engines import BATCH
from regraft.core import plain
from regraft.core.errors import DataError, RequestError
from regraft.recipes import running
from regraft.recipes.estimator import TransferClassifier


def dense(shape: tuple[int, ...]) -> keras.Model:
    """A small network for plain features; the same one for the same shape, as a file would hold it."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input(shape), keras.layers.Dense(32, activation="relu", name="hidden")])


def patches(shape: tuple[int, ...]) -> keras.Model:
    keras.utils.set_random_seed(0)
    conv = keras.layers.Conv2D(16, 3, activation="relu", name="conv")
    return keras.Sequential([keras.Input(shape), conv, keras.layers.Flatten(name="flat")])


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """200 pictures (8, 8) of the digits 0 to 3, values 0 to 16, and their names."""
    x, y = load_digits(n_class=4, return_X_y=True)
    return x[:200].reshape(-1, 8, 8), np.array(["zero", "one", "two", "three"])[y[:200]]


@pytest.fixture
def fast() -> TransferClassifier:
    return TransferClassifier(patches, preprocessing="x/16", fine_tune="no", validation=0)


@pytest.fixture(scope="module")
def fitted(digits: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> TransferClassifier:
    """One that knows the digits; it is only looked at."""
    cache = tmp_path_factory.mktemp("fitted")
    classifier = TransferClassifier(patches, preprocessing="x/16", fine_tune="no", validation=0, cache=cache)
    return classifier.fit(*digits)


@pytest.fixture(scope="module")
def from_bytes(digits: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> TransferClassifier:
    """One that knows the digits as pictures of 8 bits; it is only looked at."""
    x, y = digits
    settings = {"preprocessing": "unit", "fine_tune": "no", "validation": 0}
    classifier = TransferClassifier(patches, **settings, cache=tmp_path_factory.mktemp("bytes"))
    return classifier.fit((x * 15).astype(np.uint8), y)


@pytest.mark.slow
def test_scikit_learns_own_checks_hold() -> None:
    # Nothing is expected to fail. The one check that may be skipped needs a setting of SciPy's.
    results = check_estimator(TransferClassifier(dense, fine_tune="no"), on_skip=None)
    statuses = {result["check_name"]: result["status"] for result in results}
    assert {name for name, status in statuses.items() if status != "passed"} <= {"check_array_api_input"}
    assert len(statuses) > 40


def test_pictures_are_classified_by_their_labels(
    digits: tuple[np.ndarray, np.ndarray], fast: TransferClassifier
) -> None:
    x, y = digits
    fitted = fast.fit(x[:120], y[:120])
    assert fitted is fast
    assert fast.classes_.tolist() == ["one", "three", "two", "zero"]
    assert fast.run_.record.classes == ("one", "three", "two", "zero")
    assert fast.score(x[120:], y[120:]) > 0.9
    made = fast.predict_proba(x[120:])
    assert made.shape == (80, 4)
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-6)
    assert np.array_equal(fast.predict(x[120:]), fast.classes_[made.argmax(axis=1)])
    assert not hasattr(fast, "n_features_in_")


def test_the_runs_model_takes_the_same_raw_examples(
    digits: tuple[np.ndarray, np.ndarray], fitted: TransferClassifier
) -> None:
    x, _ = digits
    own = fitted.run_.model.predict_on_batch(x[:BATCH, :, :, None])
    assert np.array_equal(fitted.predict_proba(x[:BATCH]), own.astype(np.float64))


def test_an_answer_depends_on_nothing_but_the_example(
    digits: tuple[np.ndarray, np.ndarray], fitted: TransferClassifier
) -> None:
    x, _ = digits
    together = fitted.predict_proba(x[:40])
    assert np.array_equal(
        np.concatenate([fitted.predict_proba(x[i : i + 1]) for i in (0, 7, 39)]), together[[0, 7, 39]]
    )


def test_copies_answer_the_same(digits: tuple[np.ndarray, np.ndarray], fitted: TransferClassifier) -> None:
    x, _ = digits
    made = fitted.predict_proba(x[:9])
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert np.array_equal(other.predict_proba(x[:9]), made)
        # As text: what was not measured is NaN, which equals nothing.
        assert plain.to_json(other.run_.record) == plain.to_json(fitted.run_.record)
    with pytest.raises(NotFittedError):
        clone(fitted).predict(x[:9])


def test_a_model_as_the_source_can_be_cloned() -> None:
    original = TransferClassifier(dense((4,)), cut_point="hidden")
    assert clone(original).get_params().keys() == original.get_params().keys()
    assert clone(original).set_params(cut_point="auto").cut_point == "auto"


def test_augmentation_is_a_parameter_like_any_other(
    digits: tuple[np.ndarray, np.ndarray], fast: TransferClassifier
) -> None:
    x, y = digits
    # Digits: a mirrored one is none.
    fitted = clone(fast).set_params(augment="crop, colour", views=4).fit(x[:120], y[:120])
    assert fitted.get_params()["augment"] == "crop, colour"
    assert (fitted.run_.record.plan.augment, fitted.run_.record.plan.views) == (("crop", "colour"), 4)
    with pytest.raises(RequestError, match="unknown augmentation 'mirror'"):
        clone(fast).set_params(augment=("mirror",)).fit(x[:120], y[:120])


def test_it_works_in_cross_validation_grid_search_and_pipelines(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    assert cross_val_score(TransferClassifier(patches, fine_tune="no"), x, y, cv=2).min() > 0.85
    flat = make_pipeline(StandardScaler(), TransferClassifier(dense, fine_tune="no", validation=0))
    search = GridSearchCV(flat, {"transferclassifier__cut_point": ["hidden", "auto"]}, cv=2)
    search.fit(x.reshape(len(x), -1), y)
    assert search.best_score_ > 0.85
    assert search.best_estimator_[-1].n_features_in_ == 64


def test_folds_share_what_the_network_computed(digits: tuple[np.ndarray, np.ndarray], fast: TransferClassifier) -> None:
    x, y = digits
    assert fast.fit(x[:150], y[:150]).run_.record.cache.computed > 0
    second = fast.fit(x[50:150], y[50:150]).run_.record.cache
    assert (second.computed, second.hits > 0) == (0, True)


def test_flat_pictures_are_given_the_shape_that_the_network_takes(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    x, y = digits
    source = patches((8, 8, 1))
    # Without a validation split, which goes by content: that of (8, 8) is another one than that of (8, 8, 1).
    flat = TransferClassifier(source, fine_tune="no", validation=0).fit(x.reshape(-1, 64), y)
    square = TransferClassifier(source, fine_tune="no", validation=0).fit(x, y)
    assert np.array_equal(flat.predict_proba(x.reshape(-1, 64)), square.predict_proba(x))


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [(1.0, np.float64), (1 / 255, np.float32), (257.0, np.uint16)],
    ids=["floats to 255", "floats to 1", "16 bits"],
)
def test_every_range_of_values_means_the_same_pictures(
    digits: tuple[np.ndarray, np.ndarray], from_bytes: TransferClassifier, scale: float, dtype: type
) -> None:
    x, y = digits
    eight = (x * 15).astype(np.uint8)
    other = clone(from_bytes).fit((eight * scale).astype(dtype), y)
    # A dark picture alone nowhere exceeds 1, and is still on the scale that was fitted.
    for shown in (eight[:50], np.minimum(eight[:1], 1)):
        made = other.predict_proba((shown * scale).astype(dtype))
        # Values differ by the rounding of float32, and the optimum of the head is found to 1e-4 of the loss.
        np.testing.assert_allclose(made, from_bytes.predict_proba(shown), atol=0 if scale == 1 else 0.01)


def test_picture_files_of_any_size(pictures: Path, network: Callable[..., Path], tmp_path: Path) -> None:
    files = sorted(pictures.rglob("*.png"))
    labels = [file.parent.name for file in files]
    classifier = TransferClassifier(network(), preprocessing="tf", fine_tune="no", validation=0, out=tmp_path / "runs")
    classifier.fit(files, labels)
    assert classifier.score([str(file) for file in files], labels) > 0.8
    arrays = [np.asarray(Image.open(file)) for file in files]
    # The files' own arithmetic: the same bits.
    assert np.array_equal(classifier.predict_proba(arrays), classifier.predict_proba(files))
    (left,) = (tmp_path / "runs").iterdir()
    again = running.load(left)
    assert plain.to_json(again.record) == plain.to_json(classifier.run_.record)
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"bad\.png"):
        classifier.predict([files[0], tmp_path / "bad.png"])


def test_labels_may_be_anything_that_scikit_learn_takes(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    for labels in ((y == "one"), np.where(y == "one", -7, 100), np.where(y == "one", 2.0, 10.0), y.astype(object)):
        fitted = TransferClassifier(patches, fine_tune="no", validation=0).fit(x, labels)
        assert fitted.classes_.tolist() == sorted(set(labels.tolist()))
        assert fitted.predict(x).dtype == fitted.classes_.dtype
        assert fitted.score(x, labels) > 0.95


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((4, 8, 8)), ["a"] * 4, "expected labels of at least two classes, found one class"),
        (np.ones((4, 8, 8)), None, "requires y to be passed"),
        (np.ones((4, 8, 8)), ["a", "b", "a"], "inconsistent numbers of samples"),
        (np.full((4, 8, 8), np.nan), ["a", "b", "a", "b"], "NaN"),
        (np.ones((4, 8)), [0.5, 0.1, 0.2, 0.3], "Unknown label type"),
        (["a.png", "b.png"], ["a", "b"], "a function as the source needs examples of one shape"),
    ],
)
def test_what_is_no_training_set_is_a_value_error(x: object, y: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TransferClassifier(patches).fit(x, y)


def test_a_source_is_needed(digits: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="expected a source"):
        TransferClassifier().fit(*digits)
