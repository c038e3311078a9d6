"""The wire decoder, against protocol buffers' own encoder and against what is no message."""

import tracemalloc

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from regraft.formats import wire
from regraft.formats.wire import Message, WireError


def _encoded(value: int) -> bytes:
    """A varint, written independently of the decoder: seven bits at a time, lowest first."""
    value &= (1 << 64) - 1
    parts = [value >> shift & 0x7F for shift in range(0, 64 if value >= 1 << 63 else max(value.bit_length(), 1), 7)]
    return bytes([part | 0x80 for part in parts[:-1]] + [parts[-1]])


def _field(number: int, content: bytes) -> bytes:
    return _encoded(number << 3 | wire.BYTES) + _encoded(len(content)) + content


@hypothesis.given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1)))
def test_packed_integers_are_what_was_encoded(values):
    packed = b"".join(map(_encoded, values))
    assert wire.varints(packed).tolist() == values
    assert Message(_field(3, packed)).integers(3) == values
    assert Message(b"".join(b"\x18" + _encoded(value) for value in values)).integers(3) == values


def test_what_onnx_itself_encodes():
    onnx = pytest.importorskip("onnx")
    made = onnx.helper.make_attribute("pads", [1, -2, 1 << 40])
    floats = onnx.helper.make_attribute("scales", [0.5, -3.0])
    message = Message(made.SerializeToString())
    assert (message.text(1), message.integers(8), message.integer(20)) == ("pads", [1, -2, 1 << 40], 7)
    assert Message(floats.SerializeToString()).reals(7) == [0.5, -3.0]
    node = Message(onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="c", alpha=0.25).SerializeToString())
    assert (node.texts(1), node.text(4), node.text(7, None)) == (["x", "w"], "Conv", None)
    (attribute,) = node.messages(5)
    assert (attribute.real(2), attribute.numbers[0], 99 in attribute) == (0.25, 1, False)


def test_numbers_of_eight_bytes_and_absent_fields():
    double = np.array([0.1, 2.0], "<f8").tobytes()
    message = Message(_encoded(1 << 3 | wire.FIXED64) + double[:8] + _field(2, double))
    assert (message.real(1), message.reals(2, 8)) == (0.1, [0.1, 2.0])
    assert (message.integer(9), message.integer(9, None), message.text(9), message.message(9)) == (0, None, "", None)
    assert (message.real(9, 1.5), message.integers(9), message.view(9)) == (1.5, [], None)


def test_the_last_of_two_single_fields_counts():
    message = Message(_field(1, b"old") + _field(1, b"new"))
    assert (message.text(1), message.texts(1)) == ("new", ["old", "new"])


def test_views_know_where_they_stand(tmp_path):
    path = tmp_path / "message"
    path.write_bytes(_field(1, _field(2, b"weights")))
    whole = wire.mapped(path)
    inner = Message(whole).message(1)
    assert inner is not None
    part = inner.view(2)
    assert part is not None
    assert path.read_bytes()[wire.offset(part, whole) :][: len(part)] == b"weights"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x0a\x05abc", "field 1 at byte 0 has 5 bytes, 3 are left"),
        (b"\x0a" + b"\xff" * 9 + b"\x01", "has 18446744073709551615 bytes, 0 are left"),
        (b"\x08", "the integer at byte 1 is cut off or longer than ten bytes"),
        (b"\x08" + b"\x80" * 11, "longer than ten bytes"),
        (b"\x00", "field number 0 at byte 0"),
        (b"\x0b", "wire type 3 of field 1 at byte 0"),
        (b"\x0d\x00", "field 1 at byte 0 has 4 bytes, 1 are left"),
    ],
)
def test_damage_is_named(content, said):
    with pytest.raises(WireError, match=said):
        Message(content)


def test_values_of_another_kind_are_refused():
    message = Message(b"\x08\x01" + _field(2, b"abc") + _field(3, b"\x80"))
    with pytest.raises(WireError, match="field 1 holds an integer, expected bytes"):
        message.text(1)
    with pytest.raises(WireError, match="field 2 holds bytes, expected an integer"):
        message.integer(2)
    with pytest.raises(WireError, match="field 2 has 3 bytes, expected a number of 4 or 8"):
        message.real(2)
    with pytest.raises(WireError, match="field 2 does not hold whole numbers of 4 bytes"):
        message.reals(2)
    with pytest.raises(WireError, match="the last packed integer is cut off"):
        message.integers(3)
    with pytest.raises(WireError, match="a packed integer of 11 bytes"):
        wire.varints(b"\x80" * 10 + b"\x01")


def test_nesting_ends():
    content = b""
    for _ in range(wire.DEEPEST + 5):
        content = _field(1, content)

    def deepest(message: Message) -> int:
        inner = message.message(1)
        return 0 if inner is None else 1 + deepest(inner)

    with pytest.raises(WireError, match=f"more than {wire.DEEPEST} deep"):
        deepest(Message(content))


@hypothesis.given(st.binary(max_size=80))
def test_any_bytes_give_fields_or_one_error(content):
    try:
        message = Message(content)
        for number in message.numbers:
            message.integers(number)
            list(message.messages(number))
    except WireError:
        pass


def test_looking_costs_no_memory(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(_field(1, bytes(1 << 24)))
    tracemalloc.start()
    view = Message(wire.mapped(path)).view(1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert view is not None
    assert len(view) == 1 << 24
    assert peak < 1 << 17
