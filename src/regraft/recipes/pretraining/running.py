"""Pretraining, as a recipe: examples, a network, a method; then the loop, the network kept, whether it helped."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np

from regraft.activations.store import Store
from regraft.core import memory, plain
from regraft.core.errors import RequestError
from regraft.core.pretraining import ALL_LAYERS, Asked, Helped, PretrainingRecord, Spec, Stage
from regraft.core.progress import collecting_warnings, say
from regraft.graph.cut_points import cut_points
from regraft.pretraining import greedy, loop, method, trunks
from regraft.pretraining.learner import Greedy, Method, Rows, Sample
from regraft.recipes import run_folder
from regraft.recipes.baselines.anew import anew
from regraft.recipes.clock import Clock
from regraft.recipes.pretraining import folder as folders
from regraft.recipes.pretraining import helping, preparing
from regraft.recipes.pretraining.outputs import outputs
from regraft.recipes.pretraining.probing import prober
from regraft.recipes.pretraining.task import Task, task_of
from regraft.recipes.recording import environment
from regraft.report import pretraining_page
from regraft.surgery.copy import copy_model
from regraft.training.recalibrating import recalibrate

Array = np.ndarray[Any, Any]

_SAMPLE = 2048
# Examples whose averages BatchNorm begins with.
_SETTLING = 64
# Operations that comparing may take where nobody says that it is wanted: some two minutes of two cores, or as many as
# the pretraining took. Each of two networks is trained nine times or so, for 600 steps of 32 examples. What learns
# takes three times what an answer does.
_CHEAP = 1.5e13
_TRAINED = 2 * 9 * 600 * 32
_LEARNING = 3


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


def pretrain_in(
    folder: Path,
    asked: Asked,
    data: Any,
    labels: Any = None,
    trunk: keras.Model | None = None,
    store: Store | None = None,
    said: Collection[str] = (),
    pairs: Any = None,
) -> Pretraining:
    """Do what is asked for, in a folder, and go on where something of it was done before.

    Args:
        folder: of the pretraining.
        asked: what is open in it is filled in for the record.
        data: examples; what `data.open_unlabelled` takes.
        labels: labelled examples for the probe, where `data` has none; what `data.open` takes.
        trunk: the network with the weights that it begins with; None: what `asked.architecture` builds.
        store: of activations.
        said: options and settings, of which those that make no difference are refused, see `unused.refuse`.
        pairs: of examples in an order, where the method learns from them; what `data.pairs.of` takes.

    Raises:
        RequestError: the method is set to learn from pairs, and there are none.
    """
    clock = Clock()
    with collecting_warnings() as warned, run_folder.held(folder):
        chosen = method(asked.method)
        settings = plain.from_plain(chosen.Settings, dict(asked.settings), "settings")
        needs_labels: bool = getattr(settings, "needs_labels", chosen.LABELS)
        ordered: bool = getattr(settings, "needs_pairs", False)
        if ordered and pairs is None:
            raise RequestError(
                f"'{chosen.NAME}' with these settings learns from pairs of examples, found none; give a table of them "
                "with --pairs, or pairs= in Python"
            )
        with clock.stage("open"):
            own = trunk if trunk is not None else trunks.own(asked.architecture)
            taken = None if own is None else trunks.taken(own)
            task = task_of(chosen, asked, data, labels, taken, needs_labels, said, pairs if ordered else None)
        asked = _resolved(chosen, asked, settings, task)
        spec = cast(Spec, asked.spec)
        begun = _begun(trunk, own, asked, task)
        if trunk is None:
            # In a deep network each layer is judged by averages of what those below make: where all begin at 0 and 1,
            # it takes more steps than there are until anything comes out at the top.
            recalibrate(begun, [task.learning.take(np.arange(min(_SETTLING, len(task.learning))))])
        # What a network that was given has learnt already is not the start of one from scratch.
        fresh, model = copy_model(begun) if trunk is None else anew(begun, asked.seed), copy_model(begun)
        # Only now: what was wrong with the request has left nothing behind.
        folders.begin(folder, asked)
        with clock.stage("pretrain"):
            stages = _stages(chosen, model, task, settings, spec, asked.seed, folder, store)
        memory.release()
        folders.save_model(folder, model, task.inputs)
        # Whoever ended the training does not want to wait for another.
        ended = any(stage.stopped == "interrupted" for stage in stages)
        with clock.stage("compare"):
            groups = task.learning.groups if chosen.GROUPS else None
            learnt = len(task.learning) if needs_labels and groups is None else 0
            # Where layers learn one after the other, an epoch of each is no more than one of the network.
            shown = len(task.learning) * max(len(stage.history) - 1 for stage in stages)
            in_views = preparing.kind_of(task.examples) == "pictures" and getattr(settings, "in_views", False)
            unmeasured = _unmeasured(model, task, asked, shown, ended=ended)
            helped = None if unmeasured else _helped(model, fresh, task, asked, learnt=learnt, in_views=in_views)
        told = {
            "unmeasured": unmeasured,
            "labels": learnt,
            "groups": 0 if groups is None else len(np.unique(groups)),
            "pairs": 0 if task.learning.pairs is None else len(task.learning.pairs),
            "pairs_held_out": 0 if task.held_out.pairs is None else len(task.held_out.pairs),
        }
        record = _record(folder, asked, task, model, stages, helped, clock, tuple(warned), told)
        folders.finish(folder, record, pretraining_page.page(record), pretraining_page.card(record))
    return Pretraining(folder, record, model)


def _begun(trunk: keras.Model | None, own: keras.Model | None, asked: Asked, task: Task) -> keras.Model:
    """The network as it begins: with its own weights where it was given, else with new ones."""
    shape, text = task.inputs.shape, task.inputs.text
    if trunk is not None:
        trunks.require_fitting(trunk, shape, asked.architecture)
        return trunk
    kind, vocabulary = preparing.kind_of(task.examples), text.size if text is not None else 0
    return trunks.build(asked.architecture, shape, kind, asked.seed, vocabulary=vocabulary, own=own)


def _resolved(chosen: Method, asked: Asked, settings: Any, task: Task) -> Asked:
    """What is asked for with all that was open in it."""
    digest = task.examples.digest()
    if asked.data_digest not in (None, digest):
        raise RequestError(
            f"the examples in {task.examples.origin} are not those that the pretraining was begun with; put those "
            "back, or begin anew in another folder"
        )
    if asked.pairs_digest not in (None, task.pairs_digest):
        raise RequestError(
            f"the pairs in '{asked.pairs or 'memory'}' are not those that the pretraining was begun with; put those "
            "back, or begin anew in another folder"
        )
    kind = preparing.kind_of(task.examples)
    return replace(
        asked,
        data_digest=digest,
        pairs_digest=task.pairs_digest,
        architecture=asked.architecture or chosen.ARCHITECTURES.get(kind) or trunks.USUAL[kind],
        spec=asked.spec or chosen.SPEC,
        settings=plain.to_plain(settings),
        columns=task.examples.columns or asked.columns,
    )


def _stages(
    chosen: Method, model: keras.Model, task: Task, settings: Any, spec: Spec, seed: int, folder: Path,
    store: Store | None,
) -> tuple[Stage, ...]:  # fmt: skip
    looked_at, table = np.arange(len(task.learning))[:_SAMPLE], task.inputs.table
    sample = Sample(
        kind=preparing.kind_of(task.examples),
        x=task.learning.take(looked_at),
        count=len(task.learning),
        labels=None if task.learning.labels is None else task.learning.labels[looked_at],
        groups=None if task.learning.groups is None else task.learning.groups[looked_at],
        vocabulary=task.inputs.text.size if task.inputs.text is not None else 0,
        cells=tuple((part.start, part.stop) for part in table.places) if table else (),
        categories=tuple(at for at, column in enumerate(table.columns) if column.kind == "category") if table else (),
    )
    probe = prober(task.labelled, seed) if task.labelled is not None else None

    def checkpoint(number: int) -> Path:
        return folder / f"stage-{number}.npz"

    if not chosen.GREEDY:
        learner = chosen.learner(model, sample, settings, seed)
        learned = loop.pretrain(
            learner, task.learning, task.held_out, spec, seed, path=checkpoint(1), probe=probe, title=chosen.NAME
        )
        # What is kept is the network that was given; its layers are the learner's.
        assert learned.trunk is model
        return (Stage(ALL_LAYERS, learned.history, learned.best, learned.stopped),)
    kept = store or Store()

    def rows(lower: keras.Model | None) -> tuple[Rows, Rows]:
        if lower is None:
            return task.learning, task.held_out
        return outputs(lower, task.learning, kept), outputs(lower, task.held_out, kept)

    made = greedy.pretrain(
        cast(Greedy, chosen), model, rows, sample, settings, spec, seed, checkpoint=checkpoint, probe=probe
    )
    return made.stages


def _unmeasured(model: keras.Model, task: Task, asked: Asked, shown: int, *, ended: bool) -> str:
    """Why it is not measured whether it helped; empty where that is asked for, or costs no more than the pretraining.

    Args:
        model: pretrained.
        task: what was learnt.
        asked: what was asked for.
        shown: how many examples the network was shown, all epochs together.
        ended: whether training was ended by hand.
    """
    if ended:
        return "training was ended by hand"
    if asked.compare == "no":
        return "--compare no"
    if not asked.probe:
        return "--probe 0"
    if task.labelled is None:
        return "there are no labels, or too few; --labels brings some"
    if task.judging is None:
        return "there are no labelled examples to judge by"
    an_answer = cut_points(model)[-1].flops_below or 0
    if asked.compare == "auto" and _LEARNING * _TRAINED * an_answer > max(_CHEAP, _LEARNING * shown * an_answer):
        return "the same network from scratch would take longer than this did; --compare yes runs it"
    return ""


def _helped(
    model: keras.Model, fresh: keras.Model, task: Task, asked: Asked, *, learnt: int, in_views: bool
) -> Helped | None:
    """Whether it helped, where there are labels to learn from and others to judge by.

    Args:
        model: pretrained.
        fresh: the same with the weights that it began with.
        task: what was learnt.
        asked: what was asked for.
        learnt: see `helping.helped`.
        in_views: likewise.
    """
    if task.labelled is None or task.judging is None:
        return None
    say(f"learning from {len(task.labelled.y)} labels with and without the pretrained weights")
    return helping.helped(model, fresh, task.labelled, task.judging, asked.seed, learnt=learnt, in_views=in_views)


def _record(
    folder: Path, asked: Asked, task: Task, model: keras.Model, stages: tuple[Stage, ...], helped: Helped | None,
    clock: Clock, warned: tuple[str, ...], told: Mapping[str, Any],
) -> PretrainingRecord:  # fmt: skip
    return PretrainingRecord(
        folder=str(folder),
        model=str(folder / folders.MODEL),
        report=str(folder / folders.PAGE),
        asked=asked,
        inputs=task.inputs,
        kind=preparing.kind_of(task.examples),
        examples=len(task.learning),
        held_out=len(np.setdiff1d(task.held_out.indices, task.learning.indices)),
        unused=task.unused,
        unknown=task.unknown,
        unreadable=task.unreadable,
        classes=task.classes,
        shape=tuple(model.output_shape[1:]),
        parameters=int(model.count_params()),
        stages=stages,
        helped=helped,
        seconds=clock.seconds(),
        warnings=warned,
        environment=environment(),
        interrupted=any(stage.stopped == "interrupted" for stage in stages),
        **told,
    )
