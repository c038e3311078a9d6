"""Arrays as bytes: what was written reads back, is what others read, and equal arrays are equal bytes."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from regraft import formats
from regraft.core import safetensors
from regraft.core.errors import SourceError

_TYPES = ["float64", "float32", "float16", "int8", "int64", "uint8", "uint32", "bool", "complex64"]
_ARRAYS = st.sampled_from(_TYPES).flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
_NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=5).filter(lambda name: name != "__metadata__")


@given(st.dictionaries(_NAMES, _ARRAYS, max_size=4))
def test_what_is_written_reads_back(arrays) -> None:
    content = safetensors.to_bytes(arrays, {"b": "2", "a": "1"})
    read = safetensors.from_bytes(content)
    assert list(read) == sorted(arrays)
    for name, array in arrays.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        assert read[name].tobytes() == np.ascontiguousarray(array).tobytes()
    again = safetensors.to_bytes(dict(reversed(arrays.items())), {"a": "1", "b": "2"})
    assert again == content


def test_types_that_numpy_lacks_and_other_orders_of_bytes_are_kept() -> None:
    short = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    read = safetensors.from_bytes(safetensors.to_bytes({"x": short, "y": np.array([1, 2], ">i4")}))
    assert read["x"].dtype == short.dtype
    assert read["x"].tobytes() == short.tobytes()
    assert read["y"].tolist() == [1, 2]
    with pytest.raises(SourceError, match="'x' is of type complex128, expected one of float64, "):
        safetensors.to_bytes({"x": np.zeros(1, complex)})


def test_the_reader_of_files_reads_the_same(tmp_path) -> None:
    arrays = {"a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7, np.int64)}
    (tmp_path / "x.safetensors").write_bytes(safetensors.to_bytes(arrays))
    archive = formats.read(tmp_path / "x.safetensors")
    assert {name: entry.read().tolist() for name, entry in archive.tensors.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }


@pytest.mark.parametrize("cut", [0, 3, 8, 20, -1])
def test_a_part_of_it_is_refused(cut: int) -> None:
    content = safetensors.to_bytes({"a": np.arange(4)})
    with pytest.raises((ValueError, KeyError)):
        safetensors.from_bytes(content[:cut] if cut >= 0 else content[:-1])
