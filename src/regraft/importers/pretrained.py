"""What opening a source gives, and what each kind of source is asked for."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from regraft.core.errors import SourceError
from regraft.core.input_spec import InputSpec, Order
from regraft.core.opened import LoadReport
from regraft.core.tensors import Shape
from regraft.graph import names

# A module of PyTorch is a source too; its type is not named, because PyTorch need not be there.
Source = str | os.PathLike[str] | keras.Model | Any


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


@dataclass(frozen=True, slots=True)
class Convention:
    """How a source says that its pictures are prepared: `channels_in_order(x) * scale + offset`, x from 0 to 255."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    order: Order


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the wanted part of a graph begins and ends.

    Attributes:
        inputs: names of values, each with its shape without the batch where the user says it; none of them: those that
            the file states.
        outputs: names of values; none: those that the file states.
        signature: of a SavedModel, whose ends they are where none are named.
    """

    inputs: Mapping[str, Shape | None] = field(default_factory=dict[str, Shape | None])
    outputs: tuple[str, ...] = ()
    signature: str = ""

    @classmethod
    def of(
        cls,
        inputs: str | Iterable[str] | Mapping[str, Shape | None] | None,
        outputs: str | Iterable[str] | None,
        signature: str | None,
    ) -> "Ends | None":
        """The ends that a user named, in whatever way; None where nothing was named."""
        if not inputs and not outputs and not signature:
            return None
        given = [inputs] if isinstance(inputs, str) else inputs or ()
        wanted = [outputs] if isinstance(outputs, str) else outputs or ()
        named = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given)
        return cls(named, tuple(wanted), signature or "")


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
        example: what a module of PyTorch is called with.
        ends: the values of a graph between which the network is to be.
    """

    source: Source
    text: str
    architecture: str | None = None
    input_size: int | None = None
    weights: str | None = None
    trust: bool = False
    example: Any = None
    ends: Ends | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """What a kind of source gives.

    Attributes:
        model: the network.
        report: what became of the tensors.
        size: height and width in pixels that it was published for, where the kind knows it.
        classes: names of its outputs, where the source says them.
        inputs: the input convention, where the source says it and the model's layers do not.
        source: what names it for ever, where what the user said names the latest of several; empty: as the user said.
    """

    model: keras.Model
    report: LoadReport
    size: int | None = None
    classes: tuple[str, ...] | None = None
    inputs: InputSpec | None = None
    source: str = ""


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
