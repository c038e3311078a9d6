"""The waist: one small graph language between every foreign format and Keras.

A format is a table from its operators to these kinds (`onnx.py`); Keras is a table from these kinds to layers
(`operations/`). Kinds speak the foreign file's own axis order and never of Keras. What may be computed in a foreign
graph (a shape, axes, sizes) is an operand, not a setting; `""` is an operand that is left out.

| kind | operands | settings |
|---|---|---|
| `conv` | x, kernel, bias | `channels`, `kernel_axes`, `strides`, `dilations`, `groups`, `padding` |
| `conv_transposed` | x, kernel, bias | the same, `output_padding` |
| `dense` | x, kernel, bias | `transposed` (the kernel is outputs x inputs), `factor`, `bias_factor` |
| `matmul` | a, b | |
| `batch_norm` | x, scale, offset, mean, variance | `channels`, `epsilon`, `momentum` |
| `layer_norm` | x, scale, offset | `axis` (the first that is averaged over), `epsilon` |
| `group_norm` | x, scale, offset | `channels`, `groups` (0: one for each channel), `epsilon` |
| `pool` | x | `mode` (max, average), `channels`, `window`, `strides`, `dilations`, `padding`, `ceil`, `count_padding` |
| `global_pool` | x | `mode`, `channels` |
| `lrn` | x | `channels`, `size`, `alpha` (of the mean of squares), `beta`, `bias` |
| `activation` | x | `function` (a name of `keras.activations`) and its arguments |
| `prelu` | x, slope | |
| `hard_sigmoid` | x | `slope`, `offset` |
| `clip` | x, low, high | |
| `softmax`, `log_softmax` | x | `axis`, `trailing` (over all axes from this one on) |
| `unary` | x | `function` (a name of `keras.ops`) and its arguments |
| `binary` | a, b | `function` (a name of `keras.ops`: add, subtract, multiply, divide, power, maximum, equal, ...) |
| `where` | condition, a, b | |
| `identity`, `dropout` | x | `rate` |
| `cast` | x, another of the type wanted | `dtype`, where it is said |
| `shape` | x | `start`, `end` |
| `reshape` | x, shape | `zero_copies` (a 0 takes over the size; -1 is always what is left) |
| `flatten` | x | `axis` |
| `squeeze`, `unsqueeze` | x, axes | |
| `transpose` | x, order | |
| `expand`, `tile` | x, shape / repeats | |
| `concat` | any number | `axis` |
| `split` | x, sizes | `axis`, `count` |
| `slice` | x, starts, ends, axes, steps | |
| `gather` | x, indices | `axis` |
| `pad` | x, pads (all befores, then all afters), value, axes | `mode` |
| `reduce` | x, axes | `mode` (mean, sum, max, min, prod, l1, l2, sum_square), `keepdims` |
| `resize` | x, scales, sizes | `channels`, `mode` (nearest, linear), `coordinates`, `rounding` (as in ONNX) |
| `depth_to_space`, `space_to_depth` | x | `channels`, `block`, `order` (`DCR`, `CRD`) |
| `recurrent` | x, kernel, recurrent, bias, lengths, states | `cell`, `direction`, `units`, `reset_after` |
| `constant_of_shape`, `range` | shape / start, end, step | `value`, `dtype` |
| `unknown` | whatever it reads | `reason` |

`channels` is the axis of channels, 1 or -1. `kernel_axes` brings the kernel to (space ..., inputs of a group, outputs);
for `conv_transposed` to (space ..., outputs of a group, inputs). `padding` is `valid`, `same` (what is uneven goes to
the end), `same_lower` (to the beginning), or a pair (before, after) for each axis of space. Sequences have their
settings in the order of the axes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Padding = str | tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    Attributes:
        name: of the foreign operation, unique.
        kind: see the table above.
        inputs: names of values.
        outputs: names of values.
        settings: see the table above.
        operator: what the foreign format calls it, for messages.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Input:
    """A value that is given: its foreign shape with the batch, None where a size is open; NumPy's name of its type."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value at rest.

    Attributes:
        read: gives the values.
        source: its name in the file; empty where it is no tensor of the file but a setting of an operation.
        learns: whether training may have made it: weights, as opposed to shapes, axes and factors.
    """

    read: Callable[[], Array] = field(repr=False)
    source: str = ""
    learns: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """A foreign network in neutral words; nodes stand in an order in which they can be computed.

    Attributes:
        name: of the network.
        nodes: its operations.
        inputs: the values that are given.
        outputs: the values that are wanted.
        tensors: the values at rest.
        channels: the axis of channels that the format has as a rule, 1 or -1.
        certain: whether `learns` of the tensors is known, not guessed: then weights may work on the input itself.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    channels: int = 1
    certain: bool = False


def layer_name(foreign: str) -> str:
    """A foreign name as Keras takes it: letters, digits and underscores.

    "/" separates in canonical names, and PyTorch allows no dots.

    >>> layer_name("/layer1/0.conv1")
    'layer1_0_conv1'
    """
    return re.sub(r"[^0-9A-Za-z]+", "_", foreign).strip("_") or "layer"


class UnsupportedError(Exception):
    """Why an operation cannot be said in Keras' layers; the builder adds its name and place."""
