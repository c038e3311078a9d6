"""The reused part of the network with the weights that it would begin with."""

from collections.abc import Sequence

import keras
import numpy as np

from regraft.graph import names
from regraft.importers import Pretrained
from regraft.surgery.copy import Copier
from regraft.surgery.cut import trunk_of
from regraft.surgery.graft import graft
from regraft.surgery.seeding import drawing

_KERNELS = ("kernel", "embeddings")


def branch_anew(
    pretrained: Pretrained, cut_point: str, classes: int, taps: Sequence[str], seed: int, hidden: Sequence[int] = ()
) -> keras.Model:
    """The network up to a cut point and a head on it, initialised anew, all of it trainable.

    Layers begin as their configuration says. Where it says that a kernel is to be constant, because weights were always
    to come from a file, nothing could be learnt from there: it is drawn as He et al. 2015 have it.

    Args:
        pretrained: the source; not changed.
        cut_point: of the source.
        classes: of the head.
        taps: cut points below it that the head reads as well.
        seed: of what is drawn.
        hidden: widths of new layers below the head.
    """
    with drawing(seed):
        return graft(_anew(trunk_of(pretrained.model, cut_point), seed), classes, taps=taps, hidden=hidden, seed=seed)


def anew(model: keras.Model, seed: int) -> keras.Model:
    """A network like the given one, initialised anew, all of it trainable; see `branch_anew`.

    Args:
        model: not changed.
        seed: of what is drawn.
    """
    with drawing(seed):
        return _anew(model, seed)


def _anew(model: keras.Model, seed: int) -> keras.Model:
    # Copied by configuration only: the weights of the copy are new.
    fresh: keras.Model = Copier()(model)
    for _, layer in names.layers(fresh):
        layer.trainable = True
    _draw_constant_kernels(fresh, seed)
    return fresh


def _draw_constant_kernels(model: keras.Model, seed: int) -> None:
    for number, (name, variable) in enumerate(names.variables(model).items()):
        if not name.endswith(_KERNELS) or len(variable.shape) < 2:
            continue
        value = np.asarray(keras.ops.convert_to_numpy(variable))
        if value.size > 1 and (value == value.flat[0]).all():
            spread = (2.0 / np.prod(value.shape[:-1])) ** 0.5
            drawn = np.random.default_rng([seed, number]).normal(0.0, spread, value.shape)
            variable.assign(drawn.astype(value.dtype))
