"""One file of rows."""

from pathlib import Path

import numpy as np
import pytest

from regraft.activations import shard
from regraft.core.errors import CorruptFileError, StorageError

_IDS = ["a", "b", "c"]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8"])
@pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 2, 2, 7)])
def test_what_is_written_is_read(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    rows = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    shard.write(tmp_path / "it.rows", _IDS, rows[::-1])
    found = shard.read(tmp_path / "it.rows")
    assert (found.ids, found.rows.dtype) == (("a", "b", "c"), dtype)
    assert np.array_equal(found.rows, rows[::-1])
    assert isinstance(found.rows, np.memmap)
    assert shard.read_ids(tmp_path / "it.rows") == _IDS
    assert np.array_equal(shard.map_rows(tmp_path / "it.rows"), rows[::-1])


def test_rows_begin_at_a_multiple_of_64_bytes(tmp_path: Path) -> None:
    for size in range(1, 70, 7):
        shard.write(tmp_path / "it.rows", ["x" * size], np.full((1, 3), np.pi, "float32"))
        content = (tmp_path / "it.rows").read_bytes()
        assert content.index(np.float32(np.pi).tobytes()) % 64 == 0


def test_no_file_says_so_and_an_unreadable_one_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError):
        shard.read(tmp_path / "none.rows")
    (tmp_path / "folder.rows").mkdir()
    with pytest.raises(StorageError, match=r"cannot read '.*folder\.rows': Is a directory; make it readable, or name"):
        shard.read(tmp_path / "folder.rows")


@pytest.mark.parametrize("content", [b"", b"REGRAFT ROWS 1\n\0", b"PK\3\4" + bytes(100)])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "it.rows"
    path.write_bytes(content)
    for read in (shard.read, shard.read_ids):
        with pytest.raises(CorruptFileError, match=r"'.*it\.rows' is not a whole file of activations"):
            read(path)
