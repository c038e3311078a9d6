"""One layer after the other, each on what the layers below make of the examples (Hinton et al. 2006)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core.errors import RequestError
from regraft.core.pretraining import ALL_LAYERS, Spec, Stage
from regraft.core.progress import say
from regraft.pretraining import loop
from regraft.pretraining.learner import Greedy, Learner, Rows, Sample

# The rows of training and held-out examples that a network makes of the prepared ones; None: those themselves.
Below = Callable[[keras.Model | None], tuple[Rows, Rows]]
_SAMPLE = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Layered:
    """What training layer by layer gave: the trunk, which was changed, and a record of each stage."""

    trunk: keras.Model
    stages: tuple[Stage, ...]


def stages(trunk: keras.Model) -> tuple[keras.Model, ...]:
    """The trunk in pieces, from the input upwards: each has one layer with weights, and those without that follow it.

    What has no weights before the first such layer belongs to the first piece. The layers are the trunk's own.

    Raises:
        RequestError: the trunk is no chain of layers, or has nested models.
    """
    layers: list[Any] = [layer for layer in trunk.layers if not isinstance(layer, keras.layers.InputLayer)]
    for below, layer in zip([trunk.inputs[0], *(layer.output for layer in layers[:-1])], layers, strict=True):
        if isinstance(layer, keras.Model) or layer.input is not below:
            raise RequestError(
                f"expected layers one after the other to train them one at a time, found '{layer.name}' in "
                f"'{trunk.name}' with other inputs; take --architecture mlp, or a method that trains all at once"
            )
    pieces: list[list[Any]] = [[]]
    for layer in layers:
        if layer.weights and any(own.weights for own in pieces[-1]):
            pieces.append([])
        pieces[-1].append(layer)
    return tuple(_piece(own, number) for number, own in enumerate(pieces, 1))


def _piece(layers: Sequence[Any], number: int) -> keras.Model:
    inputs: Any = keras.Input(batch_shape=layers[0].input.shape, dtype=layers[0].input.dtype, name=f"stage{number}")
    x = inputs
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x, name=f"stage{number}")


def below(trunk: keras.Model, pieces: Sequence[keras.Model], count: int) -> keras.Model | None:
    """The first so many pieces as one network with the trunk's layers; None where there are none."""
    if not count:
        return None
    top: Any = pieces[count - 1].layers[-1]
    # Of a layer's calls the first one is the trunk's own.
    return keras.Model(trunk.inputs[0], top.output)


def pretrain(
    method: Greedy,
    trunk: keras.Model,
    rows: Below,
    sample: Sample,
    settings: Any,
    spec: Spec,
    seed: int,
    *,
    checkpoint: Callable[[int], Path | None],
    probe: loop.Probe | None = None,
    stop_after: int | None = None,
) -> Layered:
    """Train a trunk layer by layer, in place, and then all of it where the method has something for that.

    Args:
        method: gives a learner for each stage.
        trunk: a chain of layers.
        rows: gives what the layers below a stage make of the examples.
        sample: of the examples as the trunk takes them.
        settings: of the method.
        spec: of every stage.
        seed: of every stage.
        checkpoint: the file of a stage, by its number from 1.
        probe: measures the trunk up to the stage that learns.
        stop_after: stop once this many epochs of a stage are done; for interrupting on purpose.
    """
    pieces = stages(trunk)
    learners: list[Learner] = []
    done: list[Stage] = []

    def train(learner: Learner, given: tuple[Rows, Rows], reach: keras.Model, name: str) -> bool:
        """Whether it was left to finish."""
        number = len(done)
        title = name if name == ALL_LAYERS else f"{name} ({number + 1} of {len(pieces)})"
        learned = loop.pretrain(
            learner, *given, spec, seed + number, path=checkpoint(number + 1), probe=_of(probe, reach), title=title,
            stop_after=stop_after,
        )  # fmt: skip
        done.append(Stage(name, learned.history, learned.best, learned.stopped))
        kept = done[-1].kept
        probed = "" if kept.probe is None else f", probe {kept.probe:.1%}"
        say(f"{title}: epoch {kept.epoch} is kept, held-out loss {kept.held_out:.4g}{probed}")
        return learned.stopped != "interrupted"

    for number, piece in enumerate(pieces):
        given = rows(below(trunk, pieces, number))
        # Above the first layer there are no columns of a table any more.
        x = given[0].take(np.arange(min(_SAMPLE, len(given[0]))))
        own = replace(sample, x=x)
        if number:
            own = replace(own, stage=number, cells=(), categories=())
        learners.append(method.learner(piece, own, settings, seed))
        reach = below(trunk, pieces, number + 1)
        assert reach is not None
        if not train(learners[-1], given, reach, _named(piece)):
            return Layered(trunk, tuple(done))
    whole = method.whole(trunk, learners, sample, settings, seed)
    if whole is not None:
        train(whole, rows(None), trunk, ALL_LAYERS)
    return Layered(trunk, tuple(done))


def _of(probe: loop.Probe | None, reach: keras.Model) -> loop.Probe | None:
    """What measures all that is reached so far, whatever stage is asked about."""
    return None if probe is None else lambda _stage: probe(reach)


def _named(piece: keras.Model) -> str:
    return next((layer.name for layer in piece.layers if layer.weights), piece.name)
