"""What is switched off below all that learns, and what stays random."""

from typing import Any

import keras
import pytest

from regraft.graph import names
from regraft.surgery.silencing import give_back, silence_below

layers = keras.layers


def _tower() -> keras.Model:
    inputs = x = keras.Input((6, 4))
    x = layers.GaussianNoise(0.1, name="noise")(x)
    x = layers.Dense(4, name="low")(x)
    x = layers.MultiHeadAttention(1, 2, dropout=0.2, name="attention")(x, x)
    x = layers.Dropout(0.3, name="middle")(x)
    x = layers.Dense(4, name="high")(x)
    x = layers.Dropout(0.4, name="top")(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def _chances(model: keras.Model) -> dict[str, float]:
    found: dict[str, Any] = dict(names.layers(model))
    return {
        "noise": found["noise"].stddev,
        "attention": found["attention"]._dropout,
        "inside": found["attention/dropout_layer"].rate,
        "middle": found["middle"].rate,
        "top": found["top"].rate,
    }


@pytest.mark.parametrize(
    ("learning", "quiet"),
    [
        ({"head/kernel"}, {"noise", "attention", "inside", "middle"}),
        ({"high/kernel", "head/kernel"}, {"noise", "attention", "inside"}),
        ({"low/kernel", "head/kernel"}, set[str]()),
        ({"attention/query_dense/kernel"}, {"noise"}),
    ],
)
def test_what_feeds_frozen_layers_only_is_off(learning: set[str], quiet: set[str]) -> None:
    model = _tower()
    before = _chances(model)
    silence_below(model, learning)
    assert _chances(model) == {name: 0.0 if name in quiet else value for name, value in before.items()}
    give_back(model)
    assert _chances(model) == before


def test_a_layer_that_is_also_used_above_stays_random() -> None:
    shared = layers.Dropout(0.3, name="shared")
    inputs = keras.Input((4,))
    x = layers.Dense(4, name="low")(shared(layers.Dense(4, name="first")(inputs)))
    model = keras.Model(inputs, layers.Dense(2, name="head")(shared(x)))
    assert silence_below(model, {"head/kernel"}) == ()
    assert shared.rate == 0.3
