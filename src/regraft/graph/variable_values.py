"""Values of variables, read and written: on TensorFlow by one operation each, without what Keras puts around it.

That takes a third of the time, and small networks spend much of their training with it.
"""

import functools
from typing import Any

import keras
import numpy as np

Array = np.ndarray[Any, Any]


def read(variable: keras.Variable) -> Array:
    """A copy of the value of a variable."""
    plain = _plain(variable)
    if plain is None:
        return np.array(keras.ops.convert_to_numpy(variable))
    tf = _tensorflow()
    return np.asarray(tf.raw_ops.ReadVariableOp(resource=plain.handle, dtype=plain.dtype).numpy())


def write(variable: keras.Variable, value: Array) -> None:
    """Give a variable another value, in place.

    Args:
        variable: any.
        value: of its shape; of another dtype it is converted as Keras does it.
    """
    plain = _plain(variable)
    # What does not fit is refused by Keras in its own words.
    if plain is None or value.dtype != plain.dtype.as_numpy_dtype or value.shape != variable.shape:
        variable.assign(value)
        return
    tf = _tensorflow()
    tf.raw_ops.AssignVariableOp(resource=plain.handle, value=tf.constant(value))


def _plain(variable: keras.Variable) -> Any:
    """TensorFlow's own variable of one device, whose numbers NumPy has too; None: let Keras do it."""
    if keras.backend.backend() != "tensorflow":
        return None
    value: Any = variable.value
    known = type(value) is _kind() and value.dtype.is_numpy_compatible and value.dtype.name != "bfloat16"
    return value if known else None


@functools.cache
def _kind() -> type:
    return type(_tensorflow().Variable(0.0))


def _tensorflow() -> Any:
    import tensorflow as tf

    return tf
