"""The state of building a Keras model from a neutral graph: what each value has become, and how layers are made.

The functions in `operations/` are given the node and the builder; they ask it for operands and for layers, and return
what the node's results have become.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import keras
import numpy as np

from regraft.importers.graphs import demand
from regraft.importers.graphs.neutral import Graph, Node, UnsupportedError, layer_name
from regraft.importers.graphs.values import OPEN, Constant, Fold, Live, Value

T = TypeVar("T")


class Builder:
    """What is known while a graph is being built.

    Attributes:
        graph: that is being built.
        values: what values have become, by foreign name.
        loaded: variables that were given values, with the tensors of the file that these came from.
        read: the tensors of the file that something was made of.
        raw: names of values that no weights were applied to yet: the input and its preprocessing.
        never_negative: names of values that are not below zero, whatever the input.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values: dict[str, Value] = {}
        self.loaded: list[tuple[tuple[str, ...], Any]] = []
        self.read: set[str] = set()
        self.raw: set[str] = set()
        self.never_negative: set[str] = set()
        self.absorbed: dict[str, str] = {}
        self.consumers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for value in dict.fromkeys(node.inputs):
                self.consumers.setdefault(value, []).append(node)
        self._names: Counter[str] = Counter()
        self._reshaped: dict[int, tuple[Any, Any]] = {}
        self._shared: dict[Any, keras.Layer] = {}

    # Operands

    def operand(self, node: Node, index: int) -> Value | None:
        """What the operand has become; None where it is left out."""
        name = node.inputs[index] if index < len(node.inputs) else ""
        return self.value(name) if name else None

    def value(self, name: str) -> Value | None:
        """What a value has become; tensors are read when they are first asked for. None where it is not there yet."""
        tensor = self.graph.tensors.get(name)
        if name not in self.values and tensor is not None:
            sources = (tensor.source,) if tensor.source else ()
            self.values[name] = Constant(tensor.read(), sources, tensor.learns)
        return self.values.get(name)

    @property
    def declared_batch(self) -> int | None:
        """The number of examples that the graph was written for, where it was written for one number only."""
        return self.graph.inputs[0].shape[0] if self.graph.inputs else None

    def live(self, node: Node, index: int = 0) -> Live:
        """An operand that depends on the input."""
        value = self.operand(node, index)
        if not isinstance(value, Live):
            raise UnsupportedError(f"expected operand {index + 1} to depend on the input, found a constant")
        return value

    def constant(self, node: Node, index: int) -> Constant:
        """An operand that does not depend on the input."""
        value = self.operand(node, index)
        if not isinstance(value, Constant):
            raise UnsupportedError(f"expected operand {index + 1} to be a constant, found one computed from the input")
        return value

    def constant_or(self, node: Node, index: int, default: T) -> Constant | T:
        """An operand that does not depend on the input, or the default where it is left out."""
        return default if self.operand(node, index) is None else self.constant(node, index)

    def integers(self, node: Node, index: int, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """An operand that lists integers."""
        value = self.operand(node, index)
        if value is None and default is not None:
            return tuple(default)
        integers = tuple(int(item) for item in self.constant(node, index).values.reshape(-1))
        if any(item and item % OPEN == 0 for item in integers):
            raise UnsupportedError("depends on a size that is open; say --input-size")
        return integers

    def follower(self, node: Node, kind: str) -> Node | None:
        """The only reader of the node's result, where it is of this kind and the result is wanted nowhere else."""
        (value,) = node.outputs[:1]
        readers = self.consumers.get(value, [])
        if len(readers) != 1 or value in self.graph.outputs or readers[0].kind != kind:
            return None
        return readers[0]

    def absorb(self, follower: Node, node: Node) -> None:
        """Say that what a later node does is done by this one already."""
        self.absorbed[follower.name] = node.outputs[0]

    def sized(self, constant: Constant, *shape: int | None) -> Constant:
        """The constant, if it has this shape; before Keras makes a variable for it that a damaged file says is huge."""
        if constant.values.shape != shape:
            raise UnsupportedError(f"expected weights of shape {shape}, found {constant.values.shape}")
        return constant

    # Layers

    def name(self, foreign: str) -> str:
        """A name that Keras takes, and that no other layer has."""
        plain = layer_name(foreign)
        count = self._names[plain] = self._names[plain] + 1
        return plain if count == 1 else self.name(f"{plain}_{count}")

    def applied(
        self, node: Node, kind: Callable[..., keras.Layer], tensor: Any, suffix: str = "", **config: Any
    ) -> Any:
        """The result of a new layer without weights, named after the node."""
        return kind(name=self.name(node.name + suffix), **config)(tensor)

    def weighted(
        self,
        node: Node,
        kind: Callable[..., keras.Layer],
        tensor: Any,
        weights: Mapping[str, Constant | None],
        suffix: str = "",
        **config: Any,
    ) -> Any:
        """The result of a layer with weights.

        Two nodes with the same weights and settings share a layer, as they share weights in the original.

        Args:
            node: that the layer is named after.
            kind: a class of Keras.
            tensor: its input.
            weights: values by the attribute of the layer that holds the variable, dots inside; None: nothing to give.
            suffix: of the layer's name.
            **config: its settings.
        """
        given = {place: values for place, values in weights.items() if values is not None}
        origin = tuple((place, values.sources) for place, values in given.items())
        key = (kind, repr(sorted(config.items())), origin, suffix) if all(sources for _, sources in origin) else None
        shared = self._shared.get(key) if key else None
        if shared is not None:
            return shared(tensor)
        layer = kind(name=self.name(node.name + suffix), **config)
        result = layer(tensor)
        for place, values in given.items():
            self._assign(_attribute(layer, place), values)
        if key:
            self._shared[key] = layer
        return result

    def operated(self, node: Node, tensor: Any, suffix: str = "") -> Any:
        """The result of a Keras operation (`keras.ops`), with its operation named after the node."""
        results: Any = tensor if isinstance(tensor, (list, tuple)) else [tensor]
        results[0]._keras_history.operation.name = self.name(node.name + suffix)
        return tensor

    def _assign(self, variable: Any, constant: Constant) -> None:
        if tuple(variable.shape) != constant.values.shape:
            raise UnsupportedError(f"expected weights of shape {tuple(variable.shape)}, found {constant.values.shape}")
        variable.assign(np.asarray(constant.values, "float32"))
        self.loaded.append((constant.sources, variable))

    # The order of axes

    def reshaped(self, node: Node, tensor: Any, shape: Sequence[int | None], suffix: str = "") -> Any:
        """The tensor in another shape, without the batch; a reshaping that undoes one is no layer at all."""
        _, before = self._reshaped.get(id(tensor), (tensor, tensor))
        for known in (tensor, before):
            if tuple(known.shape[1:]) == tuple(shape):
                return known
        if list(shape).count(None) > 1:
            raise UnsupportedError(f"needs definite sizes, found shape {tuple(tensor.shape[1:])}; say --input-size")
        target = tuple(-1 if size is None else size for size in shape)
        kind: Any = keras.layers.Flatten if len(target) == 1 else keras.layers.Reshape
        config = {} if len(target) == 1 else {"target_shape": target}
        result = self.applied(node, kind, before, suffix, **config)
        # The result is kept with it, so that no other tensor gets its identity.
        self._reshaped[id(result)] = result, before
        return result

    def arranged(self, node: Node, value: Live, axes: Sequence[int], suffix: str = "_order") -> Live:
        """The value with its tensor's axes in the order wanted, and exactly those.

        Only where the order really differs a `Permute` stands; a `Reshape` puts axes of size one in or leaves them out.

        Args:
            node: that needs it so.
            value: to be arranged.
            axes: foreign axes; those left out have size one.
            suffix: of the names of layers, if any.

        Raises:
            UnsupportedError: the batch would not come first.
        """
        axes = tuple(axes)
        if value.axes == axes:
            return value
        if axes[0] != value.batch:
            raise UnsupportedError(f"the batch is axis {value.batch} of {value.said()}, expected axis {axes[0]}")
        sizes = dict(zip(value.axes, value.tensor.shape, strict=True))
        present = [axis for axis in value.axes if axis in axes and sizes[axis] != 1]
        wanted = [axis for axis in axes if axis in present]
        tensor = value.tensor
        if present != wanted:
            order = [axis for axis in axes if axis in value.axes]
            order += [axis for axis in value.axes if axis not in order]
            places = [value.axes.index(axis) for axis in order[1:]]
            tensor = self.applied(node, keras.layers.Permute, tensor, suffix, dims=places)
        tensor = self.reshaped(node, tensor, [sizes.get(axis, 1) for axis in axes[1:]], f"{suffix}_shape")
        return Live(tensor, axes, value.rank, value.folds)

    def channels_last(self, node: Node, value: Live) -> Live:
        """The value as Keras' layers for pictures and sequences take it: batch, space, channels."""
        return self.plain(node, self.arranged(node, value, channel_order(value.rank, node.settings["channels"])))

    def plain(self, node: Node, value: Live, axes: Sequence[int] | None = None) -> Live:
        """The value with the foreign order inside of every axis, or of those named."""
        for axis in [axis for axis in value.folds if axes is None or axis in axes]:
            value = self._unfolded(node, value, axis, value.folds[axis])
        return value

    def _unfolded(self, node: Node, value: Live, axis: int, fold: Fold) -> Live:
        place = value.place(axis)
        sizes = list(value.tensor.shape[1:])
        opened = [*sizes[: place - 1], *(fold.sizes[index] for index in fold.order), *sizes[place:]]
        tensor = self.reshaped(node, value.tensor, opened, "_unfold")
        back = [place + fold.order.index(index) for index in range(len(fold.sizes))]
        dims = [*range(1, place), *back, *range(place + len(back), len(opened) + 1)]
        tensor = self.applied(node, keras.layers.Permute, tensor, "_order", dims=dims)
        tensor = self.reshaped(node, tensor, sizes, "_fold")
        return Live(tensor, value.axes, value.rank, {key: item for key, item in value.folds.items() if key != axis})

    def wanted_order(self, value: str, rank: int) -> tuple[int, ...] | None:
        """The order of axes that the first operation that cares wants this value in."""
        return demand.order(self.consumers, self.value, value, rank)


def channel_order(rank: int, channels: int) -> tuple[int, ...]:
    """The foreign axes in Keras' order: channels last.

    >>> channel_order(4, 1), channel_order(4, -1)
    ((0, 2, 3, 1), (0, 1, 2, 3))
    """
    return (0, *range(2, rank), 1) if channels == 1 else tuple(range(rank))


def _attribute(layer: Any, path: str) -> Any:
    for name in path.split("."):
        layer = getattr(layer, name)
    return layer
