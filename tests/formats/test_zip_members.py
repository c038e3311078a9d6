import zipfile

import pytest

from regraft.core.errors import CorruptFileError, SourceError
from regraft.formats import zip_members


@pytest.fixture
def packed(tmp_path):
    def give(method, **members):
        with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return tmp_path / "x.zip"

    return give


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_contents_and_their_beginnings(method, packed):
    content = bytes(range(256)) * 2000
    members = zip_members.members(packed(method, a=content, b=b""))
    assert members.content("a") == content
    assert members.head("a", 10) == content[:10]
    assert members.head("b", 10) == members.content("b") == b""
    if method == zipfile.ZIP_STORED:
        assert members.extent("a").bytes() == content
    else:
        with pytest.raises(SourceError, match="expected 'a' as it is, found it compressed"):
            members.extent("a")
    with pytest.raises(CorruptFileError, match="expected a member 'c', found none"):
        members.content("c")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_to_pack_that_expand_without_bound_are_refused(method, packed):
    with pytest.raises(SourceError, match=f"'a' is compressed by method {method}; expected deflate or none"):
        zip_members.members(packed(method, a=b"x" * 100))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wrong_checksum_is_named(method, packed):
    path = packed(method, a=b"some content " * 20)
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02") + 16
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match="was altered"):
        zip_members.members(path).content("a")


def test_a_member_that_claims_more_than_it_holds_is_named(packed):
    path = packed(zipfile.ZIP_DEFLATED, a=b"some content " * 20)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (500).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match="'a' is shorter than it claims"):
        zip_members.members(path).content("a")


def test_an_encrypted_member_is_refused_by_name(packed):
    path = packed(zipfile.ZIP_STORED, a=b"content")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match="'a' is encrypted; give the file without a password"):
        zip_members.members(path)


def test_a_file_without_checksums_is_taken_only_where_allowed(packed):
    path = packed(zipfile.ZIP_STORED, a=b"content")
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        start = content.index(mark) + place
        content[start : start + 4] = bytes(4)
    path.write_bytes(content)
    assert zip_members.members(path, unchecked=True).content("a") == b"content"
    with pytest.raises(CorruptFileError, match="the checksum of 'a' is wrong"):
        zip_members.members(path).content("a")
