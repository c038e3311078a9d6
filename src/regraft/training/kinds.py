"""The optimizer that a phase asks for, by its name in Keras."""

from collections.abc import Sequence
from typing import Any

import keras

from regraft.core.errors import RequestError, nearest
from regraft.core.phase import Phase

_NOT_FOR_STEPS: Sequence[str] = ("Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap")


def make(phase: Phase, rate: Any) -> Any:
    """A new optimizer of the phase's kind, not built yet.

    Args:
        phase: its `optimizer`, `options` and `weight_decay` are read.
        rate: a number, or a schedule of Keras.

    Raises:
        RequestError: Keras has no optimizer of that name, or it takes no such option.
    """
    known = {
        name.lower(): kind
        for name, kind in vars(keras.optimizers).items()
        if isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer) and name not in _NOT_FOR_STEPS
    }
    kind = known.get(phase.optimizer.lower())
    if kind is None:
        raise RequestError(f"Keras has no optimizer '{phase.optimizer}'{nearest(phase.optimizer, known)}")
    options: dict[str, Any] = {"momentum": 0.9} if kind is keras.optimizers.SGD else {}
    options |= dict(phase.options)
    weight_decay: Any = phase.weight_decay or (0.0 if kind is keras.optimizers.AdamW else None)
    try:
        return kind(learning_rate=rate, **({"weight_decay": weight_decay} | options))
    except (TypeError, ValueError) as error:
        raise RequestError(f"Keras' {kind.__name__} refuses the options {dict(phase.options)}: {error}") from None
