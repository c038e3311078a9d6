"""Phases one after the other: each begins with the weights and the optimizer's state that the one before ended with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core.optimizer_state import OptimizerState
from regraft.core.phase import Phase
from regraft.core.records import Epoch, PhaseRecord
from regraft.graph import names
from regraft.training.feeds import Feed, drawn
from regraft.training.loop import train

Array = np.ndarray[Any, Any]

# Phases draw from streams of their own; the first draws from the seed itself.
_APART = 7919


@dataclass(frozen=True, slots=True, eq=False)
class TrainedPhases:
    """What phases of training gave.

    Attributes:
        model: the branch at the end of the last one.
        history: the rows of all, one phase after the other.
        frozen: names of the variables that no phase moved in any way.
        learnt: names of those that had a rate in any.
        state: of the optimizers, for every variable that learnt in any.
        phases: what each did, as the record of a run has it.
        interrupted: whether the user ended the last one before its time.
    """

    model: keras.Model
    history: tuple[Epoch, ...]
    frozen: tuple[str, ...]
    learnt: tuple[str, ...]
    state: OptimizerState
    phases: tuple[PhaseRecord, ...]
    interrupted: bool = False


def train_phases(
    branch: keras.Model,
    phases: Sequence[Phase],
    training: Feed,
    validation: Feed,
    *,
    seed: int,
    kept: OptimizerState | None = None,
    anchors: Mapping[str, Array] | None = None,
    checkpoint: Path | None = None,
) -> TrainedPhases:
    """Train a copy of a branch phase by phase.

    A phase that is done is taken from its checkpoint where there is one. Ctrl-C ends the phase that it comes in, and
    those after it are left out.

    Args:
        branch: from activations to logits (batch, classes); it is not changed.
        phases: at least one; their rates written out.
        training: what they learn from.
        validation: what chooses among epochs; may be empty.
        seed: see `train`.
        kept: the optimizer's state of before the first.
        anchors: the source's weights by name.
        checkpoint: a file for the first phase; those after it get a number.

    Raises:
        WorkError: as `train`.
        ProofError: as `train`.
    """
    model, state = branch, kept
    history: tuple[Epoch, ...] = ()
    done: list[PhaseRecord] = []
    frozen, learnt = set(names.variables(branch)), set[str]()
    interrupted = False
    for index, phase in enumerate(phases):
        trained = train(
            model,
            phase,
            training,
            validation,
            seed=seed_of(seed, index),
            kept=state,
            anchors=anchors,
            checkpoint=None if checkpoint is None else numbered(checkpoint, index),
        )
        model, history = trained.model, (*history, *trained.history)
        frozen &= set(trained.frozen)
        learnt |= set(trained.learnt)
        before = state.variables if state else {}
        state = OptimizerState({**before, **trained.state.variables}, trained.state.origin)
        done.append(PhaseRecord(phase, len(trained.history) - 1, trained.best, trained.carried, trained.certificate))
        interrupted = trained.interrupted
        if interrupted:
            break
    every = list(names.variables(model))
    return TrainedPhases(
        model,
        history,
        tuple(name for name in every if name in frozen),
        tuple(name for name in every if name in learnt),
        state or OptimizerState({}),
        tuple(done),
        interrupted,
    )


def seed_of(seed: int, index: int) -> int:
    """The seed that a phase draws from."""
    return seed + _APART * index


def drawn_in(phases: Sequence[Phase], seed: int, examples: int, views: int) -> Array:
    """Which views of which examples the phases will ask for: bool (examples, views)."""
    asked = np.zeros((examples, views), bool)
    for index, phase in enumerate(phases):
        asked |= drawn(seed_of(seed, index), phase.epochs or 1, examples, views)
    return asked


def numbered(checkpoint: Path, index: int) -> Path:
    """The file of a phase: `fine-tune.checkpoint.npz`, `fine-tune-2.checkpoint.npz`, ..."""
    if not index:
        return checkpoint
    stem, dot, rest = checkpoint.name.partition(".")
    return checkpoint.with_name(f"{stem}-{index + 1}{dot}{rest}")
