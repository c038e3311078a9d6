"""What tests of this room share: the last Keras 2 as a reference."""

import warnings
from typing import Any

import pytest


@pytest.fixture(scope="session")
def keras_2() -> Any:
    """Keras 2, by `pip install --no-deps tf_keras`; the test is skipped where it is not, or on another backend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tf_keras", reason="needs Keras 2: pip install --no-deps tf_keras")
