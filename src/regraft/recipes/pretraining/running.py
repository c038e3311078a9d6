"""Pretraining, as a recipe: examples, a network, a method; then the loop, the network kept, whether it helped."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np

from regraft import data as data_room
from regraft.activations.store import Store
from regraft.core import memory, plain
from regraft.core.errors import DataError, RequestError
from regraft.core.input_spec import InputSpec
from regraft.core.pretraining import Asked, Helped, PretrainingRecord, Spec, Stage
from regraft.core.progress import collecting_warnings, say
from regraft.data import Examples
from regraft.graph.cut_points import cut_points
from regraft.importers import architecture
from regraft.pretraining import greedy, loop, method, trunks
from regraft.pretraining.learner import Greedy, Method, Rows, Sample
from regraft.recipes import run_folder
from regraft.recipes.clock import Clock
from regraft.recipes.pretraining import folder as folders
from regraft.recipes.pretraining import helping, preparing
from regraft.recipes.pretraining.outputs import outputs
from regraft.recipes.pretraining.probing import Labelled, prober
from regraft.recipes.pretraining.rows import Prepared, fits_in_memory, only_readable
from regraft.recipes.recording import environment
from regraft.report import pretraining_page
from regraft.surgery.copy import copy_model

Array = np.ndarray[Any, Any]

_SAMPLE = 2048
_MOST_HELD_OUT = 5000
_MOST_JUDGED = 2000
# Operations that comparing may take where nobody says that it is wanted: some two minutes of two cores. Each of two
# networks is trained nine times or so, for 600 steps of 32 examples, at three times what an answer takes.
_CHEAP = 1.5e13
_TRAINED = 2 * 9 * 600 * 32 * 3
_FEWEST = 10
_STREAM = 11


@dataclass(frozen=True, slots=True, eq=False)
class Pretraining:
    """A finished pretraining.

    Attributes:
        folder: where everything of it is.
        record: everything that it is known by.
        model: the network, from prepared inputs to a representation.
    """

    folder: Path
    record: PretrainingRecord
    model: keras.Model


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What is learnt from, by what, and what is measured on the way."""

    examples: Examples
    inputs: InputSpec
    learning: Prepared
    held_out: Prepared
    unused: int
    labelled: Labelled | None
    judging: Labelled | None
    classes: tuple[str, ...]


def pretrain_in(
    folder: Path,
    asked: Asked,
    data: Any,
    labels: Any = None,
    trunk: keras.Model | None = None,
    store: Store | None = None,
) -> Pretraining:
    """Do what is asked for, in a folder, and go on where something of it was done before.

    Args:
        folder: of the pretraining.
        asked: what is open in it is filled in for the record.
        data: examples; what `data.open_unlabelled` takes.
        labels: labelled examples for the probe, where `data` has none; what `data.open` takes.
        trunk: the network with the weights that it begins with; None: what `asked.architecture` builds.
        store: of activations.
    """
    clock = Clock()
    with collecting_warnings() as warned, run_folder.held(folder):
        chosen = method(asked.method)
        with clock.stage("open"):
            task = _task(chosen, asked, data, labels)
        asked = _resolved(chosen, asked, task)
        settings = plain.from_plain(chosen.Settings, dict(asked.settings), "settings")
        spec = cast(Spec, asked.spec)
        begun = (
            trunk
            if trunk is not None
            else trunks.build(
                asked.architecture,
                task.inputs.shape,
                preparing.kind_of(task.examples),
                asked.seed,
                vocabulary=task.inputs.text.size if task.inputs.text is not None else 0,
            )
        )
        fresh, model = copy_model(begun), copy_model(begun)
        # Only now: what was wrong with the request has left nothing behind.
        folders.begin(folder, asked)
        with clock.stage("pretrain"):
            stages = _stages(chosen, model, task, settings, spec, asked.seed, folder, store)
        memory.release()
        folders.save_model(folder, model, task.inputs)
        # Whoever ended the training does not want to wait for another.
        ended = any(stage.stopped == "interrupted" for stage in stages)
        with clock.stage("compare"):
            helped = None if ended else _helped(model, fresh, task, asked)
        record = _record(folder, asked, task, model, stages, helped, clock, tuple(warned))
        folders.finish(folder, record, pretraining_page.page(record), pretraining_page.card(record))
    return Pretraining(folder, record, model)


def _task(chosen: Method, asked: Asked, data: Any, labels: Any) -> _Task:
    examples = data_room.open_unlabelled(data, strict=asked.strict, columns=asked.columns)
    kind = preparing.kind_of(examples)
    if kind not in chosen.KINDS:
        raise DataError(
            f"'{chosen.NAME}' learns from {', '.join(chosen.KINDS)}, found {kind} in {examples.origin}; "
            "take another method"
        )
    used = np.flatnonzero(examples.split != "test")
    if chosen.LABELS:
        used = used[examples.labels[used] >= 0]
        if not len(used):
            raise DataError(f"'{chosen.NAME}' learns from labelled examples, found none in {examples.origin}")
    if len(used) < _FEWEST:
        raise DataError(
            f"expected at least {_FEWEST} examples to learn from in {examples.origin}, found {len(used)} of "
            f"{len(examples)}; the others are for tests"
        )
    inputs = preparing.inputs_for(examples, used, asked)
    if "?" not in asked.architecture and ":" in asked.architecture and asked.input_size is None:
        inputs = _as_built(asked.architecture, inputs)
    used = only_readable(examples, used, inputs, asked.strict)
    order = np.random.default_rng([asked.seed, _STREAM]).permutation(len(used))
    held = min(_MOST_HELD_OUT, max(2, round((asked.spec or chosen.SPEC).held_out * len(used))))
    keep = fits_in_memory(len(used), inputs)
    learning = Prepared(examples, np.sort(used[order[held:]]), inputs, keep)
    held_out = Prepared(examples, np.sort(used[order[:held]]), inputs, keep)
    labelled, judging, classes = _labelled(asked, examples, labels, inputs)
    return _Task(examples, inputs, learning, held_out, len(examples) - len(used), labelled, judging, classes)


def _as_built(text: str, inputs: InputSpec) -> InputSpec:
    """The inputs that somebody's own network takes, where it takes others than the pictures' own size."""
    if not inputs.is_picture or text.startswith("keras:"):
        return inputs
    taken = tuple(architecture.build(text).inputs[0].shape[1:])
    if len(taken) != 3 or None in taken or taken == inputs.shape:
        return inputs
    return replace(inputs, shape=taken)


def _labelled(
    asked: Asked, examples: Examples, labels: Any, inputs: InputSpec
) -> tuple[Labelled | None, Labelled | None, tuple[str, ...]]:
    """Some labelled examples to probe with and to learn from, others to judge by, and the names of the classes."""
    known = examples
    if labels is not None:
        known = data_room.open(labels, strict=asked.strict, columns=asked.columns)
        _require_kind(known, examples)
        if known.columns is None and known.shape != examples.shape and not inputs.is_picture:
            raise DataError(
                f"expected labelled examples of shape {examples.shape} as in {examples.origin}, found {known.shape} "
                f"in {known.origin}"
            )
    if not asked.probe or len(known.classes) < 2:
        return None, None, known.classes
    training, test = (
        _some(known, np.flatnonzero((known.split == split) & (known.labels >= 0)), count, asked.seed)
        for split, count in (("train", asked.probe), ("test", _MOST_JUDGED))
    )
    if len(training) < 2 * len(known.classes):
        return None, None, known.classes
    made = [Prepared(known, only_readable(known, part, inputs, asked.strict), inputs) for part in (training, test)]
    both = [
        Labelled(rows.take(np.arange(len(rows))), known.labels[rows.indices].astype(np.int64), len(known.classes))
        if len(rows)
        else None
        for rows in made
    ]
    return both[0], both[1], known.classes


def _require_kind(known: Examples, examples: Examples) -> None:
    own, others = preparing.kind_of(examples), preparing.kind_of(known)
    if own != others and "numbers" not in (own, others):
        raise DataError(
            f"expected labelled examples that are {own} as in {examples.origin}, found {others} in {known.origin}"
        )


def _some(known: Examples, indices: Array, count: int, seed: int) -> Array:
    """At most so many of the examples, classes in proportion."""
    order = np.random.default_rng([seed, _STREAM, 1]).permutation(indices)
    by_class = [order[known.labels[order] == label] for label in range(len(known.classes))]
    # The first of each class, the second of each, ...: as many as are wanted.
    ranks = np.concatenate([np.arange(len(own)) / max(1, len(own)) for own in by_class])
    return np.concatenate(by_class)[np.argsort(ranks, kind="stable")][:count]


def _resolved(chosen: Method, asked: Asked, task: _Task) -> Asked:
    """What is asked for with all that was open in it."""
    digest = task.examples.digest()
    if asked.data_digest not in (None, digest):
        raise RequestError(f"the examples in {task.examples.origin} are not those that the pretraining was begun with")
    kind = preparing.kind_of(task.examples)
    settings = plain.from_plain(chosen.Settings, dict(asked.settings), "settings")
    return replace(
        asked,
        data_digest=digest,
        architecture=asked.architecture or chosen.ARCHITECTURES.get(kind) or trunks.USUAL[kind],
        spec=asked.spec or chosen.SPEC,
        settings=plain.to_plain(settings),
        columns=task.examples.columns,
    )


def _stages(
    chosen: Method, model: keras.Model, task: _Task, settings: Any, spec: Spec, seed: int, folder: Path,
    store: Store | None,
) -> tuple[Stage, ...]:  # fmt: skip
    looked_at = np.arange(len(task.learning))[:_SAMPLE]
    sample = Sample(
        kind=preparing.kind_of(task.examples),
        x=task.learning.take(looked_at),
        count=len(task.learning),
        labels=None if task.learning.labels is None else task.learning.labels[looked_at],
        vocabulary=task.inputs.text.size if task.inputs.text is not None else 0,
        cells=tuple((part.start, part.stop) for part in task.inputs.table.places) if task.inputs.table else (),
    )
    probe = prober(task.labelled, seed) if task.labelled is not None else None

    def checkpoint(number: int) -> Path:
        return folder / f"stage-{number}.npz"

    if not chosen.GREEDY:
        learner = chosen.learner(model, sample, settings, seed)
        learned = loop.pretrain(
            learner, task.learning, task.held_out, spec, seed, path=checkpoint(1), probe=probe, title=chosen.NAME
        )
        return (Stage("all layers", learned.history, learned.best, learned.stopped),)
    kept = store or Store()

    def rows(lower: keras.Model | None) -> tuple[Rows, Rows]:
        if lower is None:
            return task.learning, task.held_out
        return outputs(lower, task.learning, kept), outputs(lower, task.held_out, kept)

    made = greedy.pretrain(
        cast(Greedy, chosen), model, rows, sample, settings, spec, seed, checkpoint=checkpoint, probe=probe
    )
    return made.stages


def _helped(model: keras.Model, fresh: keras.Model, task: _Task, asked: Asked) -> Helped | None:
    if task.labelled is None or task.judging is None or asked.compare == "no":
        return None
    if asked.compare == "auto":
        operations = _TRAINED * (cut_points(model)[-1].flops_below or 0)
        if operations > _CHEAP:
            say("left out: the same network from scratch, which would take long; --compare yes runs it")
            return None
    say(f"learning from {len(task.labelled.y)} labels with and without the pretrained weights")
    return helping.helped(model, fresh, task.labelled, task.judging, asked.seed)


def _record(
    folder: Path, asked: Asked, task: _Task, model: keras.Model, stages: tuple[Stage, ...], helped: Helped | None,
    clock: Clock, warned: tuple[str, ...],
) -> PretrainingRecord:  # fmt: skip
    return PretrainingRecord(
        folder=str(folder),
        model=str(folder / folders.MODEL),
        report=str(folder / folders.PAGE),
        asked=asked,
        inputs=task.inputs,
        kind=preparing.kind_of(task.examples),
        examples=len(task.learning),
        held_out=len(task.held_out),
        unused=task.unused,
        classes=task.classes,
        shape=tuple(model.output_shape[1:]),
        parameters=int(model.count_params()),
        stages=stages,
        helped=helped,
        seconds=clock.seconds(),
        warnings=warned,
        environment=environment(),
        interrupted=any(stage.stopped == "interrupted" for stage in stages),
    )
