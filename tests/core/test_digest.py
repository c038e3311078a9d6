"""Digests tell contents apart and nothing else."""

import hashlib
import random
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from regraft.core import digest

Array = np.ndarray[Any, Any]

_DTYPES = st.sampled_from(["bool", "int8", "uint8", "int32", "int64", "float16", "float32", "float64"])
_ARRAYS = _DTYPES.flatmap(lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=3, min_side=0)))


def test_the_digest_of_an_array_is_what_its_documentation_says() -> None:
    array = np.array([[1, -2, 3]], dtype="<i4")
    parts = [b"int32(1, 3)", array.tobytes()]
    state = hashlib.blake2b(b"".join(len(part).to_bytes(8, "little") + part for part in parts), digest_size=16)
    assert digest.of_array(array) == state.hexdigest()


@given(one=_ARRAYS, other=_ARRAYS)
def test_arrays_have_one_digest_exactly_if_type_shape_and_bytes_are_equal(one: Array, other: Array) -> None:
    same = (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    assert (digest.of_array(one) == digest.of_array(other)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(4, "int32"), np.zeros(4, "float32")),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array(1.0), np.array([1.0])),
        (np.zeros((0, 2)), np.zeros((2, 0))),
        (np.array([1, 2]), np.array([2, 1])),
        (np.array([0.0]), np.array([-0.0])),
        (np.ones(2, "float16"), np.ones(2, ml_dtypes.bfloat16)),
    ],
)
def test_type_shape_order_and_sign_matter(one: Array, other: Array) -> None:
    assert digest.of_array(one) != digest.of_array(other)


@given(array=_ARRAYS)
def test_layout_and_byte_order_do_not_matter(array: Array) -> None:
    strided = np.repeat(array[..., np.newaxis], 2, axis=-1)[..., 0]
    swapped = array.astype(array.dtype.newbyteorder(">" if sys.byteorder == "little" else "<"))
    backwards = array[::-1].copy()[::-1] if array.ndim else array
    expected = digest.of_array(array)
    for other in (strided, swapped, backwards, np.asfortranarray(array) if array.ndim else array):
        assert digest.of_array(other) == expected


def test_an_array_of_objects_has_no_digest() -> None:
    with pytest.raises(TypeError):
        digest.of_array(np.array([object()]))


@given(one=st.lists(st.binary(max_size=3)), other=st.lists(st.binary(max_size=3)))
def test_parts_keep_their_borders(one: list[bytes], other: list[bytes]) -> None:
    assert (digest.of_bytes(*one) == digest.of_bytes(*other)) == (one == other)


@given(values=st.lists(st.text()))
@example(values=["not UTF-8: \udcff"])
def test_strings_are_parts_whatever_they_hold(values: list[str]) -> None:
    assert digest.of_strings(iter(values)) == digest.of_bytes(
        *(value.encode(errors="surrogatepass") for value in values)
    )


@given(
    items=st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.lists(st.text(max_size=3)), max_size=5),
    seed=st.integers(),
)
def test_the_order_of_keys_does_not_matter(items: dict[str, Any], seed: int) -> None:
    pairs = list(items.items())
    random.Random(seed).shuffle(pairs)
    assert digest.of_json({"outer": dict(pairs)}) == digest.of_json({"outer": items})


def test_the_order_of_lists_does_matter() -> None:
    assert digest.of_json([1, 2]) != digest.of_json([2, 1])
    assert digest.of_json({"a": 1}) != digest.of_json({"a": 2})
    assert digest.of_json("1") != digest.of_json(1)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 21) + 3])
def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path, size: int) -> None:
    content = random.Random(size).randbytes(size)
    (tmp_path / "file").write_bytes(content)
    assert digest.of_file(tmp_path / "file") == digest.of_bytes(content)


@given(array=_DTYPES.flatmap(lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=1, max_dims=4, min_side=0))))
def test_the_digests_of_rows_are_those_of_each(array: Array) -> None:
    for given_as in (array, array[::2], np.asfortranarray(array), array.astype(array.dtype.newbyteorder(">"))):
        made = digest.of_rows(given_as)
        assert made.dtype == np.uint8
        assert [row.tobytes().hex() for row in made] == [digest.of_array(row) for row in given_as]


def test_a_file_that_was_begun_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 5000)
    with path.open("rb") as file:
        assert digest.of_opened(file, path.stat().st_size, file.read(16)) == digest.of_file(path)
    assert digest.of_file(path) == digest.of_bytes(path.read_bytes())


def test_strings_are_hashed_as_bytes_one_after_the_other() -> None:
    words = ["a", "", "ü", "\udc80"]
    parts = [word.encode("utf-8", "surrogatepass") for word in words]
    assert digest.of_strings(iter(words)) == digest.of_bytes(*parts)
