"""Keras itself, on whichever backend it runs: there is no network that it cannot run, and the others are held to it.

To the bit an example's activations depend on nothing but itself as far as the backend's kernels treat all rows alike.
Measured, these do not, in the last bit: PyTorch's matrix product on a CPU with 5, 6, 7 or 11 columns, and TensorFlow's
mean over positions of more than 8 channels that are no multiple of 8, which is why channels are padded for our own
pooling in `trunk`.

What is computed for one cut point is the same to the bit whatever else is wanted, and whether it starts from raw
examples or from the activations of a seam: the trunk is compiled in segments, see `activations.seams`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.activations.engines.replaying import replayed
from regraft.activations.engines.trunk import Array, Compiled, Trunk, pooled
from regraft.activations.seams import Segment, segments
from regraft.core import memory
from regraft.graph import flow
from regraft.graph.arithmetic import exact

NAME = "keras"
INSTALL = "pip install 'regraft[tensorflow]'"

# Layers whose weights are folded into others' where all are constants. Elsewhere constants gain nothing, and take the
# memory of the weights many times: with them ConvNeXtSmall, 198 MB of weights, took 3.2 GB more, and as long.
_FOLDED = ("BatchNormalization",)

# Weights of a segment up to this size become its constants on TensorFlow, whose graphs hold 2 GB at most.
_CONSTANT_BYTES = 1_000_000_000


def available() -> bool:
    """Whether it can be used here; without Keras there is no network."""
    return True


def version() -> str:
    """What its results may depend on."""
    backend = keras.backend.backend()
    return f"{keras.__version__} on {backend} {_BACKENDS[backend].version()}"


def compile(trunk: Trunk) -> Compiled:  # noqa: A001 - every engine's function of this name
    """A function that computes what is wanted of a whole batch."""
    backend = _BACKENDS[keras.backend.backend()]
    parts = segments(trunk.opened, trunk.values, trunk.entry)
    functions = [backend.compile(*_part(trunk, part)) for part in parts]
    last_use = {part.start: index for index, part in enumerate(parts)}
    pool = backend.compile(pooled, [], False)

    def run(given: Any) -> list[Any]:
        held, found = {trunk.entry: given}, dict[tuple[int, bool], Any]()

        def take(value: int) -> None:
            for item, of in zip(trunk.wanted, trunk.values, strict=True):
                if of == value and (of, item.pooled) not in found:
                    found[of, item.pooled] = pool(held[of]) if item.pooled else held[of]

        take(trunk.entry)
        for index, (part, function) in enumerate(zip(parts, functions, strict=True)):
            held[part.end] = function(held[part.start])
            take(part.end)
            for value in (part.start, part.end):
                if last_use.get(value, -1) <= index:
                    held.pop(value, None)
        return [found[value, item.pooled] for item, value in zip(trunk.wanted, trunk.values, strict=True)]

    return exact(backend.whole(run))


def with_constants(run: Callable[[Any], Any], variables: list[Any]) -> Callable[[Any], Any]:
    """A function for TensorFlow's graphs that holds the variables' values, where these are small enough."""
    import tensorflow as tf

    small = sum(variable.value.shape.num_elements() * 4 for variable in variables) <= _CONSTANT_BYTES
    fixed = [(variable, variable.numpy()) for variable in variables] if small else []

    def without_traces(given: Any) -> Any:
        # As constants, weights are folded into each other (BatchNorm into the kernel before it) and kept in the order
        # that the processor likes. What a layer assigns while it runs stays in the scope: recurrent layers of Keras
        # advance their seeds in inference too.
        constants = [(variable, tf.constant(value)) for variable, value in fixed]
        with keras.StatelessScope(state_mapping=constants):
            return run(given)

    return without_traces


def _part(trunk: Trunk, part: Segment) -> tuple[Callable[[Any], Any], list[Any], bool]:
    """A segment as a function of one tensor, the variables that it reads, and whether weights in it can be folded."""

    def run(given: Any) -> Any:
        kept: dict[int, Any] = {}

        def keep(value: int, tensor: Any) -> None:
            if value == part.end:
                kept[value] = tensor

        begun = trunk.prepare(given) if part.start == trunk.entry else given
        flow.evaluate(trunk.opened, part.calls, {part.start: begun}, keep)
        return kept[part.end]

    variables = {id(variable): variable for call in part.calls for variable in getattr(call.operation, "variables", ())}
    return run, list(variables.values()), any(type(call.operation).__name__ in _FOLDED for call in part.calls)


@dataclass(frozen=True, slots=True)
class _Backend:
    """What compiles on a backend.

    Attributes:
        compile: a function of one tensor that reads these variables, compiled by itself, so that nothing in it is fused
            with what is outside; where told that this pays, it may hold the variables' values as they are.
        whole: of a function from one tensor to several that calls compiled ones, one from an array to arrays.
        version: of the backend.
    """

    compile: Callable[[Callable[[Any], Any], list[Any], bool], Callable[[Any], Any]]
    whole: Callable[[Callable[[Any], list[Any]]], Compiled]
    version: Callable[[], str]


def _with_tensorflow(run: Callable[[Any], Any], variables: list[Any], folds: bool) -> Callable[[Any], Any]:
    import tensorflow as tf

    compiled = with_constants(run, variables if folds else [])
    function = tf.function(compiled, autograph=False, experimental_attributes={"_noinline": True})
    # Concrete at once: TensorFlow warns of functions that are made anew, as ours are for every model.
    return lambda given: function.get_concrete_function(given)(given)


def _whole_with_tensorflow(run: Callable[[Any], list[Any]]) -> Compiled:
    import tensorflow as tf

    traced: dict[tuple[int, ...], Any] = {}

    def function(given: Array) -> list[Array]:
        # One graph around the segments: calling each by itself took a fifth more of MobileNet's time.
        tensor = tf.constant(given)
        is_new = given.shape not in traced
        if is_new:
            traced[given.shape] = tf.function(run, autograph=False).get_concrete_function(tensor)
        made = _arrays(result.numpy() for result in traced[given.shape](tensor))
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


def _whole_with_torch(run: Callable[[Any], list[Any]]) -> Compiled:
    def plain(given: Array) -> list[Array]:
        return _arrays(keras.ops.convert_to_numpy(made) for made in run(keras.ops.convert_to_tensor(given)))

    somewhere: Any = keras.ops.convert_to_tensor(0.0)
    if somewhere.device.type != "cuda":
        return plain
    # Here, because it needs PyTorch.
    from regraft.activations.engines import cuda_graph

    return replayed(plain, lambda given: cuda_graph.recorded(run, given))


def _arrays(results: Any) -> list[Array]:
    return [np.asarray(result, np.float32) for result in results]


def _tensorflow_version() -> str:
    import tensorflow as tf

    return tf.__version__


def _jax_version() -> str:
    import jax

    return jax.__version__


def _torch_version() -> str:
    import torch

    return torch.__version__


_BACKENDS = {
    "tensorflow": _Backend(_with_tensorflow, _whole_with_tensorflow, _tensorflow_version),
    "jax": _Backend(_with_jax, lambda run: lambda given: _arrays(run(given)), _jax_version),
    "torch": _Backend(_with_torch, _whole_with_torch, _torch_version),
}
