"""Steps after a switch: figures of theory, and the bar on a small version of the benchmark."""

import keras
import numpy as np
import pytest

from benchmarks import switches
from benchmarks.frame import Settings

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the benchmark runs on TensorFlow")


def test_constant_gradients_give_the_figures_of_theory() -> None:
    # beta_1 0.9, beta_2 0.999, gradients ten times larger: 5.20 at step 17. Moments of zero and an old count: 3.16 at
    # once, 6.57 at step 12. Float32 has the third digit.
    kept, zeroed = switches.constant("state kept"), switches.constant("old count")
    assert (np.argmax(kept) + 1, np.max(kept)) == (17, pytest.approx(5.20, abs=0.01))
    assert (np.argmax(zeroed) + 1, np.max(zeroed)) == (12, pytest.approx(6.57, abs=0.01))
    assert zeroed[0] == pytest.approx(3.16, abs=0.01)
    assert switches.constant("new optimizer") == pytest.approx(np.ones(50), abs=1e-3)
    auto = switches.constant("auto")
    assert switches.LOW <= auto.min() <= auto.max() <= switches.HIGH


@pytest.mark.parametrize(
    "name", ["adam, gradients x10", "adam, gradients x0.1", "sgd with momentum -> adam", "adam -> lion"]
)
def test_auto_keeps_steps_within_the_bar(name: str) -> None:
    # One seed and a shorter past; steady is what a new optimizer comes to when its beginning is forgotten.
    (switch,) = (item for item in switches.SWITCHES if item.name == name)
    steady = np.mean(switches.sizes(switch, "new optimizer", 0, 75, 100)[50:])
    found = switches.sizes(switch, "auto", 0, 50, 100) / steady
    assert switches.LOW <= found.min() <= found.max() <= switches.HIGH


def test_the_table_has_the_ends_of_every_way_and_the_bar_is_that_of_auto() -> None:
    found = [
        {"switch": "a", "auto": (0.9, 1.2), "new optimizer": (1.0, 4.0), "single": (0.8, 1.6)},
        {"switch": "b", "auto": (0.4, 1.0), "old count": (2.0, 6.5)},
    ]
    result = switches.summarise(found, Settings())
    assert result.tables[0].rows == (
        ("a", "0.90..1.20", "1.00..4.00", "", "", "0.80..1.60"),
        ("b", "0.40..1.00", "", "", "2.00..6.50", ""),
    )
    assert (result.bars[0].found, result.bars[0].holds) == ("0.40 to 1.20", False)
