"""The trunk as a graph of TensorFlow for one size of batch, which engines that are no backend of Keras start from."""

import contextlib
import importlib
import logging
import warnings
from collections.abc import Generator
from typing import Any

import keras

from regraft.activations.engines import keras as keras_engine
from regraft.activations.engines.trunk import Trunk
from regraft.core.errors import RequestError, WorkError

INPUT = "given"


def require(engine: str) -> None:
    """Refuse an engine that needs TensorFlow's graphs where Keras runs on something else.

    Raises:
        RequestError: it does.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RequestError(
            f"the engine '{engine}' takes the network as a graph of TensorFlow, found Keras on {backend}; "
            "say it again with KERAS_BACKEND=tensorflow, or with the engine 'keras'"
        )


def traced(trunk: Trunk, shape: tuple[int, ...]) -> Any:
    """The trunk as a function of TensorFlow with one signature: float32 of this shape, the batch included."""
    import tensorflow as tf

    run = keras_engine.with_constants(trunk.run, trunk.variables())
    return tf.function(run, input_signature=signature_of(shape), autograph=False, reduce_retracing=True)


def signature_of(shape: tuple[int, ...]) -> list[Any]:
    """The signature of a function that takes one float32 tensor of this shape."""
    import tensorflow as tf

    return [tf.TensorSpec(shape, tf.float32, name=INPUT)]


@contextlib.contextmanager
def converting(engine: str, trunk: Trunk) -> Generator[None]:
    """Without what converters say about their own insides; what they cannot convert is one line.

    Raises:
        WorkError: the engine cannot take this network.
    """
    names = ("tensorflow", "tf2onnx", "openvino")
    # OpenVINO's converter turns the root of all loggers down, and leaves it so where it fails.
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in names)]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers[1:]:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # Each converter has its own; what matters is that there is another engine.
        reason = " ".join(str(error).split())[:200]
        raise WorkError(
            f"the engine '{engine}' cannot run '{trunk.model.name}': {reason}; use the engine 'keras'"
        ) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def package(name: str, engine: str, install: str) -> Any:
    """A package that an engine needs.

    Raises:
        RequestError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise RequestError(
            f"the engine '{engine}' needs {name}; install it with: {install}; or use the engine 'keras'"
        ) from None
