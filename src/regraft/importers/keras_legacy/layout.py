"""Networks that keep channels before height and width, computed with channels last.

Pictures have their channels last, and so has what a CPU convolves. Theano had them first. So tensors are moved once, at
the input, and every layer that can be told about the layout works on the moved ones; before a layer that cannot (a
Flatten of Keras 1, a Reshape), they are moved back, so that the result is the same to the last weight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from regraft.core.errors import SourceError

_ALIKE = frozenset(
    ("ActivityRegularization", "AlphaDropout", "Dropout", "ELU", "GaussianDropout", "GaussianNoise", "Identity")
)
_ALIKE_IN_EVERY_ELEMENT = frozenset((*_ALIKE, "LeakyReLU", "ReLU", "Rescaling"))
MERGES = frozenset(("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"))
_BY_AXIS = frozenset(("BatchNormalization", "Concatenate"))


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A symbolic tensor; `moved` where its channels are last though the file says first."""

    tensor: Any
    moved: bool = False

    @property
    def rank(self) -> int:
        """How many axes it has, the batch included."""
        return len(self.tensor.shape)


def channels_first(config: Mapping[str, Any]) -> bool:
    """Whether a rewritten layer, or any layer in it, keeps its channels first."""
    inner = [config.get("layer"), *(config.get("layers") or ())]
    return config.get("data_format") == "channels_first" or any(
        channels_first(item["config"]) for item in inner if isinstance(item, Mapping)
    )


def moved_shape(shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """A shape (batch, channels, ...) with the channels last."""
    return (shape[0], *shape[2:], shape[1])


def wants_moved(item: Mapping[str, Any], values: Sequence[Value]) -> bool:
    """Whether a layer should compute on moved tensors: whenever it can be told to, and is given any."""
    kind, config = item["class_name"], item["config"]
    if config.get("data_format") == "channels_first":
        return True
    if not any(value.moved for value in values):
        return False
    plain_activation = kind == "Activation" and config.get("activation") != "softmax"
    return plain_activation or kind in _ALIKE_IN_EVERY_ELEMENT | MERGES | _BY_AXIS


def settings(item: Mapping[str, Any], rank: int, place: str) -> dict[str, Any]:
    """The settings of a layer that computes on moved tensors.

    Raises:
        SourceError: the layer's channels are not its first axis.
    """
    config = dict(item["config"])
    if item["class_name"].startswith("ConvLSTM"):
        raise SourceError(f"{place} is a {item['class_name']} with its channels first, which is not translated")
    if "data_format" in config:
        config["data_format"] = "channels_last"
    if item["class_name"] in _BY_AXIS:
        axis = int(config.get("axis", -1)) % rank
        config["axis"] = 0 if axis == 0 else (rank - 1 if axis == 1 else axis - 1)
    return config


def adapted(value: Value, moved: bool, name: str) -> Value:
    """The tensor with its channels where they are wanted, by a Permute of this name where they are not there yet."""
    if value.moved == moved or value.rank < 3:
        return value
    axes = list(range(1, value.rank))
    order = [*axes[1:], axes[0]] if moved else [axes[-1], *axes[:-1]]
    return Value(keras.layers.Permute(order, name=name)(value.tensor), moved)
