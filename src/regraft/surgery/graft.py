"""Putting a new head on a model, and joining trunk, branch and preprocessing into one deployable model."""

from collections.abc import Container, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from regraft.core.blocks import HEAD
from regraft.core.errors import SourceError
from regraft.core.input_spec import InputSpec
from regraft.graph import cut_points, flow, names
from regraft.surgery.copy import copy_model

# Drops parts of what the head reads, while training and if anything asks for it.
DROPOUT = "head_dropout"

_POOLING = {
    2: None,
    3: keras.layers.GlobalAveragePooling1D,
    4: keras.layers.GlobalAveragePooling2D,
    5: keras.layers.GlobalAveragePooling3D,
}


def graft(
    rest: keras.Model | None,
    classes: int,
    *,
    shape: tuple[int | None, ...] | None = None,
    taps: Sequence[str | None] = (),
    dropout: float = 0.0,
) -> keras.Model:
    """A copy of a part of a network with a new classification head: average pooling, then one Dense layer of logits.

    Args:
        rest: the part below the head; it is not changed. None: the head stands on the activations themselves.
        classes: number of outputs.
        shape: of one example's activations, without the batch; needed where `rest` is None.
        taps: cut points of `rest` that the head reads besides its output; None stands for its input. What is pooled
            there comes first in the head's kernel, in this order.
        dropout: part of the head's input that is dropped while training.

    Returns:
        A model from the input of `rest` to logits (batch, classes); its new variables are `head/kernel` and
        `head/bias`.

    Raises:
        SourceError: the output of `rest` or a tap cannot be pooled to a vector, or there is no such cut point.
    """
    if rest is None:
        if shape is None:
            raise SourceError("expected a part of a network or the shape of its activations, found neither")
        inputs = below = keras.Input(shape, name="activations")
        tapped: list[Any] = []
    else:
        body = copy_model(rest)
        inputs, below = body.inputs[0] if len(body.inputs) == 1 else body.inputs, body.outputs[0]
        tapped = [tap(body, name) for name in taps]
    vectors = [pooled(tensor, f"{HEAD}_tap_{number}") for number, tensor in enumerate(tapped, 1)] + [pooled(below)]
    read = vectors[0] if len(vectors) == 1 else keras.layers.Concatenate(name=f"{HEAD}_input")(vectors)
    if dropout:
        read = keras.layers.Dropout(dropout, name=DROPOUT)(read)
    return keras.Model(inputs, keras.layers.Dense(classes, name=HEAD)(read), name="branch")


def tap(model: keras.Model, name: str | None) -> Any:
    """The symbolic tensor of a model at a cut point; at its input where the name is None.

    Raises:
        SourceError: there is no such cut point, or it is inside a nested model, whose tensors stay inside.
    """
    if name is None:
        return model.inputs[0]
    opened = flow.read(model)
    call = cut_points.find(opened, name)
    if len(call.scope) > 1:
        raise SourceError(
            f"the head cannot read '{name}': it is inside the nested model '{name.partition('/')[0]}', and what is "
            "computed there stays there"
        )
    return opened.tensors[call.makes[0]]


def of_source(branch: Iterable[str], source: Container[str]) -> list[str]:
    """Those names of a branch's variables that are the source's: not the new head's, whatever the source calls its own.

    >>> of_source(["conv/kernel", "head/kernel"], {"conv/kernel", "head/kernel"})
    ['conv/kernel']
    """
    return [name for name in branch if name in source and not name.startswith(f"{HEAD}/")]


def pooled(tensor: Any, name: str = f"{HEAD}_pooling") -> Any:
    """The average over all axes but the batch and the last.

    Raises:
        SourceError: the tensor has more than five axes, or is not one tensor.
    """
    rank = len(tensor.shape)
    if rank not in _POOLING:
        raise SourceError(f"expected activations with 2 to 5 axes, found shape {tuple(tensor.shape)}")
    layer = _POOLING[rank]
    return tensor if layer is None else layer(name=name)(tensor)


def set_head(branch: keras.Model, kernel: np.ndarray[Any, Any], bias: np.ndarray[Any, Any]) -> None:
    """Give the head of a branch its weights, in place: kernel (features, classes) and bias (classes,), float32."""
    variables = names.variables(branch)
    variables[f"{HEAD}/kernel"].assign(kernel)
    variables[f"{HEAD}/bias"].assign(bias)


def join(
    trunk: keras.Model | None, branch: keras.Model, inputs: InputSpec, full_intensity: float = 255.0
) -> keras.Model:
    """One deployable model: raw examples in, probabilities out.

    Args:
        trunk: the frozen part; None where the branch takes the network's input itself.
        branch: from the trunk's output to logits.
        inputs: the input convention; resizing, scaling and channel order become layers of the result.
        full_intensity: the raw value that means white.

    Returns:
        A model that takes float32 or uint8 pictures of any size, (batch, height, width, channels), and returns
        probabilities (batch, classes). The trunk and all below are not trainable.
    """
    raw, x = preprocessing(inputs, full_intensity)
    if trunk is not None:
        frozen = copy_model(trunk)
        frozen.trainable = False
        x = _renamed(frozen, "trunk")(x)
    logits = _renamed(copy_model(branch), "branch")(x)
    return keras.Model(raw, keras.layers.Softmax(name="probabilities")(logits), name="regrafted")


def preprocessing(inputs: InputSpec, full_intensity: float = 255.0) -> tuple[Any, Any]:
    """The symbolic raw input and what the network is to be given, made of Keras' own layers only."""
    if not inputs.is_picture:
        raw = keras.Input(inputs.shape, name="examples")
        return raw, scaled(raw, inputs, full_intensity)
    raw = keras.Input((None, None, inputs.channels), name="pictures")
    # Keras' layers for pictures take `training=True` where they are not told, and in a model called without it they
    # pass it on to every layer above: BatchNorm there would normalise by the batch and follow it.
    return raw, scaled(resizing(inputs)(raw, training=False), inputs, full_intensity)


def resizing(inputs: InputSpec) -> keras.Layer:
    """The layer that brings pictures to the network's size; bilinear, antialiased, undistorted unless asked for."""
    return keras.layers.Resizing(
        inputs.shape[0],
        inputs.shape[1],
        crop_to_aspect_ratio=inputs.resizing == "crop",
        pad_to_aspect_ratio=inputs.resizing == "pad",
        antialias=True,
        data_format="channels_last",
        name="resizing",
    )


def scaled(x: Any, inputs: InputSpec, full_intensity: float) -> Any:
    """Raw values, symbolic or not, in the scale and channel order that the network expects."""
    if inputs.order == "bgr":
        x = keras.ops.flip(x, axis=-1)
    factor = 255.0 / full_intensity
    scale, offset = [factor * value for value in inputs.scale], list(inputs.offset)
    if all(value == 1.0 for value in scale) and not any(offset):
        return x
    return keras.layers.Rescaling(_single(scale), _single(offset), name="scaling")(x)


def _single(values: list[float]) -> Any:
    return values[0] if len(values) == 1 else values


def _renamed(model: keras.Model, name: str) -> keras.Model:
    renamed = keras.Model(model.inputs, model.outputs[0], name=name)
    renamed.trainable = model.trainable
    return renamed
