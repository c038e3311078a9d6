"""Training a branch on activations: deterministic, resumable to the bit, the state that validation chooses kept."""

import json
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from regraft.core import digest, plain, storage
from regraft.core.errors import CorruptFileError, WorkError
from regraft.core.phase import Phase
from regraft.core.progress import track, warn
from regraft.core.records import Epoch
from regraft.graph import names
from regraft.graph.digest import of_variables
from regraft.surgery.copy import copy_model
from regraft.training.disturbance import Change, disturbance
from regraft.training.optimizers import Group, groups
from regraft.training.seeding import is_seed, seed_layers
from regraft.training.step import Stepper, stepper

Array = np.ndarray[Any, Any]

_PREDICTION_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """Examples for a branch: activations fetched by index, so that only a batch is in memory.

    Attributes:
        fetch: (indices, view) -> float32 (n, ...), the inputs of the branch.
        labels: int64 (examples,).
        views: how many views there are of each example.
    """

    fetch: Callable[[Array, int], Array]
    labels: Array
    views: int = 1

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What training gave.

    Attributes:
        model: the branch with the weights that validation chose; the last ones where there is no validation.
        history: one row per epoch; row 0 is the state before the first.
        best: the epoch that `model` is from.
        frozen: names of the variables that did not learn.
    """

    model: keras.Model
    history: tuple[Epoch, ...]
    best: int
    frozen: tuple[str, ...]


def train(
    branch: keras.Model,
    spec: Phase,
    training: Feed,
    validation: Feed,
    *,
    seed: int,
    phase: str = "fine-tune",
    checkpoint: Path | None = None,
    stop_after: int | None = None,
) -> Trained:
    """Train a copy of a branch.

    Args:
        branch: from activations to logits (batch, classes); it is not changed.
        spec: the rates, optimizer, schedule, epochs and batch size.
        training: what it learns from.
        validation: what chooses the epoch; may be empty.
        seed: of the order of examples, the choice of views, what activations are disturbed by, dropout.
        phase: for the history.
        checkpoint: a file that is written after every epoch, and continued from where it exists.
        stop_after: stop once this many epochs are done in all; for interrupting on purpose.

    Raises:
        WorkError: the loss is not a number.
    """
    model = copy_model(branch)
    seed_layers(model, seed)
    steps, last = -(-len(training) // spec.batch_size), spec.epochs or 1
    parts = groups(model, spec, steps * last)
    learning = {name for part in parts for name in part.variables}
    start = digest.of_strings(
        value for name, value in of_variables(names.variables(branch)).items() if not is_seed(name)
    )
    settings = plain.to_plain(spec) | {"seed": seed, "start": start}
    state = _State(model, parts, checkpoint, settings, len(validation))
    state.restore()
    machine = stepper(model, parts)
    if not state.history:
        state.add(_evaluate(machine, validation, phase, 0, None, 0.0, 0.0))
    epochs = range(len(state.history), min(last, stop_after or last) + 1)
    disturbing = disturbance(spec, lambda: _originals(training))
    for epoch in track(epochs, phase, total=len(epochs)):
        started = time.perf_counter()
        taken = lesson(seed, epoch, len(training), training.views)
        loss = _epoch(machine, training, spec, *taken, disturbing.in_epoch(seed, epoch))
        machine.synchronise()
        if not np.isfinite(loss):
            raise WorkError(
                f"the loss became {loss} in epoch {epoch} of phase '{phase}'; "
                "lower the rates in the plan, or look for NaN in the source and the data"
            )
        rate = max(_number(part.optimizer.learning_rate) for part in parts)
        state.add(_evaluate(machine, validation, phase, epoch, loss, rate, time.perf_counter() - started))
        state.save()
    best = state.load_best()
    following = _following(model)
    frozen = tuple(name for name in names.variables(model) if name not in learning and name not in following)
    return Trained(model, tuple(state.history), best, frozen)


def lesson(seed: int, epoch: int, examples: int, views: int) -> tuple[Array, Array]:
    """What an epoch takes in which order: the examples, int (examples,), and which view of each, by example."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(examples)
    return order, random.integers(views, size=examples)


def drawn(seed: int, epochs: int, examples: int, views: int) -> Array:
    """Which views of which examples `train` will ask for with this seed: bool (examples, views).

    Where noise is added, it asks once for view 0 of all examples besides, to know how much.
    """
    asked = np.zeros((examples, views), bool)
    for epoch in range(1, epochs + 1):
        asked[np.arange(examples), lesson(seed, epoch, examples, views)[1]] = True
    return asked


def _number(tensor: Any) -> float:
    return float(np.asarray(keras.ops.convert_to_numpy(tensor)))


def predictor(model: keras.Model) -> Callable[[Feed], Array]:
    """`predict` for one model, compiled once."""
    machine = stepper(model, [])
    return lambda feed: _probabilities(machine, feed)


def predict(model: keras.Model, feed: Feed) -> Array:
    """The probabilities (n, classes) that a branch gives to the examples of a feed, as they are (view 0)."""
    return _probabilities(stepper(model, []), feed)


def judge(model: keras.Model, validation: Feed, phase: str) -> Epoch:
    """How a branch does on validation, as a row of a history of its own."""
    started = time.perf_counter()
    row = _evaluate(stepper(model, []), validation, phase, 1, None, 0.0, 0.0)
    return replace(row, seconds=time.perf_counter() - started)


def _epoch(machine: Stepper, feed: Feed, spec: Phase, order: Array, chosen: Array, disturbed: Change) -> float:
    classes = machine.classes
    total = 0.0
    for start in range(0, len(order), spec.batch_size):
        batch = order[start : start + spec.batch_size]
        x = disturbed(_fetch_views(feed, batch, chosen[batch]))
        targets = np.eye(classes, dtype=np.float32)[feed.labels[batch]]
        targets = targets * (1 - spec.label_smoothing) + spec.label_smoothing / classes
        total += machine.step(x, targets.astype(np.float32)) * len(batch)
    return total / len(order)


def _fetch_views(feed: Feed, batch: Array, chosen: Array) -> Array:
    views = np.unique(chosen)
    if len(views) == 1:
        return feed.fetch(batch, int(views[0]))
    parts = {int(view): feed.fetch(batch[chosen == view], int(view)) for view in views}
    first = next(iter(parts.values()))
    x = np.empty((len(batch), *first.shape[1:]), first.dtype)
    for view, rows in parts.items():
        x[chosen == view] = rows
    return x


def _originals(feed: Feed) -> Iterator[Array]:
    """The examples as they are (view 0), in order, in batches."""
    for start in range(0, len(feed), _PREDICTION_BATCH):
        yield feed.fetch(np.arange(start, min(start + _PREDICTION_BATCH, len(feed))), 0)


def _probabilities(machine: Stepper, feed: Feed) -> Array:
    logits = [machine.logits(rows) for rows in _originals(feed)]
    return softmax(np.concatenate(logits).astype(np.float64), axis=1)


def _evaluate(
    machine: Stepper, feed: Feed, phase: str, epoch: int, loss: float | None, rate: float, seconds: float
) -> Epoch:
    if not len(feed):
        return Epoch(phase, epoch, loss, rate, float("nan"), float("nan"), seconds)
    probabilities = _probabilities(machine, feed)
    right = probabilities[np.arange(len(feed)), feed.labels]
    accuracy = float(np.mean(np.argmax(probabilities, axis=1) == feed.labels))
    return Epoch(phase, epoch, loss, rate, accuracy, float(-np.log(np.maximum(right, 1e-12)).mean()), seconds)


def _following(model: keras.Model) -> set[str]:
    """The statistics of BatchNorm layers that were allowed to follow the data."""
    return {
        f"{path}/{variable.name}"
        for path, layer in names.layers(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for variable in layer.non_trainable_variables
    }


class _State:
    """Everything that the next epoch depends on, by name, and the best state so far."""

    def __init__(
        self, model: keras.Model, parts: Sequence[Group], path: Path | None, settings: dict[str, Any], validated: int
    ) -> None:
        self.history: list[Epoch] = []
        self._validated = validated
        self._variables = {f"model/{name}": variable for name, variable in names.variables(model).items()}
        for part in parts:
            self._variables |= {f"optimizer/{name}": variable for name, variable in part.state().items()}
        self._best: dict[str, Array] = {}
        self._path = path
        self._settings = plain.to_json(settings, indent=None)

    def add(self, epoch: Epoch) -> None:
        """Add an epoch to the history; its weights are kept when it is the best so far."""
        self.history.append(epoch)
        if self.best() == len(self.history) - 1:
            self._best = {name: value for name, value in self._values().items() if name.startswith("model/")}

    def best(self) -> int:
        """The latest epoch within one standard error of the best accuracy on validation, and not below the start.

        On few examples the very best epoch is one of luck; a later one has seen the rate fall further.
        """
        if not self._validated:
            return len(self.history) - 1
        best, top = 0, 0.0
        for epoch, row in enumerate(self.history):
            top = max(top, row.validation_accuracy)
            error = (top * (1 - top) / self._validated) ** 0.5
            if row.validation_accuracy >= max(top - error, self.history[0].validation_accuracy):
                best = epoch
        return best

    def load_best(self) -> int:
        for name, value in self._best.items():
            self._variables[name].assign(value)
        return self.best()

    def save(self) -> None:
        if self._path is None:
            return
        arrays = {f"now/{name}": value for name, value in self._values().items()}
        arrays |= {f"best/{name}": value for name, value in self._best.items()}
        history = plain.to_json(self.history, indent=None)

        arrays |= {"history": np.array(history), "settings": np.array(self._settings)}

        def write(partial: Path) -> None:
            with partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

        storage.write_with(self._path, write)

    def restore(self) -> None:
        """Continue from the checkpoint, where there is one of the same phase."""
        if self._path is None or not self._path.exists():
            return
        try:
            with np.load(self._path, allow_pickle=False) as archive:
                kept = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise CorruptFileError(
                f"checkpoint '{self._path}' cannot be read: {error}; remove it to start the phase anew"
            ) from None
        if str(kept.pop("settings")) != self._settings:
            warn(f"checkpoint '{self._path}' is of another plan; the phase starts anew")
            return
        rows = plain.from_plain(tuple[Epoch, ...], json.loads(str(kept.pop("history"))))  # pyright: ignore[reportArgumentType]
        self.history = list(rows)
        self._best = {name.removeprefix("best/"): value for name, value in kept.items() if name.startswith("best/")}
        for name, variable in self._variables.items():
            variable.assign(kept[f"now/{name}"])

    def _values(self) -> dict[str, Array]:
        return {name: np.array(keras.ops.convert_to_numpy(variable)) for name, variable in self._variables.items()}
