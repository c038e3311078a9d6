"""Training a learner: deterministic, resumable to the bit from every epoch, ended early where it stops helping."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core import digest, plain
from regraft.core.errors import DataError, WorkError
from regraft.core.interruption import noted
from regraft.core.pretraining import PretrainingEpoch, Spec
from regraft.core.progress import track
from regraft.graph import names
from regraft.graph.arithmetic import exact
from regraft.graph.digest import of_variables
from regraft.pretraining import checkpoint
from regraft.pretraining.checkpoint import State
from regraft.pretraining.learner import Array, Batch, Learner, Rows
from regraft.pretraining.step import Stepper, learning, stepper
from regraft.surgery.replicas import sum_over_replicas_only
from regraft.surgery.seeding import is_seed, seed_layers
from regraft.surgery.strided_points import points_taken_first

Probe = Callable[[keras.Model], float | None]
# Which numbers an epoch is drawn from: those of training, of held-out examples, of the model's random layers.
_TRAINING, _HELD_OUT = 0, 1
_ENDING = "ending after this epoch; once more to stop at once"


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What pretraining gave.

    Attributes:
        trunk: the learner's own, with the weights of the best epoch by the held-out figure.
        history: one row per epoch; row 0 is the state before the first.
        best: the epoch that `trunk` is from.
        stopped: why it ended before its last epoch: `patience`, `interrupted`, or None.
    """

    trunk: keras.Model
    history: tuple[PretrainingEpoch, ...]
    best: int
    stopped: str | None = None


@exact
def pretrain(
    learner: Learner,
    rows: Rows,
    held_out: Rows,
    spec: Spec,
    seed: int,
    *,
    path: Path | None = None,
    probe: Probe | None = None,
    stop_after: int | None = None,
    title: str = "pretraining",
) -> Learned:
    """Train a learner; its model is changed.

    Ctrl-C ends it in good order after the epoch under way.

    Args:
        learner: what learns, and from what.
        rows: the examples.
        held_out: those that it is judged by.
        spec: how it is trained.
        seed: of the order of examples and all that `draw` draws.
        path: a checkpoint that is written after every epoch, and continued from where it exists.
        probe: what else is measured of the trunk after every epoch.
        stop_after: stop once this many epochs are done in all; for interrupting on purpose.
        title: what the bar of progress is called.

    Raises:
        DataError: there are too few examples to learn from and to hold out.
        WorkError: the loss is not a number.
        CorruptFileError: the checkpoint is truncated or was altered.
    """
    for what, given in (("to learn from", rows), ("to hold out", held_out)):
        if learner.turns(given) < 2:
            count = learner.turns(given)
            raise DataError(f"expected at least 2 examples {what}, found {count}; give more unlabelled data")
    seed_layers(learner.model, seed)
    course = _Course(learner, rows, held_out, spec, seed, probe)
    settings = _settings(learner, rows, held_out, spec, seed)
    known = checkpoint.load(path, settings) if path else None
    if known:
        course.go_on(known)
    else:
        course.note(0, None, 0.0, time.monotonic())
    stopped = "interrupted" if stop_after is not None and stop_after < spec.epochs else None
    last = min(spec.epochs, spec.epochs if stop_after is None else stop_after)
    with noted(_ENDING) as interrupted, points_taken_first(learner.model):
        to_come = max(0, last + 1 - len(course.history))
        for epoch in track(course.to_come(last), lambda: f"{title}: {course.stands()}", to_come):
            course.epoch(epoch)
            if path:
                checkpoint.save(path, course.state(), settings)
            if interrupted():
                stopped = "interrupted" if epoch < spec.epochs else None
                break
    if course.is_idle() and len(course.history) <= spec.epochs:
        stopped = "patience"
    course.keep_best()
    return Learned(learner.trunk, tuple(course.history), course.best(), stopped)


class _Course:
    """The state of a pretraining under way."""

    def __init__(
        self, learner: Learner, rows: Rows, held_out: Rows, spec: Spec, seed: int, probe: Probe | None
    ) -> None:
        self.history: list[PretrainingEpoch] = []
        self._learner, self._rows, self._held_out = learner, rows, held_out
        self._spec, self._seed, self._probe = spec, seed, probe
        self._count = learner.turns(rows)
        self._size = min(spec.batch_size, self._count)
        self._steps = self._count // self._size
        self._optimizer = _optimizer(spec, learner.model, self._steps * spec.epochs)
        self._best: dict[str, Array] = {}
        self._stepper: Stepper = stepper(learner, self._optimizer)

    def to_come(self, last: int) -> Iterator[int]:
        """The epochs that are left, for as long as the figure improves."""
        while len(self.history) <= last and not self.is_idle():
            yield len(self.history)

    def stands(self) -> str:
        """What the last epoch came to; short, for a bar on a line of 80 characters."""
        row = self.history[-1]
        said = f"epoch {row.epoch}, held out {row.held_out:.4g}"
        return said if row.probe is None else f"{said}, probe {row.probe:.0%}"

    def epoch(self, epoch: int) -> None:
        """One pass over the examples, and a look at where it led."""
        started, total = time.monotonic(), 0.0
        order = np.random.default_rng([self._seed, epoch]).permutation(self._count)
        for step in track(range(self._steps), f"steps of epoch {epoch}"):
            done = ((epoch - 1) * self._steps + step) / max(1, self._steps * self._spec.epochs - 1)
            indices = order[step * self._size : (step + 1) * self._size]
            random = np.random.default_rng([self._seed, _TRAINING, epoch, step])
            loss = self._stepper.step(_checked(self._learner.draw(self._rows, indices, random, done)))
            if not math.isfinite(loss):
                raise WorkError(
                    f"the loss became {loss} in step {step + 1} of epoch {epoch}; "
                    f"try a rate below {self._spec.rate:g}, or cut gradients off with clip_norm"
                )
            total += loss
        self._stepper.synchronise()
        self.note(epoch, total / self._steps, self._rate(), started)

    def note(self, epoch: int, loss: float | None, rate: float, started: float) -> None:
        """Add a row to the history, and keep the weights where they are the best so far."""
        held_out, measures = self._judge()
        figure = held_out if self._learner.monitor == "loss" else measures[self._learner.monitor]
        if not (math.isfinite(held_out) and math.isfinite(figure)):
            raise WorkError(
                f"the held-out loss became {held_out} after epoch {epoch}; try a rate below {self._spec.rate:g}"
            )
        probe = self._probe(self._learner.trunk) if self._probe else None
        seconds = time.monotonic() - started
        self.history.append(PretrainingEpoch(epoch, loss, held_out, measures, rate, seconds, probe))
        if self.best() == len(self.history) - 1:
            self._best = names.values(self._learner.model)

    def best(self) -> int:
        """The epoch with the lowest figure; never the state before the first where one is done."""
        figures = self._figures()
        return 1 + int(np.argmin(figures[1:])) if len(figures) > 1 else 0

    def is_idle(self) -> bool:
        """Whether the figure has not improved for as long as patience lasts."""
        patience = self._spec.patience
        return 0 < patience <= len(self.history) - 1 - self.best()

    def state(self) -> State:
        """All that going on depends on."""
        now = {f"model/{name}": value for name, value in names.values(self._learner.model).items()}
        now |= {f"carried/{name}": value for name, value in self._stepper.carried.items()}
        for place, variable in enumerate(self._optimizer.variables):
            now[f"optimizer/{place}"] = np.array(keras.ops.convert_to_numpy(variable))
        return State(tuple(self.history), now, self._best)

    def go_on(self, state: State) -> None:
        """Take up a state that was kept."""
        own = names.variables(self._learner.model)
        # In order: Keras counts up names that nobody gave, so that they may be others now. That these are the same
        # variables in the same order, the digest of their first values has said (`_settings`).
        kept = [value for name, value in state.now.items() if name.startswith("model/")]
        for variable, value in zip(own.values(), kept, strict=True):
            variable.assign(value)
        for place, variable in enumerate(self._optimizer.variables):
            variable.assign(state.now[f"optimizer/{place}"])
        names.refresh(self._learner.model)
        self.history = list(state.history)
        self._best = dict(zip(own, state.best.values(), strict=True))
        self._stepper = stepper(self._learner, self._optimizer)
        self._stepper.carried = {name: state.now[f"carried/{name}"] for name in self._learner.carried}

    def keep_best(self) -> None:
        """Give the model the weights of the best epoch."""
        for name, variable in names.variables(self._learner.model).items():
            variable.assign(self._best[name])
        names.refresh(self._learner.model)

    def _figures(self) -> list[float]:
        name = self._learner.monitor
        return [row.held_out if name == "loss" else row.measures[name] for row in self.history]

    def _rate(self) -> float:
        return float(np.asarray(keras.ops.convert_to_numpy(self._optimizer.learning_rate)))

    def _judge(self) -> tuple[float, dict[str, float]]:
        """The loss on held-out examples, and the method's figures; the same draws for every epoch."""
        sums: dict[str, float] = {"": 0.0, **dict.fromkeys(self._learner.measures, 0.0)}
        for batch, size in self._held_out_batches():
            loss, figures = self._stepper.look(batch)
            for name, figure in {"": loss, **figures}.items():
                sums[name] += size * figure
        means = {name: total / self._learner.turns(self._held_out) for name, total in sums.items()}
        return means.pop(""), means

    def _held_out_batches(self) -> Iterator[tuple[Batch, int]]:
        # Parts of nearly one size: a last one of few examples would count for much where a loss compares examples.
        count = self._learner.turns(self._held_out)
        for place, indices in enumerate(np.array_split(np.arange(count), max(1, count // self._size))):
            random = np.random.default_rng([self._seed, _HELD_OUT, place])
            yield _checked(self._learner.draw(self._held_out, indices, random, 1.0)), len(indices)


def _optimizer(spec: Spec, model: keras.Model, steps: int) -> Any:
    """A Keras optimizer for all that learns."""
    rate: Any = spec.rate
    if spec.schedule == "cosine":
        rising = int(spec.warmup * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if rising else spec.rate,
            max(1, steps - rising),
            warmup_target=spec.rate if rising else None,
            warmup_steps=rising,
        )
    options: dict[str, Any] = {"weight_decay": spec.weight_decay or None, "global_clipnorm": spec.clip_norm}
    made: Any = (
        keras.optimizers.SGD(rate, momentum=spec.momentum, **options)
        if spec.optimizer == "sgd"
        else keras.optimizers.Adam(rate, **options)
    )
    chosen = list(learning(model).values())
    if spec.weight_decay:
        made.exclude_from_weight_decay(var_list=[variable for variable in chosen if len(variable.shape) < 2])
    made.build(chosen)
    sum_over_replicas_only(made)
    return made


def _checked(batch: Batch) -> Batch:
    """What was drawn, in the two types that every backend takes as they are."""
    arrays = (np.asarray(item) for item in batch)
    return tuple(np.asarray(item, np.int32 if item.dtype.kind in "iub" else np.float32, order="C") for item in arrays)


def _settings(learner: Learner, rows: Rows, held_out: Rows, spec: Spec, seed: int) -> str:
    """What a checkpoint must agree with."""
    values = of_variables(names.variables(learner.model))
    start = digest.of_strings(value for name, value in values.items() if not is_seed(name))
    known: dict[str, Any] = plain.to_plain(spec)
    counts = [learner.turns(rows), learner.turns(held_out)]
    return plain.to_json(known | {"seed": seed, "start": start, "examples": counts}, indent=None)
