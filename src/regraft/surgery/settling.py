"""Averages of BatchNorm that settle within the steps that there are."""

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
