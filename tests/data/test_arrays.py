import pickle
import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regraft import data
from regraft.core import digest
from regraft.core.errors import DataError, RequestError
from regraft.core.plan import SplitSpec
from regraft.core.progress import collecting_warnings

ALL_TRAIN = SplitSpec(0, 0)
X = np.random.default_rng(0).integers(0, 256, (12, 5, 4, 3), dtype=np.uint8)
Y = np.arange(12) % 3


def opened(given: Any, **options: Any) -> data.Examples:
    return data.open(given, split=ALL_TRAIN, **options)


def test_a_pair() -> None:
    examples = opened((X, Y))
    assert examples.shape == (5, 4, 3)
    assert examples.full_intensity == 255
    assert examples.classes == ("0", "1", "2")
    assert examples.labels.dtype == np.int32
    assert examples.names[7] == "index 7"
    assert examples.ids[7] == digest.of_array(X[7])
    np.testing.assert_array_equal(np.stack(examples.load(range(12))), X)


def test_an_array_with_labels() -> None:
    assert opened(X, labels=Y).digest() == opened((X, Y)).digest()


@pytest.mark.parametrize(
    ("y", "classes", "labels"),
    [
        (Y, ("0", "1", "2"), Y),
        (Y + 8, ("8", "9", "10"), Y),
        (Y * 5 - 5, ("-5", "0", "5"), Y),
        (Y[:, np.newaxis], ("0", "1", "2"), Y),
        (Y.astype(np.float32), ("0", "1", "2"), Y),
        (np.eye(3)[Y], ("0", "1", "2"), Y),
        (np.eye(3, dtype=bool)[Y], ("0", "1", "2"), Y),
        (Y > 0, ("0", "1"), Y > 0),
        (np.array(["b", "c", "a"])[Y], ("a", "b", "c"), np.array([1, 2, 0])[Y]),
        (np.array([b"b", b"c", b"a"])[Y], ("a", "b", "c"), np.array([1, 2, 0])[Y]),
        (np.array(["10", "9", "x"], dtype=object)[Y], ("9", "10", "x"), np.array([1, 0, 2])[Y]),
        (["no", "yes", "no"] * 4, ("no", "yes"), [0, 1, 0] * 4),
    ],
)
def test_labels_of_many_kinds(y: Any, classes: tuple[str, ...], labels: Any) -> None:
    examples = opened((X, y))
    assert examples.classes == classes
    assert examples.labels.tolist() == np.asarray(labels).astype(int).tolist()


def test_a_one_hot_column_without_examples_is_no_class() -> None:
    assert opened((X, np.eye(5)[Y + 2])).classes == ("2", "3", "4")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y[:-1], "in the arrays given x has 12 examples, y has 11 labels; give one label for each"),
        (np.where(Y == 1, 0.5, 1), r"y: expected whole numbers as labels, found 0.5 at index 1"),
        (np.where(Y == 2, np.inf, Y), "y: expected whole numbers as labels, found inf at index 2"),
        (np.eye(3)[Y] * 2, r"y: expected one-hot rows \(a single 1, else 0\), found row 0: \[2.0, 0.0, 0.0\]"),
        (
            np.zeros((12, 2, 2)),
            r"y: expected one label per example or one-hot rows, found an array of shape \(12, 2, 2\)",
        ),
        (np.zeros(12, dtype=complex), "y: expected labels that are integers or strings, found complex128"),
        (np.array([{}] * 12, dtype=object), "y: expected labels that are integers or strings, found {} at index 0"),
        (np.zeros(12, dtype=int), "expected at least two classes in the arrays given, found only '0'"),
    ],
)
def test_labels_that_cannot_be_used(y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened((X, y))


@pytest.mark.parametrize(
    "y",
    [
        np.array(["a", "", "b"] * 4),
        np.array([b"a", b" ", b"b"] * 4),
        np.array(["a", None, "b"] * 4, dtype=object),
        np.array(["a", np.nan, "b"] * 4, dtype=object),
        # NumPy makes a text of it.
        np.array(["a", np.nan, "b"] * 4),
        ["a", "", "b"] * 4,
        ["a", None, "b"] * 4,
        ["a", float("nan"), "b"] * 4,
        [0, None, 1] * 4,
        np.array([0, np.nan, 1] * 4),
        np.array([[0], [np.nan], [1]] * 4),
    ],
    ids=repr,
)
def test_examples_without_a_label_are_left_out(y: Any) -> None:
    with collecting_warnings() as warned:
        examples = opened((X, y))
    assert len(examples) == 8
    assert len(examples.classes) == 2
    assert warned[0].startswith("left out of the arrays given: 'index 1' has no label; 'index 4' has no label;")
    with pytest.raises(DataError, match="'index 1' has no label, in the arrays given and 3 more; repair it"):
        opened((X, y), strict=True)
    assert examples.left_out[0] == "'index 1' has no label"
    np.testing.assert_array_equal(examples.load([1])[0], X[2])


def bad_at(index: int, value: float) -> np.ndarray:
    x = X.astype(np.float64)
    x[index, 0, 0, 0] = value
    x[11] = np.nan
    return x


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (bad_at(7, np.nan), r"finite numbers in the arrays given, found NaN at x\[7, 0, 0, 0\]; repair it, or remove"),
        (bad_at(3, np.inf), r"finite numbers in the arrays given, found an infinite value at x\[3, 0, 0, 0\]; repair"),
        (
            np.where(np.arange(4) == 2, np.nan, np.arange(48.0).reshape(12, 4)),
            "found NaN in column 2 of x for all 12 examples; remove that column",
        ),
        (X[:0], "expected examples, found none in the arrays given"),
        (np.zeros(12), r"x: expected examples along the first axis, \(n, ...\), found shape \(12,\)"),
        (X.astype(str), "x: expected an array of numbers, found <U3; decode or convert it first"),
        (X.transpose(0, 3, 1, 2), r"x: expected pictures .*, found \(3, 5, 4\); move .* x.transpose\(0, 2, 3, 1\)"),
        ([np.zeros(3), np.zeros(4)] * 6, r"expected examples of one shape, or pictures, found x \(3,\), x \(4,\)"),
        ([], "x: expected examples, found an empty list"),
    ],
)
def test_arrays_that_cannot_be_used(x: Any, message: str) -> None:
    # (12, 3, 5, 4): the last axis could be four channels, so only widths that cannot be channels are refused.
    x = x[..., [0, 1, 2, 3, 3]] if isinstance(x, np.ndarray) and x.shape == (12, 3, 5, 4) else x
    message = message.replace("5, 4", "5, 5")
    with pytest.raises(DataError, match=message):
        opened((x, Y))


@pytest.mark.parametrize(
    ("x", "white", "expected"),
    [
        (X, 255, X),
        (X > 100, 255, np.where(X > 100, 255, 0).astype(np.uint8)),
        (X.astype(np.uint16) * 257, 255, X.astype(np.float32)),
        (X.astype(np.uint16), 255, X.astype(np.uint16)),
        (X.astype(np.int64), 255, X.astype(np.int64)),
        (X / 255, 1, (X / 255).astype(np.float32)),
        (X.astype(np.float64), 255, X.astype(np.float32)),
        (X.astype(">f4"), 255, X.astype(np.float32)),
        (X.astype(np.float16), 255, X.astype(np.float32)),
    ],
)
def test_values(x: np.ndarray, white: float, expected: np.ndarray) -> None:
    examples = opened((x, Y))
    assert examples.full_intensity == white
    loaded = np.stack(examples.load(range(12), 3))
    assert loaded.dtype == expected.dtype
    np.testing.assert_array_equal(loaded, expected)


def test_gray_pictures_get_a_channel_axis_and_features_stay_vectors() -> None:
    assert opened((X[..., 0], Y)).shape == (5, 4, 1)
    assert opened((X[..., 0], Y)).load([0])[0].shape == (5, 4, 1)
    assert opened((X[..., 0], Y)).load([0], 3)[0].shape == (5, 4, 3)
    features = X.reshape(12, -1).astype(np.float32)
    assert opened((features, Y)).shape == (60,)
    np.testing.assert_array_equal(opened((features, Y)).load([3], 3)[0], features[3])


def test_pictures_of_different_sizes() -> None:
    pictures = [X[index, : 3 + index % 2] for index in range(12)]
    examples = opened((pictures, Y))
    assert examples.shape is None
    for loaded, picture in zip(examples.load(range(12), 3), pictures, strict=True):
        np.testing.assert_array_equal(loaded, picture)


def test_what_is_read_is_a_copy_and_nothing_else_is_copied() -> None:
    x = np.zeros((4000, 32, 32, 3), dtype=np.uint8)
    x[:, 0, 0, 0] = np.arange(4000) % 251
    examples = opened((x, np.arange(4000) % 2))
    tracemalloc.start()
    examples.load([5], 3)[0][:] = 9
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert x[5].max() == 5
    assert peak < x.nbytes / 100


def test_keras_own_pairs_of_pairs() -> None:
    examples = data.open(((X[:8], Y[:8]), (X[8:], Y[8:])))
    assert examples.names[8] == "test index 0"
    assert set(examples.split[:8]) <= {"train", "validation"}
    assert set(examples.split[8:]) == {"test"}


KEYS = [
    {"x": X, "y": Y},
    {"x_train": X[:6], "y_train": Y[:6], "x_val": X[6:9], "y_val": Y[6:9], "x_test": X[9:], "y_test": Y[9:]},
    {"train_images": X[:6], "train_labels": Y[:6, None], "val_images": X[6:], "val_labels": Y[6:, None]},
]


@pytest.mark.parametrize("table", KEYS, ids=["x", "x_train", "train_images"])
def test_npz_files_and_dictionaries_are_the_same(table: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, **table)
    given, read = data.open(table), data.open(path)
    assert read.digest() == given.digest()
    assert read.origin == f"'{path}'"
    if "x" not in table:
        assert read.split[6:9].tolist() == ["validation"] * 3
        assert read.names[6] == "validation index 0"
        np.testing.assert_array_equal(read.load([6])[0], X[6])


def test_class_names(tmp_path: Path) -> None:
    for key in ("classes", "class_names"):
        np.savez(tmp_path / "d.npz", x=X, y=Y, **{key: np.array(["z", "y", "x", "unused"])})
        examples = data.open(tmp_path / "d.npz")
        assert examples.classes == ("z", "y", "x")
        assert examples.labels.tolist() == Y.tolist()
        assert examples.left_out == ("class 'unused' has no usable example",)
    with pytest.raises(DataError, match="label 2 in the dictionary has no class name: 2 are given, for 0 to 1"):
        data.open({"x": X, "y": Y, "classes": ["a", "b"]})
    with pytest.raises(DataError, match="label 'c' in the dictionary is none of the class names; "):
        data.open({"x": X, "y": ["a", "b", "c"] * 4, "classes": ["a", "b"]})
    with pytest.raises(DataError, match="class name 'a' is there twice in the dictionary"):
        data.open({"x": X, "y": Y, "classes": ["a", "b", "a"]})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"x": X}, "expected 'y' beside 'x' in the dictionary, found no such array; known names: x"),
        (
            {"x": X, "y": Y, "x_test": X, "y_test": Y},
            "expected either x and y, or arrays for each split .*, found both",
        ),
        ({"images": X, "labels": Y}, "expected x and y, or x_train, .* in the dictionary, found images, labels"),
        ({}, "expected x and y, .* in the dictionary, found nothing"),
        ({"x_test": X, "y_test": Y}, "expected training arrays in the dictionary, found only x_test"),
        (
            {"x_train": X, "y_train": Y, "x_test": X / 255, "y_test": Y},
            "expected the same kind of values in every array, .*: x_train is uint8, x_test is floating point",
        ),
    ],
)
def test_dictionaries_that_cannot_be_used(table: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        data.open(table)


def test_arrays_that_are_not_read_are_told_of(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=X, y=Y, split=np.array(["test"] * len(X)), weights=X)
    with collecting_warnings() as warned:
        data.open(tmp_path / "d.npz")
    (line,) = (line for line in warned if "not read" in line)
    assert re.match(r"not read of '.*d.npz': split, weights; what is known by name is x and y, or x_train, ", line)
    np.savez(tmp_path / "e.npz", x=X, y=Y, class_names=np.array(["a", "b", "c"]))
    with collecting_warnings() as warned:
        data.open(tmp_path / "e.npz")
    assert not warned


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.float32(3), r"x: expected examples along the first axis, \(n, ...\), found a single float32"),
        (["a b", None, "c"], r"x\[1\]: expected a text as the others are, found None"),
        (np.array(["a b", 2, "c"], dtype=object), r"x\[1\]: expected a text as the others are, found int"),
        ([b"a b", b"c"], "x: expected an array of numbers, found .S3; decode the bytes into texts"),
    ],
)
def test_what_is_no_array_of_examples_is_named(x: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        data.open_unlabelled(x)


def test_npz_files_never_run_code(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.array([{}], dtype=object), y=np.array([0]))
    with pytest.raises(DataError, match=r"cannot read '.*d.npz': it holds Python objects, which are not loaded"):
        data.open(tmp_path / "d.npz")
    (tmp_path / "p.npz").write_bytes(pickle.dumps({"x": 1}))
    with pytest.raises(DataError, match=r"expected an .npz file, found something else at '.*p.npz'"):
        data.open(tmp_path / "p.npz")


def test_truncated_npz_files(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x=X, y=Y)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"expected an .npz file, found something else at .*truncated"):
        data.open(path)
    path.write_bytes(whole[:300] + b"\0" * 20 + whole[320:])
    with pytest.raises(DataError, match=r"cannot read '.*d.npz': "):
        data.open(path)


def test_labels_given_twice_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"expected labels for the array: give labels=, or a pair \(x, y\)"):
        data.open(X)
    with pytest.raises(RequestError, match="labels= is for a single array; the dictionary has its labels in it"):
        data.open({"x": X, "y": Y}, labels=Y)


def test_pictures_that_look_scaled_already_are_warned_of() -> None:
    with collecting_warnings() as warned:
        opened((X / 127.5 - 1, Y))
        opened((X.reshape(12, -1) / 127.5 - 1, Y))
    (line,) = warned
    assert line.startswith("pictures in the arrays given have values from -1 to 1, expected 0 to 255 or 0 to 1")
