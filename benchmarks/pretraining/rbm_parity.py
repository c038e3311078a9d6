"""Restricted Boltzmann machines beside scikit-learn's, and their gradients beside sums over every state.

Black and white digits, persistent contrastive divergence of one step, one rate, no momentum: what both can do. First
from equal weights with equal random numbers, through Regraft's whole loop, so that every parameter can be compared;
then each with numbers of its own, seed by seed. Judged by the pseudo-likelihood of other digits, every unit looked at.
"""

import dataclasses
import itertools
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import digits, fit, frame
from benchmarks.frame import Bar, Result, Settings, Table

Array = np.ndarray[Any, Any]

HIDDEN, BATCH, RATE = 128, 100, 0.01
_LEARN, _JUDGE = 2000, 500
# Epochs with the same numbers, and with others. Both sides compute in float32: sooner or later a draw whose chance lies
# within the last digit falls the other way, and the chains part.
_SAME, _OWN = 10, 30
EQUAL = 1e-3
GRADIENT = 1e-4


@dataclass(frozen=True, slots=True)
class Outcome:
    """A seed's two machines.

    Attributes:
        seed: of everything.
        same_numbers: whether both drew the same numbers.
        theirs: pseudo-likelihood of scikit-learn's machine, nats for each example; higher is better.
        ours: likewise.
        apart: the largest difference between parameters of the two, where they drew the same numbers.
        seconds: processor time, theirs and ours.
    """

    seed: int
    same_numbers: bool
    theirs: float
    ours: float
    apart: float
    seconds: tuple[float, float]


class InMemory:
    """Rows for the loop."""

    labels = None
    groups = None
    pairs = None

    def __init__(self, x: Array) -> None:
        """Keep examples (n, ...)."""
        self._x = x

    def __len__(self) -> int:
        """How many there are."""
        return len(self._x)

    def take(self, indices: Array) -> Array:
        """Some of them."""
        return self._x[indices]


def run(settings: Settings) -> Iterator[Result]:
    """With the same numbers once, then a seed at a time; the result so far after each."""
    fit.ready()
    error = gradient_error()
    measured = [pair(0, same_numbers=True, reduced=settings.reduced)]
    yield compare(measured, error, settings)
    for seed in range(max(2, settings.splits)):
        measured.append(pair(seed, same_numbers=False, reduced=settings.reduced))
        yield compare(measured, error, settings)


def task(seed: int, reduced: bool = False) -> tuple[Array, Array]:
    """Digits to learn from and to judge by, float32 of 0 and 1."""
    x, _ = digits.pool()
    order = np.random.default_rng(seed).permutation(len(x))
    black_and_white = (x[order] > 0.5).astype(np.float32)
    count = 300 if reduced else _LEARN
    return black_and_white[:count], black_and_white[_LEARN : _LEARN + (100 if reduced else _JUDGE)]


def pair(seed: int, *, same_numbers: bool, reduced: bool = False) -> Outcome:
    """Both machines of a seed."""
    from sklearn.neural_network import BernoulliRBM

    learn, judge = task(seed, reduced)
    epochs = 2 if reduced else _SAME if same_numbers else _OWN
    started = time.process_time()
    reference = BernoulliRBM(HIDDEN, learning_rate=RATE, batch_size=BATCH, n_iter=epochs, random_state=seed).fit(learn)
    between = time.process_time()
    ours = own(learn, judge, seed, epochs, same_numbers)
    ended = time.process_time()
    theirs = {
        "kernel": reference.components_.T,
        "hidden": reference.intercept_hidden_,
        "visible": reference.intercept_visible_,
    }
    apart = max(float(np.abs(ours[name] - value).max()) for name, value in theirs.items())
    seconds = between - started, ended - between
    outcome = Outcome(
        seed, same_numbers, likelihood(theirs, judge), likelihood(ours, judge), apart if same_numbers else 0.0, seconds
    )
    print(
        f"seed {seed}{', the same numbers' * same_numbers}: scikit-learn {outcome.theirs:.2f}, ours {outcome.ours:.2f} "
        f"nats, {frame.seconds(seconds[0])} and {frame.seconds(seconds[1])} s",
        file=sys.stderr,
        flush=True,
    )
    return outcome


def own(learn: Array, judge: Array, seed: int, epochs: int, same_numbers: bool) -> Mapping[str, Array]:
    """Our machine's parameters after as many updates; with scikit-learn's weights, order and numbers where asked."""
    import keras

    from regraft.core.pretraining import Spec
    from regraft.graph import names
    from regraft.pretraining import loop, rbm
    from regraft.pretraining.learner import Sample

    inputs = keras.Input((learn.shape[1],))
    trunk: Any = keras.Model(inputs, keras.layers.Dense(HIDDEN, activation="sigmoid", name="hidden")(inputs))
    sample = Sample(kind="numbers", x=learn, count=len(learn))
    learner = rbm.learner(trunk, sample, rbm.Settings(chains=BATCH), seed)
    variables = names.variables(learner.model)
    random = np.random.RandomState(seed)
    kernel = random.normal(0, 0.01, (HIDDEN, learn.shape[1])).T
    # scikit-learn begins with biases of 0; the machine of this comparison does too.
    for name, value in (("hidden/kernel", kernel), ("visible/bias", np.zeros(learn.shape[1]))):
        variables[name].assign(value.astype(np.float32))
    rows = InMemory(learn)
    if same_numbers:
        learner = dataclasses.replace(learner, draw=_replayed(learner.draw, rows, learn, random))
    learner = dataclasses.replace(learner, measures={"last": _later()}, monitor="last")
    spec = Spec(
        epochs=epochs, batch_size=BATCH, optimizer="sgd", rate=RATE, schedule="constant", warmup=0.0, patience=0
    )
    loop.pretrain(learner, rows, InMemory(judge), spec, seed)
    return {
        "kernel": np.array(variables["hidden/kernel"].numpy()),
        "hidden": np.array(variables["hidden/bias"].numpy()),
        "visible": np.array(variables["visible/bias"].numpy()),
    }


def _later() -> Any:
    """A figure that is better at every look, so that the last epoch is kept, as scikit-learn does."""
    looks = itertools.count()
    return lambda model, batch: -float(next(looks))


def _replayed(draw: Any, rows: InMemory, learn: Array, random: np.random.RandomState) -> Any:
    """Batches in scikit-learn's order with its numbers: those for the visible units first."""
    done = [0]

    def replayed(given: Any, indices: Array, own: np.random.Generator, progress: float) -> Any:
        x, hidden, visible, looked_at = draw(given, indices, own, progress)
        if given is not rows:
            return x, hidden, visible, looked_at
        start = done[0] * BATCH % len(learn)
        done[0] += 1
        numbers = random.uniform(size=(BATCH, learn.shape[1])), random.uniform(size=(BATCH, HIDDEN))
        return learn[start : start + BATCH], numbers[1][:, None], numbers[0][:, None], looked_at

    return replayed


def likelihood(machine: Mapping[str, Array], judge: Array) -> float:
    """Mean pseudo-likelihood in nats, every unit of every example looked at; in float64, without anything of ours."""
    kernel, hidden, visible = (machine[name].astype(np.float64) for name in ("kernel", "hidden", "visible"))
    inputs = judge @ kernel + hidden
    total = 0.0
    for unit in range(judge.shape[1]):
        off = inputs - judge[:, unit : unit + 1] * kernel[unit]
        gain = visible[unit] + (np.logaddexp(0, off + kernel[unit]) - np.logaddexp(0, off)).sum(axis=1)
        total -= float(np.logaddexp(0, np.where(judge[:, unit] == 1, -gain, gain)).sum())
    return total / len(judge)


def gradient_error() -> float:
    """The largest error of a slope of the likelihood of 6 x 4 units, beside central differences over every state."""
    import tensorflow as tf

    from regraft.pretraining.boltzmann import energy
    from regraft.pretraining.boltzmann.energy import Machine

    random = np.random.default_rng(0)
    parameters = [random.normal(size=shape) for shape in ((6, 4), (4,), (6,))]
    data = (random.random((12, 6)) < 0.4).astype(np.float64)
    v, h = (((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype(np.float64) for count in (6, 4))

    def logs(rows: Array) -> Array:
        kernel, hidden, visible = parameters
        states = np.exp((rows @ visible)[:, None] + (h @ hidden)[None] + rows @ kernel @ h.T)
        return np.log(states.sum(axis=1))

    def mean() -> float:
        return float(np.mean(logs(data)) - np.log(np.exp(logs(v)).sum()))

    probable = np.exp(logs(v)) / np.exp(logs(v)).sum()
    values: list[Any] = [tf.Variable(tf.constant(array.astype(np.float32))) for array in parameters]
    with tf.GradientTape() as tape:
        machine = Machine(values[0], values[1], values[2])
        learnt: Any = energy.free_energy(machine, data.astype(np.float32))
        every: Any = energy.free_energy(machine, v.astype(np.float32))
        loss: Any = tf.reduce_mean(learnt) - tf.reduce_sum(probable.astype(np.float32) * every)
    worst = 0.0
    found: Any = tape.gradient(loss, values)
    for array, slope in zip(parameters, found, strict=True):
        for index in np.ndindex(array.shape):
            known, ends = array[index], list[float]()
            for step in (1e-5, -1e-5):
                array[index] = known + step
                ends.append(mean())
            array[index] = known
            worst = max(worst, abs(-float(slope.numpy()[index]) - (ends[0] - ends[1]) / 2e-5))
    return worst


def compare(measured: Sequence[Outcome], error: float, settings: Settings) -> Result:
    """Both machines seed by seed, and the bars."""
    same, others = measured[0], measured[1:]
    rows = [
        (
            f"{item.seed}{' (the same numbers)' * item.same_numbers}",
            f"{item.theirs:.2f}",
            f"{item.ours:.2f}",
            f"{item.ours - item.theirs:+.3f}",
            *map(frame.seconds, item.seconds),
        )
        for item in measured
    ]
    columns = ("seed", "scikit-learn", "ours", "difference", "scikit-learn, s", "ours, s")
    table = Table("Pseudo-likelihood of other digits, nats", columns, tuple(rows))
    apart = abs(same.ours / same.theirs - 1)
    bars = [
        Bar(
            f"slopes of the likelihood are right to {GRADIENT:g} on 6 x 4 units",
            f"{error:.1e}",
            error <= GRADIENT,
        ),
        Bar(
            f"equal updates with the same numbers: equal pseudo-likelihood to {100 * EQUAL:g} %",
            f"{100 * apart:.4f} %, parameters {same.apart:.1e} apart at most",
            apart <= EQUAL,
        ),
    ]
    if len(others) > 1:
        parts = [item.ours / item.theirs - 1 for item in others]
        found, error_of = statistics.mean(parts), statistics.stdev(parts) / len(parts) ** 0.5
        bars.append(
            Bar(
                f"with numbers of their own: the loss is at most two standard errors above, over {len(parts)} seeds",
                f"{100 * found:+.2f} % (standard error {100 * error_of:.2f})",
                found <= 2 * error_of,
            )
        )
    return Result(
        "rbm_parity", str(__doc__), (table,), tuple(map(dataclasses.asdict, measured)), tuple(bars), settings=settings
    )
