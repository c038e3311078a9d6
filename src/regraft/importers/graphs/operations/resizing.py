"""Other sizes of pictures: interpolation, and exchange between space and channels."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Array, Node, UnsupportedError
from regraft.importers.graphs.operations import windows
from regraft.importers.graphs.values import Constant, Live, Value

_layers: Any = keras.layers
_REPEATING = (_layers.UpSampling1D, _layers.UpSampling2D, _layers.UpSampling3D)


def resize(node: Node, build: Builder) -> Sequence[Value]:
    """Interpolation to another size: a layer of Keras where there is one, or else a product with a fixed matrix."""
    x = build.channels_last(node, build.live(node))
    sizes = windows.known(x.tensor.shape[1:-1])
    wanted, scales = _wanted(node, build, x, sizes)
    if wanted == sizes:
        return [x]
    if min(windows.known(wanted)) < 1:
        raise UnsupportedError(f"a picture of {' x '.join(map(str, wanted))}")
    matrices = [_interpolation(node.settings, *axis) for axis in zip(sizes, wanted, scales, strict=True)]
    whole = all(new % old == 0 for old, new in zip(sizes, wanted, strict=True))
    if whole and all(_repeats(matrix) for matrix in matrices):
        factors = tuple(new // old for old, new in zip(sizes, wanted, strict=True))
        kind, factor = _REPEATING[len(sizes) - 1], factors[0] if len(factors) == 1 else factors
        return [x.with_tensor(build.applied(node, kind, x.tensor, size=factor))]
    if _is_half_pixel(node, sizes, wanted):
        config: dict[str, Any] = {"height": wanted[0], "width": wanted[1], "interpolation": "bilinear"}
        return [x.with_tensor(build.applied(node, _layers.Resizing, x.tensor, **config))]
    return [x.with_tensor(_multiplied(node, build, x.tensor, matrices))]


def depth_to_space(node: Node, build: Builder) -> Sequence[Value]:
    """Groups of channels as blocks of a larger picture."""
    x, block = build.channels_last(node, build.live(node)), node.settings["block"]
    height, width, channels = windows.known(x.tensor.shape[1:])
    rest = channels // block**2
    by_channel = node.settings.get("order", "DCR") == "CRD"
    opened = (height, width, rest, block, block) if by_channel else (height, width, block, block, rest)
    dims = (1, 4, 2, 5, 3) if by_channel else (1, 3, 2, 4, 5)
    tensor = build.reshaped(node, x.tensor, opened, "_open")
    tensor = build.applied(node, _layers.Permute, tensor, "_order", dims=dims)
    return [x.with_tensor(build.reshaped(node, tensor, (height * block, width * block, rest)))]


def space_to_depth(node: Node, build: Builder) -> Sequence[Value]:
    """Blocks of a picture as groups of channels."""
    x, block = build.channels_last(node, build.live(node)), node.settings["block"]
    height, width, channels = windows.known(x.tensor.shape[1:])
    small = (height // block, width // block)
    tensor = build.reshaped(node, x.tensor, (small[0], block, small[1], block, channels), "_open")
    tensor = build.applied(node, _layers.Permute, tensor, "_order", dims=(1, 3, 2, 4, 5))
    return [x.with_tensor(build.reshaped(node, tensor, (*small, channels * block**2)))]


def _wanted(node: Node, build: Builder, x: Live, sizes: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The new sizes of the axes of space, and by how much they differ, as the file says it."""
    scales, given = build.constant_or(node, 1, None), build.constant_or(node, 2, None)
    space = x.axes[1:-1]
    if given is not None and given.values.size:
        wanted = tuple(int(size) for size in _of_space(given, space, x.rank))
        return wanted, tuple(new / old for old, new in zip(sizes, wanted, strict=True))
    if scales is None or not scales.values.size:
        raise UnsupportedError("neither sizes nor scales are given")
    factors = tuple(float(scale) for scale in _of_space(scales, space, x.rank))
    return tuple(int(np.floor(size * factor)) for size, factor in zip(sizes, factors, strict=True)), factors


def _of_space(given: Constant, space: Sequence[int], rank: int) -> Array:
    """The entries for axes of space, whether all axes are listed or only those."""
    flat = given.values.reshape(-1)
    return flat[list(space)] if flat.size == rank else flat


def _interpolation(settings: Any, old: int, new: int, scale: float) -> Array:
    """(new, old): how much each old element counts for each new one."""
    places = _places(settings.get("coordinates", "half_pixel"), np.arange(new), old, new, scale)
    matrix = np.zeros((new, old))
    if settings["mode"] == "nearest":
        matrix[np.arange(new), _rounded(settings.get("rounding", "round_prefer_floor"), places).clip(0, old - 1)] = 1
    elif settings["mode"] == "linear":
        places = places.clip(0, old - 1)
        low = np.floor(places).astype(int).clip(0, max(old - 2, 0))
        matrix[np.arange(new), low] += 1 - (places - low)
        matrix[np.arange(new), np.minimum(low + 1, old - 1)] += places - low
    else:
        raise UnsupportedError(f"interpolation of the kind '{settings['mode']}'")
    return matrix.astype(np.float32)


def _places(kind: str, index: Array, old: int, new: int, scale: float) -> Array:
    """Where in the old axis the new elements lie."""
    match kind:
        case "asymmetric":
            return index / scale
        case "align_corners":
            return index * (old - 1) / max(new - 1, 1)
        case "half_pixel":
            return (index + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (index + 0.5) / scale - 0.5 if new > 1 else index * 0.0
        case _:
            raise UnsupportedError(f"coordinates of the kind '{kind}'")


def _rounded(kind: str, places: Array) -> Array:
    match kind:
        case "floor":
            rounded = np.floor(places)
        case "ceil":
            rounded = np.ceil(places)
        case "round_prefer_ceil":
            rounded = np.floor(places + 0.5)
        case _:
            rounded = np.ceil(places - 0.5)
    return rounded.astype(int)


def _repeats(matrix: Array) -> bool:
    """Whether every element is repeated equally often."""
    new, old = matrix.shape
    return bool((matrix == np.repeat(np.eye(old), new // old, axis=0)).all())


def _is_half_pixel(node: Node, sizes: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether this is what Keras' own layer does: bilinear between the centres of pixels, from the sizes alone."""
    linear = node.settings["mode"] == "linear" and len(sizes) == 2
    exact = min(wanted) > 1 and all(new >= old for old, new in zip(sizes, wanted, strict=True))
    return linear and exact and node.settings.get("coordinates", "half_pixel").endswith("half_pixel")


def _multiplied(node: Node, build: Builder, tensor: Any, matrices: Sequence[Array]) -> Any:
    """The tensor with each axis of space multiplied by its matrix, which is not trainable."""
    letters = "abcdef"[: len(tensor.shape)]
    for number, matrix in enumerate(matrices, start=1):
        if matrix.shape[0] == matrix.shape[1] and (matrix == np.eye(len(matrix), dtype=np.float32)).all():
            continue
        axis = letters[number]
        equation = f"{letters},{axis}z->{letters.replace(axis, 'z')}"
        shape = [*tensor.shape[1:number], matrix.shape[0], *tensor.shape[number + 1 :]]
        config = {"equation": equation, "output_shape": tuple(shape), "trainable": False}
        weights = {"kernel": Constant(matrix.T)}
        suffix = "" if number == len(matrices) else f"_axis{number}"
        tensor = build.weighted(node, _layers.EinsumDense, tensor, weights, suffix, **config)
    return tensor
