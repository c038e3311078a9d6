"""Training a branch on activations for one phase: deterministic, resumable to the bit, ended in good order.

What validation chooses is kept, weights and the optimizer's state alike.
"""

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core import digest, plain
from regraft.core.optimizer_state import Carried, OptimizerState
from regraft.core.phase import Phase
from regraft.core.records import Epoch, PhaseCertificate
from regraft.graph import names
from regraft.graph.arithmetic import exact
from regraft.graph.digest import of_variables
from regraft.surgery.copy import copy_model
from regraft.surgery.graft import DROPOUT
from regraft.surgery.seeding import is_seed, seed_layers
from regraft.surgery.strided_points import points_taken_first
from regraft.training.certificates import certify_phase
from regraft.training.checkpoint import Checkpoint
from regraft.training.course import Course, Given
from regraft.training.feeds import PREDICTION_BATCH, Feed, originals
from regraft.training.precision import computing_in
from regraft.training.rates import following, set_trainable
from regraft.training.recalibrating import recalibrate

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What training gave.

    Attributes:
        model: the branch with the weights that validation chose; the last ones where there is no validation.
        history: one row per epoch; row 0 is the state before the first.
        best: the epoch that `model` is from.
        frozen: names of the variables that neither learnt, nor followed the data, nor were measured anew.
        learnt: names of those that had a rate.
        state: of the optimizers at that epoch.
        carried: what became of the optimizer's state of before, for each variable that learnt.
        certificate: what moved, and that nothing else did.
        interrupted: whether the user ended it before its time.
    """

    model: keras.Model
    history: tuple[Epoch, ...]
    best: int
    frozen: tuple[str, ...]
    learnt: tuple[str, ...]
    state: OptimizerState
    carried: tuple[Carried, ...]
    certificate: PhaseCertificate
    interrupted: bool = False


@exact
def train(
    branch: keras.Model,
    phase: Phase,
    training: Feed,
    validation: Feed,
    *,
    seed: int,
    kept: OptimizerState | None = None,
    anchors: Mapping[str, Array] | None = None,
    checkpoint: Path | None = None,
    stop_after: int | None = None,
    save_every: float | None = None,
) -> Trained:
    """Train a copy of a branch for one phase.

    A loss that is no number takes the phase back to the last epoch at half the rates, twice at most. Ctrl-C ends the
    phase with the best so far.

    Args:
        branch: from activations to logits (batch, classes); it is not changed.
        phase: the rates, optimizer, schedule, epochs and batch size.
        training: what it learns from.
        validation: what chooses the epoch; may be empty.
        seed: of the order of examples, the choice of views, what activations are disturbed by, dropout.
        kept: the optimizer's state of before.
        anchors: the source's weights by name, for `Phase.l2_sp`.
        checkpoint: a file that is written from time to time, and continued from where it exists.
        stop_after: stop once this many epochs are done in all; for interrupting on purpose.
        save_every: seconds between two checkpoints at least, 0: after every step; None: five seconds.

    Raises:
        WorkError: the loss is not a number, at a quarter of the rates too.
        ProofError: a frozen variable moved.
    """
    model = copy_model(branch)
    seed_layers(model, seed)
    before, measured = branch, set[str]()
    if phase.batch_norm == "recalibrate":
        measured = recalibrate(model, originals(training, 4 * PREDICTION_BATCH))
        before = copy_model(model)
    rates = set_trainable(model, phase)
    record = Checkpoint(phase, len(validation), checkpoint, _settings(branch, phase, seed, kept), save_every)
    with computing_in(model, phase.precision), dropping(model, phase.dropout), points_taken_first(model):
        course = Course(model, rates, Given(phase, training, validation, seed, kept, anchors or {}))
        course.run(record, stop_after)
    moving = {*rates, *following(model, rates)}
    still = [name for name in names.variables(model) if name not in moving]
    owned = [name for group in course.updates.groups for name in group.variables]
    proof = certify_phase(phase.name, before, model, rates, [name for name in still if not is_seed(name)], owned)
    state = course.updates.state(f"phase '{phase.name}'")
    return Trained(
        model,
        tuple(record.history),
        record.best(),
        tuple(name for name in still if name not in measured),
        tuple(rates),
        state,
        course.carried,
        proof,
        record.place.interrupted,
    )


def _settings(branch: keras.Model, phase: Phase, seed: int, kept: OptimizerState | None) -> dict[str, Any]:
    """What a checkpoint must agree with."""
    values = of_variables(names.variables(branch))
    start = digest.of_strings(value for name, value in values.items() if not is_seed(name))
    return plain.to_plain(phase) | {"seed": seed, "start": start, "state": _digest_of(kept)}


def _digest_of(state: OptimizerState | None) -> str:
    parts: list[str] = []
    for name, item in sorted(state.variables.items()) if state else ():
        arrays = [part for slot, value in sorted(item.slots.items()) for part in (slot, digest.of_array(value))]
        parts += [name, item.kind, str(item.steps), repr(sorted(item.settings.items())), *arrays]
        parts.append(repr(sorted(item.scalars.items())))
    return digest.of_strings(parts)


@contextlib.contextmanager
def dropping(model: keras.Model, part: float) -> Generator[None]:
    """Let the head's dropout, where the branch has any, drop this part of its input while the block runs.

    The layer is left as it was: made with a rate of 0, Keras' would have no seed for a phase that drops.
    """
    layers = [layer for _, layer in names.layers(model) if isinstance(layer, keras.layers.Dropout)]
    before = [(layer, layer.rate) for layer in layers if layer.name == DROPOUT]
    for layer, _ in before:
        layer.rate = part
    try:
        yield
    finally:
        for layer, rate in before:
            layer.rate = rate
