"""Windows that slide over axes of space: how much to pad, and by which layer."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Node, Padding, UnsupportedError

# No picture has more; what is computed for each row stays small.
_LARGEST_SIDE = 1 << 16

Pads = tuple[tuple[int, int], ...]
Sizes = tuple[int | None, ...]

PADDINGS = (keras.layers.ZeroPadding1D, keras.layers.ZeroPadding2D, keras.layers.ZeroPadding3D)
CROPPINGS = (keras.layers.Cropping1D, keras.layers.Cropping2D, keras.layers.Cropping3D)
# Below every number that a float32 tensor holds, and unlike infinity still a number where it is multiplied by zero.
LOWEST = float(np.finfo(np.float32).min)


def resolved(
    padding: Padding, sizes: Sizes, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Pads | str:
    """Padding as Keras says it (`valid`, `same`), or else by how much.

    `same` is TensorFlow's: the result has ceil(size / stride) elements, what is uneven goes to the end. Explicit
    padding is said as `same` only where it is that for every size of the input.
    """
    if padding == "same_lower":
        pads = tuple((after, before) for before, after in explicit("same", sizes, window, strides, dilations))
        return "same" if all(before == after for before, after in pads) else pads
    if isinstance(padding, str):
        return padding
    if not any(map(any, padding)):
        return "valid"
    reach = [(size - 1) * dilation for size, dilation in zip(window, dilations, strict=True)]
    even = all(pair == (far / 2, far / 2) for pair, far in zip(padding, reach, strict=True))
    return "same" if even and set(strides) == {1} else padding


def explicit(
    padding: Pads | str, sizes: Sizes, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Pads:
    """The same padding in numbers.

    Raises:
        UnsupportedError: it depends on a size that is open.
    """
    if padding == "valid":
        return ((0, 0),) * len(window)
    if not isinstance(padding, str):
        return padding
    pads: list[tuple[int, int]] = []
    for size, width, stride, dilation in zip(known(sizes), window, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + (width - 1) * dilation + 1 - size, 0)
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


def known(sizes: Sizes) -> tuple[int, ...]:
    """The sizes, none of which may be open."""
    definite = tuple(size for size in sizes if size is not None)
    if len(definite) != len(sizes):
        raise UnsupportedError("needs definite sizes of the picture; say --input-size")
    if max(definite, default=0) > _LARGEST_SIDE:
        raise UnsupportedError(f"a picture of {' x '.join(map(str, definite))}")
    return definite


def padded(build: Builder, node: Node, tensor: Any, pads: Pads, value: float = 0.0, suffix: str = "_pad") -> Any:
    """The tensor (batch, space ..., channels) with borders of a value."""
    if not any(map(any, pads)):
        return tensor
    if value == 0:
        return build.applied(node, PADDINGS[len(pads) - 1], tensor, suffix, padding=pads[0] if len(pads) == 1 else pads)
    return build.operated(node, keras.ops.pad(tensor, ((0, 0), *pads, (0, 0)), constant_values=value), suffix)


def cropped(build: Builder, node: Node, tensor: Any, crops: Pads) -> Any:
    """The tensor (batch, space ..., channels) without its borders."""
    if not any(map(any, crops)):
        return tensor
    kind: Any = CROPPINGS[len(crops) - 1]
    return build.applied(node, kind, tensor, "_crop", cropping=crops[0] if len(crops) == 1 else crops)
