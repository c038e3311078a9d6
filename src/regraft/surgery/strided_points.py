"""Around a fault of TensorFlow: the gradient of some convolutions writes beyond its memory."""

import contextlib
from collections.abc import Callable, Generator
from typing import Any

import keras

from regraft.graph import names

# Seen with fewer channels at the input than oneDNN's kernels take at once.
_AT_ONCE = 16


@contextlib.contextmanager
def points_taken_first(model: keras.Layer) -> Generator[None]:
    """While the block runs, convolutions by single points with a stride take the points first and convolve them then.

    That is the same function. TensorFlow 2.21 with oneDNN, which is its default on most processors, writes beyond the
    end of its memory in the gradient of a kernel of size 1 with a stride above 1 and fewer than 16 channels at its
    input: training such a network ends the process sooner or later ("double free", "invalid next size"), or spoils
    whatever lies there.

    Args:
        model: whose layers are changed in place, on TensorFlow.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    found: list[Any] = [layer for _, layer in names.layers(model) if on_tensorflow and _is_concerned(layer)]
    for layer in found:
        layer.convolution_op = _taking_first(layer)
    try:
        yield
    finally:
        for layer in found:
            del layer.convolution_op


def _is_concerned(layer: Any) -> bool:
    if not isinstance(layer, keras.layers.Conv1D | keras.layers.Conv2D | keras.layers.Conv3D) or not layer.built:
        return False
    conv: Any = layer
    by_points = set(conv.kernel_size) == {1} and max(conv.strides) > 1 and conv.groups == 1
    return by_points and conv.data_format == "channels_last" and conv.kernel.shape[-2] < _AT_ONCE


def _taking_first(layer: Any) -> Callable[[Any, Any], Any]:
    points = (slice(None), *(slice(None, None, stride) for stride in layer.strides))

    def convolved(inputs: Any, kernel: Any) -> Any:
        return keras.ops.conv(inputs[points], kernel, strides=1, padding="valid", data_format="channels_last")

    return convolved
