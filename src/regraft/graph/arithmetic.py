"""Float32 as it is written, and sums in one order: what GPUs do only when they are asked.

By default frameworks multiply float32 on a GPU with 10 bits of mantissa (TF32), so that errors are 1e-4 and more and
hang on the size of the batch, and let whichever thread is done first add first. Neither goes with activations that are
kept, training that goes on where it was interrupted, or a proof that two networks do the same.
"""

import contextlib
import functools
from collections.abc import Callable, Generator
from typing import Any, ParamSpec, TypeVar

import keras

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def on_gpu() -> bool:
    """Whether Keras' backend computes on a GPU."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import torch

    return torch.cuda.is_available()


def exactly() -> contextlib.AbstractContextManager[None]:
    """While the block runs, a GPU computes in full float32, and on PyTorch the same again; processors do anyhow.

    TensorFlow and JAX take an order of sums for a whole process only, before their first use of the GPU: with
    `TF_DETERMINISTIC_OPS=1` and `XLA_FLAGS=--xla_gpu_deterministic_ops=true` in the environment.
    """
    return _EXACTLY[keras.backend.backend()]() if on_gpu() else contextlib.nullcontext()


def exact(function: Callable[P, R]) -> Callable[P, R]:
    """A function that computes exactly."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with exactly():
            return function(*args, **kwargs)

    return run


@contextlib.contextmanager
def _with_tensorflow() -> Generator[None]:
    import tensorflow as tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


@contextlib.contextmanager
def _with_jax() -> Generator[None]:
    import jax

    # Part of what JAX compiles for: a function that was compiled outside is compiled again inside.
    with jax.default_matmul_precision("highest"):
        yield


@contextlib.contextmanager
def _with_torch() -> Generator[None]:
    import torch

    before: Any = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    cudnn = torch.backends.cudnn
    try:
        with cudnn.flags(enabled=cudnn.enabled, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


_EXACTLY: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
    "tensorflow": _with_tensorflow,
    "jax": _with_jax,
    "torch": _with_torch,
}
