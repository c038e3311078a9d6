from typing import Any

import numpy as np
import pytest

from regraft import data
from regraft.core.errors import DataError, RequestError
from regraft.core.plan import SplitSpec

tf = pytest.importorskip("tensorflow")

ALL_TRAIN = SplitSpec(0, 0)
X = np.random.default_rng(0).integers(0, 256, (10, 5, 5, 3), dtype=np.uint8)
Y = np.arange(10) % 2
EXPECTED = data.open((X, Y), split=ALL_TRAIN)


def slices(x: Any = X, y: Any = Y) -> Any:
    return tf.data.Dataset.from_tensor_slices((x, y))


@pytest.mark.parametrize(
    "dataset",
    [
        slices(),
        slices().batch(4),
        slices().batch(5, drop_remainder=True),
        slices(y=np.eye(2)[Y]),
        slices(y=np.eye(2)[Y]).batch(4),
        slices(y=Y[:, np.newaxis]).batch(2, drop_remainder=True),
        slices().map(lambda x, y: {"image": x, "label": y}),
        slices().filter(lambda x, y: True),
        tf.data.Dataset.from_generator(lambda: zip(X, Y, strict=True), (tf.uint8, tf.int64)).batch(3),
    ],
    ids=[
        "single",
        "batched",
        "even",
        "one-hot",
        "one-hot batched",
        "column",
        "dictionary",
        "unknown length",
        "unknown shape",
    ],
)
def test_batched_or_not(dataset: Any) -> None:
    examples = data.open(dataset, split=ALL_TRAIN)
    assert examples.shape == (5, 5, 3)
    assert examples.digest() == EXPECTED.digest()
    np.testing.assert_array_equal(np.stack(examples.load(range(10))), X)


def test_features_and_gray_pictures() -> None:
    flat = X.reshape(10, -1).astype(np.float32)
    for dataset in (
        slices(flat),
        slices(flat).batch(4),
        slices(flat, np.eye(2)[Y]),
        slices(flat, np.eye(2)[Y]).batch(3),
    ):
        assert data.open(dataset, split=ALL_TRAIN).shape == (75,)
    for dataset in (slices(X[..., 0]), slices(X[..., 0]).batch(4), slices(X[..., 0], np.eye(2)[Y])):
        assert data.open(dataset, split=ALL_TRAIN).shape == (5, 5, 1)


def test_strings_as_labels_and_class_names() -> None:
    assert data.open(slices(y=np.array(["b", "a"])[Y]), split=ALL_TRAIN).classes == ("a", "b")
    dataset = slices()
    dataset.class_names = ["rose", "daisy"]
    assert data.open(dataset, split=ALL_TRAIN).classes == ("rose", "daisy")


def test_pictures_of_different_sizes() -> None:
    def pairs() -> Any:
        for index in range(10):
            yield X[index, : 3 + index % 3], Y[index]

    signature = (tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((), tf.int64))
    examples = data.open(tf.data.Dataset.from_generator(pairs, output_signature=signature), split=ALL_TRAIN)
    assert examples.shape is None
    np.testing.assert_array_equal(examples.load([4], 3)[0], X[4, :4])


def test_splits() -> None:
    examples = data.open(
        {"train": slices().take(6), "val": slices().skip(6).take(2), "test": slices().skip(8).batch(2)}
    )
    assert examples.split.tolist() == ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    with pytest.raises(DataError, match=r"expected split train, validation or test, found 'trian'; nearest .* train"):
        data.open({"trian": slices()})


def test_data_sets_that_cannot_be_used() -> None:
    for dataset, message in (
        (slices().repeat(), r"the tf.data.Dataset never ends; leave out repeat\(\)"),
        (slices().map(lambda x, y: x), r"expected pairs \(x, y\) in the tf.data.Dataset, found ndarray; map\(\) it"),
        (slices().map(lambda x, y: {"a": x}), "expected pairs .*, found a dictionary with a"),
        (slices().take(0), "expected examples, found none in the tf.data.Dataset"),
        (slices(x=np.array(["a.jpg"] * 10)), r"x of the tf.data.Dataset: expected an array of numbers, found \|S5"),
    ):
        with pytest.raises(DataError, match=message):
            data.open(dataset)
    with pytest.raises(RequestError, match="labels= is for arrays"):
        data.open(slices(), labels=Y)
