"""Finding a learning rate for a phase by trying: a copy of the branch learns at rising rates (Smith 2017)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import keras
import numpy as np
from scipy.special import log_softmax

from regraft.core.errors import RequestError
from regraft.core.found_rate import FoundRate
from regraft.core.phase import Phase, Rate
from regraft.core.progress import say
from regraft.graph import names
from regraft.surgery.copy import copy_model
from regraft.surgery.seeding import seed_layers
from regraft.training.feeds import Feed
from regraft.training.loop import dropping
from regraft.training.optimizers import updates
from regraft.training.rate_curve import HIGHEST, LOWEST, STEPS, climb, read, rising
from regraft.training.rates import set_trainable, with_rates
from regraft.training.step import Stepper, stepper

Array = np.ndarray[Any, Any]
P = TypeVar("P", bound=Phase)


def found_rate(branch: keras.Model, phase: P, feed: Feed, seed: int) -> P:
    """The phase with a number for a rate, found by a range test where it says `find`.

    Rates that are written out keep their proportions: the highest of them becomes what is found.

    Args:
        branch: not changed.
        phase: any.
        feed: what the phase learns from.
        seed: of every random choice.

    Raises:
        RequestError: there is nothing to learn from, or what `updates` raises.
        WorkError: the loss is no number, or explodes at once.
    """
    return with_found(phase, find(branch, phase, feed, seed)) if phase.rate == "find" else phase


def with_found(phase: P, found: FoundRate) -> P:
    """The phase with the rate that a range test suggests."""
    rates = tuple(Rate(rule.pattern, rule.rate * found.suggested) for rule in _relative(phase).rates)
    return replace(phase, rate=found.suggested, rates=rates)


def find(
    branch: keras.Model,
    phase: Phase,
    feed: Feed,
    seed: int,
    *,
    steps: int = STEPS,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
) -> FoundRate:
    """A learning-rate range test of a phase, on a copy of the branch.

    Every layer learns at its own part of the rising rate. Batches are of view 0, which is there in any case, in an
    order of the seed, all of one size. See `rate_curve.read` for what is read off.

    Args:
        branch: not changed.
        phase: its optimizer, options, batch size, and rates in proportion; its schedule plays no part.
        feed: what the phase learns from.
        seed: of the order of examples, and of dropout.
        steps: at most.
        lowest: the rate of the first step.
        highest: the rate of the last.

    Raises:
        RequestError: there is nothing to learn from, or what `updates` raises.
        WorkError: the loss is no number, or explodes at once.
    """
    if not len(feed):
        raise RequestError("expected examples to find a learning rate with, found none")
    rates = rising(steps, lowest, highest)
    model = copy_model(branch)
    seed_layers(model, seed)
    machine = _machine(model, replace(with_rates(_relative(phase), model), schedule="constant", floor=None), rates)
    chosen = batches(len(feed), phase.batch_size, steps, seed)

    def batch(indices: Sequence[int]) -> tuple[Array, Array]:
        return _batch(feed, indices, machine.classes, phase.label_smoothing)

    def loss(indices: Sequence[int]) -> float:
        x, y = batch(indices)
        # What a step costs with part of the input dropped says nothing beside what it costs with all of it.
        logits = _dropped(model, x) if phase.dropout else machine.logits(x)
        return float(-(y * log_softmax(logits.astype(np.float64), axis=1)).sum(axis=1).mean())

    with dropping(model, phase.dropout):
        first = {indices: loss(indices) for indices in dict.fromkeys(chosen)}
        before = np.array([first[indices] for indices in chosen])
        losses, exploded = climb(rates, before, lambda number: machine.step([batch(chosen[number])]))
    found = read(phase.name, phase.optimizer, rates, before, losses, exploded)
    say(f"learning rate found for phase '{phase.name}': {found.suggested:g} ({found.why})")
    return found


@keras.saving.register_keras_serializable("regraft")
class Rising(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that grows by the same factor in every step."""

    def __init__(self, first: float, growth: float) -> None:
        """Begin at the first rate; each is `growth` times the one before."""
        super().__init__()
        self.first, self.growth = first, growth

    def __call__(self, step: Any) -> Any:
        """The rate of a step of the optimizer: a float32 scalar."""
        ops: Any = keras.ops
        return self.first * ops.power(ops.cast(self.growth, "float32"), ops.cast(step, "float32"))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"first": self.first, "growth": self.growth}


def growth(rates: Array) -> float:
    """From each rate to the next."""
    return float((rates[-1] / rates[0]) ** (1 / max(len(rates) - 1, 1)))


def batches(examples: int, size: int, steps: int, seed: int) -> list[tuple[int, ...]]:
    """What each step takes: the indices of examples, as many for each, whole epochs one after the other."""
    random = np.random.default_rng([seed, _STREAM])
    whole = max(examples // size, 1)
    made: list[tuple[int, ...]] = []
    while len(made) < steps:
        order = random.permutation(examples)
        made += [tuple(map(int, part)) for part in np.array_split(order[: whole * min(size, examples)], whole)]
    return made[:steps]


# Sets these draws apart from those of training, which come from the seed too.
_STREAM = 2


def _relative(phase: P) -> P:
    """The same phase with rates of which the highest is 1."""
    top = max((rule.rate for rule in phase.rates), default=0.0) or 1.0
    return replace(phase, rate=1.0, rates=tuple(Rate(rule.pattern, rule.rate / top) for rule in phase.rates))


def _machine(model: keras.Model, phase: Phase, rates: Array) -> Stepper:
    """What takes the steps: every group's optimizer at its part of the rising rate."""
    made = updates(phase, set_trainable(model, phase), names.variables(model), len(rates))
    for group in made.groups:
        group.optimizer.learning_rate = Rising(group.rate * float(rates[0]), growth(rates))
    return stepper(model, made)


def _batch(feed: Feed, chosen: Sequence[int], classes: int, smoothing: float) -> tuple[Array, Array]:
    indices = np.asarray(chosen)
    targets = np.eye(classes, dtype=np.float32)[feed.labels[indices]]
    return feed.fetch(indices, 0), (targets * (1 - smoothing) + smoothing / classes).astype(np.float32)


def _dropped(model: keras.Model, x: Array) -> Array:
    """What a model answers in training (n, classes); nothing in it changes."""
    with keras.StatelessScope():
        return np.asarray(keras.ops.convert_to_numpy(model(x, training=True)))
