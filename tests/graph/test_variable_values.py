"""Values of variables are copies, of any kind of number, and what does not fit is refused."""

import keras
import numpy as np
import pytest

from regraft.graph import variable_values


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 4), (64, 65)])
def test_what_is_written_is_read(dtype: str, shape: tuple[int, ...]) -> None:
    variable = keras.Variable(keras.ops.zeros(shape, dtype), dtype=dtype, trainable=False)
    value = np.random.default_rng(0).integers(0, 2, shape).astype(variable_values.read(variable).dtype)
    variable_values.write(variable, np.asarray(value))
    read = variable_values.read(variable)
    assert (read.dtype, read.shape) == (value.dtype, shape)
    assert np.array_equal(read, value)
    assert np.array_equal(keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32")), value.astype("float32"))


def test_neither_side_changes_the_other() -> None:
    variable, value = keras.Variable(np.zeros(1000, "float32")), np.ones(1000, np.float32)
    variable_values.write(variable, value)
    read = variable_values.read(variable)
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build([variable])
    optimizer.apply([keras.ops.ones(1000)])
    assert (read == 1).all()
    assert (value == 1).all()
    value += 5
    read += 7
    assert (variable_values.read(variable) == 0).all()


def test_another_dtype_is_converted_and_another_shape_refused() -> None:
    variable = keras.Variable(np.zeros(3, "float32"))
    variable_values.write(variable, np.arange(3))
    assert variable_values.read(variable).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="shape"):
        variable_values.write(variable, np.zeros(4, np.float32))
    assert variable_values.read(variable).tolist() == [0, 1, 2]
