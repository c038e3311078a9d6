"""The last Keras 2, as a reference: the package tf_keras, where it is installed (`pip install --no-deps tf_keras`)."""

import warnings
from typing import Any

import pytest


@pytest.fixture(scope="session")
def keras_2() -> Any:
    """Keras 2; the test is skipped where it is not installed, or the backend is another one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tf_keras", reason="needs Keras 2: pip install --no-deps tf_keras")
