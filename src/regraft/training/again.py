"""One phase again and again, from other weights, on other examples, at other rates: compiled once."""

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from regraft.core.phase import Phase
from regraft.core.records import Epoch
from regraft.graph import names
from regraft.graph.arithmetic import exact
from regraft.surgery.copy import copy_model
from regraft.surgery.seeding import is_seed, seed_layers
from regraft.surgery.strided_points import points_taken_first
from regraft.training.checkpoint import Checkpoint, assign
from regraft.training.course import Course, Given, steps_of
from regraft.training.feeds import Feed, originals
from regraft.training.loop import dropping
from regraft.training.precision import computing_in
from regraft.training.rates import set_trainable

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """How a phase ended.

    Attributes:
        values: of the variables by canonical name, at the epoch that validation chose.
        history: one row per epoch; row 0 is the state before the first.
        best: the epoch that `values` are of.
        interrupted: whether the user ended it before its time.
    """

    values: Mapping[str, Array]
    history: tuple[Epoch, ...]
    best: int
    interrupted: bool


class Again:
    """Trains as `loop.train` does, bit for bit, but without checkpoints and certificates.

    Args:
        branch: from activations to logits (batch, classes); it is not changed.
        phase: its rates written out; BatchNorm may not be `recalibrate`.
    """

    def __init__(self, branch: keras.Model, phase: Phase) -> None:
        assert phase.batch_norm != "recalibrate"
        self._model, self._phase = copy_model(branch), phase
        self._rates = set_trainable(self._model, phase)
        self._variables = names.variables(self._model)
        self._course: Course | None = None
        self._fresh: dict[str, Array] = {}

    @property
    def learnt(self) -> tuple[str, ...]:
        """Canonical names of the variables that have a rate."""
        return tuple(self._rates)

    @exact
    def train(
        self,
        weights: Mapping[str, Array],
        training: Feed,
        seed: int,
        *,
        validation: Feed | None = None,
        factor: float = 1.0,
        name: str | None = None,
    ) -> Ended:
        """Train from these weights; nothing of a lesson before is left.

        A schedule is compiled for its number of steps: where that is another than in the lesson before, anew. So is a
        phase whose optimizer begins with what was measured, as one without warm-up does: that is of these weights, on
        these examples.

        Args:
            weights: by canonical name, all of the branch's but the seeds of random layers.
            training: what is learnt from.
            seed: see `loop.train`.
            validation: what chooses the epoch; None: nothing does.
            factor: the rates of the phase are multiplied by it. A rate of 1 becomes that of a phase that has it, to the
                bit; others to the rounding of a product.
            name: what people are told that it is; None: the name of the phase.

        Raises:
            WorkError: the loss is not a number, at a quarter of the rates too.
        """
        assign(self._variables, {name: value for name, value in weights.items() if not is_seed(name)})
        seed_layers(self._model, seed)
        judging = Feed(training.fetch, training.labels[:0]) if validation is None else validation
        phase = self._phase if name is None else replace(self._phase, name=name)
        given = Given(phase, training, judging, seed, None, {}, factor)
        record = Checkpoint(phase, len(judging), None, {}, None)
        with self._as_trained():
            if self._course is None or self._course.steps != steps_of(phase, len(training)) or self._course.measured:
                self._course = Course(self._model, self._rates, given)
                optimizers = self._course.values().items()
                self._fresh = {name: value for name, value in optimizers if name.startswith("optimizer/")}
            else:
                now = {f"model/{name}": value for name, value in names.arrays(self._variables).items()}
                self._course.anew(given, now | self._fresh)
            self._course.run(record)
        return Ended(names.values(self._model), tuple(record.history), record.best(), record.place.interrupted)

    @exact
    def probabilities(self, weights: Mapping[str, Array], feed: Feed) -> Array:
        """What the branch answers with these weights: float64 (n, classes)."""
        assert self._course is not None, "answers follow a lesson"
        assign(self._variables, {name: value for name, value in weights.items() if not is_seed(name)})
        with self._as_trained():
            logits = [self._course.logits(rows) for rows in originals(feed)]
        return softmax(np.concatenate(logits).astype(np.float64), axis=1)

    @contextlib.contextmanager
    def _as_trained(self) -> Generator[None]:
        model, phase = self._model, self._phase
        with computing_in(model, phase.precision), dropping(model, phase.dropout), points_taken_first(model):
            yield
