"""Groups as users have them: a column of a table, of a data frame, of a list of pictures; an array beside x."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regraft import data
from regraft.core.columns import Columns
from regraft.core.errors import DataError, RequestError
from regraft.core.progress import collecting_warnings

GROUP = {"group": "person"}


def _rows(count: int = 12) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    return [
        {"a": float(random.random()), "b": index, "person": f"p{index // 3}", "label": "xy"[index % 2]}
        for index in range(count)
    ]


def _written(path: Path, rows: list[dict[str, Any]]) -> Path:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows)
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet", "frame"])
def test_a_column_of_groups_is_no_feature(name: str, tmp_path: Path) -> None:
    given: Any = _written(tmp_path / name, _rows()) if name != "frame" else None
    if given is None:
        given = pytest.importorskip("pandas").DataFrame(_rows())
    found = data.open_unlabelled(given, columns=GROUP)
    assert found.columns is not None
    assert found.columns.features == ("a", "b")
    assert (found.columns.label, found.columns.group) == ("label", "person")
    assert found.group_names == ("p0", "p1", "p2", "p3")
    assert found.groups is not None
    assert found.groups.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert found.take([0, 11]).groups.tolist() == [0, 3]  # pyright: ignore
    assert data.open_unlabelled(given).groups is None


def test_a_column_of_groups_is_no_text(tmp_path: Path) -> None:
    rows = [{"message": f"some words of a message {i}", "person": f"one of us {i // 2}"} for i in range(10)]
    found = data.open_unlabelled(_written(tmp_path / "t.csv", rows), columns=GROUP)
    assert found.columns == Columns(text="message", group="person")


def test_an_empty_cell_is_no_group(tmp_path: Path) -> None:
    rows = [{**row, "person": "" if row["b"] < 2 else row["person"]} for row in _rows()]
    found = data.open_unlabelled(_written(tmp_path / "t.csv", rows), columns=GROUP)
    assert found.groups is not None
    assert found.groups.tolist()[:4] == [-1, -1, 0, 1]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_list_of_pictures_has_groups(name: str, tmp_path: Path, picture) -> None:
    rows = [{"path": f"p/{index}.png", "label": "xy"[index % 2], "Who": index // 2} for index in range(8)]
    for index in range(8):
        picture(tmp_path / "p" / f"{index}.png", index)
    table = _written(tmp_path / name, rows)
    found = data.open_unlabelled(table, columns={"group": "Who"})
    assert (found.columns, found.shape, found.classes) == (None, None, ("x", "y"))
    assert found.groups is not None
    assert found.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(DataError, match=r"expected a column 'Whom' in '.*', found path, label, Who; nearest .*: Who"):
        data.open_unlabelled(table, columns={"group": "Whom"})
    with pytest.raises(
        DataError, match=r"the column 'label' of '.*', named as the one of groups, is that of labels; l"
    ):
        data.open_unlabelled(table, columns={"group": "label"})
    with pytest.raises(RequestError, match=r"of the table of pictures '.*' only the column of groups can be named"):
        data.open_unlabelled(table, columns={"group": "Who", "label": "label"})


def test_an_array_of_groups_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    x, groups = np.random.default_rng(0).random((12, 3)), np.repeat([7, 3, 10], 4)
    np.savez(tmp_path / "d.npz", x=x, groups=groups)
    for given in (tmp_path / "d.npz", {"x": x, "groups": groups}):
        with collecting_warnings() as warned:
            found = data.open_unlabelled(given, groups=True)
        assert not warned
        assert found.group_names == ("3", "7", "10")
        assert found.groups is not None
        assert found.groups.tolist() == [1] * 4 + [0] * 4 + [2] * 4
        with collecting_warnings() as warned:
            assert data.open_unlabelled(given).groups is None
        assert "groups; what is known by name" in warned[0]
    texts = data.open_unlabelled({"x": [f"text {i}" for i in range(12)], "groups": list("aabbccddeeff")}, groups=True)
    assert texts.group_names == tuple("abcdef")


def test_groups_stand_beside_the_examples_of_each_split(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((12, 3))
    given = {"x_train": x[:6], "groups_train": [5, 5, 6, 6, 7, 7], "x_val": x[6:8], "x_test": x[8:]}
    np.savez(tmp_path / "d.npz", **given, groups_test=[7, 7, 8, 8])
    for named, tested in ((given, [-1] * 4), (tmp_path / "d.npz", [2, 2, 3, 3])):
        with collecting_warnings() as warned:
            found = data.open_unlabelled(named, groups=True)
        assert not warned
        assert found.groups is not None
        # Of the examples for validation nobody says it.
        assert found.groups.tolist() == [0, 0, 1, 1, 2, 2, -1, -1, *tested]
    images = {"train_images": x, "train_groups": list("aabbccddeeff")}
    assert data.open_unlabelled(images, groups=True).group_names == tuple("abcdef")
    with pytest.raises(DataError, match="in the dictionary x_test has 4 examples, groups_test has 3; give one group"):
        data.open_unlabelled({**given, "groups_test": [1, 2, 3]}, groups=True)
    with collecting_warnings() as warned:
        assert data.open_unlabelled({"x_train": x, "groups": [1] * 12}, groups=True).groups is None
    assert "not read of the dictionary: groups; " in warned[0]
    assert warned[0].endswith("classes, and groups as groups_train")


def test_groups_are_not_read_of_labelled_examples() -> None:
    with collecting_warnings() as warned:
        found = data.open({"x": np.eye(8), "y": [0, 1] * 4, "groups": [0] * 8})
    assert found.groups is None
    assert warned[0].startswith("not read of the dictionary: groups; what is known by name")


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros(7), "in the dictionary x has 8 examples, groups has 7; give one group for each"),
        (np.zeros((8, 2)), r"groups: expected an integer or a string for each example .*, found float64 of shape"),
        (np.full(8, 0.5), "groups: expected whole numbers"),
        ([None] * 7 + [b"a"], None),
    ],
)
def test_an_array_of_groups_that_cannot_be_is_refused(groups: Any, message: str | None) -> None:
    given = {"x": np.eye(8), "groups": groups}
    if message is None:
        assert data.open_unlabelled(given, groups=True).groups.tolist() == [-1] * 7 + [0]  # pyright: ignore
        return
    with pytest.raises(DataError, match=message):
        data.open_unlabelled(given, groups=True)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"group": "persn"}, r"expected a column 'persn' in '.*t.csv', found a, b, person, label; nearest .*: person"),
        (
            {"group": "label"},
            r"the column 'label' of '.*t.csv', named as the one of groups, is that of labels; leave it",
        ),
        ({"group": "a", "label": "a"}, "the column 'a' cannot be both the group and the label; name another one"),
        ({"group": "a", "text": "a"}, "the column 'a' cannot be both the group and one that is read"),
        ({"group": "a", "features": ["a", "b"]}, "the column 'a' cannot be both the group and one that is read"),
        ({"group": "a", "categories": ["a"]}, "the column 'a' cannot be both the group and one that is read"),
        ({"group": "person", "label": "b", "features": ["q"]}, "expected a column 'q'"),
    ],
)
def test_a_column_that_cannot_be_the_groups_is_named(columns: Any, message: str, tmp_path: Path) -> None:
    table = _written(tmp_path / "t.csv", _rows())
    with pytest.raises(RequestError, match=message):
        data.open_unlabelled(table, columns=columns)


def test_a_column_of_splits_is_none_of_groups(tmp_path: Path) -> None:
    table = _written(tmp_path / "t.csv", [{**row, "Split": "train"} for row in _rows()])
    with pytest.raises(
        DataError, match=r"the column 'Split' of .*, named as the one of groups, is that of splits; name"
    ):
        data.open_unlabelled(table, columns={"group": "Split"})


def test_what_has_no_columns_has_no_column_of_groups(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("one\ntwo\n")
    np.savez(tmp_path / "d.npz", x=np.eye(4))
    with pytest.raises(RequestError, match=r"expected a table .* with a column of groups 'person', found '.*t.txt'$"):
        data.open_unlabelled(tmp_path / "t.txt", columns=GROUP)
    with pytest.raises(RequestError, match=r"found '.*d.npz'; an .npz file has its groups as an array groups beside x"):
        data.open_unlabelled(tmp_path / "d.npz", columns=GROUP)
    with pytest.raises(RequestError, match=r"columns are of a table, and a builtins\.list is none"):
        data.open_unlabelled(["some", "texts"], columns=GROUP)


def test_what_reads_no_groups_refuses_a_column_of_them(tmp_path: Path) -> None:
    table = _written(tmp_path / "t.csv", _rows())
    with pytest.raises(RequestError, match="the column of groups 'person' is read by pretraining alone, by the method"):
        data.open(table, columns=GROUP)
    aside = data.open(table, columns=GROUP, grouped=True)
    assert aside.columns is not None
    assert (aside.columns.features, aside.groups) == (("a", "b"), None)


def test_groups_are_part_of_the_digest() -> None:
    x = np.random.default_rng(0).random((6, 3))
    given = {"x": x, "groups": [0, 0, 1, 1, 2, 2]}
    whole = data.open_unlabelled(given, groups=True).digest()
    turned = {"x": x[::-1], "groups": [2, 2, 1, 1, 0, 0]}
    assert whole == data.open_unlabelled(turned, groups=True).digest()
    assert whole != data.open_unlabelled({**given, "groups": [0, 1, 1, 1, 2, 2]}, groups=True).digest()
    assert whole != data.open_unlabelled(given).digest()
