"""A head with new layers in it: trained on pooled activations by steps, where a linear head is solved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import keras
import numpy as np

from regraft.core.blocks import HEAD, new_layers
from regraft.core.found_rate import FoundRate
from regraft.core.head_spec import NEW_LAYERS, HeadSpec, NewLayersSpec
from regraft.core.phase import Phase
from regraft.graph import names
from regraft.surgery.graft import graft, set_values
from regraft.training.feeds import Feed, originals
from regraft.training.heads.basis import Basis, refuse_non_finite, scale_of
from regraft.training.heads.softmax import Floats
from regraft.training.phases import TrainedPhases, train_phases
from regraft.training.rate_finder import find, with_found
from regraft.training.rates import with_rates

Array = np.ndarray[Any, Any]

P = TypeVar("P", bound=Phase)

_ROWS = 4096
# How many steps new layers take where the plan does not say, and in how many epochs at least and at most.
_STEPS, _EPOCHS = 400, (5, 100)


@dataclass(frozen=True, slots=True, eq=False)
class LayeredHead:
    """New layers and a linear classifier on raw activations.

    Attributes:
        values: of the new variables by canonical name (`head_hidden_1/kernel`, ..., `head/bias`), float32, for
            activations as they come; kernels (inputs, outputs).
        learnt: the same for activations that are standardised, as they were learnt from.
        basis: that standardisation.
    """

    values: Mapping[str, Array]
    learnt: Mapping[str, Array]
    basis: Basis

    def logits(self, activations: Floats) -> Floats:
        """Logits (n, classes) of raw activations (n, d)."""
        made = activations.astype(np.float32, copy=False)
        for layer in new_layers(len(self.values) // 2 - 1):
            made = made @ self.values[f"{layer}/kernel"] + self.values[f"{layer}/bias"]
            if layer != HEAD:
                made = np.maximum(made, 0)
        return made

    def probabilities(self, activations: Floats) -> Array:
        """Probabilities, float64 (n, classes), of raw activations (n, d)."""
        logits = self.logits(activations).astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


@dataclass(frozen=True, slots=True, eq=False)
class LearntLayers(Generic[P]):
    """New layers, and what became of them.

    Attributes:
        head: the layers.
        phase: what their training obeyed, its rate and epochs written out.
        trained: its history, record and optimizer state, for activations that are standardised.
        found_rate: the range test, where the rate was to be found.
    """

    head: LayeredHead
    phase: P
    trained: TrainedPhases
    found_rate: FoundRate | None = None


def phase_of(spec: HeadSpec, examples: int) -> NewLayersSpec:
    """How new layers learn from so many examples: as the plan says, and for as long as was measured to be enough.

    Args:
        spec: with `hidden`.
        examples: that are learnt from.
    """
    phase = replace(spec.learning or NewLayersSpec(), name=NEW_LAYERS)
    steps = -(-examples // (phase.batch_size * phase.accumulate))
    return replace(phase, epochs=phase.epochs or int(np.clip(round(_STEPS / max(steps, 1)), *_EPOCHS)))


def fit_layers(
    training: Feed,
    validation: Feed,
    classes: int,
    hidden: Sequence[int],
    phase: P,
    seed: int = 0,
    *,
    start: LayeredHead | None = None,
    checkpoint: Path | None = None,
) -> LearntLayers[P]:
    """Train new layers and the head on them on pooled activations, which are computed once.

    Activations are standardised as for the linear head, and the standardisation is folded into the result: rates and
    decay mean the same whatever network the activations are of. One seed, one result.

    Args:
        training: pooled activations (n, d) float32 as they come; view 0 is learnt from.
        validation: likewise; what chooses the epoch; may be empty.
        classes: how many the head has.
        hidden: widths of the new layers, from the lowest upwards.
        phase: see `phase_of`.
        seed: of the values that layers begin with, of the order of examples, and of dropout.
        start: layers to go on from, of the same widths; None: new ones.
        checkpoint: see `train_phases`.

    Raises:
        DataError: an activation is not finite.
        WorkError: see `train_phases`.
    """
    basis = start.basis if start else _basis(training)
    model = graft(None, classes, shape=(len(basis.centre),), hidden=hidden, seed=seed, dropout=phase.dropout)
    if start:
        set_values(model, start.learnt)
    learning, judging = _standardised(training, basis), _standardised(validation, basis)
    found = find(model, phase, learning, seed) if phase.rate == "find" else None
    phase = with_rates(phase if found is None else with_found(phase, found), model)
    trained = train_phases(model, (phase,), learning, judging, seed=seed, checkpoint=checkpoint)
    return LearntLayers(_folded(trained.model, new_layers(len(hidden)), basis), phase, trained, found)


def _basis(feed: Feed) -> Basis:
    """The standardisation by the moments of all examples, which are read batch by batch."""
    total, squares = np.float64(0), np.float64(0)
    for rows in originals(feed, _ROWS):
        total = total + rows.sum(axis=0, dtype=np.float64)
        squares = squares + np.square(rows, dtype=np.float64).sum(axis=0)
    centre = np.asarray(total / len(feed))
    refuse_non_finite(centre)
    return Basis(centre, scale_of(np.sqrt(np.maximum(squares / len(feed) - np.square(centre), 0))))


def _standardised(feed: Feed, basis: Basis) -> Feed:
    def fetch(chosen: Array, view: int) -> Array:
        return ((feed.fetch(chosen, 0) - basis.centre) / basis.scale).astype(np.float32)

    return Feed(fetch, feed.labels)


def _folded(model: keras.Model, layers: Sequence[str], basis: Basis) -> LayeredHead:
    values, lowest = names.values(model), layers[0]
    learnt = {name: values[name] for layer in layers for name in (f"{layer}/kernel", f"{layer}/bias")}
    kernel = learnt[f"{lowest}/kernel"].astype(np.float64) / basis.scale[:, None]
    bias = learnt[f"{lowest}/bias"] - basis.centre @ kernel
    folded = {f"{lowest}/kernel": kernel.astype(np.float32), f"{lowest}/bias": bias.astype(np.float32)}
    return LayeredHead({**learnt, **folded}, learnt, basis)
