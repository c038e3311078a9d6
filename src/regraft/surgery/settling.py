"""Averages of BatchNorm that settle within the steps that there are."""

from typing import Any

import keras

from regraft.graph import names

# Keras' own is 0.99, that of many networks 0.999: after a hundred steps these are still mostly what they began with.
_MOMENTUM = 0.9


def settle_sooner(model: keras.Model) -> None:
    """Let the averages of all BatchNorm layers of a model, in place, settle within the few steps that it has.

    A model that begins anew is judged in inference, by averages that were 0 and 1 when it began.
    """
    for _, layer in names.layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, _MOMENTUM)


def settle_on(model: keras.Model, x: Any) -> None:
    """Let the averages of all BatchNorm layers of a model, in place, be those of some examples, as its weights are now.

    In a deep network each layer is judged by averages of what those below make of it: where all begin at 0 and 1, it is
    many steps until anything comes out at the top.

    Args:
        model: with weights that have not learnt.
        x: some of what it takes, (n, ...).
    """
    found = [layer for _, layer in names.layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
    before = [layer.momentum for layer in found]
    if not found:
        return
    try:
        for layer in found:
            layer.momentum = 0.0
        model(x, training=True)
    finally:
        for layer, momentum in zip(found, before, strict=True):
            layer.momentum = momentum
