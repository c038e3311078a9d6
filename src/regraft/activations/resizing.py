"""Pictures brought to the network's size, by the arithmetic of the deployable model's own layer."""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import keras
import numpy as np
import scipy.sparse

from regraft.core.input_spec import InputSpec
from regraft.surgery.graft import resizing

Array = np.ndarray[Any, Any]

# Pixels up to which a picture is worth copying as float32; the kernel takes bytes.
_SMALL = 2_000_000
# Values that are copied at once, and columns at least.
_STRIP, _NARROWEST = 80_000, 64
# Values between one line and the next, of lines whose length may be a power of two.
_APART = 4


class Resize(Protocol):
    """Brings one raw picture (height, width, channels), of any dtype, to the network's size."""

    def __call__(self, picture: Array, out: Array | None = None) -> Array:
        """The picture as float32; written to `out`, which is float32 without gaps, where that is given."""
        ...


def compile_resizing(inputs: InputSpec) -> Resize:
    """What brings pictures to the network's size.

    It is the layer of the deployable model itself. On TensorFlow, where a picture is cropped or stretched, it is the
    one operation that this comes down to, which is twice as fast, and for pictures up to 2 megapixels the same sums as
    two products with sparse matrices, two to four times as fast again: all agree bit for bit.
    """
    layer = resizing(inputs)
    if keras.backend.backend() != "tensorflow":
        return _written(lambda picture: keras.ops.convert_to_numpy(layer(np.asarray(picture, np.float32))))
    import tensorflow as tf

    if inputs.resizing == "pad":
        signature = [tf.TensorSpec((None, None, inputs.channels), tf.float32)]
        function = tf.function(lambda picture: layer(picture), input_signature=signature, autograph=False)
        return _written(lambda picture: function(np.asarray(picture, np.float32)).numpy())
    height, width, _ = inputs.shape
    size, nowhere = tf.constant((height, width)), tf.constant((0.0, 0.0))

    @functools.lru_cache
    def scale(tall: int, wide: int) -> Any:
        return tf.constant((height / tall, width / wide))

    def by_kernel(window: Array) -> Array:
        return tf.raw_ops.ScaleAndTranslate(
            images=window[None],
            size=size,
            scale=scale(*window.shape[:2]),
            translation=nowhere,
            kernel_type="triangle",
            antialias=True,
        ).numpy()[0]

    # Compilers of other machines may round a product and a sum in one step.
    probe = np.random.default_rng(0).integers(0, 256, (2 * height + 1, 2 * width + 3, inputs.channels), np.uint8)
    short = np.array_equal(by_matrices(probe, height, width), by_kernel(probe))

    by_kernel_written = _written(by_kernel)

    def resize(picture: Array, out: Array | None = None) -> Array:
        window = _centred(picture, height, width) if inputs.resizing == "crop" else picture
        window = window if window.dtype == np.uint8 else np.asarray(window, np.float32)
        if short and window.shape[0] * window.shape[1] <= _SMALL:
            return by_matrices(window, height, width, out)
        return by_kernel_written(window, out)

    return resize


def _written(resize: Callable[[Array], Any]) -> Resize:
    """A function that makes an array, as one that can write it to another."""

    def written(picture: Array, out: Array | None = None) -> Array:
        made = np.asarray(resize(picture), np.float32)
        if out is None:
            return made
        out[...] = made
        return out

    return written


def by_matrices(picture: Array, height: int, width: int, out: Array | None = None) -> Array:
    """What the kernel makes of a picture, bit for bit: its sums, in its order, first along the height.

    Args:
        picture: uint8 or float32 (tall, wide, channels).
        height: wanted.
        width: wanted.
        out: where the result is written, float32 (height, width, channels) without gaps; None: to a new array.
    """
    tall, wide, channels = picture.shape
    lines, down = picture.reshape(tall, wide * channels), _weights(tall, height)
    # One line further in memory is another set of a processor's cache, also where the height is a power of two.
    long = height + _APART
    columns = np.empty((wide * channels, long), np.float32)
    columns[:, height:] = 0
    # Some columns at a time stay in the cache beside what the decoder keeps there. Turned value by value: NumPy takes
    # twice as long for whole pixels.
    step = max(_STRIP // tall, _NARROWEST)
    for left in range(0, wide * channels, step):
        lower = down @ lines[:, left : left + step].astype(np.float32)
        np.copyto(columns[left : left + step, :height], lower.T)
        del lower
    narrower = _weights(wide, width) @ columns.reshape(wide, channels * long)
    # Kept no longer than it is needed: an allocator that is asked for much at once gives all of it back to the system,
    # and to have it anew for the next picture took four times as long as the sums.
    del columns
    made = np.empty((height, width, channels), np.float32) if out is None else out
    # Line by line, as `made` is cold: it is a place in a batch.
    np.copyto(made.reshape(height, width * channels), narrower.reshape(width * channels, long)[:, :height].T)
    return made


@functools.lru_cache(maxsize=256)
def _weights(taken: int, wanted: int) -> Any:
    """How much each of `taken` pixels counts for each of `wanted` ones, a sparse matrix in float32.

    In TensorFlow's arithmetic (`ScaleAndTranslate`): a triangle as wide as the step from one to the next, at least one
    pixel, cut off at the border, its sum made one.
    """
    one, half = np.float32(1), np.float32(0.5)
    step = one / np.float32(wanted / taken)
    wide = max(step, one)
    centres = (np.arange(wanted, dtype=np.float32) + half) * step
    first = np.clip(np.ceil(centres - wide - half), 0, taken - 1).astype(np.int32)
    after = np.clip(np.floor(centres + wide - half), 0, taken - 1).astype(np.int32) + 1
    places = first[:, None] + np.arange(int((after - first).max()), dtype=np.int32)
    distances = np.abs((places.astype(np.float32) + half - centres[:, None]) * (one / wide))
    weights = np.where((places < after[:, None]) & (distances < one), one - distances, np.float32(0))
    # `cumsum` adds one after the other; `sum` would not.
    weights *= one / np.cumsum(weights, axis=1, dtype=np.float32)[:, -1:]
    starts = np.arange(wanted + 1, dtype=np.int32) * places.shape[1]
    indices = np.minimum(places, taken - 1).reshape(-1)
    made = scipy.sparse.csr_array((weights.reshape(-1), indices, starts), shape=(wanted, taken))
    # Of finite pixels they add nothing, and of a picture that is hardly made smaller they are a third of all.
    made.eliminate_zeros()
    return made


def _centred(picture: Array, height: int, width: int) -> Array:
    """The largest centred window of a picture with this aspect ratio, rounded as Keras' layer does it."""
    tall, wide = picture.shape[:2]
    new_tall = max(min(tall, int(np.float32(wide * height) / np.float32(width))), 1)
    new_wide = max(min(wide, int(np.float32(tall * width) / np.float32(height))), 1)
    top, left = int(np.float32(tall - new_tall) / 2), int(np.float32(wide - new_wide) / 2)
    return picture[top : top + new_tall, left : left + new_wide]
