"""The same network, initialised anew, trained on the same examples, its learning rate and its epochs tuned.

Each rate that is tried is given the operations that the transfer took, and where that is next to nothing, some hundred
steps; what choosing between them takes comes on top. So the comparison errs in favour of the network from scratch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import keras
import numpy as np

from regraft.activations.views import numbers
from regraft.core import memory
from regraft.core.folds import folds
from regraft.core.phase import Phase
from regraft.core.plan import Plan
from regraft.graph.cut_points import INPUT
from regraft.recipes.baselines import tuning
from regraft.recipes.baselines.anew import branch_anew
from regraft.recipes.baselines.asking import CHEAP, Answers, Array, Lesson, Task
from regraft.recipes.baselines.prepared import KEPT_BYTES
from regraft.recipes.fine_tuning import lesson_for_all
from regraft.recipes.survey import Survey, above_a_head
from regraft.surgery.settling import settle_sooner
from regraft.training import loop, predicting
from regraft.training.feeds import Feed

NAME = "scratch"
TITLE = "from scratch"

_LEAST_EPOCHS = 3
# What is measured on two epochs has so many.
_MANY_EPOCHS = 20
# Operations for one rate that 600 steps may take: some ten seconds of two cores.
_AFFORDABLE = 1e12
# Without validation examples, of up to so many every third part is left out in turn, of more a fifth once.
_FEW, _THIRDS, _FIFTHS = 600, 3, 5


def left_out(task: Task, lesson: Lesson, judged: Array) -> str | None:
    """Where it would take long, measured on a batch."""
    size = 4.0 * prod(task.pretrained.inputs.shape) * len(task.found.examples) * len(views_of(task))
    if size > KEPT_BYTES:
        return "whose examples do not all fit into memory"
    # Once for all rates, and once for what learns from all examples where parts of them choose.
    compiled = 1 if len(lesson.validation) else 2
    times = 1.0 if len(lesson.validation) else len(parts_of(task, lesson.training)) + 1 / tuning.TRIED
    # As many as a step has: of a small network, most of what a step takes does not depend on how many there are.
    timed, needed = task.inputs.feed(lesson.training[: task.plan.fine_tune.batch_size]), 0.0
    for cut_point in depths(task):
        passes = tuning.TRIED * times * 3.0 * (phase_for(task, lesson, cut_point).epochs or 1) * len(lesson.training)
        each, compiling = _seconds(network(task, cut_point), timed)
        needed += passes * each + compiled * 3.0 * compiling
        if needed > task.within:
            return _too_long(needed, task)
    # A forward pass says too little of a step of a small network. Two epochs of many are soon done.
    if task.left() < CHEAP:
        trials = [_trial(task, lesson, cut_point) for cut_point in depths(task)]
        if any(trial.interrupted for trial in trials):
            return "which was ended by hand"
        more = tuning.TRIED * times - compiled
        needed = sum(compiled * trial.first + more * trial.each for trial in trials)
        if needed > task.within:
            return _too_long(needed, task)
    return None


def _too_long(needed: float, task: Task) -> str:
    return f"which would take about {needed:.0f} s, of {max(task.within, 0):.0f} s"


def _trial(task: Task, lesson: Lesson, cut_point: str) -> tuning.Trial:
    """What training at one rate will take, by two epochs of it; nothing where these are a good part of it."""
    phase, feed = phase_for(task, lesson, cut_point), task.inputs.feed
    if (phase.epochs or 1) < _MANY_EPOCHS:
        return tuning.Trial(0.0, 0.0)
    learning, judging = feed(lesson.training, views_of(task)), feed(lesson.validation)
    return tuning.trial(network(task, cut_point), phase, learning, judging, task.plan.seed)


def answer(task: Task, lesson: Lesson, judged: Array) -> Answers:
    """The answers of the best network that a depth, a rate and a number of epochs led to."""
    made = _by_depth(task, lesson)
    best = max(made, key=lambda trained: trained.rank)
    tried = f"the best of {sum(trained.tuned.count for trained in made)} tried"
    if any(trained.tuned.cut_short for trained in made):
        tried += ", without time for more"
    trained = best.finish()
    memory.release()
    probabilities = predicting.predict(trained, task.inputs.feed(judged)).astype(np.float32)
    return Answers(probabilities, f"initialised anew up to '{best.cut_point}', {best.note}, {tried}")


def _by_depth(task: Task, lesson: Lesson) -> "list[_Trained]":
    """Each depth tuned, that of the run first; another one as long as it would be done in time, by what the first took.

    How long it all takes was foretold before, by forward passes, which say too little of steps that are few and have
    to be compiled.
    """
    tune = _by_validation if len(lesson.validation) else _by_parts
    made: list[_Trained] = []
    slowest = 0.0
    for cut_point in depths(task):
        if made and slowest > task.left():
            made[-1] = replace(made[-1], tuned=replace(made[-1].tuned, cut_short=True))
            break
        begun = time.perf_counter()
        made.append(tune(task, lesson, cut_point))
        slowest = max(slowest, time.perf_counter() - begun)
    return made


def depths(task: Task) -> tuple[str, ...]:
    """What is trained of the network: what the run reuses of it, and where that is not all of it, all but its output.

    A head may stand low because the layers above are no good as they are; trained anew they may be.
    """
    points = [point for name, point in task.found.points.items() if name != INPUT]
    all_below = points[-1].parameters_below
    output = next(point for point in points if point.parameters_below == all_below)
    below = [point for point in points if point.parameters_below < all_below]
    whole = below[-1] if len(output.shape) == 1 and below else points[-1]
    here = task.found.points[task.plan.cut_point]
    fits = (
        1 <= len(whole.shape) <= 4
        and whole.shape[-1]
        and whole.name not in above_a_head(task.pretrained.model, task.plan)
    )
    return (here.name, whole.name) if fits and whole.parameters_below != here.parameters_below else (here.name,)


def views_of(task: Task) -> tuple[int, ...]:
    """The views of training examples that it learns from: those that the layers of the run learnt from."""
    if task.plan.fine_tune.enabled == "no" or not task.pretrained.inputs.is_picture:
        return (0,)
    return tuple(numbers(task.plan.augment, task.plan.views or 1))


def network(task: Task, cut_point: str) -> keras.Model:
    """The source's layers up to a cut point and a head on them, all weights new."""
    taps = (task.plan.head.taps or ()) if cut_point == task.plan.cut_point else ()
    fresh = branch_anew(task.pretrained, cut_point, task.classes, taps, task.plan.seed, task.plan.head.hidden)
    settle_sooner(fresh)
    return fresh


def phase_for(task: Task, lesson: Lesson, cut_point: str) -> Phase:
    """What all rates have in common."""
    epochs = epochs_for(task.found, task.plan, len(lesson.training), cut_point)
    return tuning.phase_of("from scratch", epochs, task.plan.fine_tune.batch_size)


def epochs_for(found: Survey, plan: Plan, training: int, cut_point: str) -> int:
    """Epochs up to a cut point that the transfer's operations pay for.

    At least three, and those of 600 steps, or as many of them as cost nearly nothing: with a few steps alone no network
    learns, and any other is better than one that has not learnt.
    """
    steps = tuning.epochs_for(training, plan.fine_tune.batch_size)
    top, each = found.points[plan.cut_point].flops_below, found.points[cut_point].flops_below
    if not top or not each:
        return max(_LEAST_EPOCHS, steps)
    spent = len(found.examples) / training * top
    if plan.fine_tune.enabled != "no":
        below = found.points[plan.fine_tune.from_cut].flops_below or 0
        passes = sum(phase.epochs or 0 for phase in plan.fine_tune.sequence)
        spent += (plan.views or 1) * below + 3 * passes * (top - below)
    affordable = int(_AFFORDABLE / (3 * each * training))
    return max(_LEAST_EPOCHS, round(spent / (3 * each)), min(steps, affordable))


@dataclass(frozen=True, slots=True, eq=False)
class _Trained:
    """What tuning at a depth came to.

    Attributes:
        cut_point: how much of the network that is.
        rank: the more, the better.
        tuned: its rate, and how that was found.
        note: how it was trained, for people.
        finish: gives the network that is judged.
    """

    cut_point: str
    rank: tuple[float, float]
    tuned: tuning.Tuned
    note: str
    finish: Callable[[], keras.Model]


def _by_validation(task: Task, lesson: Lesson, cut_point: str) -> _Trained:
    """Rate and epoch chosen by the validation examples, from which the network learns last where the run does."""
    feed, seed = task.inputs.feed, task.plan.seed
    fresh, phase = network(task, cut_point), phase_for(task, lesson, cut_point)
    learning, judging = feed(lesson.training, views_of(task)), feed(lesson.validation)
    tuned = tuning.by_validation(fresh, phase, learning, judging, seed, task.left)
    best = tuned.best
    assert best.values is not None
    model = tuning.with_values(fresh, best.values)
    note = f"epoch {best.epoch} of {phase.epochs} at rate {tuned.rate:g}"
    if not lesson.last or best.interrupted:
        return _Trained(cut_point, best.rank, tuned, note, lambda: model)
    last = lesson_for_all(tuning.at(phase, tuned.rate), "from scratch, refit")
    everyone, nothing = feed(lesson.everyone, views_of(task)), feed(lesson.everyone[:0])
    note += f", then {last.epochs} with the validation examples"

    def finish() -> keras.Model:
        return loop.train(model, last, everyone, nothing, seed=seed + 1).model

    return _Trained(cut_point, best.rank, tuned, note, finish)


def _by_parts(task: Task, lesson: Lesson, cut_point: str) -> _Trained:
    """Rate and epoch chosen by parts of the training examples; then all of them are learnt from."""
    feed, seed, training = task.inputs.feed, task.plan.seed, lesson.training
    fresh, phase = network(task, cut_point), phase_for(task, lesson, cut_point)

    def learning(indices: Array) -> Feed:
        return feed(indices, views_of(task))

    tuned = tuning.by_parts(fresh, phase, learning, training, parts_of(task, training), seed, task.left)
    note = f"{tuned.best.epoch} of {phase.epochs} epochs at rate {tuned.rate:g}"

    def finish() -> keras.Model:
        return tuning.finished(fresh, phase, tuned, learning(training), feed(training[:0]), seed)

    return _Trained(cut_point, tuned.best.rank, tuned, note, finish)


def parts_of(task: Task, training: Array) -> list[Array]:
    """Which of the training examples are left out for choosing, each time: masks (n,)."""
    count = _THIRDS if len(training) <= _FEW else _FIFTHS
    # What is identical is left out together.
    groups = task.found.examples.ids.take(training).numbers()[:, 0]
    fold = folds(groups, task.labels[training], count, task.plan.seed)
    return [fold == number for number in range(count if count == _THIRDS else 1) if (fold == number).any()]


def _seconds(model: Any, feed: Feed) -> tuple[float, float]:
    """What a forward pass takes for an example once everything is compiled and loaded, and what that takes."""
    started = time.perf_counter()
    predictor = predicting.predictor(model)
    predictor(feed)
    begun = time.perf_counter()
    predictor(feed)
    again = time.perf_counter() - begun
    return again / len(feed), max(0.0, begun - started - again)
