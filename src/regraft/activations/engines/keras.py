"""Keras itself, on whichever backend it runs: there is no network that it cannot run, and the others are held to it.

To the bit an example's activations depend on nothing but itself as far as the backend's kernels treat all rows alike.
Measured, these do not, in the last bit: PyTorch's matrix product on a CPU with 5, 6, 7 or 11 columns, and TensorFlow's
mean over positions of more than 8 channels that are no multiple of 8, which is why channels are padded for our own
pooling in `trunk`.
"""

from typing import Any

import keras
import numpy as np

from regraft.activations.engines.trunk import Array, Compiled, Trunk

NAME = "keras"
INSTALL = "pip install 'regraft[tensorflow]'"

# Weights up to this size become constants of the compiled trunk on TensorFlow, whose graphs hold 2 GB at most.
_CONSTANT_BYTES = 1_000_000_000


def available() -> bool:
    """Whether it can be used here; without Keras there is no network."""
    return True


def version() -> str:
    """What its results may depend on."""
    backend = keras.backend.backend()
    return f"{keras.__version__} on {backend} {_BACKENDS[backend]()}"


def compile(trunk: Trunk) -> Compiled:  # noqa: A001 - every engine's function of this name
    """A function that computes what is wanted of a whole batch."""
    return _COMPILERS[keras.backend.backend()](trunk)


def with_constants(trunk: Trunk, signature: Any = None) -> Any:
    """The trunk as a function of TensorFlow that holds its weights, where these are small enough; not yet traced."""
    import tensorflow as tf

    variables = trunk.variables()
    small = sum(variable.value.shape.num_elements() * 4 for variable in variables) <= _CONSTANT_BYTES
    fixed = [(variable, variable.numpy()) for variable in variables] if small else []

    def without_traces(raw: Any) -> list[Any]:
        # As constants, weights are folded into each other (BatchNorm into the kernel before it) and kept in the order
        # that the processor likes. What a layer assigns while it runs stays in the scope: recurrent layers of Keras
        # advance their seeds in inference too.
        constants = [(variable, tf.constant(value)) for variable, value in fixed]
        with keras.StatelessScope(state_mapping=constants):
            return trunk.run(raw)

    return tf.function(without_traces, input_signature=signature, autograph=False, reduce_retracing=True)


def _with_tensorflow(trunk: Trunk) -> Compiled:
    import tensorflow as tf

    function = with_constants(trunk)
    return lambda raw: _arrays(result.numpy() for result in function(tf.constant(raw)))


def _with_jax(trunk: Trunk) -> Compiled:
    import jax

    variables = trunk.variables()

    def pure(values: list[Any], raw: Any) -> list[Any]:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return trunk.run(raw)

    function = jax.jit(pure)
    return lambda raw: _arrays(function([variable.value for variable in variables], raw))


def _with_torch(trunk: Trunk) -> Compiled:
    import torch

    def function(raw: Array) -> list[Array]:
        with torch.inference_mode(), keras.StatelessScope():
            results = trunk.run(keras.ops.convert_to_tensor(raw))
            return _arrays(keras.ops.convert_to_numpy(result) for result in results)

    return function


def _arrays(results: Any) -> list[Array]:
    return [np.asarray(result, np.float32) for result in results]


def _tensorflow_version() -> str:
    import tensorflow as tf

    return tf.__version__


def _jax_version() -> str:
    import jax

    return jax.__version__


def _torch_version() -> str:
    import torch

    return torch.__version__


_COMPILERS = {"tensorflow": _with_tensorflow, "jax": _with_jax, "torch": _with_torch}
_BACKENDS = {"tensorflow": _tensorflow_version, "jax": _jax_version, "torch": _torch_version}
