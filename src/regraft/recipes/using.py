"""What one does with a finished run: predict, evaluate, export."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from regraft import data as data_room
from regraft.activations.engine import compile_resizing
from regraft.core import metrics
from regraft.core.errors import DataError
from regraft.core.input_spec import InputSpec
from regraft.core.progress import track, warn
from regraft.core.records import Metrics
from regraft.data import UnreadableExample, pictures_in, read_picture
from regraft.recipes.running import Run

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one example: its name, the class, and the probability of every class by name."""

    name: str
    label: str
    confidence: float
    probabilities: dict[str, float]


def predict(run: Run, files: Sequence[str | os.PathLike[str]], strict: bool = False) -> list[Prediction]:
    """Classify picture files, or all pictures of folders.

    A file that cannot be read is left out with a warning, or with `strict` an error.

    Raises:
        DataError: there is no picture, or none can be read.
    """
    inputs = _inputs(run)
    paths = pictures_in([Path(file) for file in files])
    made: list[Prediction] = []
    for path in track(paths, "predict", total=len(paths)):
        try:
            picture = read_picture(path, inputs.channels)
        except UnreadableExample as error:
            if strict:
                raise
            warn(f"left out: {error}")
            continue
        made.append(_prediction(run, str(path), probabilities(run, [picture])[0]))
    if not made:
        raise DataError(f"none of the {len(paths)} file(s) can be read as a picture")
    return made


def evaluate(run: Run, data: Any, labels: Any = None, split: str | None = None, strict: bool = False) -> Metrics:
    """How good a run is on labelled examples.

    Args:
        run: a finished run.
        data: as `fit` takes it; all of its examples are used, or those of one split.
        labels: for data that does not hold them.
        split: `train`, `validation` or `test`.
        strict: an unreadable example is an error.

    Raises:
        DataError: the data has classes that the run does not know.
    """
    examples = data_room.open(data, labels=labels, strict=strict)
    unknown = [name for name in examples.classes if name not in run.record.classes]
    if unknown:
        raise DataError(f"the run knows the classes {', '.join(run.record.classes)}; found also {', '.join(unknown)}")
    indices = examples.indices(split) if split else np.arange(len(examples))
    if not len(indices):
        raise DataError(f"'{examples.origin}' has no {split} examples")
    places = np.array([run.record.classes.index(name) for name in examples.classes])
    channels = _inputs(run).channels if _inputs(run).is_picture else None
    answers: list[Array] = []
    kept: list[int] = []
    for index in track(indices, "evaluate", total=len(indices)):
        try:
            (raw,) = examples.load([index], channels)
        except UnreadableExample as error:
            if strict:
                raise
            warn(f"left out: {error}")
            continue
        answers.append(probabilities(run, [raw])[0])
        kept.append(index)
    return metrics.measure(np.stack(answers), places[examples.labels[kept]], run.record.plan.seed)


def probabilities(run: Run, examples: Sequence[Array]) -> Array:
    """Probabilities (n, classes) of raw examples, each by itself: pictures may differ in size."""
    return np.concatenate(
        [np.asarray(run.model.predict_on_batch(np.asarray(raw, np.float32)[None]), np.float64) for raw in examples]
    )


def _prediction(run: Run, name: str, made: Array) -> Prediction:
    best = int(np.argmax(made))
    by_class = {label: float(value) for label, value in zip(run.record.classes, made, strict=True)}
    return Prediction(name, run.record.classes[best], float(made[best]), by_class)


def _inputs(run: Run) -> InputSpec:
    inputs = run.record.plan.input
    if inputs is None:
        raise DataError(f"the run in '{run.folder}' does not state its input convention")
    return inputs
