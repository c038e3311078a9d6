import pickle

import numpy as np
import pytest

from regraft import data
from regraft.core.errors import DataError
from regraft.core.plan import SplitSpec
from regraft.core.records import DataSummary
from regraft.data import Examples, UnreadableExample


@pytest.fixture
def examples() -> Examples:
    x = np.arange(10, dtype=np.uint8)[:, np.newaxis] * np.ones((1, 3), dtype=np.uint8)
    return data.open(
        {
            "x_train": x[:6],
            "y_train": list("ababab"),
            "x_val": x[6:8],
            "y_val": list("ab"),
            "x_test": x[8:],
            "y_test": list("aa"),
        }
    )


def test_indices_by_split(examples: Examples) -> None:
    assert examples.indices("validation").tolist() == [6, 7]
    assert examples.indices("test").dtype == np.int64
    with pytest.raises(DataError, match="expected a split named train, validation, test, found 'val'"):
        examples.indices("val")


def test_summary(examples: Examples) -> None:
    per_class = {"train": {"a": 3, "b": 3}, "validation": {"a": 1, "b": 1}, "test": {"a": 2, "b": 0}}
    assert examples.summary() == DataSummary({"train": 6, "validation": 2, "test": 2}, per_class)


def test_take_keeps_classes_and_order(examples: Examples) -> None:
    taken = examples.take([8, 0]).take(np.array([1, 0]))
    assert taken.names == ("train index 0", "test index 0")
    assert taken.classes == ("a", "b")
    assert taken.labels.tolist() == [0, 0]
    assert [row[0] for row in taken.load([0, 1])] == [0, 8]
    assert taken.split.tolist() == ["train", "test"]


def test_without_says_why(examples: Examples) -> None:
    rest = examples.without([1, 3], ["is broken", "'train index 3' holds nothing"])
    assert len(rest) == 8
    assert rest.left_out == ("'train index 1' is broken", "'train index 3' holds nothing")
    assert [row[0] for row in rest.load(range(8))] == [0, 2, 4, 5, 6, 7, 8, 9]


def test_digest_ignores_order_and_sees_labels_and_splits() -> None:
    x, y = np.arange(20, dtype=np.float32).reshape(10, 2) / 20, np.arange(10) % 2
    spec = SplitSpec(0, 0)
    first = data.open((x, y), split=spec).digest()
    assert data.open((x[::-1], y[::-1]), split=spec).digest() == first
    assert data.open((x, y), split=SplitSpec(0.5, 0)).digest() != first
    assert data.open((x, 1 - y), split=spec).digest() != first
    assert data.open((x * 2, y), split=spec).digest() != first


def test_examples_pass_through(examples: Examples) -> None:
    assert data.open(examples) is examples


def test_the_error_of_a_bad_example_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(UnreadableExample("a.jpg", "is empty")))
    assert (str(error), error.name, error.reason) == ("'a.jpg' is empty", "a.jpg", "is empty")
