import pytest

from regraft.core.errors import CorruptFileError
from regraft.formats import extents


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(range(100)))
    return path


def test_parts_of_parts(file):
    part = extents.whole(file).within(10, 50, "a").within(5, 3, "b")
    assert part.bytes() == bytes([15, 16, 17])
    with part.opened() as opened:
        assert opened.read(2) == bytes([15, 16])
        assert opened.seek(-1, 2) == 2
        assert opened.read() == bytes([17])
        assert opened.read() == b""


@pytest.mark.parametrize(("offset", "size"), [(-1, 2), (0, 101), (99, 2), (200, 0), (0, -1)])
def test_nothing_beyond_the_end_is_given(file, offset, size):
    for extent in (extents.whole(file), extents.in_memory(file, bytes(100))):
        with pytest.raises(
            CorruptFileError, match=rf"x.bin': the part should be {size} bytes at {offset}, the file has"
        ):
            extent.within(offset, size, "the part")


def test_a_file_that_changed_gives_nothing(file):
    extent = extents.whole(file)
    file.write_bytes(b"other")
    with pytest.raises(CorruptFileError, match="was replaced while it was in use; open it again"):
        extent.bytes()


def test_what_is_in_memory_is_read_like_a_file(file):
    part = extents.in_memory(file, b"abcdef").within(2, 3, "a")
    assert part.bytes() == b"cde"
    with part.opened() as opened:
        assert opened.read() == b"cde"
