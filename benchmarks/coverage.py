"""Whether the intervals of a choice contain the truth as often as they say, on digits.

Of the 10,000 pictures of MNIST's test set some hundreds are drawn; ten ways are judged on them by 5-fold
cross-validation, `core.comparing.chosen` takes one, and that is fitted to all that were drawn. The truth is its
accuracy on the thousands of pictures that were not drawn. Again and again, with other pictures. The ways are logistic
regressions on pixels, principal components, and one or two layers of random filters; four of them are so nearly equal
that it is luck which of them is taken.

`naive` is the plain Wilson interval of the best way's out-of-fold accuracy, which forgets that it was chosen.
`told apart wrongly`: some way that was called worse than the chosen is in truth as good or better, by log loss.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import digits, frame
from benchmarks.frame import Bar, Result, Settings, Table

SIZES = (200, 500)
RESAMPLINGS = 300
FOLDS = 5
LOW, HIGH = 0.93, 0.97
INVERSE_PENALTY = 0.3
MOST = 120

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """Features float32 (10,000, r) of all pictures, standardised and rotated, and how many layers they cost."""

    features: Array
    cost: int


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What is known after a resampling, and what is not.

    Attributes:
        labels: (n,).
        answers: by way, out-of-fold probabilities float32 (n, 10).
        accuracies: by way, of the model that learnt from all n, on the pictures that were not drawn.
        log_losses: likewise.
    """

    labels: Array
    answers: Mapping[str, Array]
    accuracies: Mapping[str, float]
    log_losses: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one resampling came to.

    Attributes:
        n: pictures drawn.
        seed: of the drawing.
        chosen: the way.
        truth: its accuracy on the pictures that were not drawn.
        accuracy: what is said of it.
        interval: likewise.
        log_loss: truth, what is said, low, high.
        naive: out-of-fold accuracy of the best, and Wilson's interval of that.
        best_truth: the best's accuracy on the pictures that were not drawn.
        regret: how much more accurate the best of all ways would have been.
        indistinguishable: how many ways cannot be told from the chosen.
        wrongly_apart: whether one was told from it that is as good or better.
    """

    n: int
    seed: int
    chosen: str
    truth: float
    accuracy: float
    interval: tuple[float, float]
    log_loss: tuple[float, float, float, float]
    naive: tuple[float, float, float]
    best_truth: float
    regret: float
    indistinguishable: int
    wrongly_apart: bool


def run(settings: Settings) -> Iterator[Result]:
    """All resamplings of one size, then of the next; the result so far after every fifty."""
    measured: list[Outcome] = []
    resamplings = 2 if settings.reduced else RESAMPLINGS
    for n in SIZES:
        for seed in range(resamplings):
            measured.append(outcome(drawn(n, seed), n, seed))
            if (seed + 1) % 50 == 0 or seed + 1 == resamplings:
                yield compare(measured, settings)


@functools.cache
def ways() -> dict[str, Way]:
    """The ten ways; features are standardised by all pictures, as a pretrained network's are by what it was made of."""
    x, _ = digits.pool()
    pictures = x.reshape(-1, 28, 28, 1)
    centred = x - x.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    first = {name: _convolved(pictures, 8, seed) for seed, name in enumerate("abcd")}
    second = {name: _convolved(first[name], 16, seed) for seed, name in enumerate("ab", start=4)}
    made = {
        "pixels 7x7": (_averaged(pictures, 4), 0),
        "pixels 14x14": (_averaged(pictures, 2), 0),
        "components 20": (centred @ axes[:, :20], 1),
        "components 40": (centred @ axes[:, :40], 1),
        **{f"one layer, {name}": (_averaged(maps, 3), 1) for name, maps in first.items()},
        **{f"two layers, {name}": (_averaged(maps, 2), 2) for name, maps in second.items()},
    }
    return {name: Way(_rotated(array), cost) for name, (array, cost) in made.items()}


def _convolved(maps: Array, filters: int, seed: int) -> Array:
    """Random 5 x 5 filters, rectified, averaged over 2 x 2: a layer that was never trained."""
    kernel = np.random.default_rng(seed).normal(0, 1, (25 * maps.shape[-1], filters)).astype(np.float32)
    kernel = (kernel - kernel.mean(axis=0)) / np.sqrt(len(kernel))
    parts: list[Array] = []
    for start in range(0, len(maps), 1000):
        windows = np.lib.stride_tricks.sliding_window_view(maps[start : start + 1000], (5, 5), axis=(1, 2))
        flat = windows.reshape(-1, len(kernel)) @ kernel
        parts.append(_averaged(np.maximum(flat, 0).reshape(*windows.shape[:3], filters), 2, flat=False))
    return np.concatenate(parts)


def _averaged(maps: Array, size: int, flat: bool = True) -> Array:
    """Means (n, h / size, w / size, c) over squares; what does not fill a square is left out."""
    n, height, width = (extent if not place else extent // size for place, extent in enumerate(maps.shape[:3]))
    squares = maps[:, : height * size, : width * size].reshape(n, height, size, width, size, -1).mean(axis=(2, 4))
    return squares.reshape(n, -1) if flat else squares


def _rotated(array: Array) -> Array:
    """Standardised, and the directions in which they vary most, which stand last."""
    from regraft.training.heads.basis import rotated

    return rotated(array)[1][:, -MOST:].astype(np.float32)


def drawn(n: int, seed: int) -> Drawn:
    """Pictures drawn, and every way judged on them and on the others."""
    from regraft.core.folds import folds

    _, y = digits.pool()
    rows = np.random.default_rng((n, seed)).permutation(len(y))
    own, others = rows[:n], rows[n:]
    fold = folds(np.arange(n), y[own], FOLDS, seed)
    answers: dict[str, Array] = {}
    accuracies: dict[str, float] = {}
    log_losses: dict[str, float] = {}
    for name, way in ways().items():
        answers[name], head = fitted(way.features[own], y[own], fold)
        new = probabilities(way.features[others], head)
        accuracies[name] = float(np.mean(new.argmax(axis=1) == y[others]))
        log_losses[name] = float(-np.log(np.maximum(new[np.arange(len(others)), y[others]], 1e-7)).mean())
    return Drawn(y[own], answers, accuracies, log_losses)


def fitted(features: Array, labels: Array, fold: Array) -> tuple[Array, Array]:
    """Out-of-fold probabilities, and the head (r + 1, 10) that learnt from all rows."""
    from regraft.training.heads.problem import problem_of, solve, uninformed
    from regraft.training.heads.selection import LIMIT, TOLERANCE

    def solved(learns: Array, start: Array | None) -> Array:
        problem = problem_of(features, labels, learns, 10, np.float32)
        return solve(problem, INVERSE_PENALTY, uninformed(problem) if start is None else start, TOLERANCE, LIMIT)[0]

    every = solved(np.ones((len(fold), 1), np.bool_), None)
    # From there it is not far to the heads that miss a fold.
    parameters = solved(fold[:, None] != np.arange(FOLDS), np.repeat(every, FOLDS, axis=1))
    answers = np.empty((len(fold), 10), np.float32)
    for number in range(FOLDS):
        answers[fold == number] = probabilities(features[fold == number], parameters[:, number])
    return answers, every[:, 0]


def probabilities(features: Array, head: Array) -> Array:
    """What a head (r + 1, 10) says of features (n, r)."""
    return _softmax(features @ head[:-1].astype(np.float32) + head[-1].astype(np.float32))


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def outcome(given: Drawn, n: int, seed: int) -> Outcome:
    """Choose, and look how true what is said of the choice is."""
    from regraft.core import comparing, metrics

    costs = {name: ways()[name].cost for name in given.answers}
    found = comparing.chosen(given.answers, given.labels, costs, learnt=1 - 1 / FOLDS)
    naive = metrics.accuracy(given.answers[found.best].argmax(axis=1) == given.labels)
    apart = set(given.answers) - {found.name, *found.indistinguishable}
    return Outcome(
        n=n,
        seed=seed,
        chosen=found.name,
        truth=given.accuracies[found.name],
        accuracy=found.accuracy.value,
        interval=found.accuracy.interval,
        log_loss=(given.log_losses[found.name], found.log_loss.value, *found.log_loss.interval),
        naive=(naive.value, *naive.interval),
        best_truth=given.accuracies[found.best],
        regret=max(given.accuracies.values()) - given.accuracies[found.name],
        indistinguishable=len(found.indistinguishable),
        wrongly_apart=any(_called_worse_wrongly(name, found.name, given) for name in apart),
    )


def _called_worse_wrongly(name: str, chosen: str, given: Drawn) -> bool:
    def apparent(way: str) -> float:
        return float(np.log(given.answers[way][np.arange(len(given.labels)), given.labels]).mean())

    worse = apparent(name) < apparent(chosen)
    return worse == (given.log_losses[name] <= given.log_losses[chosen])


def compare(measured: Sequence[Outcome], settings: Settings) -> Result:
    """Coverage by number of pictures, and the bars."""
    sizes = sorted({item.n for item in measured})
    by_size = {n: [item for item in measured if item.n == n] for n in sizes}
    rows = [_row(n, items) for n, items in by_size.items()]
    bars = tuple(
        Bar(
            f"the 95 % interval contains the truth in {100 * LOW:.0f} to {100 * HIGH:.0f} %"
            f" of {RESAMPLINGS} resamplings of {n} pictures",
            f"{frame.percent(share)} % of {len(items)}",
            LOW <= share <= HIGH,
        )
        for n, items in by_size.items()
        for share in [covered(items)]
    )
    columns = (
        "pictures",
        "resamplings",
        "covered, %",
        "too low, %",
        "too high, %",
        "width, points",
        "error, points",
        "naive covered, %",
        "naive error, points",
        "log loss covered, %",
        "regret, points",
        "indistinguishable",
        "told apart wrongly, %",
    )
    table = Table("Intervals of the chosen way", columns, tuple(rows))
    plain = tuple({name: getattr(item, name) for name in Outcome.__dataclass_fields__} for item in measured)
    return Result("coverage", str(__doc__), (table,), plain, bars, settings=settings)


def covered(items: Sequence[Outcome]) -> float:
    """The part of them whose interval contains the truth."""
    return float(np.mean([item.interval[0] <= item.truth <= item.interval[1] for item in items]))


def _row(n: int, items: Sequence[Outcome]) -> tuple[str, ...]:
    lows, highs = (np.array([item.interval[end] for item in items]) for end in (0, 1))
    truth = np.array([item.truth for item in items])
    naive, best_truth = np.array([item.naive for item in items]), np.array([item.best_truth for item in items])
    losses = np.array([item.log_loss for item in items])
    return (
        str(n),
        str(len(items)),
        frame.percent(covered(items)),
        frame.percent(float(np.mean(highs < truth))),
        frame.percent(float(np.mean(truth < lows))),
        frame.percent(float(np.mean(highs - lows))),
        frame.points(float(np.mean([item.accuracy for item in items] - truth))),
        frame.percent(float(np.mean((naive[:, 1] <= best_truth) & (best_truth <= naive[:, 2])))),
        frame.points(float(np.mean(naive[:, 0] - best_truth))),
        frame.percent(float(np.mean((losses[:, 2] <= losses[:, 0]) & (losses[:, 0] <= losses[:, 3])))),
        frame.percent(float(np.mean([item.regret for item in items]))),
        f"{np.mean([item.indistinguishable for item in items]):.1f}",
        frame.percent(float(np.mean([item.wrongly_apart for item in items]))),
    )
