"""Steps of training say the same loss on every backend, and take no threads that a small network cannot use."""

from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from regraft.training.step import cross_entropy


def _rows(scale: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    random = np.random.default_rng(0)
    logits = (scale * random.normal(size=(32, 10))).astype(np.float32)
    return np.eye(10, dtype=np.float32)[random.integers(0, 10, 32)], logits


# The largest are beyond what float32 can exponentiate.
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_the_loss_is_that_of_float64_to_the_rounding_of_float32(scale: float) -> None:
    targets, logits = _rows(scale)
    given = keras.ops.convert_to_tensor(targets), keras.ops.convert_to_tensor(logits)
    told = np.asarray(keras.ops.convert_to_numpy(cross_entropy(*given))).item()
    assert told == pytest.approx(-(targets * log_softmax(logits.astype(np.float64), axis=1)).sum(axis=1).mean(), 1e-5)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="what PyTorch shares out among threads")
def test_the_loss_of_few_examples_is_not_shared_out_among_threads() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    called: list[str] = []

    class Noting(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            called.append(str(func))
            return func(*args, **(kwargs or {}))

    targets, logits = _rows(1.0)
    learning: Any = keras.ops.convert_to_tensor(logits)
    learning.requires_grad_()
    with Noting():
        loss: Any = cross_entropy(keras.ops.convert_to_tensor(targets), learning)
        loss.backward()
    # The one kernel of a loss that asks for all threads, however few numbers there are.
    assert called
    assert not [name for name in called if "softmax" in name]
