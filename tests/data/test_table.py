import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from regraft import data
from regraft.core.columns import Columns
from regraft.core.errors import DataError, RequestError
from regraft.core.plan import SplitSpec
from regraft.core.progress import collecting_warnings
from regraft.data import table, text_folder
from regraft.data.described import described

WHOLE = SplitSpec(0, 0)
TEXTS = ["one fine day it was", 'she said "no, never" to him', "a, b; and c again", "caf\u00e9 and more of that"]


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def opened(path: Path, columns: Columns | None = None, lenient: bool = False) -> data.Examples:
    return data.open(path, split=WHOLE, lenient=lenient, columns=columns)


def texts(examples: data.Examples) -> list[str]:
    return [str(row[0]) for row in examples.load(range(len(examples)))]


def as_csv(path: Path, delimiter: str = ",") -> Path:
    quoted = ['"' + text.replace('"', '""') + '"' for text in TEXTS]
    lines = [delimiter.join(["text", "label"]), *(f"{text}{delimiter}{'ab'[i % 2]}" for i, text in enumerate(quoted))]
    return written(path, "\ufeff" + "\r\n".join(lines) + "\r\n")


def test_one_text_has_one_id_in_every_kind_of_file(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    labels = ["a", "b", "a", "b"]
    files = [
        as_csv(tmp_path / "t.csv"),
        as_csv(tmp_path / "s.csv", ";"),
        written(
            tmp_path / "t.tsv",
            "".join(f"{t}\t{y}\n" for t, y in zip(["text", *TEXTS], ["label", *labels], strict=True)),
        ),
        written(
            tmp_path / "t.jsonl",
            "".join(json.dumps({"text": t, "label": y, "n": 1}) + "\n\n" for t, y in zip(TEXTS, labels, strict=True)),
        ),
        tmp_path / "t.parquet",
    ]
    parquet.write_table(pa.table({"text": TEXTS, "label": labels}), files[-1])
    first = opened(files[0])
    assert texts(first) == TEXTS
    assert first.columns == Columns(label="label", text="text")
    assert first.shape == (1,)
    assert first.names[1] == 'line 3: she said "no, never" to him'
    for file in files[1:]:
        other = opened(file)
        assert other.ids == first.ids, file.name
        assert other.digest() == first.digest()
        assert other.classes == ("a", "b")
    memory = data.open((TEXTS, labels), split=WHOLE)
    assert memory.ids == first.ids
    assert memory.digest() == first.digest()


def test_quotation_marks_in_tables_with_tabs_are_marks_like_others(tmp_path: Path) -> None:
    path = written(tmp_path / "t.tsv", 'label\ttext\na\t"an open one\nb\tit"s\na\t"He said ""no"""\nb\tx y\n')
    assert texts(opened(path)) == ['"an open one', 'it"s', 'He said "no"', "x y"]


def test_quoted_cells_with_tabs_and_line_ends(tmp_path: Path) -> None:
    path = written(tmp_path / "t.tsv", 'label\ttext\na\t"one\ttwo"\nb\t"three\nfour"\n')
    examples = opened(path)
    assert texts(examples) == ["one\ttwo", "three\nfour"]
    assert examples.names[1] == "line 3: three four"


def test_a_file_without_a_header(tmp_path: Path) -> None:
    path = written(tmp_path / "t.tsv", "ham\thello my dear friend\nspam\twin a prize right now\n")
    examples = opened(path, Columns(header=False, label="1"))
    assert examples.columns == Columns(header=False, label="1", text="2")
    assert examples.classes == ("ham", "spam")
    assert examples.names[0] == "line 1: hello my dear friend"
    with pytest.raises(DataError, match=r"a column of labels in '.*', found ham, hello my .*--label-column; the first"):
        opened(path, Columns(text="hello my dear friend"))


def test_rows_of_numbers_and_categories(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "age,sex,class,split\n1,f,a,train\n2,m,b,train\n3,,a,test\n")
    examples = opened(path)
    assert examples.columns == Columns(label="class", features=("age", "sex"))
    assert [row.tolist() for row in examples.load([0, 2])] == [["1", "f"], ["3", ""]]
    assert examples.split.tolist() == ["train", "train", "test"]
    assert examples.names[2] == "line 4"
    chosen = opened(path, Columns(label="sex", features=("age",)))
    assert chosen.classes == ("f", "m")
    assert chosen.left_out == ("'line 4' has no label",)
    marked = opened(written(tmp_path / "m.csv", "age,class\n1,a\n2,NA\n3,b\n4,?\n5,null\n6,a\n"))
    assert marked.classes == ("a", "b")
    assert marked.left_out == tuple(f"'line {line}' has no label" for line in (3, 5, 6))
    # The same cells under the same names are the same, in whatever order; under others they are not.
    turned = written(tmp_path / "u.csv", "class,sex,age\na,f,1\nb,m,2\n")
    assert list(opened(turned).ids)[:2] == list(examples.ids)[:2]
    other = written(tmp_path / "v.csv", "class,sex,size\na,f,1\nb,m,2\n")
    assert next(iter(opened(other).ids)) != examples.ids[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "a,b\n1,2\n", r"expected a column of labels in '.*', found a, b; name it with --label-column"),
        ("t.csv", "5.1,iris\n4.9,iris\n", r"the first line looks like an example: if it is one, say --no-header"),
        ("t.csv", "label\na\nb\n", "expected columns beside the labels in '.*', found only label"),
        ("t.csv", "label,label\na,b\n", "columns of different names in '.*', found 'label' twice"),
        ("t.csv", "text,label\n", "expected rows in '.*', found none that can be read"),
        ("t.csv", "text,label\na b,c,d\n", "found none that can be read: line 2 of 't.csv' has 3 cells, expected 2"),
        ("t.csv", "text,label\nx y z,a\n,b\n", r"expected at least two classes .* 'line 3: ' is empty"),
        ("t.jsonl", "[1]\n", "expected one JSON object a line in '.*', found none: line 1 is no JSON object but list"),
        ("t.jsonl", '{"text": "a"', "found none: line 1 is not JSON"),
        ("t.jsonl", '{"label": {"a": 1}, "text": "x"}', "line 1 has an object as 'label', expected a text or a number"),
        ("t.csv", 'text,label\n"a b,c\n', "found none that can be read: line 2 of 't.csv' has 1 cells, expected 2"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message), collecting_warnings():
        opened(written(tmp_path / name, text))


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "text,kind\na,b\n")
    with pytest.raises(
        DataError, match=r"expected a column 'kid' in '.*', found text, kind; nearest known names: kind"
    ):
        opened(path, Columns(label="kid"))
    with pytest.raises(
        RequestError, match=r"expected a table \(.csv, .*\) or texts, which columns are said of, found '.*'"
    ):
        data.open(tmp_path, columns=Columns(label="kind"))
    with pytest.raises(RequestError, match=r"columns are of a table, and a numpy.ndarray is none"):
        data.open(np.zeros((2, 3)), labels=[0, 1], columns=Columns(label="kind"))
    with pytest.raises(RequestError, match=r"labels= names the column of labels of '.*', or is for arrays"):
        data.open(path, labels=[1])


def test_labels_that_are_amounts_are_no_classes(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "x,y\n" + "".join(f"{i},{i * 1.5}\n" for i in range(40)))
    with pytest.raises(
        DataError, match=r"expected classes in the column 'y' of .*, found 40 different values in 40 rows"
    ):
        opened(path)


def test_encodings_are_said_and_never_guessed(tmp_path: Path) -> None:
    text = "text,label\nall is well here,a\n" + "caf\u00e9 au lait,b\n"
    path = written(tmp_path / "t.csv", text, "latin-1")
    with pytest.raises(DataError, match=r"expected utf-8 text in '.*', found the byte 0xe9 in line 3; say .* latin-1"):
        opened(path)
    assert texts(opened(path, Columns(encoding="latin-1")))[1] == "caf\u00e9 au lait"
    wide = written(tmp_path / "w.csv", text, "utf-16")
    with pytest.raises(DataError, match=r"found UTF-16; say --encoding utf-16"):
        opened(wide)
    assert texts(opened(wide, Columns(encoding="utf-16")))[1] == "caf\u00e9 au lait"
    narrow = written(tmp_path / "n.csv", text, "utf-8")
    with pytest.raises(DataError, match=r"cannot read '.*n.csv' as utf-16: .*; say which encoding it has"):
        opened(narrow, Columns(encoding="utf-16"))
    with pytest.raises(RequestError, match=r"unknown encoding 'latin-99'; expected a name such as utf-8"):
        opened(path, Columns(encoding="latin-99"))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_of_several_bytes_a_character_is_named(tmp_path: Path, encoding: str, end: str) -> None:
    text = end.join(["text,label", "all is well here,a", "caf\u00e9 au lait,b", ""])
    path = written(tmp_path / "t.csv", text, encoding)
    message = rf"expected utf-8 text in '.*t.csv', found {encoding[:6].upper()}; say --encoding {encoding}$"
    for open_ in (data.open, data.open_unlabelled):
        with pytest.raises(DataError, match=message):
            open_(path)
    assert texts(opened(path, Columns(encoding=encoding)))[1] == "caf\u00e9 au lait"


def test_single_zeros_are_no_sign_of_an_encoding(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "age,label\n1,a\n\x002,b\n")
    assert len(opened(path)) == 2


def test_line_ends_of_carriage_returns_alone_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "text,label\rall is well,a\r")
    for open_ in (data.open, data.open_unlabelled):
        with pytest.raises(DataError, match=r"cannot read table '.*t.csv' from line 1: a carriage return stands"):
            open_(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_rows_of_empty_cells_are_rows_and_blank_lines_are_none(tmp_path: Path, separator: str) -> None:
    lines = ["", ",,", "age,sex,label", "1,f,a", ",,", "", "  ", "2,m,b", ",,"]
    path = written(tmp_path / "t.csv", "\n".join(lines).replace(",", separator))
    examples = data.open_unlabelled(path, split=WHOLE)
    assert [row.tolist() for row in examples.load(range(4))] == [["1", "f"], ["", ""], ["2", "m"], ["", ""]]
    assert examples.names[1] == "line 5"
    assert examples.labels.tolist() == [0, -1, 1, -1]
    with collecting_warnings():
        assert opened(path).left_out == ("'line 5' has no label", "'line 9' has no label")
    asked = data.rows_in([written(tmp_path / "u.csv", "age,sex\n,\n,\n")], Columns(features=("age", "sex")))
    assert [asked.read(index, None).tolist() for index in range(2)] == [["", ""], ["", ""]]


def test_a_cell_in_quotation_marks_is_a_row_even_if_empty(tmp_path: Path) -> None:
    with collecting_warnings():
        asked = data.rows_in([written(tmp_path / "t.csv", 'text\n"one two"\n""\n\nthree\n')], Columns(text="text"))
    assert len(asked.names) == 3


def test_commas_in_a_table_that_is_called_as_those_with_tabs_are(tmp_path: Path) -> None:
    message = r"separated by tabs in '.*t.tsv', found one column 'age,label'; the separator seems to be a comma"
    path = written(tmp_path / "t.tsv", "age,label\n1,a\n2,b\n")
    for open_ in (data.open, data.open_unlabelled):
        with pytest.raises(DataError, match=message):
            open_(path)
    # Texts may hold commas.
    assert len(data.open_unlabelled(written(tmp_path / "u.tsv", "text, one a line\none\ntwo\n"))) == 2


def test_an_empty_table_is_called_empty(tmp_path: Path) -> None:
    for text, open_ in itertools.product(("", "\n"), (data.open, data.open_unlabelled)):
        path = written(tmp_path / "t.csv", text)
        with pytest.raises(DataError, match=r"expected a table, found an empty file at '.*t.csv'"):
            open_(path)


def test_separators_of_old_texts_end_no_line(tmp_path: Path) -> None:
    path = written(tmp_path / "t.tsv", "label\ttext\na\tone \x85 two\nb\tthree \u2028 four\n")
    assert texts(opened(path)) == ["one \x85 two", "three \u2028 four"]


def test_halves_of_pairs_in_json_do_no_harm(tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl", '{"text": "x \\ud83d y z", "label": "a"}\n{"text": "d e f", "label": "b"}\n')
    assert texts(opened(path))[0] == "x ? y z"


def test_lists_of_pictures_are_told_apart(tmp_path: Path) -> None:
    listed = written(tmp_path / "p.csv", "path,label\nx.png,a\n")
    assert described(listed, None) == listed
    assert table.accepts(described(listed, Columns(text="path")))


def test_a_folder_of_texts(tmp_path: Path) -> None:
    for place, text in enumerate(TEXTS):
        folder = tmp_path / "train" / ("pos", "neg")[place % 2]
        folder.mkdir(parents=True, exist_ok=True)
        written(folder / f"{place}.txt", text)
        (tmp_path / "test" / folder.name).mkdir(parents=True, exist_ok=True)
        written(tmp_path / "test" / folder.name / f"{place}.txt", text + " again")
    written(tmp_path / "train" / "pos" / "9.txt", "caf\u00e9", "latin-1")
    with pytest.raises(
        DataError, match=r"utf-8 text in all files of .*, found the byte 0xe9 in 'train/pos/9.txt'; say"
    ):
        opened(tmp_path)
    with pytest.raises(RequestError, match=r"unknown encoding 'klingon'; expected a name such as utf-8"):
        opened(tmp_path, Columns(encoding="klingon"))
    with collecting_warnings() as warned:
        examples = opened(tmp_path, lenient=True)
    assert examples.classes == ("neg", "pos")
    assert len(examples) == 8
    assert examples.split.tolist().count("test") == 4
    assert (
        "'train/pos/9.txt' is no utf-8 text: it holds the byte 0xe9; say the encoding of all of them, such as --enc"
        in warned[0]
    )
    assert sorted(texts(examples.take(examples.indices("train")))) == sorted(TEXTS)
    assert text_folder.accepts(described(tmp_path, None))
    # A text has the same id wherever it lies.
    assert set(examples.ids) >= set(data.open((TEXTS, list("abab")), split=WHOLE).ids)


def test_data_frames() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": [1.5, None, 3.0], "sex": ["f", "m", None], "kind": ["a", "b", "a"]})
    examples = data.open(frame, labels="kind", split=WHOLE)
    assert [row.tolist() for row in examples.load([0, 1, 2])] == [["1.5", "f"], ["", "m"], ["3.0", ""]]
    assert examples.columns == Columns(label="kind", features=("age", "sex"))
    assert data.open(frame[["age", "sex"]], labels=["a", "b", "a"], split=WHOLE).ids == examples.ids
    said = data.open(frame, columns=Columns(label="kind", features=("sex",)), split=WHOLE)
    assert said.load([1])[0].tolist() == ["m"]
    with pytest.raises(DataError, match=r"the data frame has 3 rows, labels has 1; give one label for each"):
        data.open(frame, labels=["a"])


def test_texts_in_memory() -> None:
    examples = data.open({"x_train": TEXTS, "y_train": [0, 1, 0, 1], "x_test": np.array(["x y"]), "y_test": [1]})
    assert examples.names[4] == "test index 0: x y"
    assert examples.split.tolist()[4] == "test"
    with pytest.raises(DataError, match=r"in the arrays given x has 4 texts, y has 1 labels; give one label for each"):
        data.open((TEXTS, [1]))


@pytest.mark.shared
def test_real_messages(shared_folder: Path) -> None:
    examples = data.open(shared_folder / "data/text_sms_spam/sms.tsv", columns=Columns(header=False, label="1"))
    # The number of lines of the file: quotation marks that are not closed have swallowed none.
    assert len(examples) == 5574
    assert examples.classes == ("ham", "spam")
    assert sum(examples.labels == 1) == 747


@pytest.mark.shared
def test_real_tables_without_headers(shared_folder: Path) -> None:
    path = shared_folder / "data/tabular_uci/ionosphere.csv"
    examples = data.open(path, columns=Columns(header=False, label="35"))
    assert len(examples) == 351
    assert examples.classes == ("b", "g")
    assert examples.shape == (34,)


def test_gzip_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(gzip.compress(b"text,label\na,b\n"))
    with pytest.raises(DataError, match=r"expected utf-8 text|cannot read table"):
        opened(path)
