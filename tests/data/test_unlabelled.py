"""Examples of which some or all have no label."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import DataError, RequestError
from regraft.core.progress import collecting_warnings
from regraft.data import arranged, open_unlabelled
from regraft.data import open as open_data


def _pictures(folder: Path, names: list[str]) -> Path:
    random = np.random.default_rng(len(names))
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (6, 6, 3), np.uint8)).save(folder / name)
    return folder


def test_pictures_need_not_lie_in_classes(tmp_path: Path) -> None:
    found = open_unlabelled(_pictures(tmp_path, ["a.png", "b.png", "more/c.png"]))
    assert list(found.names) == ["a.png", "b.png", "more/c.png"]
    assert found.classes == ()
    assert found.labels.tolist() == [-1, -1, -1]
    assert set(found.split) == {"train"}


def test_sub_folders_are_classes_and_what_lies_beside_them_has_none(tmp_path: Path) -> None:
    found = open_unlabelled(_pictures(tmp_path, ["cat/1.png", "dog/2.png", "dog/3.png", "loose.png"]))
    assert found.classes == ("cat", "dog")
    assert dict(zip(found.names, found.labels.tolist(), strict=True)) == {
        "cat/1.png": 0,
        "dog/2.png": 1,
        "dog/3.png": 1,
        "loose.png": -1,
    }


def test_one_sub_folder_alone_is_no_class_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(arranged, "say", said.append)
    found = open_unlabelled(_pictures(tmp_path, ["cat/1.png", "cat/2.png"]))
    assert found.classes == ()
    assert said == [f"all pictures in sub-folders of '{tmp_path}' lie in 'cat': one class alone gives them no labels"]


def test_texts_need_not_lie_in_classes(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"note {number} \u00e4.txt").write_text(f"text {number}")
    found = open_unlabelled(tmp_path)
    assert (list(found.names), found.classes) == ([f"note {number} \u00e4.txt" for number in range(3)], ())
    assert [str(found.load([index])[0][0]) for index in range(3)] == ["text 0", "text 1", "text 2"]
    with pytest.raises(
        DataError, match=r"found texts directly in it \(3, such as 'note 0 .*put the texts of each class"
    ):
        open_data(tmp_path)
    # Beside classes a text is one without a label; what is called otherwise is none.
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text(f"of {name}")
    (tmp_path / "README.md").write_text("a note")
    found = open_unlabelled(tmp_path)
    assert dict(zip(found.names, found.labels.tolist(), strict=True)) == {
        **{f"note {number} \u00e4.txt": -1 for number in range(3)},
        "a/1.txt": 0,
        "b/1.txt": 1,
    }


def test_texts_among_other_files_are_not_taken_for_pictures(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")
    (tmp_path / "index.html").write_text("no text")
    with pytest.raises(DataError, match=r"its .txt files \(3\) .* put what is called otherwise elsewhere, such as 'i"):
        open_unlabelled(tmp_path)


@pytest.mark.parametrize("part", ["", "train/"])
def test_one_sub_folder_is_named_where_classes_are_needed(tmp_path: Path, part: str) -> None:
    _pictures(tmp_path, [f"{part}cat/1.png", f"{part}cat/2.png"])
    with pytest.raises(DataError, match=r"expected at least two classes in '.*', found only 'cat'$"):
        open_unlabelled(tmp_path, classes=2)
    (tmp_path / f"{part}bats").mkdir()
    with pytest.raises(DataError, match=r"expected at least two classes in '.*', found only 'cat'$"):
        open_unlabelled(tmp_path, classes=2)
    assert len(open_unlabelled(_pictures(tmp_path, [f"{part}bats/3.png"]), classes=2).classes) == 2


def test_a_table_needs_no_column_of_labels(tmp_path: Path) -> None:
    _pictures(tmp_path, ["a.png", "b.png", "c.png"])
    (tmp_path / "t.csv").write_text("path\na.png\nb.png\n")
    assert open_unlabelled(tmp_path / "t.csv").labels.tolist() == [-1, -1]
    (tmp_path / "t.csv").write_text("path,label\na.png,x\nb.png,\nc.png,y\n")
    assert open_unlabelled(tmp_path / "t.csv").labels.tolist() == [0, -1, 1]
    (tmp_path / "t.csv").write_text("file\na.png\n")
    with pytest.raises(DataError, match=r"expected a column path in '.*t.csv', found no 'path' but file"):
        open_unlabelled(tmp_path / "t.csv")
    # What is the name of no picture is a word like others.
    (tmp_path / "t.csv").write_text("file\ngone.png\nlost.png\n")
    assert open_unlabelled(tmp_path / "t.csv").labels.tolist() == [-1, -1]


def test_a_column_of_amounts_is_not_taken_for_labels_and_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,label\n" + "".join(f"{i % 7},{i * 1.5}\n" for i in range(40)))
    with collecting_warnings() as warned:
        examples = open_unlabelled(path)
    assert (examples.labels == -1).all()
    assert examples.columns is not None
    assert examples.columns.features == ("x", "label")
    assert warned == [f"the column 'label' of '{path}' is not taken for labels: it has 40 different values in 40 rows"]


def test_arrays_need_no_labels(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((30, 4))
    np.savez(tmp_path / "x.npz", x=x)
    np.savez(tmp_path / "split.npz", x_train=x[:20], x_test=x[20:])
    assert open_unlabelled(tmp_path / "x.npz").labels.tolist() == [-1] * 30
    assert open_unlabelled(x).ids == open_unlabelled(tmp_path / "x.npz").ids
    assert open_unlabelled(tmp_path / "split.npz").split.tolist() == ["train"] * 20 + ["test"] * 10
    with pytest.raises(DataError, match="expected 'y' beside 'x'"):
        open_data(tmp_path / "x.npz")


@pytest.mark.parametrize("gap", ["", None, np.nan])
def test_of_arrays_as_of_tables_some_may_have_no_label(gap: str | float | None, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((30, 2)).round(3)
    y = ["a", gap, "b"] * 10
    lines = [
        f"{one},{other},{label or ''}" for (one, other), label in zip(x.tolist(), ["a", "", "b"] * 10, strict=True)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["u,v,label", *lines]))
    table = open_unlabelled(tmp_path / "t.csv")
    for given in (y, np.array(y, object)):
        found = open_unlabelled({"x": x, "y": given})
        assert (
            (found.classes, found.labels.tolist())
            == (table.classes, table.labels.tolist())
            == (
                ("a", "b"),
                [0, -1, 1] * 10,
            )
        )


def test_labelled_examples_are_divided_as_ever_and_their_copies_go_with_them() -> None:
    x = np.random.default_rng(0).random((60, 4))
    y = np.arange(60) % 3
    known = open_data((x, y))
    found = open_unlabelled({"x": x, "y": y})
    assert found.split.tolist() == known.split.tolist()
    assert found.labels.tolist() == known.labels.tolist()
    assert found.digest() == known.digest()
    # The first sixty again, without their labels.
    tests = known.indices("test")
    mixed = open_unlabelled({"x_train": np.concatenate([x, x]), "x_test": x[tests]})
    assert set(mixed.split[:60]) == {"train"}


def test_a_digest_depends_on_what_is_labelled() -> None:
    x = np.random.default_rng(0).random((30, 4))
    some = {"x": x, "y": np.where(np.arange(30) < 20, np.arange(30) % 2, 1)}
    assert open_unlabelled(x).digest() != open_unlabelled(some).digest()
    assert open_unlabelled(x).digest() == open_unlabelled(x[::-1]).digest()


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="expected data of a known kind, found '3'"):
        open_unlabelled(3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"expected pictures in '.*empty' or its sub-folders, found none"):
        open_unlabelled(tmp_path / "empty")
