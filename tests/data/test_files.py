import os
from pathlib import Path

import pytest

from regraft.core import digest
from regraft.core.errors import DataError
from regraft.data import files, pictures_in
from regraft.data.examples import UnreadableExample


def test_names_that_are_numbers_come_in_numeric_order() -> None:
    assert sorted(["10", "b", "2", "01", "a", "1"], key=files.natural) == ["01", "1", "2", "10", "a", "b"]


def test_links_that_go_round_do_not_hang(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"x")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert [path.name for path in files.below(tmp_path)] == ["self", "x.png"]
    with pytest.raises(UnreadableExample, match=r"^'self' cannot be read: "):
        files.identify(tmp_path / "self", "self")


def test_hidden_things_are_not_seen(tmp_path: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "seen.png"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("__MACOSX", ".git"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"x")
    assert [path.name for path in files.below(tmp_path)] == ["seen.png"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UnreadableExample, match=r"'pipe.jpg' is not a regular file"):
        files.identify(tmp_path / "pipe.jpg", "pipe.jpg")


def test_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for content, message in (
        (b"", r"'a' is empty \(0 bytes\)"),
        (b"hello\x00 world", r"'a' is not a picture: it begins with 'hello. world', as no JPEG, PNG, .* does"),
        (b"\0\0\0 ftypheic", "'a' is a HEIC or AVIF picture or a film; convert it to JPEG"),
    ):
        path.write_bytes(content)
        with pytest.raises(UnreadableExample, match=rf"^{message}"):
            files.identify(path, "a")
    with pytest.raises(UnreadableExample, match="'b' is missing: no such file"):
        files.identify(tmp_path / "b.jpg", "b")


def test_the_digest_is_that_of_the_bytes(tmp_path: Path, picture) -> None:
    path = picture(tmp_path / "a.png", 1)
    content = path.read_bytes()
    assert files.identify(path, "a") == files.identify_bytes(content, "a") == digest.of_bytes(content)


def test_nearest_names_of_a_wrong_path(tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    with pytest.raises(DataError, match=r"no data at '.*flwers'.*nearest known names: flowers$"):
        files.existing(tmp_path / "flwers")
    with pytest.raises(DataError, match=r"^no data at 'x{80}': File name too long$"):
        files.existing(Path("x" * 5000))
    with pytest.raises(DataError, match=r"its folder '.*no' does not exist either"):
        files.existing(tmp_path / "no" / "where")


def test_names_are_composed_unicode() -> None:
    assert files.shown("Ka\u0308se") == "K\u00e4se"
    assert files.shown(os.fsdecode(b"a\xff")) == "a\ufffd"


def test_pictures_to_predict_for(flowers: Path, picture, tmp_path: Path) -> None:
    picture(flowers / "10.png", 1)
    (flowers / "readme.txt").write_text("no picture")
    (flowers / "empty.jpg").write_bytes(b"")
    picture(flowers / "no_ending.png", 2).rename(flowers / "no_ending")
    found = [path.relative_to(flowers).as_posix() for path in pictures_in(flowers)]
    assert found[:4] == ["10.png", "empty.jpg", "no_ending", "daisy/0.png"]
    assert len(found) == 63
    one = flowers / "rose" / "0.png"
    assert pictures_in([one, str(flowers / "10.png")]) == [one, flowers / "10.png"]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"expected pictures, found none in '.*none'"):
        pictures_in(tmp_path / "none")
    with pytest.raises(DataError, match="expected pictures, found none in an empty list"):
        pictures_in([])
    with pytest.raises(DataError, match=r"no data at '.*rose/O.png'.*nearest known names: "):
        pictures_in([flowers / "rose" / "O.png"])
