import pytest

from regraft.formats import snappy


def _literal(text):
    return bytes([(len(text) - 1) << 2]) + text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bytes([5]) + _literal(b"hello"), b"hello"),
        # Copies with one, two and four bytes of distance; the first overlaps what it makes.
        (bytes([10]) + _literal(b"ab") + bytes([0b00010001, 2]), b"ab" * 5),
        (bytes([8]) + _literal(b"abcd") + bytes([0b00001110, 4, 0]), b"abcdabcd"),
        (bytes([8]) + _literal(b"abcd") + bytes([0b00001111, 4, 0, 0, 0]), b"abcdabcd"),
        # A literal whose length takes a byte of its own.
        (bytes([100]) + bytes([60 << 2, 99]) + b"x" * 100, b"x" * 100),
        (bytes([0]), b""),
    ],
)
def test_every_kind_of_element(content, expected):
    assert snappy.uncompressed(content) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "without a length"),
        (bytes([0xFF] * 6), "without a length"),
        (bytes([0xFF, 0xFF, 0xFF, 0x7F]) + _literal(b"ab"), "claims"),
        (bytes([5]) + _literal(b"hello")[:-1], "is cut off"),
        (bytes([6]) + _literal(b"hello"), "has 5 bytes, 6 were expected"),
        (bytes([3]) + _literal(b"hello"), "longer than it claims"),
        (bytes([8]) + _literal(b"abcd") + bytes([0b00001110, 9, 0]), "refers 9 bytes back, 4 are there"),
        (bytes([8]) + _literal(b"abcd") + bytes([0b00001110, 0, 0]), "refers 0 bytes back"),
        (bytes([8]) + _literal(b"abcd") + bytes([0b00001110]), "is cut off"),
    ],
)
def test_damage_is_refused(content, reason):
    with pytest.raises(ValueError, match=reason):
        snappy.uncompressed(content)
