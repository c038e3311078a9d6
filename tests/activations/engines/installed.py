"""Which engines there are besides Keras, and the skipping of tests where one is not here."""

import pytest

from regraft.activations.engines import ENGINES
from regraft.activations.engines.choosing import usable

OTHERS = [name for name in ENGINES if name != "keras"]


def require(engine: str) -> None:
    """Skip the test where this engine is not installed or does not go with the backend."""
    if not usable(engine):
        pytest.skip(f"needs the engine '{engine}' and Keras on TensorFlow: {ENGINES[engine].INSTALL}")
