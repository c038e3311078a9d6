"""What opening a source gives, and what each kind of source is asked for."""

import os
from dataclasses import dataclass

import keras
import numpy as np

from regraft.core.errors import SourceError
from regraft.core.input_spec import InputSpec
from regraft.core.records import LoadReport
from regraft.graph import names

Source = str | os.PathLike[str] | keras.Model


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """A network with what one must know to use it.

    Attributes:
        model: the network, live.
        inputs: what it expects at its input; its shape is empty where that is not one tensor of known rank.
        report: what became of every tensor of the source.
        source: where it came from, as the user said it.
        classes: names of its outputs in their order, where the source says them.
    """

    model: keras.Model
    inputs: InputSpec
    report: LoadReport
    source: str
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What the user asked to open; every kind of source takes from it what it needs.

    Attributes:
        source: a path, an address such as `keras:MobileNetV2`, or a model.
        text: the source as text, for messages and records.
        architecture: what builds the model where the file holds only weights.
        input_size: height and width in pixels, where the source can be built for any.
        weights: instead of the source's own: `imagenet`, `none`, or a path.
        trust: whether code in the file may be run.
    """

    source: Source
    text: str
    architecture: str | None = None
    input_size: int | None = None
    weights: str | None = None
    trust: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """What a kind of source gives.

    Attributes:
        model: the network.
        report: what became of the tensors.
        size: height and width in pixels that it was published for, where the kind knows it.
        classes: names of its outputs, where the source says them.
        inputs: the input convention, where the source says it and the model's layers do not.
    """

    model: keras.Model
    report: LoadReport
    size: int | None = None
    classes: tuple[str, ...] | None = None
    inputs: InputSpec | None = None


def require_picture(pretrained: Pretrained) -> None:
    """Raise unless the network takes one picture, channels last.

    Raises:
        SourceError: its input is something else.
    """
    if pretrained.inputs.is_picture:
        return
    raise SourceError(
        f"expected an input that takes pictures (height, width, channels), found {describe_inputs(pretrained.model)} "
        f"in '{pretrained.source}'; choose a network for pictures"
    )


def require_finite(model: keras.Model, text: str) -> None:
    """Raise if a variable holds NaN or infinity.

    Raises:
        SourceError: it names the first such variables.
    """
    broken = [name for name, variable in names.variables(model).items() if not _is_finite(variable)]
    if broken:
        shown = ", ".join(broken[:3]) + (", ..." if len(broken) > 3 else "")
        raise SourceError(
            f"expected finite weights, found NaN or infinity in {len(broken)} of the variables of '{text}': {shown}; "
            "take an earlier checkpoint"
        )


def all_loaded(model: keras.Model) -> LoadReport:
    """The report of a source that is read whole or not at all."""
    return LoadReport(loaded=tuple(names.variables(model)))


def describe_inputs(model: keras.Model) -> str:
    """The shapes of the model's inputs, in words for a message."""
    tensors = getattr(model, "inputs", None) or []
    if not tensors:
        return f"no stated input (a {type(model).__name__} that was never built)"
    shapes = [str(tuple(tensor.shape[1:])) for tensor in tensors]
    return shapes[0] if len(shapes) == 1 else f"{len(shapes)} inputs {', '.join(shapes)}"


def _is_finite(variable: keras.Variable) -> bool:
    array = np.asarray(keras.ops.convert_to_numpy(variable))
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())
