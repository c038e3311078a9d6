"""The layers of one model while it is built: each made once, called as often as the file says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import keras

from regraft.core.errors import SourceError
from regraft.importers.keras_legacy import layers, layout, operations, vocabulary
from regraft.importers.keras_legacy.layout import Value

# The slope of hard_sigmoid was 0.2 before Keras 3 and is 1/6 since: what it is given must be this much larger.
STEEPER = 1.2
_RECURRENT = ("RNN", "LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional")


@dataclass(slots=True)
class Whole:
    """What all models of one file share while they are built.

    Attributes:
        source: the file, for messages.
        old_sigmoid: whether hard_sigmoid means that of Keras 1 and 2.
        first: whether channels stand first somewhere in the file.
        paths: for every layer's path in the file, that in the model.
        notes: what could not be kept as it was.
    """

    source: str
    old_sigmoid: bool
    first: bool
    paths: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A model that was built; which of its inputs and outputs have their channels last though the file says first."""

    model: Any
    moved_inputs: Sequence[bool]
    moved_outputs: Sequence[bool]


def name_of(item: Mapping[str, Any]) -> str:
    """The name that an item bears, in any version."""
    return str(item.get("name") or item["config"].get("name") or item["class_name"])


def is_model(item: Mapping[str, Any]) -> bool:
    """Whether an item is a graph of layers rather than a layer."""
    return item["class_name"] == "Sequential" or {"layers", "output_layers"} <= set(item["config"])


def one_or_all(items: Sequence[Any]) -> Any:
    """The only one, or the list of them."""
    return items[0] if len(items) == 1 else list(items)


class Scope:
    """The layers of one model."""

    def __init__(
        self,
        whole: Whole,
        items: Sequence[Mapping[str, Any]],
        paths: tuple[str, str],
        taken: set[str],
        build: Callable[[Mapping[str, Any], tuple[str, str]], Part],
    ) -> None:
        self.whole, self.paths, self.taken, self.build = whole, paths, taken, build
        self.items = {name_of(item): item for item in items}
        self._layers: dict[str, Any] = {}
        self._parts: dict[str, Part] = {}
        self._moved: dict[str, bool] = {}

    def place(self, name: str) -> str:
        """The layer and the file, for messages."""
        return f"'{self.whole.source}': layer '{self.paths[0]}{name}'"

    def new_name(self, name: str) -> str:
        """A name for a layer of the model; where it stands for one of the file, the path is kept."""
        plain = layers.plain_name(name, self.taken)
        self.taken.add(plain)
        return plain

    def given(self, name: str, shape: Any, config: Mapping[str, Any]) -> Value:
        """A new input of the model.

        Raises:
            SourceError: the file does not state its shape, or it is a ragged one.
        """
        if not isinstance(shape, (list, tuple)) or config.get("ragged"):
            found = "a ragged one" if config.get("ragged") else "none"
            raise SourceError(
                f"{self.place(name)}: expected an input with a shape, found {found}; give the model itself"
            )
        sizes = cast("tuple[int | None, ...]", tuple(shape))
        moved = self.whole.first and len(sizes) >= 4
        sizes = layout.moved_shape(sizes) if moved else sizes
        dtype = vocabulary.dtype(config.get("dtype"), self.place(name))
        sparse = bool(config.get("sparse"))
        return Value(keras.Input(batch_shape=sizes, dtype=dtype, sparse=sparse, name=self.new_name(name)), moved)

    def plain(self, name: str) -> bool:
        """Whether an item becomes exactly one layer that is called with one tensor."""
        item = self.items[name]
        special = (*operations.CLASSES, *operations.PASSING_ON, *layout.MERGES, "Concatenate", "Dot")
        return item["class_name"] not in special and not self._steepened(item)

    def layer(self, name: str, moved: bool = False, rank: int = 0) -> Any:
        """The layer of a name; made when first asked for."""
        if name not in self._layers:
            item = self.items[name]
            file_path, live_path = self.paths
            plain = self.new_name(name)
            self.whole.paths[file_path + name] = live_path + plain
            inner = (f"{file_path}{name}/", f"{live_path}{plain}/")
            if is_model(item):
                self._parts[name] = self.build({**item, "config": {**item["config"], "name": plain}}, inner)
                self._layers[name] = self._parts[name].model
            else:
                settings = layout.settings(item, rank, self.place(name)) if moved else item["config"]
                within = (f"{inner[0]}layer/", f"{inner[1]}layer/")
                self._layers[name] = layers.made(
                    {**item, "config": settings},
                    plain,
                    self.place(name),
                    self.whole.notes,
                    lambda part: self.build(part, within).model,
                )
        return self._layers[name]

    def call(self, name: str, given: Any, named: Mapping[str, Any]) -> list[Value]:
        """What a layer makes of tensors.

        Args:
            name: of the layer in the file.
            given: its first argument: a `Value`, or a structure of them.
            named: the other arguments; `Value`s and plain data.

        Raises:
            SourceError: the layer cannot be made, or does not take an argument.
        """
        item = self.items[name]
        if item["class_name"] in operations.CLASSES:
            several = isinstance(given, list) and item["class_name"] == "TensorFlowOpLayer"
            first = self._raw(given, name)
            made = operations.computed(item, first if several else [first], self._raw(named, name), self.place(name))
            return [Value(tensor) for tensor in keras.tree.flatten(made)]
        if item["class_name"] in operations.PASSING_ON:
            return [value for value in keras.tree.flatten(given) if isinstance(value, Value)]
        return self._model_called(name, given, named) if is_model(item) else self._layer_called(name, given, named)

    def _model_called(self, name: str, given: Any, named: Mapping[str, Any]) -> list[Value]:
        model = self.layer(name)
        part = self._parts[name]
        values = [value for value in keras.tree.flatten(given) if isinstance(value, Value)]
        pairs = zip(values, part.moved_inputs, strict=True)
        tensors = [self._adapted(value, moved, name).tensor for value, moved in pairs]
        training = {"training": named["training"]} if isinstance(named.get("training"), bool) else {}
        results = keras.tree.flatten(model(one_or_all(tensors), **training))
        return [Value(tensor, moved) for tensor, moved in zip(results, part.moved_outputs, strict=True)]

    def _layer_called(self, name: str, given: Any, named: Mapping[str, Any]) -> list[Value]:
        item = self.items[name]
        values = [value for value in keras.tree.flatten(given) if isinstance(value, Value)]
        moved = self._moved.setdefault(name, layout.wants_moved(item, values))
        layer = self.layer(name, moved, max((value.rank for value in values), default=0))
        if self._steepened(item):
            given = self._steeper(values[0], name)
        tensors = keras.tree.map_structure(lambda value: self._tensor(value, moved, name), given)
        more = {key: value for key, value in self._raw(named, name).items() if value is not None}
        if item["class_name"] in _RECURRENT and isinstance(tensors, list) and len(cast("list[Any]", tensors)) > 1:
            tensors, more["initial_state"] = tensors[0], tensors[1:]
        made = keras.tree.flatten(layer(tensors, **more))
        return [Value(tensor, moved and len(tensor.shape) >= 3) for tensor in made]

    def _raw(self, given: Any, name: str) -> Any:
        """Tensors in the file's own layout, in any structure."""
        return keras.tree.map_structure(lambda value: self._tensor(value, False, name), given)

    def _tensor(self, value: Any, moved: bool, name: str) -> Any:
        return self._adapted(value, moved, name).tensor if isinstance(value, Value) else value

    def _adapted(self, value: Value, moved: bool, name: str) -> Value:
        if value.moved == moved or value.rank < 3:
            return value
        return layout.adapted(value, moved, self.new_name(f"{name}_channels_{'last' if moved else 'first'}"))

    def _steepened(self, item: Mapping[str, Any]) -> bool:
        old = self.whole.old_sigmoid and item["config"].get("activation") == "hard_sigmoid"
        return old and item["class_name"] == "Activation"

    def _steeper(self, value: Value, name: str) -> Value:
        scaled = keras.layers.Rescaling(STEEPER, name=self.new_name(f"{name}_slope"))
        return Value(scaled(value.tensor), value.moved)
