"""One file of rows."""

from pathlib import Path

import numpy as np
import pytest

from regraft.activations import coding, shard
from regraft.activations.growing import Growing
from regraft.activations.places import numbers_of
from regraft.core.errors import CorruptFileError, StorageError

_IDS = numbers_of(["a", "b", "c"])


def _write(path: Path, ids: np.ndarray, coded: coding.Coded, dtype: str) -> shard.Shard:
    growing = Growing(path.parent, coded.rows.shape[1:], dtype, coded.scale, len(ids))
    growing.add(ids, coded)
    return growing.finish(path)


def _read(path: Path) -> np.ndarray:
    found = shard.read(path)
    found.verify()
    content = bytearray(len(found) * found.head.row_bytes)
    found.descriptor.read_into(memoryview(content), found.head.start)
    return np.frombuffer(content, coding.DTYPES[found.head.dtype]).reshape(found.head.shape)


@pytest.mark.parametrize("dtype", coding.DTYPES)
@pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 2, 2, 7), (3, 300_001)])
def test_what_is_written_is_read(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    rows = (np.arange(np.prod(shape)).reshape(shape) % 100).astype("float32")
    coded = coding.encode(rows[::-1], dtype)
    made = _write(tmp_path / "it.rows", _IDS, coded, dtype)
    found = shard.read(tmp_path / "it.rows")
    for each in (made, found):
        assert (len(each), each.head.shape, each.head.dtype) == (3, shape, dtype)
        assert np.array_equal(each.ids(), _IDS)
    assert _read(tmp_path / "it.rows").tobytes() == coded.rows.tobytes()
    assert (found.head.scale is None) == (dtype != "int8")
    if dtype == "int8":
        assert np.array_equal(found.head.scale, coded.scale)
    assert shard.count(tmp_path / "it.rows") == 3


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    coded = coding.encode(np.eye(3, dtype="float32"), "int8")
    for name in ("one", "other"):
        _write(tmp_path / name, _IDS, coded, "int8")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_rows_begin_with_a_page_of_memory(tmp_path: Path) -> None:
    for count in range(1, 9):
        rows = np.full((count, 3), np.pi, "float32")
        ids = numbers_of([str(number) for number in range(count)])
        _write(tmp_path / "it.rows", ids, coding.encode(rows, "float32"), "float32")
        content = (tmp_path / "it.rows").read_bytes()
        assert content.index(np.float32(np.pi).tobytes()) == shard.read(tmp_path / "it.rows").head.start
        assert shard.read(tmp_path / "it.rows").head.start % 4096 == 0


def test_what_was_opened_stays_readable_when_the_file_is_removed(tmp_path: Path) -> None:
    rows = np.eye(3, dtype="float32")
    _write(tmp_path / "it.rows", _IDS, coding.encode(rows, "float32"), "float32")
    found = shard.read(tmp_path / "it.rows")
    (tmp_path / "it.rows").unlink()
    found.verify()
    assert np.array_equal(found.ids(), _IDS)


def test_rows_are_read_for_verification_once_for_each_state_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "it.rows"
    _write(path, _IDS, coding.encode(np.eye(3, dtype="float32"), "float32"), "float32")
    # Another file with the same bytes: one that this process has not written.
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    checked: list[int] = []
    crc32 = shard.zlib.crc32
    monkeypatch.setattr(shard.zlib, "crc32", lambda block: checked.append(len(block)) or crc32(block))
    for _ in range(3):
        shard.read(path).verify()
    assert checked == [36]
    path.unlink()
    path.write_bytes(content[:-1] + b"\1")
    with pytest.raises(CorruptFileError, match=r"it\.rows' was altered: rows do not have the checksum written with"):
        shard.read(path).verify()


def test_no_file_says_so_and_an_unreadable_one_is_not_taken_for_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        shard.read(tmp_path / "none.rows")
    (tmp_path / "folder.rows").mkdir()
    with pytest.raises(StorageError, match=r"cannot read '.*folder\.rows': Is a directory; make it readable, or name"):
        shard.read(tmp_path / "folder.rows")


@pytest.mark.parametrize("content", [b"", b"REGRAFT ROWS 1\n\0", b"PK\3\4" + bytes(100), b"REGRAFT ROWS 2\n\0" * 9])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "it.rows"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"'.*it\.rows' is not a whole file of activations"):
        shard.read(path)
    assert shard.count(path) == 0


def test_a_file_that_is_too_short_or_too_long_is_refused_before_its_rows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "it.rows"
    _write(path, _IDS, coding.encode(np.eye(3, dtype="float32"), "float32"), "float32")
    content = path.read_bytes()
    for wrong in (content[:-1], content + b"\0"):
        path.write_bytes(wrong)
        with pytest.raises(CorruptFileError, match=r"is truncated: it has \d+ bytes, its head says \d+"):
            shard.read(path)
    path.write_bytes(content[:100])
    with pytest.raises(CorruptFileError, match="its head does not fit into it"):
        shard.read(path)
