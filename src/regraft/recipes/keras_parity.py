"""A network of Keras as it was written and read again, against what the Keras that it was made for makes of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from regraft.core.opened import LayerParity, Parity
from regraft.graph.arithmetic import exact
from regraft.importers.originals.keras import Original
from regraft.recipes.parity import EXAMPLES, SEED, TOLERANCE, elements, example, relative_error
from regraft.recipes.watching import Array, watched
from regraft.training.reach import without_gradient


@exact
def compare(model: keras.Model, original: Original, original_files: Mapping[str, str]) -> Parity:
    """Run both networks on random examples, layer by layer.

    Args:
        model: the network as it was written and read again.
        original: what it is compared with.
        original_files: checksums of the original, for the record.
    """
    random = np.random.default_rng(SEED)
    taken = [example(tensor, model, tensor.shape[0] or EXAMPLES, random) for tensor in model.inputs]
    ours, made = watched(model, taken)
    theirs, expected = watched(original.model, taken)
    layers = tuple(
        LayerParity(name, expected[key][0], relative_error(values, expected[key][1]))
        for key, (name, values) in made.items()
        if key in expected
    )
    error = _largest(ours, theirs)
    unreached = without_gradient(model, taken)
    diverging = [item.layer for item in layers if not item.error <= TOLERANCE]
    return Parity(
        holds=error <= TOLERANCE and not unreached,
        runtime=original.runtime,
        backend=keras.backend.backend(),
        examples=len(taken[0]),
        seed=SEED,
        tolerance=TOLERANCE,
        error=error,
        first_divergence=diverging[0] if diverging else "",
        layers=layers,
        trainable_parameters=elements(model.trainable_variables),
        original_parameters=elements(original.model.trainable_variables),
        without_gradient=unreached,
        original_files=original_files,
    )


def _largest(ours: Sequence[Array], theirs: Sequence[Any]) -> float:
    if len(ours) != len(theirs):
        return float("inf")
    return max(relative_error(mine, other) for mine, other in zip(ours, theirs, strict=True))
