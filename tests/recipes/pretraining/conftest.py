"""What the tests of pretraining share."""

from typing import Any

import keras
import numpy as np
import pytest

from regraft.recipes.pretraining import helping
from regraft.recipes.pretraining.probing import Labelled


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fine-tuned to see whether pretraining helped is right every second time: only words matter here."""

    def fine_tuned(trunk: keras.Model, learning: Labelled, judging: Labelled, *_: Any) -> helping.Answered:
        return helping.Answered("fine-tuned", np.arange(len(judging.y)) % 2 == 0, 0.5, "not trained")

    monkeypatch.setattr(helping, "fine_tuned", fine_tuned)
