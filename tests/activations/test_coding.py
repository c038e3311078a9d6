"""Codings of activations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from regraft.activations import coding
from regraft.core.errors import WorkError


def _back(rows: np.ndarray, dtype: str, scale: np.ndarray | None = None) -> np.ndarray:
    coded = coding.encode(rows, dtype, scale)
    return coding.decode(coded.rows, coded.scale)


def test_float32_comes_back_bit_for_bit_whatever_it_is() -> None:
    rows = np.frombuffer(np.random.default_rng(0).bytes(4000), "float32").reshape(10, 100)
    assert _back(rows, "float32").tobytes() == rows.tobytes()


def test_halves_are_rounded_to_the_nearest_and_ties_to_the_even() -> None:
    # Between 2048 and 4096 a half-precision number is even: odd ones lie half-way.
    rows = np.array([[2049.0, 2051.0, 2050.9, 1 + 2**-11, 1 + 3 * 2**-11, 2**-25, 3 * 2**-25]], "float32")
    wanted = [2048.0, 2052.0, 2050.0, 1.0, 1 + 2**-9, 0.0, 2**-23]
    assert _back(rows, "float16").tolist() == [wanted]


def test_bytes_are_rounded_to_the_nearest_and_ties_to_the_even() -> None:
    rows = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, 126.5, 127.0], "float32")[:, None]
    coded = coding.encode(rows, "int8", np.ones(1, "float32"))
    assert coded.rows[:, 0].tolist() == [0, 2, 2, 0, -2, 0, 126, 127]


@given(arrays.arrays("float32", (7, 3), elements=st.floats(-1e6, 1e6, width=32)))
def test_a_byte_is_off_by_half_a_step_at_most(rows: np.ndarray) -> None:
    coded = coding.encode(rows, "int8")
    off = np.abs(coding.decode(coded.rows, coded.scale).astype("float64") - rows)
    # Half a step, and the rounding of a float32 on the way there and back.
    assert (off <= coded.scale * 0.5 + np.abs(rows) * 2**-22).all()
    assert coded.clipped == 0


def test_each_channel_has_its_own_scale_and_a_silent_one_the_mean() -> None:
    rows = np.array([[[1.27, 254.0, 0.0]], [[-0.5, 100.0, 0.0]]], "float32")
    coded = coding.encode(rows, "int8")
    assert np.allclose(coded.scale, [0.01, 2.0, 1.005], rtol=1e-6)
    assert coded.rows.tolist() == [[[127, 127, 0]], [[-50, 50, 0]]]
    assert np.allclose(coding.encode(np.zeros((2, 3)), "int8").scale, 1 / 127)


def test_what_lies_beyond_the_scale_of_the_key_is_clipped_and_counted() -> None:
    coded = coding.encode(np.array([[1.0, 1.0], [3.0, -5.0]], "float32"), "int8", np.array([0.01, 0.02], "float32"))
    assert coding.decode(coded.rows, coded.scale).tolist() == pytest.approx(np.array([[1, 1], [1.27, -2.54]]))
    assert coded.clipped == 2
    half = coding.encode(np.array([[70000.0, 1.0, -1e6]], "float32"), "float16")
    assert (half.clipped, half.rows.tolist()) == (2, [[65504.0, 1.0, -65504.0]])


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize(("bad", "kind"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
def test_what_only_float32_holds_is_refused(dtype: str, bad: float, kind: str) -> None:
    rows = np.ones((700, 1000), "float32")
    rows[650, 3] = bad
    with pytest.raises(WorkError, match=f"an activation is {kind}, which {dtype} does not hold; keep activations in"):
        coding.encode(rows, dtype)
    assert np.array_equal(_back(rows, "float32"), rows, equal_nan=True)


def test_an_unknown_coding_is_one_line() -> None:
    expected = "expected activations in float32, float16, int8, found 'int9'; nearest known names: int8"
    with pytest.raises(WorkError, match=expected):
        coding.encode(np.ones((1, 1)), "int9")


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 3, 5)).astype("float32")
    whole = {dtype: coding.encode(rows, dtype) for dtype in coding.DTYPES}
    monkeypatch.setattr(coding, "_BLOCK", 20)
    for dtype, before in whole.items():
        after = coding.encode(rows, dtype)
        assert np.array_equal(after.rows, before.rows)
        assert dtype != "int8" or np.array_equal(after.scale, before.scale)


def test_the_error_is_that_of_the_arithmetic() -> None:
    rows = np.random.default_rng(2).normal(size=(400, 64)).astype("float32")
    for dtype in ("float16", "int8"):
        lost = np.linalg.norm(rows.astype("float64") - _back(rows, dtype)) / np.linalg.norm(rows.astype("float64"))
        assert coding.error(rows, dtype) == pytest.approx(lost, rel=1e-6)
    # A step of a normal variable whose largest of 400 is some 3 is 3/127; uniform rounding errors have a deviation
    # of 1/sqrt(12) steps.
    assert coding.error(rows, "int8") == pytest.approx(3 / 127 / 12**0.5, rel=0.25)
    assert coding.error(np.zeros((3, 3), "float32"), "int8") == 0.0
