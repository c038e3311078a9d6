"""The last Keras 2, as a reference: the package tf_keras, where it is installed (`pip install --no-deps tf_keras`)."""

import warnings
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def keras_2() -> Any:
    """Keras 2; the test is skipped where it is not installed, or the backend is another one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tf_keras", reason="needs Keras 2: pip install --no-deps tf_keras")


def filled(model: Any, seed: int = 0) -> Any:
    """The model with weights none of which is another's."""
    random = np.random.default_rng(seed)
    model.set_weights([random.uniform(0.1, 0.6, value.shape).astype(value.dtype) for value in model.get_weights()])
    return model


def examples(model: Any, count: int = 3) -> Any:
    """Inputs for a model, in the structure that it takes."""
    random = np.random.default_rng(1)

    def one(tensor: Any) -> Any:
        shape = [count, *(side or 5 for side in tensor.shape[1:])]
        if "int" in str(tensor.dtype) or "embed" in model.name:
            return random.integers(0, 7, shape)
        return random.normal(size=shape).astype("float32")

    arrays = [one(tensor) for tensor in model.inputs]
    return arrays[0] if len(arrays) == 1 else arrays
