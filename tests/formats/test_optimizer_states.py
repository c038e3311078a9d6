import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

from regraft import formats
from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.core.optimizer_state import OptimizerState, VariableState
from regraft.formats import optimizer_states

_NUMBERS = some.one_of(some.booleans(), some.floats())
_ARRAYS = some.sampled_from([np.float32, np.float64, np.float16]).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=3, max_side=3))
)
# Surrogates are no text that a file could hold.
_NAMES = some.text(some.characters(exclude_categories=["Cs"]), max_size=9)
_VARIABLES = some.builds(
    VariableState,
    some.sampled_from(["adam", "sgd"]),
    some.integers(0, 10**12),
    some.dictionaries(_NAMES, _ARRAYS, max_size=2),
    some.dictionaries(_NAMES, _NUMBERS, max_size=2),
    some.dictionaries(_NAMES, some.floats(), max_size=2),
)
_STATES = some.builds(
    OptimizerState, some.dictionaries(_NAMES, _VARIABLES, max_size=3), some.text(max_size=5).filter(str.isascii)
)


def same(one, other):
    """Equal to the bit, NaN included."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    return type(one) is type(other) and (one == other or (one != one and other != other))


def plain(state):
    return {
        name: {"kind": own.kind, "steps": own.steps, "slots": own.slots, "settings": own.settings, "more": own.scalars}
        for name, own in state.variables.items()
    }


@settings(max_examples=60)
@given(_STATES)
def test_what_is_written_reads_back_the_same(tmp_path_factory, state):
    path = tmp_path_factory.mktemp("state") / "state.npz"
    optimizer_states.write(path, state)
    found = optimizer_states.read(path)
    assert same(plain(found), plain(state))
    assert (found.origin, found.notes) == (state.origin, state.notes)


def sample():
    kernel = np.arange(6, dtype="float32").reshape(2, 3)
    own = VariableState(
        "adam", 7, {"momentum": kernel, "velocity": kernel**2}, {"beta_1": 0.9, "amsgrad": False}, {"u": 0.5}
    )
    return OptimizerState({"a/kernel": own, "../b": VariableState("sgd", 3, {})}, "mine.keras", ("one note",))


def test_equal_states_make_equal_files(tmp_path):
    for name in ("one.npz", "two.npz"):
        optimizer_states.write(tmp_path / name, sample())
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_numpy_and_inspect_open_it(tmp_path):
    optimizer_states.write(tmp_path / "state.npz", sample())
    with np.load(tmp_path / "state.npz") as opened:
        np.testing.assert_array_equal(opened["1"], sample().variables["a/kernel"].slots["velocity"])
    assert optimizer_states.is_one(tmp_path / "state.npz")
    np.savez(tmp_path / "other.npz", a=np.ones(2))
    assert not optimizer_states.is_one(tmp_path / "other.npz")
    assert list(formats.read(tmp_path / "other.npz").tensors) == ["a"]


def test_no_altered_byte_goes_unnoticed(tmp_path):
    path = tmp_path / "state.npz"
    optimizer_states.write(path, sample())
    whole = path.read_bytes()
    expected = plain(optimizer_states.read(path))
    said: list[str] = []
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x51]) + whole[place + 1 :])
        try:
            # Times and versions in a zip file's directory mean nothing.
            assert same(plain(optimizer_states.read(path)), expected)
        except RegraftError as error:
            said.append(str(error))
    assert len(said) > len(whole) // 2
    assert not any("\n" in line for line in said)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    optimizer_states.write(path, sample())
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(CorruptFileError):
            optimizer_states.read(path)


def test_what_is_wrong_with_it_is_said(tmp_path):
    path = tmp_path / "state.npz"
    with pytest.raises(SourceError, match=r"expected the state of an optimizer at '.*', found no file"):
        optimizer_states.read(path)
    np.savez(path, a=np.ones(2))
    with pytest.raises(SourceError, match=r"expected 'optimizer_state.json' in '.*state.npz', found a.npy"):
        optimizer_states.read(path)
    optimizer_states.write(path, sample())
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("9.npy", b"")
    with pytest.raises(CorruptFileError, match=r"was altered: it says nothing of '9.npy'; get the file again"):
        optimizer_states.read(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(optimizer_states.ABOUT, json.dumps({"version": 2}))
    with pytest.raises(SourceError, match=r"is of version 2, expected 1; update Regraft"):
        optimizer_states.read(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(optimizer_states.ABOUT, json.dumps({"version": 1}))
    with pytest.raises(CorruptFileError, match="was altered"):
        optimizer_states.read(path)
