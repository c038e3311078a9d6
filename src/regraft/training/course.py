"""A phase under way: from step to step, back to the last epoch where the loss is no number, to its end or before."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from regraft.core import interruption
from regraft.core.errors import WorkError
from regraft.core.optimizer_state import Carried, OptimizerState
from regraft.core.phase import Phase
from regraft.core.progress import track, warn
from regraft.core.records import Epoch
from regraft.graph import names
from regraft.training import carrying
from regraft.training.checkpoint import Checkpoint, Place, Values, assign
from regraft.training.disturbance import Change, disturbance
from regraft.training.feeds import Feed, in_views, lesson, originals
from regraft.training.optimizers import Updates, updates
from regraft.training.predicting import evaluated
from regraft.training.step import Batch, Stepper, stepper

Array = np.ndarray[Any, Any]

# A phase that diverges is tried again at half the rates, so often at most.
_HALVINGS = 2
_STOPPING = (
    "ending the phase '{}' with the best so far; Ctrl-C again stops everything at once, and what was begun can be "
    "resumed"
)


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a phase is given.

    Attributes:
        phase: what it does.
        training: what it learns from.
        validation: what chooses the epoch; may be empty.
        seed: of all that is drawn.
        kept: the optimizer's state of before.
        anchors: the source's weights by name, for `Phase.l2_sp`.
        factor: all rates are multiplied by it.
    """

    phase: Phase
    training: Feed
    validation: Feed
    seed: int
    kept: OptimizerState | None
    anchors: Mapping[str, Array]
    factor: float = 1.0

    def factor_after(self, halvings: int) -> float:
        """What all rates are multiplied by after so many times of beginning an epoch again."""
        return self.factor * 0.5**halvings


def steps_of(phase: Phase, examples: int) -> int:
    """How many steps a phase takes on so many examples."""
    asked = _per_epoch(phase, examples) * (phase.epochs or 1)
    return min(asked, phase.steps or asked)


def _per_epoch(phase: Phase, examples: int) -> int:
    return -(-examples // (phase.batch_size * phase.accumulate))


class _Diverged(Exception):  # noqa: N818 - no error yet: the phase is tried again
    """The loss, or what became of the weights, is not a number."""

    def __init__(self, loss: float, step: int, batches: list[Batch]) -> None:
        super().__init__()
        self.loss, self.step, self.batches = loss, step, batches


class Course:
    """A model, its optimizers, and the steps of a phase.

    Attributes:
        updates: the optimizers.
        steps: how many it takes.
        carried: what became of the optimizer's state of before.
    """

    updates: Updates
    steps: int
    carried: tuple[Carried, ...]

    def __init__(self, model: keras.Model, rates: Mapping[str, float], given: Given) -> None:
        self._model, self._rates = model, rates
        phase = given.phase
        self._per_step = phase.batch_size * phase.accumulate
        self.steps = steps_of(phase, len(given.training))
        self._take(given)
        # A buffer of updates holds rates as they are in this phase.
        peaks = {name: rate * given.factor for name, rate in rates.items()}
        begun, self.carried = carrying.plan(given.kept, peaks, phase, self._samples)
        self.updates = self._updates(begun)
        self._machine: Stepper = stepper(self._model, self.updates)
        self._variables = {f"model/{name}": variable for name, variable in names.variables(self._model).items()}
        self._variables |= {f"optimizer/{name}": item for name, item in self.updates.state_variables.items()}

    def run(self, record: Checkpoint, stop_after: int | None = None) -> None:
        """Go through the epochs from wherever the record has come to; the model ends with the best values."""
        self._begin(record)
        begun = record.place
        last = min(self._epochs, stop_after or self._epochs)
        name = self._given.phase.name
        with interruption.noted(_STOPPING.format(name)) as stopping:
            for _ in track(self._to_come(record, last), name, total=last + 1 - record.place.epoch):
                try:
                    self._epoch(record, stopping)
                except _Diverged as problem:
                    self._back(record, problem)
        if record.place.interrupted:
            warn(f"phase '{name}' was ended by hand in epoch {len(record.history) - 1} of {self._epochs}")
        if record.place != begun and not record.place.interrupted:
            record.save(self._values())
        self._put(record.best_values)

    def anew(self, given: Given, values: Values) -> None:
        """Begin again with other examples and from other values, for as many steps; nothing is compiled again.

        Args:
            given: of the same phase, with as many steps to take; its rates may be multiplied by another factor.
            values: of the model's variables and the optimizers', as `values` gives them.
        """
        self._take(given)
        self._put(values)

    @property
    def measured(self) -> bool:
        """Whether the optimizers begin with what was measured at the model's weights."""
        return any(row.done == "calibrate" for row in self.carried)

    def values(self) -> Values:
        """Of the variables of the model, `model/NAME`, and of the optimizers, `optimizer/NAME`."""
        return self._values()

    def logits(self, x: Array) -> Array:
        """The model's outputs (n, classes) in inference mode, as its variables are now."""
        self._machine.reload()
        return self._machine.logits(x)

    def _begin(self, record: Checkpoint) -> None:
        now = record.restore()
        if now is None:
            record.good = self._values()
            record.add(*self._judged(record.place, None, record.good))
            return
        self._put(now)

    def _take(self, given: Given) -> None:
        self._given = given
        self._per_epoch = _per_epoch(given.phase, len(given.training))
        self._epochs = -(-self.steps // self._per_epoch)
        self._disturbing = disturbance(given.phase, lambda: originals(given.training))

    def _updates(self, state: OptimizerState | None) -> Updates:
        given = self._given
        anchors = {name: value for name, value in given.anchors.items() if name in self._rates}
        variables = names.variables(self._model)
        return updates(given.phase, self._rates, variables, self.steps, state=state, anchors=anchors)

    def _to_come(self, record: Checkpoint, last: int) -> Iterator[int]:
        patience = self._given.phase.patience
        while record.place.epoch <= last and not record.place.interrupted:
            if patience and len(self._given.validation) and record.idle() >= patience:
                return
            yield record.place.epoch

    def _epoch(self, record: Checkpoint, stopping: Callable[[], bool]) -> None:
        """The steps of an epoch that are still to come, and what it comes to."""
        given, place = self._given, record.place
        order, views = lesson(given.seed, place.epoch, len(given.training), given.training.views)
        change = self._disturbing.in_epoch(given.seed, place.epoch)
        started, before = time.perf_counter(), place.seconds
        factor = given.factor_after(place.halvings)
        while place.batches < self._per_epoch and place.steps < self.steps and not place.interrupted:
            batches = self._batches(order, views, place.batches, change)
            loss = self._machine.step(batches, factor)
            if not np.isfinite(loss):
                raise _Diverged(loss, place.batches + 1, batches)
            place = replace(
                place,
                batches=place.batches + 1,
                steps=place.steps + 1,
                loss=place.loss + loss * sum(len(x) for x, _ in batches),
                seconds=before + time.perf_counter() - started,
            )
            record.place = place
            stop = stopping()
            if (stop or record.is_due()) and _is_finite(values := self._values()):
                record.save(values)
            # On disk it is a phase that can be gone on with, should the user not wait for its end.
            place = record.place = replace(place, interrupted=stop)
        self._end(record)

    def _end(self, record: Checkpoint) -> None:
        place, count = record.place, len(self._given.training)
        values = self._values()
        if not _is_finite(values):
            raise _Diverged(float("nan"), place.batches, [])
        seen = min(place.batches * self._per_step, count)
        judged = self._judged(place, place.loss / seen, values)
        record.good = values
        record.add(*judged)
        record.place = replace(place, epoch=place.epoch + 1, batches=0, loss=0.0, seconds=0.0)

    def _back(self, record: Checkpoint, problem: _Diverged) -> None:
        """Go back to where the epoch began, and go on at half the rates.

        Raises:
            WorkError: it was not the rates.
        """
        place, name = record.place, self._given.phase.name
        where = f"in step {problem.step} of epoch {place.epoch} of phase '{name}'"
        if any(not np.isfinite(x).all() for x, _ in problem.batches):
            raise WorkError(
                f"the loss became {problem.loss} {where}: the activations that it learns from hold values that are no "
                "numbers; look for them in the source and the data"
            )
        if place.halvings == _HALVINGS:
            raise WorkError(
                f"the loss became {problem.loss} {where}, also at a quarter of the rates; "
                "lower them in the plan, or look for NaN in the source"
            )
        warn(f"the loss became {problem.loss} {where}; it begins that epoch again at half the rates")
        steps = min((place.epoch - 1) * self._per_epoch, self.steps)
        record.place = Place(place.epoch, steps=steps, halvings=place.halvings + 1)
        self._put(record.good)

    def _batches(self, order: Array, views: Array, number: int, change: Change) -> list[Batch]:
        """What one step is taken on."""
        phase = self._given.phase
        start = number * self._per_step
        chosen = order[start : start + self._per_step]
        x = change(in_views(self._given.training, chosen, views[chosen]), number)
        y = self._targets(self._given.training.labels[chosen])
        return [
            (x[place : place + phase.batch_size], y[place : place + phase.batch_size])
            for place in range(0, len(x), phase.batch_size)
        ]

    def _targets(self, labels: Array) -> Array:
        smoothing, classes = self._given.phase.label_smoothing, self._model.output_shape[-1]
        certain = np.eye(classes, dtype=np.float32)[labels]
        return (certain * (1 - smoothing) + smoothing / classes).astype(np.float32)

    def _samples(self, count: int) -> Iterator[Mapping[str, Array]]:
        """Gradients of batches of the training examples at today's weights, by name."""
        given, plain = self._given, self._updates(None)
        machine = stepper(self._model, plain)
        change = self._disturbing.in_epoch(given.seed, 0)
        for number in range(count):
            turn, place = divmod(number, self._per_epoch)
            order, _ = lesson(given.seed + turn, 0, len(given.training), 1)
            batches = self._batches(order, np.zeros(len(order), np.int64), place, change)
            sizes = [len(x) for x, _ in batches]
            found = [machine.gradients(batch) for batch in batches]
            means = [np.average(np.stack(parts), axis=0, weights=sizes) for parts in zip(*found, strict=True)]
            yield {name: mean.astype(np.float32) for name, mean in zip(plain.named, means, strict=True)}

    def _judged(self, place: Place, loss: float | None, values: Values) -> tuple[Epoch, Values]:
        """What an epoch that ended with these values comes to, and the values that it is judged by.

        Those of the moving average where there is one; the model is given them meanwhile. Without a loss it is the
        state before the first epoch.
        """
        given, nan = self._given, float("nan")
        # All groups are at the same step of the same schedule.
        rate = 0.0 if loss is None else self.updates.groups[0].rate_now * given.factor_after(place.halvings)
        row = Epoch(given.phase.name, 0 if loss is None else place.epoch, loss, rate, nan, nan, place.seconds)
        averages = {f"model/{name}": item for name, item in names.arrays(self.updates.averages()).items()}
        if averages:
            self._put(averages)
        row = evaluated(self._machine, self._given.validation, row)
        if averages:
            self._put({name: values[name] for name in averages})
        return row, values | averages

    def _values(self) -> Values:
        self._machine.synchronise()
        return names.arrays(self._variables)

    def _put(self, values: Values) -> None:
        assign(self._variables, values)
        self._machine.reload()


def _is_finite(values: Values) -> bool:
    return all(bool(np.isfinite(value).all()) for value in values.values() if value.dtype.kind == "f")
