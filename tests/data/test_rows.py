import numpy as np

from regraft.data.rows import Rows

X = np.arange(60, dtype=np.float32).reshape(10, 3, 2)


def joined(*blocks: np.ndarray, expected: int = 0) -> np.ndarray | list[np.ndarray]:
    rows = Rows(expected)
    for block in blocks:
        rows.add(block)
    return rows.joined()


def test_blocks_become_one_array_whatever_was_expected() -> None:
    for expected in (0, 3, 10, 1000):
        made = joined(X[:4], X[4:5], X[5:], expected=expected)
        assert isinstance(made, np.ndarray)
        assert made.dtype == np.float32
        np.testing.assert_array_equal(made, X)


def test_nothing_is_an_array_of_nothing() -> None:
    assert len(joined()) == 0


def test_rows_of_other_shapes_or_dtypes_stay_apart() -> None:
    made = joined(X[:4], X[4:6, :2], X[6:].astype(np.float64))
    assert isinstance(made, list)
    assert [row.shape for row in made] == [(3, 2)] * 4 + [(2, 2)] * 2 + [(3, 2)] * 4
    for row, expected in zip(made[6:], X[6:], strict=True):
        np.testing.assert_array_equal(row, expected)


def test_objects_are_arrays_each() -> None:
    block = np.empty(2, object)
    block[:] = [X[0], X[1, :1]]
    made = joined(block)
    assert isinstance(made, list)
    np.testing.assert_array_equal(made[1], X[1, :1])
