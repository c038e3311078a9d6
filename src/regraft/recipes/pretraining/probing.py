"""How a linear classifier does on what a network makes of a few labelled examples, while it is being pretrained."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.training.probes import probe

Array = np.ndarray[Any, Any]

_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Labelled examples in memory, prepared: float32 (n, ...) and int64 (n,) from 0 on."""

    x: Array
    y: Array
    classes: int


def prober(labelled: Labelled, seed: int) -> Callable[[keras.Model], float]:
    """What measures a network: accuracy of ridge regression on its averaged outputs, each example left out in turn."""

    def accuracy(trunk: keras.Model) -> float:
        return float(probe(represented(trunk, labelled.x), labelled.y, labelled.classes, seed).accuracy.value)

    return accuracy


def represented(trunk: keras.Model, x: Array) -> Array:
    """The outputs of a network in inference mode, averaged over all axes but the first and the last: float32 (n, d)."""
    made: list[Array] = []
    for start in range(0, len(x), _BATCH):
        batch = x[start : start + _BATCH]
        # Batches of one size: nothing is compiled anew.
        full = np.concatenate([batch, np.zeros((_BATCH - len(batch), *batch.shape[1:]), batch.dtype)])
        out = np.asarray(trunk.predict_on_batch(full), np.float32)[: len(batch)]
        made.append(out.mean(axis=tuple(range(1, out.ndim - 1))) if out.ndim > 2 else out)
    return np.concatenate(made)
