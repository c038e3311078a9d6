"""A converted network against its original: the same examples through both, compared value by value."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core.opened import LayerParity, Parity
from regraft.graph import names
from regraft.graph.arithmetic import exact
from regraft.importers import originals
from regraft.importers.graphs import Converted
from regraft.importers.graphs.neutral import Input
from regraft.importers.graphs.values import Live
from regraft.importers.originals import files
from regraft.recipes.watching import array
from regraft.training.reach import without_gradient

Array = np.ndarray[Any, Any]

# Of float32: sums of a thousand terms in another order differ by a few times 1e-7 of the largest.
TOLERANCE = 1e-5
EXAMPLES = 4
SEED = 0
# Where a graph leaves a size open, such as the length of a sequence.
_OPEN_SIZE = 16
# And the side of a picture: enough for five halvings.
_OPEN_SIDE = 64


@exact
def compare(
    converted: Converted, model: keras.Model, path: Path, examples: int = EXAMPLES, runtime: Any = None
) -> Parity:
    """Run both networks on random examples.

    Args:
        converted: the network as it was made; its inner values are compared.
        model: the network as it was written and read again; its outputs are compared.
        path: the original.
        examples: how many; at least one batch of the size that the original was written for.
        runtime: what runs the original, where it is not the one of its format; see `importers.originals`. It may have
            `knows`, the values that it can compute.

    Raises:
        RequestError: what runs the original is not installed, or there is nothing that does.
        WorkError: the original cannot be run.
    """
    checksums = {} if runtime else files.checksums(path)
    runtime = runtime or originals.runtime(converted.format)
    taken = _examples(converted, model, examples)
    values = _compared(converted)
    if hasattr(runtime, "knows"):
        values = {name: value for name, value in values.items() if name in runtime.knows(list(values))}
    theirs, notes = _original(converted, runtime, path, taken, list(values))
    layers = _layers(converted, taken, values, theirs)
    error = _output_error(converted, model, taken, theirs)
    unreached = without_gradient(model, taken)
    diverging = [item.layer for item in layers if not item.error <= TOLERANCE]
    return Parity(
        holds=bool(error <= TOLERANCE) and not unreached,
        runtime=runtime.version(),
        backend=keras.backend.backend(),
        examples=len(taken[0]),
        seed=SEED,
        tolerance=TOLERANCE,
        error=error,
        first_divergence=diverging[0] if diverging else "",
        layers=layers,
        trainable_parameters=elements(model.trainable_variables),
        original_parameters=_original_parameters(converted),
        without_gradient=unreached,
        original_files=checksums,
        notes=notes,
    )


def _examples(converted: Converted, model: keras.Model, count: int) -> list[Array]:
    """Random arrays for the inputs, as Keras takes them, the first example all zeros."""
    random = np.random.default_rng(SEED)
    declared = converted.graph.inputs[0].shape[0] or 1
    count = max(count // declared, 1) * declared
    return [_example(item, converted, model, count, random) for item in converted.graph.inputs]


def _example(item: Input, converted: Converted, model: keras.Model, count: int, random: np.random.Generator) -> Array:
    return example(converted.built.values[item.name].tensor, model, count, random)


def example(tensor: Any, model: keras.Model, count: int, random: np.random.Generator) -> Array:
    """Random values for an input of a model: of a normal distribution, or whole numbers that a table has rows for."""
    open_size = _OPEN_SIDE if len(tensor.shape) > 3 else _OPEN_SIZE
    shape = (count, *(size or open_size for size in tensor.shape[1:]))
    if str(tensor.dtype).startswith("float"):
        values = random.normal(size=shape).astype(np.float32)
        values[0] = 0
        return values
    rows = [layer.input_dim for layer in model.layers if isinstance(layer, keras.layers.Embedding)]
    return random.integers(0, min(rows, default=2), shape).astype(str(tensor.dtype))


def _compared(converted: Converted) -> dict[str, Live]:
    """The values that a node makes and both networks have, each tensor once, outputs always."""
    built = converted.built
    found: dict[str, Live] = {}
    seen: set[int] = set()
    for node in converted.graph.nodes:
        for name in node.outputs:
            value = built.values.get(name)
            fresh = value is not None and id(value.tensor) not in seen and str(value.tensor.dtype).startswith("float")
            if value is not None and name in converted.own and (fresh or name in built.outputs):
                seen.add(id(value.tensor))
                found[name] = value
    return found


def _original(
    converted: Converted, runtime: Any, path: Path, taken: Sequence[Array], wanted: Sequence[str]
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """What the original makes of the examples, in batches of the size that it was written for.

    One by one where that is open: some exporters leave the batch open and write a shape with one example all the same.
    """
    inputs, values = converted.graph.inputs, converted.built.values
    step = inputs[0].shape[0] or 1
    batches = [
        {
            item.name: values[item.name].to_foreign(x[start : start + step])
            for item, x in zip(inputs, taken, strict=True)
        }
        for start in range(0, len(taken[0]), step)
    ]
    ran: originals.Ran = runtime.run(path, batches, wanted)
    theirs = {name: np.concatenate([values[name].from_foreign(part[name]) for part in ran.values]) for name in wanted}
    return theirs, ran.notes


def _layers(
    converted: Converted, taken: Sequence[Array], values: Mapping[str, Live], theirs: Mapping[str, Array]
) -> tuple[LayerParity, ...]:
    model = converted.built.model
    inner = keras.Model(_one_or_all(model.inputs), [value.tensor for value in values.values()])
    ours = keras.tree.flatten(inner(_one_or_all(taken), training=False))
    return tuple(
        LayerParity(value.tensor._keras_history.operation.name, name, relative_error(array(mine), theirs[name]))
        for (name, value), mine in zip(values.items(), ours, strict=True)
    )


def _output_error(
    converted: Converted, model: keras.Model, taken: Sequence[Array], theirs: Mapping[str, Array]
) -> float:
    outputs = keras.tree.flatten(model(_one_or_all(taken), training=False))
    pairs = zip(outputs, converted.built.outputs, strict=True)
    return max(relative_error(array(mine), theirs[name]) for mine, name in pairs)


def relative_error(ours: Array, theirs: Array) -> float:
    """The largest difference, relative to the largest element of the second; infinite where the shapes differ.

    >>> relative_error(np.array([1.0, 2.0]), np.array([1.0, 2.5]))
    0.2
    """
    if ours.shape != theirs.shape:
        return float("inf")
    scale = float(np.abs(theirs).max(initial=0)) or 1.0
    difference = float(np.abs(ours.astype(np.float64) - theirs).max(initial=0)) / scale
    return difference if np.isfinite(difference) else float("inf")


def _original_parameters(converted: Converted) -> int:
    """Elements of the tensors of the file that trainable variables were made of."""
    held = {id(variable) for variable in names.variables(converted.built.model).values() if variable.trainable}
    sources = {source for loaded, item in converted.built.loaded if id(item) in held for source in loaded}
    return sum(converted.sizes[source] for source in sources)


def elements(variables: Sequence[Any]) -> int:
    """How many numbers are in variables."""
    return sum(int(np.prod(variable.shape)) for variable in variables)


def _one_or_all(several: Sequence[Any]) -> Any:
    return several[0] if len(several) == 1 else list(several)
