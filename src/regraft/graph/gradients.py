"""Gradients as one tensor each, which is what optimizers take them for; and work that nobody wants any of."""

import contextlib
from contextlib import AbstractContextManager
from typing import Any

import keras


def whole(gradient: Any) -> Any:
    """A gradient as one tensor; None, and what is one already, stays as it is.

    TensorFlow gives that of an embedding row by row, a word that is there twice as two rows. Keras' optimizers square
    these before they add them up, and take other steps than on other backends.
    """
    if not hasattr(gradient, "dense_shape"):
        return gradient
    import tensorflow as tf

    return tf.convert_to_tensor(gradient)


def without_gradients() -> AbstractContextManager[Any]:
    """PyTorch keeps what it computes, for gradients, unless it is told that there will be none."""
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()
