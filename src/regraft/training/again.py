"""One phase again and again, from other weights and on other examples: compiled once, where that takes most of it."""

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from regraft.core.phase import Phase
from regraft.graph import names
from regraft.surgery.copy import copy_model
from regraft.surgery.seeding import is_seed, seed_layers
from regraft.training.checkpoint import Checkpoint, assign
from regraft.training.course import Course, Given
from regraft.training.feeds import Feed, originals
from regraft.training.loop import dropping
from regraft.training.precision import computing_in
from regraft.training.rates import set_trainable

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """How a phase ended.

    Attributes:
        values: of the variables by canonical name.
        interrupted: whether the user ended it before its time.
    """

    values: Mapping[str, Array]
    interrupted: bool


class Again:
    """Trains as `loop.train` does, bit for bit, but without checkpoints, validation and certificates.

    Args:
        branch: from activations to logits (batch, classes); it is not changed.
        phase: its rates written out, with `steps`; BatchNorm may not be `recalibrate`.
    """

    def __init__(self, branch: keras.Model, phase: Phase) -> None:
        assert phase.batch_norm != "recalibrate"
        assert phase.steps is not None
        self._model, self._phase = copy_model(branch), phase
        self._rates = set_trainable(self._model, phase)
        self._variables = names.variables(self._model)
        self._course: Course | None = None
        self._fresh: dict[str, Array] = {}
        self._halved = False

    @property
    def learnt(self) -> tuple[str, ...]:
        """Canonical names of the variables that have a rate."""
        return tuple(self._rates)

    def train(self, weights: Mapping[str, Array], training: Feed, seed: int) -> Ended:
        """Train from these weights; nothing of a lesson before is left.

        Args:
            weights: by canonical name, all of the branch's but the seeds of random layers.
            training: what is learnt from; at least `phase.steps` steps in `phase.epochs` epochs.
            seed: see `loop.train`.

        Raises:
            WorkError: the loss is not a number, at a quarter of the rates too.
        """
        assign(self._variables, {name: value for name, value in weights.items() if not is_seed(name)})
        seed_layers(self._model, seed)
        nothing = Feed(training.fetch, training.labels[:0])
        given = Given(self._phase, training, nothing, seed, None, {})
        record = Checkpoint(self._phase, 0, None, {}, None)
        with self._as_trained():
            if self._course is None or self._halved:
                self._course = Course(self._model, self._rates, given)
                optimizers = self._course.values().items()
                self._fresh = {name: value for name, value in optimizers if name.startswith("optimizer/")}
            else:
                now = {f"model/{name}": value for name, value in names.arrays(self._variables).items()}
                self._course.anew(given, now | self._fresh)
            self._course.run(record)
        # Then its optimizers are others now.
        self._halved = record.place.halvings > 0
        return Ended(names.values(self._model), record.place.interrupted)

    def probabilities(self, weights: Mapping[str, Array], feed: Feed) -> Array:
        """What the branch answers with these weights: float64 (n, classes)."""
        assert self._course is not None, "answers follow a lesson"
        assign(self._variables, {name: value for name, value in weights.items() if not is_seed(name)})
        with self._as_trained():
            logits = [self._course.logits(rows) for rows in originals(feed)]
        return softmax(np.concatenate(logits).astype(np.float64), axis=1)

    @contextlib.contextmanager
    def _as_trained(self) -> Generator[None]:
        with computing_in(self._model, self._phase.precision), dropping(self._model, self._phase.dropout):
            yield
