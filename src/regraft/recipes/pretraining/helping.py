"""Whether the pretrained weights help at a number of labels: beside the same network from scratch, tuned alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.core import memory, metrics
from regraft.core.blocks import HEAD
from regraft.core.folds import folds
from regraft.core.pretraining import Helped
from regraft.recipes.baselines import tuning
from regraft.recipes.pretraining.probing import Labelled, represented
from regraft.surgery.graft import graft, set_head
from regraft.surgery.settling import settle_sooner
from regraft.training import predicting
from regraft.training.feeds import Feed
from regraft.training.heads import fit_head

Array = np.ndarray[Any, Any]

# Sets the draws of the head apart from others that come from the same seed.
_STREAM = 11
_PARTS = 3
_LEAST_EPOCHS = 10
_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What a way of learning from the labels came to.

    Attributes:
        way: its name.
        correct: bool (n,), whether it is right about each example that it is judged by.
        expected: accuracy by cross-validation on the labels it learnt from.
        note: how it was trained.
    """

    way: str
    correct: Array
    expected: float
    note: str


def helped(
    trunk: keras.Model,
    fresh: keras.Model,
    learning: Labelled,
    judging: Labelled,
    seed: int,
    learnt: int = 0,
    *,
    in_views: bool = False,
) -> Helped:
    """Measure it.

    Args:
        trunk: pretrained; not changed.
        fresh: the same network with random weights; not changed.
        learning: what both learn from.
        judging: what both are judged by.
        seed: of folds, of the order of examples, of heads.
        learnt: how many labels the pretrained network had learnt from before; they are told of.
        in_views: whether it had seen pictures turned, moved and scaled, which is told of.
    """
    scratch = fine_tuned(fresh, learning, judging, seed)
    ways = [head_alone(trunk, learning, judging, seed), fine_tuned(trunk, learning, judging, seed)]
    best = max(ways, key=lambda way: way.expected)
    gain = metrics.paired_gain(best.correct, scratch.correct)
    reused, alone = metrics.accuracy(best.correct), metrics.accuracy(scratch.correct)
    sentence = _sentence(len(learning.y), len(judging.y), reused.value, alone.value, gain)
    if learnt:
        sentence += (
            f" This is no comparison at equal labels: pretraining itself learnt from those of {learnt:,} examples, "
            f"the network from scratch from these {len(learning.y)} alone."
        )
    if in_views:
        # On digits, 50 of each, views alone gain a network from scratch five points (`benchmarks`, `digit_pairs`).
        sentence += (
            " Pretraining saw pictures turned, moved and scaled, the network from scratch as they are, which is part "
            "of the difference."
        )
    return Helped(len(learning.y), len(judging.y), reused, best.way, alone, gain, sentence)


def _sentence(labels: int, judged: int, reused: float, scratch: float, gain: Any) -> str:
    low, high = gain.interval
    told = f"{100 * reused:.1f} % against {100 * scratch:.1f} % on {judged} other{'s' if judged > 1 else ''}"
    points = f"{100 * gain.value:+.1f} points, 95 %: {100 * low:+.1f} to {100 * high:+.1f}"
    if low > 0:
        return f"Pretraining helps at {labels} labels: {told} for the same network from scratch ({points})."
    if high < 0:
        return f"Pretraining hurts at {labels} labels: {told} for the same network from scratch ({points})."
    return f"Pretraining makes no clear difference at {labels} labels: {told} for the network from scratch ({points})."


def head_alone(trunk: keras.Model, learning: Labelled, judging: Labelled, seed: int) -> Answered:
    """A linear head on the network as it is."""
    features, others = represented(trunk, learning.x), represented(trunk, judging.x)
    fold = folds(np.arange(len(learning.y)), learning.y, _PARTS, seed)
    right = np.zeros(len(learning.y), bool)
    for number in np.unique(fold).tolist():
        out = fold == number
        head = fit_head(features[~out], learning.y[~out], learning.classes)
        right[out] = head.logits(features[out]).argmax(axis=1) == learning.y[out]
    head = fit_head(features, learning.y, learning.classes)
    correct = head.logits(others).argmax(axis=1) == judging.y
    return Answered("head", correct, float(right.mean()), "a linear head on the frozen network")


def fine_tuned(
    trunk: keras.Model,
    learning: Labelled,
    judging: Labelled,
    seed: int,
    feed: Callable[[Array], Feed] | None = None,
) -> Answered:
    """All of the network and a head on it, the rate and the epochs chosen by parts left out in turn.

    Args:
        trunk: not changed.
        learning: what it learns from.
        judging: what it is judged by.
        seed: of folds, of the order of examples, of the head.
        feed: those of `learning` with these indices, in views of them; None: as they are.
    """
    branch = graft(trunk, learning.classes, seed=seed)
    _draw_head(branch, learning.classes, seed)
    branch.trainable = True
    settle_sooner(branch)
    epochs = max(_LEAST_EPOCHS, tuning.epochs_for(len(learning.y), _BATCH))
    phase = tuning.phase_of("fine-tuned", epochs, _BATCH)
    feed = feed or _feeds(learning)
    fold = folds(np.arange(len(learning.y)), learning.y, _PARTS, seed)
    parts = [fold == number for number in np.unique(fold).tolist()]
    everyone = np.arange(len(learning.y))
    tuned = tuning.by_parts(branch, phase, feed, everyone, parts, seed)
    model = tuning.finished(branch, phase, tuned, feed(everyone), feed(everyone[:0]), seed)
    made = predicting.predict(model, _feeds(judging)(np.arange(len(judging.y))))
    memory.release()
    note = f"{tuned.best.epoch} of {epochs} epochs at rate {tuned.rate:g}, the best of {tuned.count} tried"
    return Answered("fine-tuned", made.argmax(axis=1) == judging.y, tuned.best.accuracy, note)


def _draw_head(branch: keras.Model, classes: int, seed: int) -> None:
    """Let the head begin, in place, as Glorot and Bengio 2010 have it, with the same numbers on every backend.

    Below a head of zeros no layer learns at first, and a deep network of sigmoids from scratch never did.
    """
    width = int(branch.get_layer(HEAD).kernel.shape[0])
    limit = (6.0 / (width + classes)) ** 0.5
    drawn = np.random.default_rng([seed, _STREAM]).uniform(-limit, limit, (width, classes))
    set_head(branch, drawn.astype(np.float32), np.zeros(classes, np.float32))


def _feeds(given: Labelled) -> Callable[[Array], Feed]:
    return lambda indices: Feed(lambda chosen, _view: given.x[indices[chosen]], given.y[indices])
