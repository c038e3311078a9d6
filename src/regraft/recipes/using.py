"""What one does with a finished run: predict and evaluate."""

import os
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from regraft import data as data_room
from regraft.activations.engines import BATCH
from regraft.activations.loading import load_prepared
from regraft.core import columns as columns_
from regraft.core import metrics
from regraft.core.columns import Columns, Said
from regraft.core.errors import DataError
from regraft.core.input_spec import InputSpec
from regraft.core.progress import track, warn
from regraft.core.records import Metrics
from regraft.data import SPLITS, Examples, Read, UnreadableExample, pictures_in, read_picture, rows_in
from regraft.data.ids import SIZE, Ids
from regraft.data.names import Names
from regraft.data.split import Splits
from regraft.recipes.encoding import lengths, tell_of_long_ones, tell_of_unknown_values
from regraft.recipes.running import Run

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one example: its name, the class, and the probability of every class by name."""

    name: str
    label: str
    confidence: float
    probabilities: dict[str, float]


def predict(
    run: Run, files: Sequence[str | os.PathLike[str]], strict: bool = False, columns: Said = None
) -> list[Prediction]:
    """Classify picture files, or all pictures of folders; for a run on texts or rows of a table, such files.

    A file, a line or a row that cannot be read is left out with a warning, or with `strict` an error.

    Args:
        run: a finished run.
        files: pictures or folders of them. Tables, `.txt` files of one text each, and folders of these.
        strict: what cannot be read is an error.
        columns: of tables, where they are called otherwise than those that the run learnt from.

    Raises:
        DataError: there is nothing to answer for, none can be read, or the run takes something else.
    """
    inputs = input_spec(run)
    if inputs.text is not None or inputs.table is not None:
        examples = unlabelled_rows(run, files, columns_.of(columns))
        kept, made = probabilities(run, examples, range(len(examples)), strict=strict)
        return [_prediction(run, examples.names[index], row) for index, row in zip(kept, made, strict=True)]
    if not inputs.is_picture:
        raise DataError(
            f"the run in '{run.folder}' takes arrays of shape {inputs.shape}, no pictures; "
            "evaluate it on an .npz file, or call its model with such arrays"
        )
    paths = pictures_in([Path(file) for file in files])
    names = [str(path) for path in paths]
    examples = unlabelled(names, lambda index, channels: read_picture(paths[index], channels), None)
    kept, made = probabilities(run, examples, range(len(paths)), strict=strict)
    return [_prediction(run, names[index], row) for index, row in zip(kept, made, strict=True)]


def evaluate(
    run: Run,
    data: Any,
    labels: Any = None,
    split: str | None = None,
    strict: bool = False,
    columns: Said = None,
) -> Metrics:
    """How good a run is on labelled examples.

    Args:
        run: a finished run.
        data: as `fit` takes it, of one class or more; all of its examples are used, or those of one split. Examples
            without a stated split are divided as the run's own were, so that `split` means the same examples.
        labels: for data that does not hold them.
        split: `train`, `validation` or `test`.
        strict: an unreadable example is an error.
        columns: of a table, where they are called otherwise than those that the run learnt from.

    Raises:
        DataError: the data has classes that the run does not know, or examples that its model cannot take.
    """
    plan = run.record.plan
    said = columns_.of(columns) or plan.read_columns
    examples = data_room.open(
        data, labels=labels, split=plan.split, strict=strict, lenient=True, columns=said, classes=1
    )
    unknown = [name for name in examples.classes if name not in run.record.classes]
    if unknown:
        raise DataError(f"the run knows the classes {', '.join(run.record.classes)}; found also {', '.join(unknown)}")
    _require_fitting(input_spec(run), examples)
    indices = examples.indices(split) if split else np.arange(len(examples))
    if not len(indices):
        raise DataError(f"{examples.origin} has no {split} examples")
    places = np.array([run.record.classes.index(name) for name in examples.classes])
    kept, made = probabilities(run, examples, indices, strict=strict, description="evaluate")
    return metrics.measure(made, places[examples.labels[kept]], run.record.plan.seed)


def probabilities(
    run: Run,
    examples: Examples,
    indices: Iterable[int],
    *,
    strict: bool = False,
    whole: bool = False,
    description: str = "predict",
) -> tuple[Array, Array]:
    """What the run's model answers for examples.

    Pictures are resized one by one, by the model's own layer, then go through the model in batches. That is the
    model's answer for the picture as it lies on disk, up to the rounding of float32 (1e-6): resizing to a size that a
    picture has already changes no bit.

    Args:
        run: a finished run.
        examples: raw ones.
        indices: which of them.
        strict: an unreadable example is an error; else such are left out with one warning.
        whole: fill up a batch that is not full even if it is the only one; see `answers`.
        description: for the progress bar.

    Returns:
        int64 (m,), those of the indices that could be read, and float64 (m, classes).

    Raises:
        DataError: none can be read.
    """
    wanted = np.fromiter(indices, np.int64)
    # Values are brought to the scale of those that the model was made for; it was told their white, not these one's.
    factor = np.float32(white(run) / examples.full_intensity)
    kept = array("q")
    reasons: list[str] = []
    waiting: list[Array] = []
    made: list[Array] = []
    inputs = input_spec(run)
    prepared = load_prepared(examples, map(int, wanted), inputs)
    for index, raw in track(prepared, description, total=len(wanted)):
        if isinstance(raw, UnreadableExample):
            if strict:
                raise raw
            reasons.append(str(raw))
            continue
        kept.append(index)
        waiting.append(raw if factor == 1 else raw * factor)
        if len(waiting) == BATCH:
            made.append(answers(run, np.stack(waiting)))
            waiting = []
    if not kept:
        raise DataError(f"none of the {len(wanted)} example(s) can be read, first: {reasons[0]}")
    if reasons:
        warn(f"left out {len(reasons)} of {len(wanted)} example(s) that cannot be read, first: {reasons[0]}")
    if waiting:
        made.append(answers(run, np.stack(waiting), whole=whole or bool(made)))
    if inputs.text is not None:
        told = examples.take(kept)
        tell_of_long_ones(lengths(told, inputs.text), inputs.shape[0], inputs.text, told)
    return np.array(kept, np.int64), np.concatenate(made)


def answers(run: Run, raw: Array, whole: bool = False) -> Array:
    """Probabilities (n, classes) in float64 for raw examples of one shape, n <= BATCH.

    Args:
        run: a finished run.
        raw: float32 (n, ...).
        whole: fill the batch up, so that the answer for an example depends to the last bit on nothing but itself.
    """
    count = len(raw)
    if whole and count < BATCH:
        raw = np.concatenate([raw, np.zeros((BATCH - count, *raw.shape[1:]), raw.dtype)])
    return np.asarray(run.model.predict_on_batch(raw), np.float64)[:count]


def unlabelled(
    names: Sequence[str], read: Read, shape: tuple[int, ...] | None, full_intensity: float = 255.0
) -> Examples:
    """Examples without labels, as what predictions are made for."""
    count = len(names)
    return Examples(
        # Nothing is kept of these examples: their ids are as good as any.
        ids=Ids(np.zeros((count, SIZE), np.uint8)),
        labels=np.zeros(count, np.int64),
        classes=(),
        split=Splits(np.full(count, SPLITS.index("test"), np.uint8)),
        names=Names.of(names),
        read=read,
        shape=shape,
        full_intensity=full_intensity,
        left_out=(),
        origin="what is to be predicted",
    )


def input_spec(run: Run) -> InputSpec:
    """The input convention of the network that the run reuses."""
    inputs = run.record.plan.input
    if inputs is None:
        raise DataError(f"the run in '{run.folder}' does not state its input convention")
    return inputs


def white(run: Run) -> float:
    """The raw value that the run's model takes for white: 255, or 1 where it was made from floats up to 1.

    The model's own scaling says it: that is the network's, times 255 over white.
    """
    inputs = input_spec(run)
    layers = [layer for layer in run.model.layers if layer.name == "scaling"]
    applied = float(np.ravel(layers[0].scale)[0]) if layers else 1.0
    return 1.0 if inputs.is_picture and applied / inputs.scale[0] > 128 else 255.0


def unlabelled_rows(run: Run, files: Sequence[str | os.PathLike[str]], columns: Columns | None = None) -> Examples:
    """The texts or rows in files, as a run takes them.

    Raises:
        DataError: there are none, or a table lacks a column.
    """
    found = rows_in([Path(file) for file in files], columns or run.record.plan.read_columns or Columns())
    made = unlabelled(found.names, found.read, found.shape)
    made = replace(made, columns=found.columns)
    _require_fitting(input_spec(run), made)
    return made


def _require_fitting(inputs: InputSpec, examples: Examples) -> None:
    columns = examples.columns
    if columns is not None:
        if columns.of_text != (inputs.text is not None) or (inputs.table is None) != columns.of_text:
            takes = (
                "texts" if inputs.text else "rows of a table" if inputs.table else f"examples of shape {inputs.shape}"
            )
            found = "texts" if columns.of_text else f"rows with the columns {', '.join(columns.features[:4])}"
            raise DataError(f"the run's model takes {takes}, found {found} in {examples.origin}")
        if inputs.table is not None:
            tell_of_unknown_values(examples, inputs.table)
        return
    shape = examples.shape
    fits = (
        shape is None or len(shape) == 3
        if inputs.is_picture
        else shape is not None and prod(shape) == prod(inputs.shape)
    )
    if not fits:
        found = "picture files" if shape is None else f"examples of shape {shape}"
        raise DataError(f"the run's model takes examples of shape {inputs.shape}, found {found} in {examples.origin}")


def _prediction(run: Run, name: str, made: Array) -> Prediction:
    best = int(np.argmax(made))
    by_class = {label: float(value) for label, value in zip(run.record.classes, made, strict=True)}
    return Prediction(name, run.record.classes[best], float(made[best]), by_class)
