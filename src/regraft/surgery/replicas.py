"""Optimizers that sum gradients over replicas only where there are several."""

from collections.abc import Iterable
from typing import Any

import keras


def sum_over_replicas_only(optimizer: keras.optimizers.Optimizer) -> None:
    """Let an optimizer, in place, leave gradients as they are where there is one replica; its steps are the same.

    Keras on TensorFlow sums them over the replicas there are, also where that is one. TensorFlow writes down how to
    differentiate each such sum in a table of its own, and with it the whole graph in which it stands, which it never
    forgets: a process that trains many networks would grow by the graph of each.
    """
    changed: Any = optimizer
    own = getattr(changed, "_all_reduce_sum_gradients", None)
    if keras.backend.backend() != "tensorflow" or own is None:
        return
    import tensorflow as tf

    def summed(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        return own(pairs) if tf.distribute.has_strategy() else list(pairs)

    changed._all_reduce_sum_gradients = summed
