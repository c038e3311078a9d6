"""Freezing the lower layers of a model so that they truly do not move, whatever trains it."""

from collections.abc import Sequence

import keras

from regraft.core.selectors import select
from regraft.graph import cut_points, flow, names
from regraft.surgery.copy import Copier
from regraft.surgery.silencing import silence


def freeze(model: keras.Model, up_to: str | None = None, *, patterns: Sequence[str] = ()) -> keras.Model:
    """A copy of a model whose lower layers stay what they are in any training loop.

    Their variables are not trainable, their BatchNorm layers use the statistics that they have and do not update
    them, and their dropout and noise are switched off, also inside other layers, which `layer.trainable = False` alone
    does not do. A file keeps whether a layer is trainable, but not whether those inside it are: freeze again what was
    loaded before training goes on.

    Args:
        model: is not changed.
        up_to: a cut point; everything below it and its own layer is frozen.
        patterns: regular expressions over canonical variable names; every layer with a matching variable is frozen.

    Returns:
        The copy, with the same names and weights, not compiled.

    Raises:
        SourceError: there is no such cut point, or a layer in the frozen part would change its output or its weights in
            training all the same.
        SelectorError: a pattern matches no variable.
    """
    opened = flow.read(model)
    chosen: dict[int, str] = {}
    if up_to is not None:
        calls = opened.needed_for(cut_points.find(opened, up_to).makes)
        chosen |= {id(call.operation): call.path for call in calls}
    if patterns:
        owned = {call.path: call.operation for call in opened.calls if isinstance(call.operation, keras.Layer)}
        named = {f"{path}/{name}": (path, layer) for path, layer in owned.items() for name in names.variables(layer)}
        chosen |= {id(layer): path for path, layer in (named[name] for name in select(patterns, named))}
    copier = Copier()
    frozen = copier(model)
    copier.fill()
    for key, path in chosen.items():
        copied = copier.copy_of(key)
        if isinstance(copied, keras.Layer):
            copied.trainable = False
            silence(copied, path)
    return frozen
