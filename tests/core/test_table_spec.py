import json

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from regraft.core import plain, table_spec
from regraft.core.columns import Columns, named
from regraft.core.errors import DataError, RequestError
from regraft.core.table_spec import Column, TableSpec


def test_numbers_are_standardised_as_scikit_learn_does() -> None:
    x = load_wine().data
    rows = [[repr(float(value)) for value in row] for row in x]
    names = [f"c{place}" for place in range(x.shape[1])]
    learnt = table_spec.learn(names, rows)
    assert learnt.left_out == ()
    assert learnt.spec.width == x.shape[1]
    encode = table_spec.encoder(learnt.spec, names)
    # float32 rounding of values up to ten.
    np.testing.assert_allclose(
        np.stack([encode(row) for row in rows]), StandardScaler().fit_transform(x), atol=2e-6, rtol=0
    )


def test_gaps_have_a_place_of_their_own() -> None:
    learnt = table_spec.learn(["a"], [["1"], ["3"], [""], [" NA "], ["?"]])
    (column,) = learnt.spec.columns
    assert (column.mean, column.scale, column.indicator) == (2.0, 1.0, True)
    encode = table_spec.encoder(learnt.spec, ["a"])
    assert [encode([cell]).tolist() for cell in ("3", "nan", "2")] == [[1, 0], [0, 1], [0, 0]]


def test_categories_have_a_place_for_what_is_not_known() -> None:
    rows = [["red"], ["blue"], ["red"], ["blue"], ["green"], [""]]
    learnt = table_spec.learn(["colour"], rows)
    # Green is there once: it trains the place of what is not known.
    assert learnt.spec.columns[0].values == ("blue", "red")
    encode = table_spec.encoder(learnt.spec, ["colour"])
    assert [encode([cell]).tolist() for cell in (" red ", "green", "", "pink")] == [
        [0, 0, 1],
        [1, 0, 0],
        [1, 0, 0],
        [1, 0, 0],
    ]


def test_numbers_can_be_codes() -> None:
    rows = [["1"], ["2"], ["1"], ["2"]]
    assert table_spec.learn(["c"], rows).spec.columns[0].kind == "number"
    assert table_spec.learn(["c"], rows, ["c"]).spec.columns[0].values == ("1", "2")
    with pytest.raises(RequestError, match=r"expected columns of the table as categories, found 'd'"):
        table_spec.learn(["c"], rows, ["d"])


def test_a_whole_number_is_the_same_code_with_a_fraction_of_zeros() -> None:
    for written, read in (("%d", "%.1f"), ("%.1f", "%d")):
        spec = table_spec.learn(["c"], [[written % code] for code in (1, 2, 10) * 2], ["c"]).spec
        encode = table_spec.encoder(spec, ["c"])
        for code in (1, 2, 10):
            assert encode([read % code]).tolist() == encode([written % code]).tolist()
            assert encode([read % code])[0] == 0
        assert encode(["1.5"])[0] == encode(["3.0"])[0] == 1
    # Both in one column are one value.
    mixed = table_spec.learn(["c"], [["1"], ["1.0"], ["2"], ["2.0"]], ["c"]).spec
    assert mixed.columns[0].values == ("1", "2")
    # What begins with a zero is a code of its own.
    encode = table_spec.encoder(table_spec.learn(["c"], [["01"], ["1"]] * 2, ["c"]).spec, ["c"])
    assert [encode([cell]).argmax() for cell in ("01", "1", "1.0", "001")] == [1, 2, 2, 0]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["1,5", "2,5"] * 5, "column 'c' is read as categories, since '1,5' is no number; write numbers as 1234.5"),
        (["46%", "7%"] * 5, "column 'c' is read as categories, since '46%' is no number; write numbers as 1234.5"),
        (["1,234", "12"] * 5, "column 'c' is read as categories, since '1,234' is no number; write numbers as 1234.5"),
        (["inf", "1", "2"] * 5, "column 'c' is read as categories, since 'inf' is no number; write numbers as 1234.5"),
        ([f"id {n % 70}" for n in range(140)], "column 'c' is read as categories: 64 of 70 values have a place"),
    ],
)
def test_columns_that_were_perhaps_meant_otherwise_are_named(cells: list[str], said: str) -> None:
    (line,) = table_spec.learn(["c"], [[cell] for cell in cells]).doubtful
    assert line.startswith(said)
    assert not table_spec.learn(["c"], [[cell] for cell in cells], ["c"]).doubtful


def test_nothing_is_doubtful_of_words_and_of_numbers() -> None:
    rows = [["red", "1", "2020-01-05", "room 4"], ["blue", "2.5", "2020-01-06", "room 5"]] * 4
    assert not table_spec.learn(["a", "b", "c", "d"], rows).doubtful


def test_columns_that_say_nothing_are_named() -> None:
    rows = [["7", "", f"id{place}", str(place)] for place in range(9)]
    learnt = table_spec.learn(["always", "never", "key", "x"], rows)
    assert learnt.spec.names == ("x",)
    assert [str(column) for column in learnt.left_out] == [
        "column 'always' is '7' in every training example",
        "column 'never' has no value in any training example",
        "column 'key' has another value in each of 9 training examples; as text it can be read by itself",
    ]
    assert [column.name for column in learnt.left_out if column.constant] == ["always", "never"]
    with pytest.raises(DataError, match=r"no column says anything: column 'always' is '7' in every training example"):
        table_spec.learn(["always"], [["7"], ["7"]])


def test_one_number_is_one_value_however_it_is_written() -> None:
    rows = [["5", "01", "1"], ["5.0", "1", "2"], ["05", "1.0", "3"]]
    assert [column.name for column in table_spec.learn(["same", "code", "x"], rows, ["code"]).left_out] == ["same"]
    assert table_spec.learn(["code", "x"], [["1", "1"], ["1.0", "2"]], ["code"]).left_out[0].constant


def test_a_value_that_is_sometimes_there_says_something() -> None:
    learnt = table_spec.learn(["a"], [["7"], [""], ["7"]])
    encode = table_spec.encoder(learnt.spec, ["a"])
    assert encode(["7"]).tolist() == [0, 0]
    assert encode([""]).tolist() == [0, 1]


def test_columns_are_found_by_name() -> None:
    spec = TableSpec((Column("a", "number"), Column("b", "number")))
    assert table_spec.encoder(spec, ("b", "x", "a"))(["1", "?", "2"]).tolist() == [2, 1]
    with pytest.raises(DataError, match=r"expected the 2 columns .*, found no 'b'; nearest known names: bb"):
        table_spec.encoder(spec, ("a", "bb"))
    with pytest.raises(DataError, match=r"has '1,5' in the column 'a', expected a number"):
        table_spec.encoder(spec, ("a", "b"))(["1,5", "0"])


def test_few_words_among_numbers_do_not_make_a_category() -> None:
    rows = [[str(place)] for place in range(19)] + [["many"]]
    assert table_spec.learn(["n"], rows).spec.columns[0].kind == "number"


def test_the_places_of_columns_and_the_way_to_json_and_back() -> None:
    spec = TableSpec((Column("a", "number", 1.5, 2.0, True), Column("b", "category", values=("x", "y"))))
    assert spec.places == (slice(0, 2), slice(2, 5))
    assert spec.width == 5
    assert plain.from_plain(TableSpec, json.loads(plain.to_json(spec))) == spec
    with pytest.raises(RequestError, match=r"a finite mean and a scale above 0 for 'a', found 0.0, 0.0"):
        Column("a", "number", scale=0.0)
    with pytest.raises(RequestError, match=r"columns of different names, found a, a"):
        TableSpec((Column("a", "number"), Column("a", "number")))


def test_what_is_said_of_columns_must_go_together() -> None:
    assert named(" a, b ,") == ("a", "b")
    with pytest.raises(RequestError, match=r"either a column of text or columns of numbers .* found 't' and a, b"):
        Columns(text="t", features=("a", "b"))
    with pytest.raises(RequestError, match=r"the column 'y' cannot be both the label and what it is told from"):
        Columns(label="y", features=("x", "y"))
    with pytest.raises(RequestError, match=r"expected each column once, found 'x' twice"):
        Columns(features=("x", "x"))
