import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft import data
from regraft.core import digest
from regraft.core.errors import DataError, RequestError
from regraft.core.plan import SplitSpec
from regraft.core.progress import collecting_warnings
from regraft.data import Examples

ALL_TRAIN = SplitSpec(0, 0)
KINDS = "as no JPEG, PNG, GIF, BMP, WebP, TIFF or PPM does"


def opened(folder: Path, **options: object) -> tuple[Examples, list[str]]:
    with collecting_warnings() as warned:
        return data.open(folder, **options), warned


def test_sub_folders_are_classes(flowers: Path) -> None:
    examples, warned = opened(flowers)
    assert not warned
    assert examples.classes == ("daisy", "rose")
    assert len(examples) == 60
    assert examples.names[:2] == ("daisy/0.png", "daisy/1.png")
    assert examples.shape is None
    assert examples.full_intensity == 255
    assert set(examples.split) == {"train", "validation", "test"}
    assert examples.ids[0] == digest.of_file(flowers / "daisy" / "0.png")
    for index, pixels in enumerate(examples.load(range(60), 3)):
        assert examples.classes[examples.labels[index]] == examples.names[index].split("/")[0]
        np.testing.assert_array_equal(pixels, np.asarray(Image.open(flowers / examples.names[index])))


def test_digest_and_splits_depend_on_content_only(flowers: Path, tmp_path: Path) -> None:
    before, _ = opened(flowers)
    moved = tmp_path / "elsewhere" / "copy"
    shutil.copytree(flowers, moved)
    for path in (moved / "rose").iterdir():
        path.rename(path.with_name(f"z{path.name}"))
    after, _ = opened(moved)
    assert before.digest() == after.digest()
    assert dict(zip(before.ids, before.split, strict=True)) == dict(zip(after.ids, after.split, strict=True))
    (moved / "rose").rename(moved / "lily")
    assert opened(moved)[0].digest() != before.digest()


def test_class_names_that_are_numbers(tmp_path: Path, picture) -> None:
    for number in range(11):
        picture(tmp_path / str(number) / "a.png", number)
        picture(tmp_path / str(number) / "b.png", 100 + number)
    examples, _ = opened(tmp_path)
    assert examples.classes == tuple(str(number) for number in range(11))
    assert [examples.names[index].split("/")[0] for index in range(0, 22, 2)] == list(examples.classes)


def test_unicode_and_spaces(tmp_path: Path, picture) -> None:
    for name in ("Gänseblümchen", "バラ", "a b"):
        picture(tmp_path / name / "ein Bild ☀.png", len(name))
        picture(tmp_path / name / "nested" / "ü.png", 10 + len(name))
    examples, _ = opened(tmp_path)
    assert examples.classes == ("Gänseblümchen", "a b", "バラ")
    assert "バラ/nested/ü.png" in examples.names
    assert len(examples.load(range(6), 1)) == 6


@pytest.mark.parametrize(("validation", "test"), [("validation", "test"), ("val", "Test"), ("valid", "testing")])
def test_stated_splits(flowers: Path, tmp_path: Path, validation: str, test: str) -> None:
    folder = tmp_path / "stated"
    for split in ("train", validation, test):
        shutil.copytree(flowers, folder / split)
    examples, warned = opened(folder)
    assert examples.classes == ("daisy", "rose")
    assert examples.summary().examples == {"train": 60, "validation": 60, "test": 60}
    assert warned == [
        f"identical examples lie in different splits of '{folder}': 'train/daisy/0.png' (train) and "
        f"'{validation}/daisy/0.png' (validation) and 59 more; figures will be too good"
    ]


def test_training_only_gets_validation_carved_out_and_no_test(flowers: Path, tmp_path: Path) -> None:
    shutil.copytree(flowers, tmp_path / "only" / "train")
    examples, _ = opened(tmp_path / "only")
    assert set(examples.summary().examples) == {"train", "validation"}


def test_a_class_may_be_called_train(tmp_path: Path, picture) -> None:
    for index, name in enumerate(("train", "car")):
        for number in range(3):
            picture(tmp_path / name / f"{number}.png", 10 * index + number)
    assert opened(tmp_path)[0].classes == ("car", "train")


def test_classes_without_training_examples_are_left_out(tmp_path: Path, picture) -> None:
    for index, name in enumerate(("train/a", "train/b", "test/a", "test/b", "test/c")):
        picture(tmp_path / name / "x.png", index)
    examples, warned = opened(tmp_path, split=ALL_TRAIN)
    assert examples.classes == ("a", "b")
    assert examples.left_out[0] == "'test/c/x.png' is of class 'c', which has no training example"
    assert "'test/c/x.png' is of class 'c'" in warned[0]
    with pytest.raises(DataError, match=r"'test/c/x.png' is of class 'c'"):
        opened(tmp_path, split=ALL_TRAIN, strict=True)


def test_splits_without_train_are_refused(flowers: Path, tmp_path: Path) -> None:
    shutil.copytree(flowers, tmp_path / "half" / "test")
    with pytest.raises(DataError, match=r"expected a folder 'train' in '.*half', found only test"):
        opened(tmp_path / "half")


def test_bad_files_are_left_out_and_named(flowers: Path) -> None:
    (flowers / "rose" / "empty.jpg").write_bytes(b"")
    (flowers / "rose" / "fake.jpg").write_text("<html>not found</html>")
    (flowers / "rose" / "notes.txt").write_text("roses are red")
    (flowers / "rose" / "gone.jpg").symlink_to(flowers / "nowhere")
    (flowers / "rose" / ".DS_Store").write_bytes(b"x")
    (flowers / "__MACOSX").mkdir()
    (flowers / "readme.md").write_text("about")
    shutil.copy(flowers / "rose" / "0.png", flowers / "cover.png")
    examples, warned = opened(flowers)
    assert len(examples) == 60
    assert examples.left_out == (
        "'cover.png' lies in no class folder",
        "'rose/empty.jpg' is empty (0 bytes)",
        f"'rose/fake.jpg' is not a picture: it begins with '<html>not fo', {KINDS}",
        "'rose/gone.jpg' is missing: no such file",
        f"'rose/notes.txt' is not a picture: it begins with 'roses are re', {KINDS}",
    )
    assert warned == [
        f"left out of '{flowers}': {'; '.join(examples.left_out[:3])}; and 2 more; 60 examples are used",
    ]
    with pytest.raises(DataError, match=r"^'cover.png' lies in no class folder, in '.*flowers' and 4 more; repair it"):
        data.open(flowers, strict=True)


def test_truncated_files_are_found_when_they_are_read(flowers: Path) -> None:
    path = flowers / "daisy" / "0.png"
    path.write_bytes(path.read_bytes()[:60])
    examples, _ = opened(flowers)
    assert len(examples) == 60
    index = examples.names.index("daisy/0.png")
    with pytest.raises(
        data.UnreadableExample, match=r"'daisy/0.png' cannot be decoded, it is damaged or truncated"
    ) as bad:
        examples.load(range(60), 3)
    rest = examples.without([index], [str(bad.value)])
    assert len(rest.load(range(len(rest)), 3)) == 59
    assert rest.left_out == (str(bad.value),)


def test_folders_that_cannot_be_used(tmp_path: Path, picture) -> None:
    def refused(message: str) -> None:
        with pytest.raises(DataError, match=message) as caught:
            data.open(tmp_path)
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)

    refused("found an empty folder")
    (tmp_path / "a.txt").write_text("x")
    refused(r"found only files that are no pictures \(1, such as 'a.txt'\)")
    picture(tmp_path / "b.png", 1)
    refused(r"expected one sub-folder per class in .*, found pictures directly in it \(1, such as 'b.png'\); put")
    (tmp_path / "rose").mkdir()
    refused("expected pictures in sub-folders of .*, found none in rose; put the pictures")
    (tmp_path / "rose" / "x.txt").write_text("x")
    (tmp_path / "lily").mkdir()
    refused("no usable example in .*'rose/x.txt' is not a picture: it begins with 'x'")
    picture(tmp_path / "rose" / "x.png", 2)
    refused(
        "expected at least two classes in .*, found only 'rose': 'b.png' lies in no class folder; 'rose/x.txt' is not"
    )


def test_one_class_only(tmp_path: Path, picture) -> None:
    picture(tmp_path / "rose" / "x.png", 2)
    with pytest.raises(DataError, match=r"expected at least two classes in '.*', found only 'rose'$"):
        data.open(tmp_path)


def test_one_folder_too_high(flowers: Path) -> None:
    above = flowers.parent
    with pytest.raises(
        DataError, match=r"found only 'flowers'; its sub-folders are daisy, rose: did you mean '.*flowers'"
    ):
        data.open(above)


def test_an_empty_class_folder_is_said(flowers: Path) -> None:
    (flowers / "lily").mkdir()
    examples, warned = opened(flowers)
    assert examples.classes == ("daisy", "rose")
    assert "class 'lily' has no usable example" in warned[0]


def test_a_class_with_one_picture_works_and_is_warned_of(flowers: Path, picture) -> None:
    picture(flowers / "lily" / "x.png", 999)
    examples, warned = opened(flowers)
    assert warned == [f"a class with a single example cannot be validated: 'lily', in '{flowers}'"]
    assert list(examples.split[examples.labels == examples.classes.index("lily")]) == ["train"]


def test_identical_pictures_with_different_labels_are_kept_and_named(flowers: Path) -> None:
    shutil.copy(flowers / "rose" / "3.png", flowers / "daisy" / "copy.png")
    examples, warned = opened(flowers)
    assert len(examples) == 61
    assert warned == [
        f"identical examples have different labels in '{flowers}': 'daisy/copy.png' (daisy) and 'rose/3.png' (rose)"
    ]
    one, other = examples.names.index("daisy/copy.png"), examples.names.index("rose/3.png")
    assert examples.split[one] == examples.split[other]


def test_labels_are_not_for_folders(flowers: Path) -> None:
    with pytest.raises(RequestError, match=r"labels= is for arrays; the sub-folders of '.*flowers' say the labels"):
        data.open(flowers, labels=[1, 2])


def test_links_are_followed_and_loops_do_not_hang(flowers: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("rose", "daisy"):
        (linked / name).symlink_to(flowers / name, target_is_directory=True)
    (flowers / "rose" / "loop").symlink_to(flowers / "rose", target_is_directory=True)
    assert opened(linked)[0].digest() == opened(flowers)[0].digest()


@pytest.mark.shared
def test_real_photographs(shared_folder: Path) -> None:
    examples, warned = opened(shared_folder / "data" / "flowers5_227px")
    assert examples.classes == ("daisy", "dandelion", "rose", "sunflower", "tulip")
    assert len(examples) == 750
    assert not warned
    assert {pixels.shape for pixels in examples.load(range(0, 750, 10), 3)} == {(227, 227, 3)}


@pytest.mark.shared
def test_real_signs(shared_folder: Path) -> None:
    examples, _ = opened(shared_folder / "data" / "sign_language_digits")
    assert examples.classes == tuple("0123456789")
    assert sum(examples.summary().examples.values()) == 700
    assert examples.load([0], 1)[0].shape == (100, 100, 1)
