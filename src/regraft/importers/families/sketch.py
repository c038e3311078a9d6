"""A network of PyTorch's layers, written down in neutral words while its state dict is asked for tensors by name.

A family's file calls the layers in the order of the network's `forward`; the sketch asks for the tensors that a layer
of that name has, and keeps account of what is missing, what has another shape, and what nobody asked for. It knows the
shape of every value, so that nothing has to be built to say what the network is. No framework is imported.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from regraft.core.errors import SourceError
from regraft.core.tensors import TensorEntry
from regraft.importers.graphs.neutral import Graph, Input, Node, Tensor

INPUT = "input"
_COUNTER = "num_batches_tracked"
# PyTorch's running statistics keep nine tenths of what they were.
_MOMENTUM = 0.9
# More than any network has one after the other.
_MOST_LAYERS = 256

# What PyTorch calls the functions.
_FUNCTIONS = {"relu": "ReLU", "relu6": "ReLU6", "silu": "SiLU", "gelu": "GELU", "sigmoid": "Sigmoid"}

# Channels, height, width; None where a tensor that would say it is missing.
Map = tuple[int | None, int, int]
Shape = tuple[int, ...]


class Sketch:
    """Collects a neutral graph.

    Attributes:
        shapes: of the tensors, by the names that PyTorch's module gives them.
        nodes: the operations so far.
        maps: channels, height and width of every value.
        rows: the values that have channels only.
        missing: names of tensors that were asked for and are not there.
        unfit: in words, the tensors that have another shape than their layer needs.
        asked: the tensors that a layer has, those included that count batches.
    """

    def __init__(self, entries: Mapping[str, TensorEntry], input_size: int | None = None) -> None:
        """Begin with the tensors of a state dict.

        Args:
            entries: by the names that PyTorch's module gives them.
            input_size: height and width in pixels; None for those that the network was published for.
        """
        self.shapes: dict[str, Shape] = {name: entry.shape for name, entry in entries.items()}
        self.nodes: list[Node] = []
        self.maps: dict[str, Map] = {}
        self.rows: set[str] = set()
        self.missing: list[str] = []
        self.unfit: list[str] = []
        self.asked: set[str] = set()
        self._entries = entries
        self._input_size = input_size
        self._tensors: dict[str, Tensor] = {}

    @property
    def extra(self) -> list[str]:
        """The tensors that no layer asked for."""
        return [name for name in self.shapes if name not in self.asked]

    def graph(self, name: str, output: str) -> Graph:
        """The network as it was written down."""
        channels, height, width = self.maps[INPUT]
        given = Input(INPUT, (None, channels, height, width))
        return Graph(name, tuple(self.nodes), (given,), (output,), self._tensors)

    # Names

    def has(self, name: str) -> bool:
        """Whether the state dict has a layer of this name."""
        return f"{name}.weight" in self.shapes

    def count(self, pattern: str) -> int:
        """How many layers are numbered like this, from 0 or 1 on: the last number that a tensor's name has there.

        Args:
            pattern: what stands before the number, such as `layer1.` or `features.denseblock`.
        """
        rests = (name[len(pattern) :] for name in self.shapes if name.startswith(pattern))
        numbers = [int(digits) for rest in rests if (digits := rest.partition(".")[0]).isdigit()]
        # A name may claim any number.
        return min(max(numbers, default=-1) + 1, _MOST_LAYERS)

    # Layers

    def pictures(self, first: str, size: int) -> str:
        """The input, with as many channels as the first convolution takes.

        Args:
            first: that convolution.
            size: height and width in pixels that the network was published for.
        """
        kernel = self.shapes.get(f"{first}.weight", ())
        side = self._input_size or size
        self.maps[INPUT] = (kernel[1] if len(kernel) == 4 else None, side, side)
        return INPUT

    def conv(self, x: str, name: str, stride: int = 1, padding: int | str | None = None) -> str:
        """A convolution; in how many groups, the kernel says.

        Args:
            x: its input.
            name: of the layer.
            stride: for both axes.
            padding: at each border; `same` for TensorFlow's; None for half of the window.
        """
        outputs, inputs, *window = self._want(f"{name}.weight", None, None, None, None) or (None, None, 1, 1)
        names = [x, f"{name}.weight"]
        if f"{name}.bias" in self.shapes:
            self._want(f"{name}.bias", outputs)
            names.append(f"{name}.bias")
        channels = self.maps[x][0]
        groups = channels // inputs if channels and inputs and channels % inputs == 0 else 1
        if channels and inputs and channels != groups * inputs:
            self._unfitting(f"{name}.weight", f"one for {channels} channels")
        pads: Any = padding
        if padding != "same":
            pads = tuple((each, each) for each in (width // 2 if padding is None else padding for width in window))
        settings = {"kernel_axes": (2, 3, 1, 0), "groups": groups, "dilations": (1, 1)}
        return self._windowed("conv", name, names, outputs, window, stride, pads, "Conv2d", settings)

    def pool(self, x: str, name: str, window: int, stride: int, padding: int = 0, mode: str = "max") -> str:
        """The largest or the mean of every window; of windows with padding only the largest."""
        settings = {"mode": mode, "window": (window, window)}
        pads = ((padding, padding),) * 2
        operator = "MaxPool2d" if mode == "max" else "AvgPool2d"
        return self._windowed("pool", name, [x], self.maps[x][0], [window] * 2, stride, pads, operator, settings)

    def batch_norm(self, x: str, name: str, epsilon: float = 1e-5) -> str:
        """Batch normalisation over channels; the number of batches it has seen is of no use."""
        names = [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        for part in names:
            self._want(part, self.maps[x][0])
        self.asked.add(f"{name}.{_COUNTER}")
        settings = {"channels": 1, "epsilon": epsilon, "momentum": _MOMENTUM}
        return self._add("batch_norm", name, [x, *names], self.maps[x], "BatchNorm2d", **settings)

    def layer_norm(self, x: str, name: str, epsilon: float) -> str:
        """Normalisation of every place over its channels."""
        names = [f"{name}.{part}" for part in ("weight", "bias")]
        for part in names:
            self._want(part, self.maps[x][0])
        return self._add("layer_norm", name, [x, *names], self.maps[x], "LayerNorm", axis=-1, epsilon=epsilon)

    def function(self, x: str, name: str, function: str) -> str:
        """A function of `keras.activations`, element by element."""
        return self._add("activation", name, [x], self.maps[x], _FUNCTIONS[function], function=function)

    def linear(self, x: str, name: str) -> str:
        """A dense layer over channels that stand last."""
        channels, height, width = self.maps[x]
        outputs, _ = self._want(f"{name}.weight", None, channels) or (None, None)
        names = [x, f"{name}.weight"]
        if f"{name}.bias" in self.shapes:
            self._want(f"{name}.bias", outputs)
            names.append(f"{name}.bias")
        return self._add("dense", name, names, (outputs, height, width), "Linear", transposed=True)

    def scaled(self, x: str, tensor: str) -> str:
        """Every channel times a learned factor, which may have axes of size one beside its own."""
        channels = self.maps[x][0]
        shape = self.shapes.get(tensor, ())
        self._want(tensor, *((channels, 1, 1) if len(shape) == 3 else (channels,)))
        if tensor in self._tensors:
            given = self._tensors[tensor]
            self._tensors[tensor] = Tensor(lambda: given.read().reshape(-1, 1, 1), given.source, learns=True)
        return self._add("binary", f"{tensor}.scale", [x, tensor], self.maps[x], "Mul", function="multiply")

    def joined(self, x: str, y: str, name: str, function: str = "add") -> str:
        """The sum or the product of two values."""
        return self._add("binary", name, [x, y], self.maps[x], function.title(), function=function)

    def concat(self, x: str, y: str, name: str) -> str:
        """The channels of both."""
        (first, height, width), second = self.maps[x], self.maps[y][0]
        channels = first + second if first and second else None
        return self._add("concat", name, [x, y], (channels, height, width), "Cat", axis=1)

    def mean(self, x: str, name: str) -> str:
        """The mean of every channel, with height and width of one."""
        self.rows.add(name)
        return self._add("global_pool", name, [x], (self.maps[x][0], 1, 1), "Mean", mode="average", channels=1)

    def flat(self, x: str, name: str) -> str:
        """Everything in one row, channel after channel."""
        channels, height, width = self.maps[x]
        row = channels * height * width if channels else None
        self.rows.add(name)
        return self._add("flatten", name, [x], (row, 1, 1), "Flatten", axis=1)

    def dropout(self, x: str, name: str, rate: float) -> str:
        """Dropout as it was trained with; nothing where the rate is zero."""
        return self._add("dropout", name, [x], self.maps[x], "Dropout", rate=rate) if rate else x

    def channels_last(self, x: str, name: str) -> str:
        """The value with channels as its last axis, for layers that work on that."""
        return self._ordered(x, name, (0, 2, 3, 1))

    def channels_first(self, x: str, name: str) -> str:
        """The value with channels before height and width again."""
        return self._ordered(x, name, (0, 3, 1, 2))

    def widened(self, x: str, name: str, before: int, after: int) -> str:
        """More channels, all zero, before and after those that are there."""
        channels, height, width = self.maps[x]
        made = (channels + before + after if channels else None, height, width)
        pads = self._constant(f"{name}.pads", [0, before, 0, 0, 0, after, 0, 0])
        return self._add("pad", name, [x, pads], made, "Pad", mode="constant")

    def repeated(self, x: str, name: str, times: int) -> str:
        """The value so often beside and below itself."""
        channels, height, width = self.maps[x]
        repeats = self._constant(f"{name}.repeats", [1, 1, times, times])
        return self._add("tile", name, [x, repeats], (channels, height * times, width * times), "Repeat")

    # How

    def _ordered(self, x: str, name: str, order: Sequence[int]) -> str:
        return self._add("transpose", name, [x, self._constant(f"{name}.order", order)], self.maps[x], "Permute")

    def _windowed(
        self,
        kind: str,
        name: str,
        names: Sequence[str],
        channels: int | None,
        window: Sequence[int | None],
        stride: int,
        padding: Any,
        operator: str,
        settings: Mapping[str, Any],
    ) -> str:
        sides: list[int] = []
        for place, side in enumerate(self.maps[names[0]][1:]):
            pad = None if padding == "same" else sum(padding[place])
            made = -(-side // stride) if pad is None else (side + pad - (window[place] or 1)) // stride + 1
            if made < 1:
                raise SourceError(
                    f"pictures of {self.maps[INPUT][1]} x {self.maps[INPUT][2]} pixels are too small for '{name}'; "
                    "say a larger --input-size"
                )
            sides.append(made)
        more = {"channels": 1, "strides": (stride, stride), "padding": padding, **settings}
        return self._add(kind, name, names, (channels, sides[0], sides[1]), operator, **more)

    def _add(self, kind: str, name: str, names: Sequence[str], made: Map, operator: str, **settings: Any) -> str:
        if names[0] in self.rows and kind != "conv":
            self.rows.update(() if kind == "binary" and names[1] not in self.rows else (name,))
        self.nodes.append(Node(name, kind, tuple(names), (name,), settings, operator))
        self.maps[name] = made
        return name

    def _constant(self, name: str, values: Sequence[int]) -> str:
        array = np.asarray(values, np.int64)
        self._tensors[name] = Tensor(lambda: array)
        return name

    def _want(self, name: str, *shape: int | None) -> Shape | None:
        """The shape of a tensor that a layer needs; None where it is not there, or not of this shape."""
        if name not in self.shapes:
            self.missing += [name] if name not in self.missing else []
            return None
        self.asked.add(name)
        found = self.shapes[name]
        fits = len(found) == len(shape) and all(want in (None, have) for want, have in zip(shape, found, strict=True))
        if not fits or 0 in found:
            self._unfitting(name, _said(shape))
            return None
        entry = self._entries[name]
        self._tensors[name] = Tensor(_float32(entry), entry.name, learns=True)
        return found

    def _unfitting(self, name: str, expected: str) -> None:
        self.unfit.append(f"'{name}' is {_said(self.shapes[name])}, expected {expected}")


def _float32(entry: TensorEntry) -> Callable[[], np.ndarray[Any, Any]]:
    return lambda: entry.read().astype(np.float32)


def _said(shape: Sequence[int | None]) -> str:
    return " x ".join("any" if size is None else str(size) for size in shape) or "a number"
