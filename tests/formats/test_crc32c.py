import numpy as np
import pytest

from regraft.formats import crc32c


def _bit_by_bit(content):
    register = 0xFFFFFFFF
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


# RFC 3720, appendix B.4.
@pytest.mark.parametrize(
    ("content", "expected"),
    [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E), (b"", 0)],
)
def test_the_values_of_the_standard(content, expected):
    assert crc32c.checksum(content) == expected


@pytest.mark.parametrize("length", [*range(20), 63, 64, 65, 1000, 4097])
def test_every_length_equals_the_definition(length):
    content = np.random.default_rng(length).bytes(length)
    assert crc32c.checksum(content) == _bit_by_bit(content)


def test_chunks_are_joined():
    content = np.random.default_rng(0).bytes(3 * (1 << 20) + 5)
    whole = crc32c.checksum(content)
    assert crc32c.checksum(memoryview(content)) == whole
    # Appending the checksum itself always ends in the same residue.
    assert crc32c.checksum(content + whole.to_bytes(4, "little")) == 0x48674BC7
