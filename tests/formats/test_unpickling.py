"""Pickles are read as data: every known way to make one run something is refused by name, and nothing runs."""

import contextlib
import io
import os
import pickle
import pickletools
import struct
from collections import OrderedDict, defaultdict, deque
from pathlib import PurePosixPath

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.formats import extents, pickled_arrays
from regraft.formats.pickled_arrays import ARRAYS, Array
from regraft.formats.pickled_values import Rules, Text
from regraft.formats.unpickling import unpickled

STRICT, TOLERANT = Rules(ARRAYS), Rules(ARRAYS, foreign=True)


@pytest.fixture
def opened(tmp_path):
    def give(content, rules=STRICT):
        path = tmp_path / "x.pkl"
        path.write_bytes(content)
        return unpickled(extents.whole(path), rules).value

    return give


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 200), 1 << 200)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner, inner, inner)
        | st.dictionaries(st.text() | st.integers(-(1 << 60), 1 << 60) | st.binary(), inner)
    ),
)


@pytest.mark.parametrize("protocol", range(6))
@hypothesis.given(value=PLAIN)
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], max_examples=60)
def test_plain_values_are_those_of_pickle(protocol, value, opened):
    assert _in_memory(opened(pickle.dumps(value, protocol))) == value


def test_long_strings_stay_in_the_file_until_they_are_asked_for(opened):
    value = ["\u0100" * 1100, {"k": b"\xff" * 1100}]
    for protocol in range(6):
        found = opened(pickle.dumps(value, protocol))
        assert isinstance(found[0], Text)
        assert _in_memory(found) == value


def _in_memory(value):
    """With the strings that stay in the file read."""
    if isinstance(value, Text):
        return value.decoded()
    if isinstance(value, dict):
        return {_in_memory(name): _in_memory(item) for name, item in value.items()}
    return type(value)(map(_in_memory, value)) if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("protocol", range(6))
def test_containers_become_plain_ones(protocol, opened):
    table = defaultdict(list)
    table["a"].append(1)
    value = {"ordered": OrderedDict(b=1, a=2), "set": {3}, "queue": deque([1, 2]), "table": table, "c": frozenset([4])}
    expected = {"ordered": {"b": 1, "a": 2}, "set": [3], "queue": [1, 2], "table": {"a": [1]}, "c": [4]}
    assert opened(pickle.dumps(value, protocol)) == expected
    assert opened(pickle.dumps(PurePosixPath("/a/b"), protocol)) in ("/a/b", "//a/b")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("size", [3, 3000])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i2", "?", "<c8", "<f2", "u1"])
def test_arrays(protocol, size, dtype, opened, tmp_path):
    values = (np.random.default_rng(0).normal(size=(2, size)) * 100).astype(dtype)
    for array in (values, np.asfortranarray(values), values[0, 0]):
        found = opened(pickle.dumps(array, protocol))
        assert isinstance(found, Array)
        tensor = pickled_arrays.entry(tmp_path / "x.pkl", "a", found)
        assert (tensor.shape, tensor.dtype) == (array.shape, array.dtype.newbyteorder("=").name)
        np.testing.assert_array_equal(tensor.read(), array)


def test_long_strings_stay_in_the_file(opened, tmp_path):
    array = np.arange(100_000.0)
    for protocol in range(6):
        data = opened(pickle.dumps(array, protocol)).data
        assert not isinstance(data, (bytes, str)), protocol


class _Reduced:
    def __init__(self, *made):
        self.made = made

    def __reduce__(self):
        return self.made


def _dangerous(tmp_path):
    """Pickles that run something in Python's own machine, by what they would run."""
    mark = tmp_path / "mark"
    command = f"touch {mark}"
    system = f"{os.system.__module__}.system"
    text = b"X" + struct.pack("<I", len(command)) + command.encode()
    cases = {
        f"reduce {system}": (system, pickle.dumps(_Reduced(os.system, (command,)), 2)),
        f"reduce {system} of protocol 0": (system, pickle.dumps(_Reduced(os.system, (command,)), 0)),
        f"stack global {system}": (system, pickle.dumps(_Reduced(os.system, (command,)), 4)),
        "inside a list": (system, pickle.dumps([1, {"a": _Reduced(os.system, (command,))}], 4)),
        "inside a pickled array": (system, pickle.dumps(np.array([_Reduced(os.system, (command,))], object), 4)),
        "instance": ("os.system", b"(" + text + b"ios\nsystem\n."),
        "object": ("os.system", b"(cos\nsystem\n" + text + b"o."),
        "new object": ("os.system", b"cos\nsystem\n(" + text + b"t\x81."),
        "new object with names": ("os.system", b"\x80\x04cos\nsystem\n(" + text + b"t}\x92."),
        "build with setstate": ("builtins.eval", b"cbuiltins\neval\n}(X\x01\0\0\0aK\x01ub."),
        "reconstructor": ("os.system", b"ccopyreg\n_reconstructor\n(cos\nsystem\nNNtR."),
        "only named": ("os.system", b"cos\nsystem\n."),
        "dotted name": ("builtins.list.__class__", b"\x80\x04\x8c\x08builtins\x8c\x0elist.__class__\x93."),
        "hidden behind a known module": ("collections.OrderedDict.__init__.__globals__", b"\x80\x04\x8c\x0bcollections"
            b"\x8c\x20OrderedDict.__init__.__globals__\x93."),
        "extension": ("extension 1 of copyreg", b"\x80\x02\x82\x01."),
        "persistent id": ("persistent id storage", b"X\x07\0\0\0storageQ."),
        "persistent line": ("persistent id storage", b"Pstorage\n."),
        "buffer": ("an out-of-band buffer", b"\x80\x05\x97."),
        "numpy's runner": ("numpy.testing._private.utils.runstring", pickle.dumps(0)[:-3]
            + b"cnumpy.testing._private.utils\nrunstring\n(" + text + b"}tR."),
        "torch's loader": ("torch.hub.load", b"ctorch.hub\nload\n(" + text + b"tR."),
        "getattr": ("builtins.getattr", b"cbuiltins\ngetattr\n(" + text + text + b"tR."),
    }  # fmt: skip
    return mark, cases


def test_code_is_refused_by_name_and_not_run(tmp_path, opened):
    mark, cases = _dangerous(tmp_path)
    for title, (name, content) in cases.items():
        with pytest.raises(SourceError) as caught:
            opened(content)
        assert f"asks to run '{name}', which was not done" in str(caught.value), title
        assert not mark.exists(), title


def test_the_cases_are_dangerous_indeed(tmp_path):
    mark, cases = _dangerous(tmp_path)
    pickle.loads(next(iter(cases.values()))[1])
    assert mark.exists()


def test_calls_of_unknown_functions_are_refused_where_unknown_classes_are_not(tmp_path, opened):
    mark, cases = _dangerous(tmp_path)
    calls = [
        title for title in cases if title.startswith(("reduce", "stack", "inside", "instance", "object", "getattr"))
    ]
    assert len(calls) > 6
    for title in calls:
        with pytest.raises(SourceError, match="asks to run '"):
            opened(cases[title][1], TOLERANT)
    made = opened(b"cos\nsystem\n(" + b"K\x01t\x81}b.", TOLERANT)
    assert (str(made.kind), made.arguments, made.state) == ("os.system", (1,), {})
    assert not mark.exists()


BOMBS = {
    "a memo of four thousand million": b"\x80\x02K\x01r\xff\xff\xff\xff.",
    "a string that is not there": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "bytes that are not there": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"abc.",
    "a frame that is not there": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
    "a number of a gigabyte": b"\x80\x02\x8b" + struct.pack("<i", 1 << 30) + b"abc.",
    "a number of a negative length": b"\x80\x02\x8b" + struct.pack("<i", -1) + b"abc.",
    "a number of many digits": b"I" + b"9" * 5000 + b"\n.",
    "a line without end": b"c" + b"a" * 200_000,
    "a deep tuple as a key": b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"N" + b"s.",
    "a list as a key": b"\x80\x02}]Ns.",
    "an empty stack": b"\x80\x02.",
    "a mark that was not set": b"\x80\x02t.",
    "an unknown opcode": b"\x80\x02\xff.",
    "protocol 9": b"\x80\x09N.",
    "a memory that was not kept": b"\x80\x02h\x05.",
    "an append to a number": b"\x80\x02K\x01K\x02a.",
    "a state for a number": b"\x80\x02K\x01}b.",
    "a call of a number": b"\x80\x02K\x01)R.",
    "a call of nothing": b"(o.",
    "no end": b"\x80\x02N",
    "a type that is called": b"cnumpy\nndarray\n)R.",
    "an array of an impossible shape": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0tU\x01btR"
    b"(K\x01(J\xff\xff\xff\xfftcnumpy\ndtype\n(U\x02f4tRI00\nU\x00tb.",
}  # fmt: skip


@pytest.mark.parametrize("title", list(BOMBS))
def test_bombs_and_damage_are_refused(title, opened):
    if title == "a memo of four thousand million":
        assert opened(BOMBS[title]) == 1
        return
    with pytest.raises(CorruptFileError, match=r"'.*x.pkl': the pickle at byte \d+ is truncated or was altered: "):
        opened(BOMBS[title])


def test_endless_opcodes_are_refused(opened, monkeypatch):
    monkeypatch.setattr("regraft.formats.unpickling.MOST_OPCODES", 1000)
    with pytest.raises(CorruptFileError, match="it has more than 1000 opcodes"):
        opened(b"\x80\x02" + b"N0" * 1000 + b"N.")


def test_every_opcode_of_python_is_known():
    from regraft.formats import unpickling

    known = set(unpickling._OPCODES)
    assert known == {opcode.code.encode("latin-1") for opcode in pickletools.opcodes}


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_truncated_pickle_is_refused_at_every_place(protocol, opened):
    content = pickle.dumps({"a": np.arange(4.0), "b": [OrderedDict(c=2)], "d": "text" * 300}, protocol)
    for length in [*range(1, 400), *range(400, len(content), 29), *range(len(content) - 20, len(content))]:
        with pytest.raises(CorruptFileError):
            opened(content[:length])


@hypothesis.given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 5))
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], max_examples=500)
def test_whatever_is_written_into_a_pickle_only_our_own_errors_come_out(tmp_path, patch, place, protocol):
    buffer = io.BytesIO(pickle.dumps({"a": np.arange(4.0), "b": [OrderedDict(c=2)], "d": "text" * 50}, protocol))
    buffer.seek(place % len(buffer.getvalue()))
    buffer.write(patch)
    path = tmp_path / "p.pkl"
    path.write_bytes(buffer.getvalue())
    with contextlib.suppress(RegraftError):
        unpickled(extents.whole(path), TOLERANT)


@pytest.mark.parametrize("protocol", range(6))
def test_long_keys_are_texts(opened, protocol):
    value = {"ā" * 400: 1, "long" * 400: 2}
    assert opened(pickle.dumps(value, protocol)) == value
