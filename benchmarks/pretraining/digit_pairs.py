"""Same or different, then what is it: a network that learnt pairs, frozen, beside the same network from scratch.

The textbook's exercise on the 10,000 digits that can be had. 1,500 are the test, 500 (50 of each digit) have labels; of
the others, 8,000, it is only used which are of one digit. The network is the textbook's, five layers of 100 units, with
a softmax on its frozen answers. Beside it drawings of characters (Omniglot, at 28 x 28): pairs of the characters of
four alphabets; then the characters of the fifth, of which the network has seen none, with 10 labels each, the other 10
being the test, since there are 20 drawings of a character. The network is a small convolutional one. Which alphabet is
the fifth follows from the seed.

From scratch the same network learns from the same labels, its rate and its epochs chosen by cross-validation on them.
"""

import dataclasses
import functools
import io
import statistics
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import digits, fit, frame, pictures
from benchmarks.frame import Bar, Result, Settings, Table, UnavailableError
from benchmarks.pretraining.intervals import of_mean

Array = np.ndarray[Any, Any]

# By how much the error fell in the textbook: 5.42 to 3.46 %.
FALL = 0.35
JUDGED, LABELS, DRAWN = 1500, 50, 10
MNIST, OMNIGLOT = "digits", "characters"
NETWORKS = {MNIST: "mlp?units=100,100,100,100,100&activation=selu", OMNIGLOT: "cnn?filters=16,32&units=64"}
WAYS: Mapping[str, Mapping[str, Any]] = {"same": {"loss": "same"}, "triplet": {"loss": "triplet"}}
_ARCHIVE = "data/omniglot_small/images_background_small1.zip"
_SIDE = 28


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What pairs are made of, and what is to be told apart then.

    Attributes:
        x: float32 (n, 28, 28, 1), 0 to 1; in pairs.
        groups: int64 (n,), of `x`.
        known: pictures with labels.
        labels: int64, of `known`.
        test: pictures to judge by.
        truth: int64, of `test`.
    """

    x: Array
    groups: Array
    known: Array
    labels: Array
    test: Array
    truth: Array


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one loss came to on one task with one seed.

    Attributes:
        data: `digits` or `characters`.
        loss: of the pairs.
        seed: of everything.
        pairs: share of held-out pairs that are told rightly.
        frozen: share of right answers of a softmax on the frozen network.
        scratch: of the same network from scratch.
        seconds: processor time of the pretraining.
    """

    data: str
    loss: str
    seed: int
    pairs: float
    frozen: float
    scratch: float
    seconds: float

    @property
    def fall(self) -> float:
        """The part by which the error fell."""
        return 1 - (1 - self.frozen) / (1 - self.scratch)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Grouped pictures in memory, as the loop takes them."""

    x: Array
    groups: Array
    labels: Array | None = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self.x)

    def take(self, indices: Array) -> Array:
        """Some of them."""
        return self.x[indices]


def run(settings: Settings) -> Iterator[Result]:
    """Both tasks with a seed, and again for the next; the result so far after each."""
    fit.ready()
    measured: list[Outcome] = []
    for seed in range(settings.splits):
        for data in NETWORKS:
            measured += of_seed(data, seed, reduced=settings.reduced)
            yield compare(measured, settings)


def of_seed(data: str, seed: int, *, ways: Mapping[str, Any] = WAYS, reduced: bool = False) -> list[Outcome]:
    """Every loss on a task with a seed."""
    from regraft.pretraining import trunks
    from regraft.recipes.pretraining import helping
    from regraft.recipes.pretraining.probing import Labelled

    given = of_digits(seed) if data == MNIST else of_characters(seed)
    given = _few(given) if reduced else given
    classes = int(given.labels.max()) + 1
    learning, judging = Labelled(given.known, given.labels, classes), Labelled(given.test, given.truth, classes)
    fresh = trunks.build(NETWORKS[data], (_SIDE, _SIDE, 1), "pictures", seed)
    scratch = float(helping.fine_tuned(fresh, learning, judging, seed).correct.mean())
    found: list[Outcome] = []
    for name, settings in ways.items():
        started = time.process_time()
        trunk, told = pretrained(given, NETWORKS[data], settings, seed, 2 if reduced else None)
        seconds = time.process_time() - started
        frozen = float(helping.head_alone(trunk, learning, judging, seed).correct.mean())
        found.append(Outcome(data, name, seed, told, frozen, scratch, seconds))
        print(
            f"{data} seed {seed} {name}: pairs {frame.percent(told)} %, frozen {frame.percent(frozen)} %, from scratch "
            f"{frame.percent(scratch)} %, {frame.seconds(seconds)} s",
            file=sys.stderr,
            flush=True,
        )
    return found


def pretrained(given: Task, network: str, settings: Any, seed: int, epochs: int | None) -> tuple[Any, float]:
    """A network that learnt pairs, and the share of held-out pairs it tells; one picture in ten is held out."""
    from regraft.pretraining import loop, method, trunks
    from regraft.pretraining.learner import Sample

    chosen = method("pairs")
    trunk = trunks.build(network, (_SIDE, _SIDE, 1), "pictures", seed)
    held_out = np.random.default_rng(seed).random(len(given.x)) < 0.1
    rows, others = Rows(given.x[~held_out], given.groups[~held_out]), Rows(given.x[held_out], given.groups[held_out])
    sample = Sample("pictures", rows.x[:1000], len(rows), groups=rows.groups[:1000])
    spec = dataclasses.replace(chosen.SPEC, epochs=epochs) if epochs else chosen.SPEC
    learner = chosen.learner(trunk, sample, chosen.Settings(**settings), seed)
    learned = loop.pretrain(learner, rows, others, spec, seed, title=str(settings["loss"]))
    return learned.trunk, learned.history[learned.best].measures["accuracy"]


def of_digits(seed: int) -> Task:
    """The digits, divided by a seed."""
    x, y = digits.pool()
    x = x.reshape(-1, _SIDE, _SIDE, 1)
    order = np.random.default_rng(seed).permutation(len(x))
    test, rest = order[:JUDGED], order[JUDGED:]
    known = np.concatenate([rest[y[rest] == digit][:LABELS] for digit in range(10)])
    others = np.setdiff1d(rest, known)
    return Task(x[others], y[others], x[known], y[known], x[test], y[test])


def of_characters(seed: int) -> Task:
    """The characters of four alphabets, and of the fifth, whose turn it is."""
    x, alphabet, character = drawings()
    fifth = alphabet == seed % (alphabet.max() + 1)
    random = np.random.default_rng(seed)
    _, labels = np.unique(character[fifth], return_inverse=True)
    own = np.flatnonzero(fifth)
    places = [random.permutation(np.flatnonzero(labels == label)) for label in range(labels.max() + 1)]
    known, test = (np.concatenate(part) for part in zip(*((p[:DRAWN], p[DRAWN:]) for p in places), strict=True))
    return Task(x[~fifth], character[~fifth], x[own[known]], labels[known], x[own[test]], labels[test])


@functools.cache
def drawings() -> tuple[Array, Array, Array]:
    """All drawings, float32 (n, 28, 28, 1), ink 1; the alphabet of each and the character of each, int64 (n,)."""
    from PIL import Image

    place = pictures.shared() / _ARCHIVE
    try:
        with zipfile.ZipFile(place) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".png"))
            content = [archive.read(name) for name in names]
    except OSError as error:
        raise UnavailableError(f"needs the drawings in '{place}': {error}") from None
    small = [
        np.asarray(Image.open(io.BytesIO(item)).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX))
        for item in content
    ]
    x = 1 - np.stack(small).astype(np.float32)[..., None] / 255
    parts = [name.split("/") for name in names]
    _, alphabet = np.unique([part[1] for part in parts], return_inverse=True)
    _, character = np.unique([f"{part[1]}/{part[2]}" for part in parts], return_inverse=True)
    return x, alphabet.astype(np.int64), character.astype(np.int64)


def _few(given: Task) -> Task:
    """A tenth of the pairs, to try the harness out."""
    chosen = np.random.default_rng(0).permutation(len(given.x))[: max(300, len(given.x) // 10)]
    return dataclasses.replace(given, x=given.x[chosen], groups=given.groups[chosen])


def compare(measured: Sequence[Outcome], settings: Settings) -> Result:
    """Accuracies, how far the error fell, and the bars: the best loss of each task is judged, and all are shown."""
    groups = [
        [item for item in measured if (item.data, item.loss) == key]
        for key in dict.fromkeys((item.data, item.loss) for item in measured)
    ]
    table = Table(
        "Means over seeds; in brackets 95 % intervals of the mean",
        (
            "data",
            "loss",
            "pairs, %",
            "from scratch, %",
            "frozen + softmax, %",
            "points",
            "error falls by, %",
            "seconds",
        ),
        tuple(_row(group) for group in groups),
    )
    bars = tuple(_bar(group) for group in groups)
    rows = tuple(dataclasses.asdict(item) | {"fall": item.fall} for item in measured)
    note = (
        "The loss `same` is the textbook's. The textbook's own figures: 94.6 % from scratch, 96.5 % frozen, with 500 "
        "labels a digit and pairs of 55,000 pictures."
    )
    return Result("digit_pairs", str(__doc__), (table,), rows, bars, (note,), settings)


def _bar(group: Sequence[Outcome]) -> Bar:
    low, high = of_mean([item.fall for item in group])
    mean = statistics.fmean(item.fall for item in group)
    return Bar(
        f"{group[0].data}, {group[0].loss}: the error of the network from scratch falls by at least {100 * FALL:.0f} %",
        f"{100 * mean:.0f} % (95 %: {100 * low:.0f} to {100 * high:.0f}; {len(group)} seeds)",
        mean >= FALL and low > 0,
    )


def _row(group: Sequence[Outcome]) -> tuple[str, ...]:
    falls, gains = [item.fall for item in group], [item.frozen - item.scratch for item in group]
    return (
        group[0].data,
        group[0].loss,
        frame.percent(statistics.fmean(item.pairs for item in group)),
        frame.percent(statistics.fmean(item.scratch for item in group)),
        frame.percent(statistics.fmean(item.frozen for item in group)),
        _with_interval(gains),
        _with_interval(falls),
        frame.seconds(statistics.median(item.seconds for item in group)),
    )


def _with_interval(values: Sequence[float]) -> str:
    low, high = of_mean(values)
    told = f" ({100 * low:+.1f} to {100 * high:+.1f})" if len(values) > 1 else ""
    return f"{100 * statistics.fmean(values):+.1f}{told}"
