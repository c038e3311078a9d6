"""MNIST with 100, 500 and 2,000 labels: every method of pretraining, and the same network from scratch, tuned alike.

Of the 10,000 pictures of the test set 1,500 are kept to judge by; the other 8,500 are pretrained on, and some of them
have labels. A network that was pretrained is used with a linear head alone or fine-tuned whole, whichever
cross-validation on the labels finds better. The network from scratch is the same, its rate and epochs are chosen in the
same way. Every seed draws its own pictures to judge by, its own labels, its own weights.
"""

import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import digits, fit, frame
from benchmarks.frame import Bar, Result, Settings, Table
from benchmarks.pretraining.intervals import of_mean, points

if TYPE_CHECKING:
    from regraft.core.pretraining import Kind

Array = np.ndarray[Any, Any]

NAME = "labels"
LABELS = (100, 500, 2000)
JUDGED = 1500
GAIN, AT, METHODS_NEEDED = 0.03, 500, 2
# What is pretrained, where a method has no network of its own.
NETWORKS: Mapping["Kind", str] = {"numbers": "mlp?units=1000", "pictures": "cnn?filters=16,32&units=64"}
# In place of a method's defaults, chosen among about ten on seed 0, which is not measured: digits bear much noise.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "denoising-autoencoder": {"noise": 0.75, "epochs": 100},
    "masked": {"hidden": 0.6, "epochs": 80},
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method came to with one seed and one number of labels.

    Attributes:
        method: its name.
        network: what was pretrained.
        labels: how many.
        seed: of everything.
        reused: share of right answers of the pretrained network.
        way: `head` or `fine-tuned`.
        scratch: of the same network from random weights.
        seconds: processor time of the pretraining.
    """

    method: str
    network: str
    labels: int
    seed: int
    reused: float
    way: str
    scratch: float
    seconds: float

    @property
    def gain(self) -> float:
        """How many more are right."""
        return self.reused - self.scratch


def run(settings: Settings) -> Iterator[Result]:
    """All methods with a seed, and again for the next; the result so far after each method."""
    from regraft.pretraining import METHODS

    fit.ready()
    measured = frame.earlier(NAME, settings, Outcome)
    if measured:
        yield compare(measured, settings)
    done = {(item.method, item.network, item.seed) for item in measured}
    for seed in range(1, settings.splits + 1):
        scratch = {(item.network, item.labels): item.scratch for item in measured if item.seed == seed}
        for name in METHODS:
            for kind in kinds_of(name):
                if (name, network_of(name, kind), seed) not in done:
                    measured += of_method(name, kind, seed, scratch)
                    yield compare(measured, settings)


def network_of(name: str, kind: "Kind") -> str:
    """What is pretrained."""
    from regraft.pretraining import method

    return method(name).ARCHITECTURES.get(kind) or NETWORKS[kind]


def kinds_of(name: str) -> "list[Kind]":
    """As what a method is given the pictures: as rows of numbers, as pictures, or as both, one after the other.

    Not one that needs labels, which would have more of them than it is compared at; and not pictures for a network that
    flattens them.
    """
    from regraft.pretraining import method

    chosen = method(name)
    flat = chosen.ARCHITECTURES.get("pictures", "").startswith("mlp") and "numbers" in chosen.KINDS
    taken: list[Kind] = []
    if "numbers" in chosen.KINDS and not chosen.LABELS:
        taken.append("numbers")
    if "pictures" in chosen.KINDS and not chosen.LABELS and not flat:
        taken.append("pictures")
    return taken


def of_method(
    name: str,
    kind: "Kind",
    seed: int,
    scratch: dict[tuple[str, int], float],
    *,
    labels: Sequence[int] = LABELS,
    pool: int | None = None,
    judged: int = JUDGED,
    network: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """A method with one seed.

    Args:
        name: of the method.
        kind: as what it is given the pictures.
        seed: of everything.
        scratch: what networks from scratch came to with this seed; filled in.
        labels: how many.
        pool: pictures to pretrain on; None: all that are not judged by.
        judged: pictures to judge by.
        network: what is pretrained; None: the method's own, or `NETWORKS`.
        settings: of the method and its training; None: `SETTINGS`, or the defaults.
    """
    from regraft.pretraining import trunks
    from regraft.recipes.pretraining import helping
    from regraft.recipes.pretraining.asking import pretrain
    from regraft.recipes.pretraining.probing import Labelled

    x, y = digits.pool()
    order = np.random.default_rng(seed).permutation(len(x))
    test, rest = order[:judged], order[judged:][:pool]
    shaped = x if kind == "numbers" else x.reshape(-1, 28, 28, 1)
    text = network or network_of(name, kind)
    fresh = trunks.build(text, shaped.shape[1:], kind, seed)
    started = time.process_time()
    with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as folder:
        out, cache = Path(folder) / "source", Path(folder) / "cache"
        trunk = pretrain(
            name,
            shaped[rest],
            out=out,
            cache=cache,
            architecture=text,
            settings=SETTINGS.get(name) if settings is None else settings,
            probe=0,
            seed=seed,
        ).model
    seconds = time.process_time() - started
    judging = Labelled(shaped[test], y[test], 10)
    made: list[Outcome] = []
    for count in labels:
        own = rest[_balanced(y[rest], count, seed)]
        learning = Labelled(shaped[own], y[own], 10)
        if (text, count) not in scratch:
            scratch[text, count] = float(helping.fine_tuned(fresh, learning, judging, seed).correct.mean())
        ways = [way(trunk, learning, judging, seed) for way in (helping.head_alone, helping.fine_tuned)]
        best = max(ways, key=lambda way: way.expected)
        made.append(
            Outcome(name, text, count, seed, float(best.correct.mean()), best.way, scratch[text, count], seconds)
        )
        _say(made[-1])
    return made


def _balanced(y: Array, count: int, seed: int) -> Array:
    """So many of the examples, as many of each class."""
    order = np.random.default_rng([seed, count]).permutation(len(y))
    return np.concatenate([order[y[order] == label][: count // 10] for label in range(10)])


def compare(measured: Sequence[Outcome], settings: Settings) -> Result:
    """Gains with intervals, and the bar."""
    groups = [
        [item for item in measured if (item.method, item.network, item.labels) == key]
        for key in dict.fromkeys((item.method, item.network, item.labels) for item in measured)
    ]
    table = Table(
        "Accuracy on 1,500 others, means; the difference with its 95 % interval over seeds",
        ("method", "network", "labels", "seeds", "from scratch, %", "pretrained, %", "difference, points", "seconds"),
        tuple(_row(group) for group in groups),
    )
    reached = {
        group[0].method: None
        for group in groups
        if group[0].labels == AT and statistics.fmean(gains(group)) >= GAIN and of_mean(gains(group))[0] > 0
    }
    bar = Bar(
        f"at {AT} labels at least {METHODS_NEEDED} methods gain {100 * GAIN:.0f} points over scratch (p < 0.05)",
        f"{len(reached)}: {', '.join(reached) or 'none'}",
        len(reached) >= METHODS_NEEDED,
    )
    rows = tuple(dataclasses.asdict(item) | {"gain": item.gain} for item in measured)
    return Result(NAME, str(__doc__), (table,), rows, (bar,), settings=settings)


def gains(group: Sequence[Outcome]) -> list[float]:
    """What each seed gained."""
    return [item.gain for item in group]


def _row(group: Sequence[Outcome]) -> tuple[str, ...]:
    return (
        group[0].method,
        group[0].network,
        str(group[0].labels),
        str(len(group)),
        frame.percent(statistics.fmean(item.scratch for item in group)),
        frame.percent(statistics.fmean(item.reused for item in group)),
        points(gains(group)),
        frame.seconds(statistics.median(item.seconds for item in group)),
    )


def _say(outcome: Outcome) -> None:
    print(
        f"{outcome.method} on {outcome.network}, seed {outcome.seed}, {outcome.labels} labels: "
        f"{frame.percent(outcome.reused)} % ({outcome.way}) against {frame.percent(outcome.scratch)} %",
        file=sys.stderr,
        flush=True,
    )
