"""Freezing the lower layers of a model so that they truly do not move, whatever trains it."""

from collections.abc import Sequence
from typing import Any

import keras

from regraft.core.selectors import select
from regraft.graph import cut_points, flow, names
from regraft.surgery.copy import Copier, copy_layer_config

# Layers of Keras that are random in training and pass their input through in inference: attribute that makes them do so always.
_SILENCED = {
    "Dropout": "rate",
    "AlphaDropout": "rate",
    "GaussianDropout": "rate",
    "SpatialDropout1D": "rate",
    "SpatialDropout2D": "rate",
    "SpatialDropout3D": "rate",
    "GaussianNoise": "stddev",
    "StochasticDepth": "drop_path_rate",
}


def freeze(model: keras.Model, up_to: str | None = None, *, patterns: Sequence[str] = ()) -> keras.Model:
    """A copy of a model whose lower layers stay what they are in any training loop.

    Their variables are not trainable, their BatchNorm layers use the statistics that they have and do not update them, and
    their dropout and noise are switched off, which `layer.trainable = False` alone does not do.

    Args:
        model: is not changed.
        up_to: a cut point; everything below it and its own layer is frozen.
        patterns: regular expressions over canonical variable names; every layer with a matching variable is frozen.

    Returns:
        The copy, with the same names and weights, not compiled.

    Raises:
        SourceError: there is no such cut point.
        SelectorError: a pattern matches no variable.
    """
    opened = flow.read(model)
    chosen: set[int] = set()
    if up_to is not None:
        calls = opened.needed_for(cut_points.find(opened, up_to).makes)
        chosen.update(id(call.operation) for call in calls)
    if patterns:
        owned = {call.path: call.operation for call in opened.calls if isinstance(call.operation, keras.Layer)}
        named = {f"{path}/{name}": layer for path, layer in owned.items() for name in names.variables(layer)}
        chosen.update(id(named[name]) for name in select(patterns, named))

    def copy_layer(layer: keras.Layer) -> keras.Layer:
        return _frozen(layer) if id(layer) in chosen else copy_layer_config(layer)

    copied = Copier(copy_layer)(model)
    names.copy_values(model, copied)
    return copied


def _frozen(layer: keras.Layer) -> keras.Layer:
    attribute = _SILENCED.get(type(layer).__name__)
    if attribute is None:
        copied = copy_layer_config(layer)
    else:
        config: dict[str, Any] = {**layer.get_config(), attribute: 0.0}
        copied = type(layer).from_config(config)
    copied.trainable = False
    return copied
