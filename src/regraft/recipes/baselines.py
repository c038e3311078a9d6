"""What simpler ways reach on the same examples: without them no accuracy means anything."""

import random
import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.activations.loading import load_prepared
from regraft.core import metrics
from regraft.core.phase import Phase, Rate
from regraft.core.plan import Plan
from regraft.core.progress import say
from regraft.core.records import Baseline, Metric
from regraft.data import UnreadableExample
from regraft.graph import names
from regraft.importers import Pretrained
from regraft.recipes.fine_tuning import labelled, lesson_for_all
from regraft.recipes.judging import Judged
from regraft.recipes.survey import ALWAYS_AFFORDABLE, Survey
from regraft.surgery.copy import Copier
from regraft.surgery.cut import trunk_of
from regraft.surgery.graft import graft, scaled
from regraft.training import loop, predicting
from regraft.training.feeds import Feed
from regraft.training.neighbours import nearest_neighbours
from regraft.training.probes import stratified

Array = np.ndarray[Any, Any]

_CHEAP_SECONDS = 90.0
_LEAST_EPOCHS = 3
_LEAST_STEPS = 200
_TIMED = 64
_MOMENTUM = 0.9
_IN_MEMORY_BYTES = 2e9
# Neighbours are looked for among so many examples, and for so many: an interval of half a point either way.
_COMPARED = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The baselines by name, and how much better than the network from scratch the run is, where that was trained."""

    baselines: dict[str, Baseline]
    gain: Metric | None


def compare(pretrained: Pretrained, found: Survey, plan: Plan, judged: Judged) -> Compared:
    """All baselines that the plan asks for, on the examples that the run is judged by.

    Args:
        pretrained: the source.
        found: its survey.
        plan: resolved.
        judged: the run's own answers.
    """
    made = {"majority": majority(found, judged.indices)}
    if plan.baselines == "no":
        return Compared(made, None)
    made["nearest_neighbour"] = neighbour(found, plan.cut_point, judged.indices, plan.seed)
    fresh = scratch(pretrained, found, plan, judged.indices)
    if fresh is None:
        return Compared(made, None)
    baseline, correct = fresh
    return Compared(made | {"scratch": baseline}, metrics.paired_gain(judged.correct(found.examples.labels), correct))


def majority(found: Survey, on: Array) -> Baseline:
    """Always answering the most frequent class of the training examples."""
    labels = found.examples.labels
    counts = np.bincount(labels[found.examples.indices("train")], minlength=len(found.examples.classes))
    answer = int(np.argmax(counts))
    return Baseline(
        "majority class", metrics.accuracy(labels[on] == answer), f"always '{found.examples.classes[answer]}'"
    )


def neighbour(found: Survey, cut_point: str, on: Array, seed: int) -> Baseline:
    """Answering what the nearest training examples are, by the pooled activations at the cut point.

    Where examples are very many, some of them are asked, and answer: each is compared with each.
    """
    everyone = found.examples.indices("train")
    training, on = _some(found, everyone, seed), _some(found, on, seed)
    labels, classes = found.examples.labels, len(found.examples.classes)
    answers = nearest_neighbours(
        found.pooled([cut_point], training), labels[training], found.pooled([cut_point], on), classes
    )
    correct = answers.predictions == labels[on]
    among = f" of {len(training):,} training examples" if len(training) < len(everyone) else ""
    return Baseline("nearest neighbour", metrics.accuracy(correct), f"on the activations at '{cut_point}'{among}")


def _some(found: Survey, indices: Array, seed: int) -> Array:
    return indices[stratified(found.examples.labels[indices], _COMPARED, seed)]


def scratch(pretrained: Pretrained, found: Survey, plan: Plan, on: Array) -> tuple[Baseline, Array] | None:
    """The same network, initialised anew, trained on the same pictures; None where that would not be cheap.

    It gets the operations that the transfer took, and where that is next to nothing, 200 steps; and it learns from the
    validation examples last, where the transfer does.

    Returns:
        The baseline, and (n,) whether each of the examples `on` is right.
    """
    training, validation = found.examples.indices("train"), found.examples.indices("validation")
    epochs = scratch_epochs(found, plan, len(training))
    size = 4.0 * float(np.prod(pretrained.inputs.shape)) * len(found.examples)
    feeds = _PictureFeeds(pretrained, found)
    fresh = _initialised_anew(pretrained, plan, len(found.examples.classes))
    needed = 3.0 * epochs * len(training) * _seconds_per_example(fresh, feeds.of(training[:_TIMED]))
    if plan.baselines == "auto" and (needed > _CHEAP_SECONDS or size > _IN_MEMORY_BYTES):
        say(f"left out: the same network from scratch, about {needed:.0f} s; --baselines yes runs it")
        return None
    spec = Phase(rates=(Rate(".*", 1e-3),), epochs=epochs, batch_size=plan.fine_tune.batch_size, batch_norm="adapt")
    trained = loop.train(fresh, spec, feeds.of(training), feeds.of(validation), seed=plan.seed)
    model = trained.model
    if plan.refit == "yes" and len(validation):
        last, everyone = lesson_for_all(spec, "from scratch, refit"), labelled(found)
        nothing = feeds.of(everyone[:0])
        model = loop.train(model, last, feeds.of(everyone), nothing, seed=plan.seed + 1).model
    correct = np.argmax(predicting.predict(model, feeds.of(on)), axis=1) == found.examples.labels[on]
    note = f"initialised anew, {epochs} epochs"
    return Baseline("from scratch", metrics.accuracy(correct), note), correct


def _seconds_per_example(model: Any, feed: Feed) -> float:
    """What a forward pass takes, measured the second time, when everything is compiled and loaded."""
    predictor = predicting.predictor(model)
    predictor(feed)
    started = time.perf_counter()
    predictor(feed)
    return (time.perf_counter() - started) / len(feed)


def scratch_epochs(found: Survey, plan: Plan, training: int) -> int:
    """Epochs that the transfer's operations pay for; at least three, and 200 steps where these cost nearly nothing."""
    steps = min(100, -(-_LEAST_STEPS * plan.fine_tune.batch_size // max(training, 1)))
    top = found.points[plan.cut_point].flops_below
    if not top:
        return max(_LEAST_EPOCHS, steps)
    spent = len(found.examples) / training * top
    if plan.fine_tune.enabled != "no":
        below = found.points[plan.fine_tune.from_cut].flops_below or 0
        passes = sum(phase.epochs or 0 for phase in plan.fine_tune.sequence)
        spent += (plan.views or 1) * below + 3 * passes * (top - below)
    affordable = 3 * top * training * steps <= ALWAYS_AFFORDABLE
    return max(_LEAST_EPOCHS, round(spent / (3 * top)), steps if affordable else 0)


def _initialised_anew(pretrained: Pretrained, plan: Plan, classes: int) -> Any:
    trunk = trunk_of(pretrained.model, plan.cut_point)
    # Initialisers without a seed draw theirs from Python's generator, which is the user's: it is put back.
    state = random.getstate()
    random.seed(plan.seed)
    try:
        # Copied by configuration only: the weights of the copy are new. `graft` then copies these.
        fresh = Copier()(trunk)
        for _, layer in names.layers(fresh):
            layer.trainable = True
            if isinstance(layer, keras.layers.BatchNormalization):
                # Its averages are to settle within the few steps that the baseline has.
                layer.momentum = _MOMENTUM
        return graft(fresh, classes, taps=plan.head.taps or (), hidden=plan.head.hidden, seed=plan.seed)
    finally:
        random.setstate(state)


class _PictureFeeds:
    """Prepared pictures in memory, scaled as the network expects them."""

    def __init__(self, pretrained: Pretrained, found: Survey) -> None:
        self._inputs, self._examples = pretrained.inputs, found.examples
        self._ready: dict[int, Array] = {}

    def of(self, indices: Array) -> Feed:
        new = [int(index) for index in indices if int(index) not in self._ready]
        for index, prepared in load_prepared(self._examples, new, self._inputs):
            if isinstance(prepared, UnreadableExample):
                raise prepared
            self._ready[index] = prepared
        return Feed(lambda chosen, _: self._scaled(indices[chosen]), self._examples.labels[indices])

    def _scaled(self, indices: Array) -> Array:
        raw = np.stack([self._ready[int(index)] for index in indices])
        return np.asarray(keras.ops.convert_to_numpy(scaled(raw, self._inputs, self._examples.full_intensity)))
