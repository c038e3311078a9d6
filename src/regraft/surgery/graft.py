"""Putting a new head on a model, and joining trunk, branch and preprocessing into one deployable model."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from regraft.core.blocks import HEAD, new_layers
from regraft.core.errors import SourceError
from regraft.core.head_spec import widths
from regraft.core.input_spec import InputSpec
from regraft.graph import cut_points, flow, names
from regraft.surgery.copy import copy_model

# Drops parts of what the head reads, while training and if anything asks for it.
DROPOUT = "head_dropout"
# Sets these draws apart from those of training, which come from the seed too.
_STREAM = 3

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
    hidden: Sequence[int] = (),
    seed: int = 0,
) -> keras.Model:
    """A copy of a part of a network with a new top: average pooling, new layers if asked, one Dense layer of logits.

    Args:
        rest: the part below the head; it is not changed. None: the head stands on the activations themselves.
        classes: number of outputs.
        shape: of one example's activations, without the batch; needed where `rest` is None.
        taps: cut points of `rest` that the head reads besides its output; None stands for its input. What is pooled
            there comes first in the head's kernel, in this order.
        dropout: part of what is pooled that is dropped while training.
        hidden: widths of new Dense layers with ReLU between the pooling and the head, from the lowest upwards.
        seed: of the values that new layers begin with, where there are hidden ones.

    Returns:
        A model from the input of `rest` to logits (batch, classes); its new variables are `head/kernel` and
        `head/bias`, and below them `head_hidden_1/kernel`, `head_hidden_1/bias`, `head_hidden_2/kernel`, ...

    Raises:
        SourceError: the output of `rest` or a tap cannot be pooled to a vector, there is no such cut point, or a layer
            of `rest` is called as a new one.
        RequestError: widths that no layer can have.
    """
    below_head = list(zip(new_layers(len(hidden)), widths(hidden), strict=False))
    if rest is None:
        if shape is None:
            raise SourceError("expected a part of a network or the shape of its activations, found neither")
        inputs = below = keras.Input(shape, name="activations")
        tapped: list[Any] = []
    else:
        body = copy_model(rest)
        _require_unused(body, [name for name, _ in below_head])
        inputs, below = body.inputs[0] if len(body.inputs) == 1 else body.inputs, body.outputs[0]
        tapped = [tap(body, name) for name in taps]
    vectors = [pooled(tensor, f"{HEAD}_tap_{number}") for number, tensor in enumerate(tapped, 1)] + [pooled(below)]
    read = vectors[0] if len(vectors) == 1 else keras.layers.Concatenate(name=f"{HEAD}_input")(vectors)
    if dropout:
        read = keras.layers.Dropout(dropout, name=DROPOUT)(read)
    for name, width in below_head:
        read = keras.layers.Dense(width, activation="relu", kernel_initializer="he_normal", name=name)(read)
    branch = keras.Model(inputs, keras.layers.Dense(classes, name=HEAD)(read), name="branch")
    if below_head:
        set_values(branch, _first_values(branch, len(hidden), seed))
    return branch


def _require_unused(model: keras.Model, new: Sequence[str]) -> None:
    for layer in model.layers:
        if layer.name in new:
            raise SourceError(
                f"the network has a layer '{layer.name}' of its own, as a new layer is to be called; cut below it"
            )


def _first_values(branch: keras.Model, hidden: int, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """What new layers begin with: He et al. 2015 where a ReLU follows; an undecided head; biases of zero.

    Drawn here and not by Keras, so that a seed says the same on every backend, whatever was drawn before.
    """
    made: dict[str, np.ndarray[Any, Any]] = {}
    variables = names.variables(branch)
    for number, name in enumerate(new_layers(hidden)):
        kernel, bias = variables[f"{name}/kernel"], variables[f"{name}/bias"]
        random = np.random.default_rng([seed, _STREAM, number])
        deviation = np.sqrt(2.0 / kernel.shape[0]) if name != HEAD else 0.0
        made[f"{name}/kernel"] = (deviation * random.standard_normal(tuple(kernel.shape))).astype(np.float32)
        made[f"{name}/bias"] = np.zeros(tuple(bias.shape), np.float32)
    return made


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


def of_source(branch: Iterable[str], source: Container[str], new: Sequence[str] = (HEAD,)) -> list[str]:
    """Those names of a branch's variables that are the source's: not the new layers', whatever it calls its own.

    >>> of_source(["conv/kernel", "head/kernel"], {"conv/kernel", "head/kernel"})
    ['conv/kernel']

    Args:
        branch: names of variables.
        source: likewise.
        new: the names of the new layers.
    """
    own = tuple(f"{name}/" for name in new)
    return [name for name in branch if name in source and not name.startswith(own)]


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
    set_values(branch, {f"{HEAD}/kernel": kernel, f"{HEAD}/bias": bias})


def set_values(branch: keras.Model, values: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Give variables of a branch their values, in place, by canonical name."""
    variables = names.variables(branch)
    for name, value in values.items():
        variables[name].assign(value)


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
