"""The frozen trunk as a compiled function from prepared examples to activations, on each backend.

It always runs in batches of one fixed size, the last one padded, so that an example's activations depend on nothing but
itself; and in inference mode, layer by layer (see `graph.flow`). To the bit this holds as far as the backend's kernels
treat all rows alike. Measured, these do not, in the last bit: PyTorch's matrix product on a CPU with 5, 6, 7 or 11
columns, and TensorFlow's mean over positions of more than 8 channels that are no multiple of 8, which is why channels
are padded for our own pooling here.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.activations.seams import Segment, segments
from regraft.core import memory
from regraft.core.errors import SourceError
from regraft.core.input_spec import InputSpec
from regraft.graph import cut_points, flow
from regraft.surgery.graft import resizing, scaled

Array = np.ndarray[Any, Any]

BATCH = 32

# Channels that TensorFlow's kernels take at once, and up to how many they treat all rows alike in any case.
_VECTOR = 16
_ALIKE = 8

# Layers whose weights are folded into others' where all are constants. Elsewhere constants gain nothing, and take the
# memory of the weights many times: with them ConvNeXtSmall, 198 MB of weights, took 3.2 GB more, and as long.
_FOLDED = ("BatchNormalization",)

# Weights of a segment up to this size become its constants on TensorFlow, whose graphs hold 2 GB at most.
_CONSTANT_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted at a cut point: the whole tensor of each example, or its average over all axes but the last.

    Attributes:
        cut_point: its name.
        pooled: averaged or whole.
        view: which view of each picture; see `activations.views`. The trunk is the same for all.
    """

    cut_point: str
    pooled: bool
    view: int = 0


def compile_trunk(
    model: keras.Model,
    inputs: InputSpec,
    full_intensity: float,
    wanted: Sequence[Wanted],
    *,
    start: str | None = None,
) -> Callable[[Array], list[Array]]:
    """A function that computes what is wanted in one pass.

    What it computes for one cut point is the same to the bit whatever else is wanted, and whether it starts from raw
    examples or from the activations of a seam; see `activations.seams`.

    Args:
        model: the network; only what the wanted cut points need is run. The function may hold its weights as they are
            now: once they have changed, make another.
        inputs: its input convention.
        full_intensity: the raw value that means white.
        wanted: cut points, with or without pooling.
        start: the seam whose whole float32 activations are given in place of raw examples; nothing below it is run.

    Returns:
        A function from raw examples at the network's size, float32 (n, ...) with n <= BATCH, to one float32 array
        (n, ...) for each item of `wanted`, in its order.

    Raises:
        SourceError: the network has several inputs, or there is no such cut point.
    """
    opened = flow.read(model)
    if len(opened.inputs) != 1:
        raise SourceError(
            f"expected a network with one input, found '{model.name}' with {len(opened.inputs)}; cut it where they "
            "have come together, and give the part above"
        )
    entry = opened.inputs[0] if start is None else cut_points.find(opened, start).makes[0]
    values = [cut_points.find(opened, item.cut_point).makes[0] for item in wanted]
    backend = _BACKENDS[keras.backend.backend()]
    parts = segments(opened, values, entry)
    prepare = (lambda raw: scaled(raw, inputs, full_intensity)) if start is None else (lambda rows: rows)
    functions = [_compiled(opened, part, prepare if part.start == entry else None) for part in parts]
    last_use = {part.start: index for index, part in enumerate(parts)}
    pool = backend.compile(_pooled, [], False)

    def run(given: Any) -> list[Any]:
        held, found = {entry: given}, dict[tuple[int, bool], Any]()

        def take(value: int) -> None:
            for item, of in zip(wanted, values, strict=True):
                if of == value and (of, item.pooled) not in found:
                    found[of, item.pooled] = pool(held[of]) if item.pooled else held[of]

        take(entry)
        for index, (part, function) in enumerate(zip(parts, functions, strict=True)):
            held[part.end] = function(held[part.start])
            take(part.end)
            for value in (part.start, part.end):
                if last_use.get(value, -1) <= index:
                    held.pop(value, None)
        return [found[value, item.pooled] for item, value in zip(wanted, values, strict=True)]

    whole_run = backend.whole(run)

    def padded(given: Array) -> list[Array]:
        if len(given) < BATCH:
            whole = np.zeros((BATCH, *given.shape[1:]), np.float32)
            whole[: len(given)] = given
        else:
            whole = given
        return [np.asarray(result, np.float32)[: len(given)] for result in whole_run(whole)]

    return padded


def _compiled(opened: flow.Flow, part: Segment, prepare: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    dtype = opened.tensors[part.start].dtype

    def run(given: Any) -> Any:
        kept: dict[int, Any] = {}

        def keep(value: int, tensor: Any) -> None:
            if value == part.end:
                kept[value] = tensor

        begun = given if prepare is None else keras.ops.cast(prepare(given), dtype)
        flow.evaluate(opened, part.calls, {part.start: begun}, keep)
        return kept[part.end]

    variables = {id(variable): variable for call in part.calls for variable in getattr(call.operation, "variables", ())}
    folds = any(type(call.operation).__name__ in _FOLDED for call in part.calls)
    return _BACKENDS[keras.backend.backend()].compile(run, list(variables.values()), folds)


def compile_resizing(inputs: InputSpec) -> Callable[[Array], Array]:
    """A function that brings one raw picture (height, width, channels), of any dtype, to the network's size, float32.

    It is the layer of the deployable model itself, or the one operation that this comes down to where a picture is
    cropped or stretched on TensorFlow, which is twice as fast, and faster still on bytes: all agree bit for bit.
    """
    layer = resizing(inputs)
    if keras.backend.backend() != "tensorflow":
        return lambda picture: np.asarray(
            keras.ops.convert_to_numpy(layer(np.asarray(picture, np.float32))), np.float32
        )
    import tensorflow as tf

    if inputs.resizing == "pad":
        signature = [tf.TensorSpec((None, None, inputs.channels), tf.float32)]
        function = tf.function(lambda picture: layer(picture), input_signature=signature, autograph=False)
        return lambda picture: function(np.asarray(picture, np.float32)).numpy()
    height, width, _ = inputs.shape
    size, nowhere = tf.constant((height, width)), tf.constant((0.0, 0.0))

    @functools.lru_cache
    def scale(tall: int, wide: int) -> Any:
        return tf.constant((height / tall, width / wide))

    def resize(picture: Array) -> Array:
        window = _centred(picture, height, width) if inputs.resizing == "crop" else picture
        window = window if window.dtype == np.uint8 else np.asarray(window, np.float32)
        return tf.raw_ops.ScaleAndTranslate(
            images=window[None],
            size=size,
            scale=scale(*window.shape[:2]),
            translation=nowhere,
            kernel_type="triangle",
            antialias=True,
        ).numpy()[0]

    return resize


def _centred(picture: Array, height: int, width: int) -> Array:
    """The largest centred window of a picture with this aspect ratio, rounded as Keras' layer does it."""
    tall, wide = picture.shape[:2]
    new_tall = max(min(tall, int(np.float32(wide * height) / np.float32(width))), 1)
    new_wide = max(min(wide, int(np.float32(tall * width) / np.float32(height))), 1)
    top, left = int(np.float32(tall - new_tall) / 2), int(np.float32(wide - new_wide) / 2)
    return picture[top : top + new_tall, left : left + new_wide]


def _pooled(tensor: Any) -> Any:
    rank, channels = len(tensor.shape), tensor.shape[-1]
    if rank < 3:
        return tensor
    missing = -channels % _VECTOR
    if keras.backend.backend() == "tensorflow" and channels > _ALIKE and missing:
        tensor = keras.ops.pad(tensor, [(0, 0)] * (rank - 1) + [(0, missing)])
    mean: Any = keras.ops.mean(tensor, axis=tuple(range(1, rank - 1)))
    return mean[:, :channels]


@dataclass(frozen=True, slots=True)
class _Backend:
    """What compiles on a backend.

    Attributes:
        compile: a function of one tensor that reads these variables, compiled by itself, so that nothing in it is fused
            with what is outside; where told that this pays, it may hold the variables' values as they are.
        whole: of a function from one tensor to several that calls compiled ones, one from an array to arrays.
    """

    compile: Callable[[Callable[[Any], Any], list[Any], bool], Callable[[Any], Any]]
    whole: Callable[[Callable[[Any], list[Any]]], Callable[[Array], list[Any]]]


def _with_tensorflow(run: Callable[[Any], Any], variables: list[Any], folds: bool) -> Callable[[Any], Any]:
    import tensorflow as tf

    small = sum(variable.value.shape.num_elements() * 4 for variable in variables) <= _CONSTANT_BYTES
    fixed = [(variable, variable.numpy()) for variable in variables] if small and folds else []

    def without_traces(given: Any) -> Any:
        # As constants, weights are folded into each other (BatchNorm into the kernel before it) and kept in the order
        # that the processor likes. What a layer assigns while it runs stays in the scope: recurrent layers of Keras
        # advance their seeds in inference too.
        constants = [(variable, tf.constant(value)) for variable, value in fixed]
        with keras.StatelessScope(state_mapping=constants):
            return run(given)

    function = tf.function(without_traces, autograph=False, experimental_attributes={"_noinline": True})
    # Concrete at once: TensorFlow warns of functions that are made anew, as ours are for every model.
    return lambda given: function.get_concrete_function(given)(given)


def _whole_with_tensorflow(run: Callable[[Any], list[Any]]) -> Callable[[Array], list[Any]]:
    import tensorflow as tf

    traced: dict[tuple[int, ...], Any] = {}

    def function(given: Array) -> list[Any]:
        # One graph around the segments: calling each by itself took a fifth more of MobileNet's time.
        tensor = tf.constant(given)
        is_new = given.shape not in traced
        if is_new:
            traced[given.shape] = tf.function(run, autograph=False).get_concrete_function(tensor)
        made = [result.numpy() for result in traced[given.shape](tensor)]
        if is_new:
            # Tracing and optimising leave many copies of the weights behind.
            memory.release()
        return made

    return function


def _with_jax(run: Callable[[Any], Any], variables: list[Any], folds: bool) -> Callable[[Any], Any]:
    import jax

    def pure(values: list[Any], given: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return run(given)

    function = jax.jit(pure)
    return lambda given: function([variable.value for variable in variables], given)


def _with_torch(run: Callable[[Any], Any], variables: list[Any], folds: bool) -> Callable[[Any], Any]:
    import torch

    def function(given: Any) -> Any:
        # In the order that rows have in a file: PyTorch's kernels round otherwise where values lie in another.
        with torch.inference_mode(), keras.StatelessScope():
            return run(given.contiguous())

    return function


_BACKENDS = {
    "tensorflow": _Backend(_with_tensorflow, _whole_with_tensorflow),
    "jax": _Backend(_with_jax, lambda run: run),
    "torch": _Backend(
        _with_torch,
        lambda run: (
            lambda given: [keras.ops.convert_to_numpy(made) for made in run(keras.ops.convert_to_tensor(given))]
        ),
    ),
}
