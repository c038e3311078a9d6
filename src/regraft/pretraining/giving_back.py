"""The error of what is given back."""

from collections.abc import Callable
from typing import Any, Literal

import keras

from regraft.core.errors import RequestError
from regraft.pretraining.learner import Sample

Error = Literal["auto", "squared", "cross-entropy"]
Tensor = Any


def require_error(error: str, sample: Sample) -> bool:
    """Whether the error is cross entropy.

    Raises:
        RequestError: it is asked for, and values lie outside 0 to 1.
    """
    if error == "cross-entropy" and not sample.is_unit:
        raise RequestError(
            f"expected values from 0 to 1 for a cross entropy, found {sample.x.min():g} to {sample.x.max():g}; "
            "say --set error=squared, or, of plain numbers, --scaling unit"
        )
    return sample.is_unit if error == "auto" else error == "cross-entropy"


def errors(crossed: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """(what is given back, what was wanted) -> error of each value: squared, or cross entropy with logits.

    Cross entropy is measured from the least that it can be, so that 0 is perfect for values between 0 and 1 too.
    """
    ops: Any = keras.ops

    def cross_entropy(logits: Tensor, wanted: Tensor) -> Tensor:
        # Figures on held-out examples are asked for with arrays, and PyTorch mixes none with what it differentiates.
        logits, wanted = ops.convert_to_tensor(logits), ops.convert_to_tensor(wanted)
        inside = ops.clip(wanted, 1e-6, 1 - 1e-6)
        least = -(inside * ops.log(inside) + (1 - inside) * ops.log(1 - inside))
        return ops.maximum(logits, 0.0) - logits * wanted + ops.log1p(ops.exp(-ops.abs(logits))) - least

    def squared(given: Tensor, wanted: Tensor) -> Tensor:
        return ops.square(ops.convert_to_tensor(given) - ops.convert_to_tensor(wanted))

    return cross_entropy if crossed else squared
