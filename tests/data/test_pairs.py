"""Pairs of examples: found by what messages call them, and what is wrong with them said with file, line and value."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from regraft.core.errors import DataError
from regraft.core.progress import collecting_warnings
from regraft.data import Examples, open_unlabelled, pairs

X = np.random.default_rng(0).random((40, 3))


def _table(folder: Path, lines: str, name: str = "pairs.csv", head: str = "above,below") -> Path:
    (folder / name).write_text(f"{head}\n{lines}")
    return folder / name


@pytest.fixture
def rows(tmp_path: Path) -> Examples:
    lines = [",".join(map(str, row)) for row in X.tolist()]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c", *lines]))
    return open_unlabelled(tmp_path / "t.csv")


@pytest.fixture
def pictures(tmp_path: Path) -> Examples:
    for number in range(6):
        path = tmp_path / "all" / ("old" if number % 2 else "new") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), 20 * number, np.uint8)).save(path)
    (tmp_path / "all" / "new" / "broken.png").write_text("no picture")
    return open_unlabelled(tmp_path / "all")


@pytest.mark.parametrize(
    "given",
    [
        [(3, 0), (7, 39)],
        np.array([[3, 0], [7, 39]], np.int8),
        [("3", "0"), ("index 7", "39")],
        np.array([[np.int64(3), "index 0"], [7, 39]], object),
        pd.DataFrame({"below": [0, 39], "above": [3, 7]}),
    ],
    ids=["list", "array", "names", "objects", "frame"],
)
def test_pairs_in_memory(given: Any) -> None:
    made = pairs.of(given, open_unlabelled(X))
    assert made.rows.tolist() == [[3, 0], [7, 39]]
    assert made.rows.dtype == np.int64


def test_rows_of_a_table_are_named_by_their_lines(rows: Examples, tmp_path: Path) -> None:
    for lines in ("line 5,2\n41,line 9", f"{rows.ids[3]},2\n41,{rows.ids[7]}"):
        assert pairs.of(_table(tmp_path, lines), rows).rows.tolist() == [[3, 0], [39, 7]]
    given = _table(tmp_path, "2\t5\n9\t41", "pairs.tsv", head="below\tabove")
    assert pairs.of(str(given), rows).rows.tolist() == [[3, 0], [39, 7]]


def test_pictures_are_named_by_their_paths_and_those_that_were_left_out_are_told_of(
    pictures: Examples, tmp_path: Path
) -> None:
    given = _table(tmp_path, "old/1.png,new/0.png\nnew/broken.png,new/0.png\nold/5.png , old/3.png")
    with collecting_warnings() as warned:
        made = pairs.of(given, pictures)
    assert [[pictures.names[index] for index in pair] for pair in made.rows] == [
        ["old/1.png", "new/0.png"],
        ["old/5.png", "old/3.png"],
    ]
    assert warned == [
        f"left out 1 of 3 pairs of '{given}', which have an example that was left out, first line 3 of '{given}'"
    ]


def test_texts_are_named_by_their_lines_without_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("it rains\n\nit snows\nline 1: no\n")
    examples = open_unlabelled(tmp_path / "t.txt")
    made = pairs.of([("line 3", 1), ("4", "line 1: it rains")], examples)
    assert made.rows.tolist() == [[1, 0], [2, 0]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "2,3\n4,99",
            r"line 3 of '.*pairs.csv' has '99' as the one below, which is none of the 40 examples of '.*t.csv'",
        ),
        ("2,3\nlime 9,3", r"line 3 .* has 'lime 9' as the one above, .*; nearest known names: line 9"),
        ("2,3\n4,line 4", r"line 3 of '.*pairs.csv' has 'line 4' above itself; remove the pair"),
        ("2,3\n4,", r"line 3 of '.*pairs.csv' names no example in the column 'below'"),
        ("2,3,4\n", r"line 2 of '.*pairs.csv' has 3 cells, expected 2"),
        ("", r"expected pairs of examples in '.*pairs.csv', found none; give one example above another"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(lines: str, message: str, rows: Examples, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        pairs.of(_table(tmp_path, lines), rows)


def test_a_file_of_something_else_is_refused(rows: Examples, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected the columns above and below in .*, found above, belwo$"):
        pairs.of(_table(tmp_path, "2,3", head="above,belwo"), rows)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match=r"expected a table, found an empty file at '.*empty.csv'"):
        pairs.of(tmp_path / "empty.csv", rows)
    with pytest.raises(DataError, match=r"no data at '.*pear.csv': there is no such file"):
        pairs.of(tmp_path / "pear.csv", rows)
    with collecting_warnings() as warned:
        pairs.of(_table(tmp_path, "2,3,ann", head="above,below,who"), rows)
    assert warned == [f"not read of '{tmp_path / 'pairs.csv'}': who; pairs have the columns above and below"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([(1, 2, 3)], r"pairs: expected an array \(m, 2\) of examples by number or by name, .*, found int64 of shape"),
        ([(0.5, 1.0)], r"pairs: expected an array \(m, 2\) .*, found float64"),
        ([(1, 40)], r"pairs\[0\] has '40' as the one below, which is none of the 40 examples of the array given"),
        ([(1, 2), ("a", None)], r"pairs\[1\] names no example: \['a', None\]"),
        ([], "expected pairs of examples in the pairs given, found none"),
    ],
)
def test_what_is_wrong_with_pairs_in_memory_is_said(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        pairs.of(given, open_unlabelled(X))


def test_contradictions_are_counted_and_copies_are_left_out() -> None:
    x = X.copy()
    x[20] = x[1]
    with collecting_warnings() as warned:
        made = pairs.of([(0, 1), (2, 3), (20, 0), (1, 20), (0, 1), (4, 5)], open_unlabelled(x))
    assert made.rows.tolist() == [[0, 1], [2, 3], [20, 0], [0, 1], [4, 5]]
    assert made.content.tolist() == [[0, 1], [2, 3], [1, 0], [0, 1], [4, 5]]
    assert warned == [
        "left out 1 of 6 pairs of the pairs given, which are of two copies of one example, first pairs[3]",
        "3 of 5 pairs of the pairs given contradict one another: pairs[0] has 'index 0' above 'index 1', and pairs[2] "
        "has it below; all are learnt from",
    ]


def test_what_two_examples_are_called_names_neither() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [3.0, 4.0, 5.0]}, index=["x", "x", "y"])
    with pytest.raises(DataError, match=r"two examples of the data frame are called 'x'; name them by their ids"):
        pairs.of([("x", "y")], open_unlabelled(frame))


def test_the_digest_is_of_contents_in_their_order() -> None:
    one, other = open_unlabelled(X), open_unlabelled(X[::-1].copy())
    assert pairs.of([(0, 1), (2, 3)], one).digest(one) == pairs.of([(39, 38), (37, 36)], other).digest(other)
    assert pairs.of([(0, 1), (2, 3)], one).digest(one) != pairs.of([(0, 1), (3, 2)], one).digest(one)
