from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft import data
from regraft.core.errors import DataError, RequestError
from regraft.core.plan import SplitSpec
from regraft.core.progress import collecting_warnings


@pytest.fixture
def pictures(tmp_path: Path, picture) -> Path:
    for index in range(8):
        picture(tmp_path / "p" / f"{index}.png", index)
    return tmp_path


def rows(delimiter: str = ",", split: bool = False) -> str:
    head = ["path", "label", *(["split"] if split else [])]
    lines = [
        [f"p/{i}.png", "ab"[i % 2], *(["train train val Test"[:99].split()[i // 2]] if split else [])] for i in range(8)
    ]
    return "".join(delimiter.join(line) + "\n" for line in [head, *lines])


@pytest.mark.parametrize(("name", "delimiter"), [("t.csv", ","), ("t.csv", ";"), ("t.tsv", "\t"), ("T.CSV", "\t")])
def test_text_tables(pictures: Path, name: str, delimiter: str) -> None:
    (pictures / name).write_text(rows(delimiter))
    examples = data.open(pictures / name, split=SplitSpec(0, 0))
    assert examples.classes == ("a", "b")
    assert examples.labels.tolist() == [0, 1] * 4
    assert examples.names[3] == "p/3.png"
    np.testing.assert_array_equal(examples.load([3], 3)[0], np.asarray(Image.open(pictures / "p" / "3.png")))


def test_stated_splits(pictures: Path) -> None:
    (pictures / "t.csv").write_text(rows(split=True))
    examples = data.open(pictures / "t.csv")
    assert examples.split.tolist() == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2


def test_rows_without_a_split_are_for_training(pictures: Path) -> None:
    text = "path,label,split\n" + "".join(
        f"p/{i}.png,{'ab'[i % 2]},{'validation' if i > 5 else ''}\n" for i in range(8)
    )
    (pictures / "t.csv").write_text(text)
    assert data.open(pictures / "t.csv").split.tolist() == ["train"] * 6 + ["validation"] * 2


def test_a_spreadsheet_s_habits(pictures: Path) -> None:
    text = '\ufeffLabel, Path ,other\r\n"a, b",p/0.png,1\r\n\r\nc,p/1.png,2\r\n10,p/2.png\r\n9,p/3.png,,,\r\n'
    (pictures / "t.csv").write_bytes(text.encode())
    assert data.open(pictures / "t.csv", split=SplitSpec(0, 0)).classes == ("9", "10", "a, b", "c")


def test_absolute_paths(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    table = tmp_path_factory.mktemp("tables") / "t.csv"
    table.write_text(rows().replace("p/", f"{pictures}/p/"))
    assert len(data.open(table)) == 8


def test_parquet(pictures: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = {
        "path": [f"p/{i}.png" for i in range(8)],
        "label": [9, 10] * 4,
        "split": ["train"] * 4 + [None] * 2 + ["test"] * 2,
    }
    parquet.write_table(pa.table({**table, "note": list(range(8))}), pictures / "t.parquet")
    examples = data.open(pictures / "t.parquet", split=SplitSpec(0, 0))
    assert examples.classes == ("9", "10")
    assert examples.split.tolist() == ["train"] * 6 + ["test"] * 2
    (pictures / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"cannot read table '.*bad.parquet'"):
        data.open(pictures / "bad.parquet")


def test_missing_files_are_left_out_and_named(pictures: Path) -> None:
    (pictures / "t.csv").write_text(rows() + "p/gone.png,a\np/0.png,\n,b\n")
    with collecting_warnings() as warned:
        examples = data.open(pictures / "t.csv")
    assert len(examples) == 8
    assert examples.left_out == (
        "line 12 of 't.csv' has no path",
        "'p/gone.png' is missing: no such file",
        "'p/0.png' has no label",
    )
    assert warned[0] == f"left out of '{pictures / 't.csv'}': {'; '.join(examples.left_out)}; 8 examples are used"
    with pytest.raises(DataError, match=r"line 12 of 't.csv' has no path, in '.*t.csv' and 2 more"):
        data.open(pictures / "t.csv", strict=True)


def test_all_files_missing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(rows())
    with pytest.raises(DataError, match=r"no usable example in '.*t.csv': 'p/0.png' is missing.*; and 5 more"):
        data.open(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a table, found an empty file at .*t.csv"),
        ("path,lable\np/0.png,a\n", "found no 'label' but path, lable; nearest known names: lable"),
        ("path,label\n", "expected one row per picture in '.*t.csv', found none"),
        (
            "path,label,split\np/0.png,a,trian\n",
            "line 2 of '.*t.csv': expected split .*, found 'trian'; nearest .* train",
        ),
        ("path,label\np/0.png,a\np/1.png,a\n", "expected at least two classes in '.*t.csv', found only 'a'"),
    ],
)
def test_tables_that_cannot_be_used(pictures: Path, text: str, message: str) -> None:
    (pictures / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        data.open(pictures / "t.csv")


def test_tables_that_are_no_text(pictures: Path) -> None:
    (pictures / "t.csv").write_bytes(b"path,label\n\xff\xfe,a\n")
    with pytest.raises(DataError, match=r"cannot read table '.*t.csv': .*; expected UTF-8 text"):
        data.open(pictures / "t.csv")


def test_labels_are_not_for_tables(pictures: Path) -> None:
    (pictures / "t.csv").write_text(rows())
    with pytest.raises(RequestError, match=r"labels= is for arrays; the column 'label' of '.*t.csv' says the labels"):
        data.open(pictures / "t.csv", labels=[1])
