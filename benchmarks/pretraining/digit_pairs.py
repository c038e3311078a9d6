"""Same or different, then what is it: a network that learnt pairs, frozen, beside the same network from scratch.

The textbook's exercise on the 10,000 digits that can be had. 1,500 are the test, 500 (50 of each digit) have labels; of
the others, 8,000, it is only used which are of one digit. The network is the textbook's, five layers of 100 units, with
a softmax on its lower layers, frozen; how many they are, cross-validation on the labels says. Beside it drawings of 136
characters (Omniglot, at 28 x 28), of which there are 20 each: 10 in pairs, 5 with labels, 5 to judge by; and what is
beyond the textbook, characters that no pair was of: pairs of four alphabets, then the characters of the fifth, 10 with
labels and 10 to judge by (which alphabet follows from the seed). The network for drawings is a small convolutional one.

From scratch the same network learns from the same labels, its rate and its epochs chosen by cross-validation on them.
Pairs see pictures turned, moved and scaled (views), as they do for users; then the network from scratch and the softmax
learn from 20 views of each labelled picture too. Or nobody sees any.
"""

import dataclasses
import functools
import io
import statistics
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import digits, fit, frame, pictures
from benchmarks.frame import Bar, Result, Settings, Table, UnavailableError
from benchmarks.pretraining.intervals import of_mean

Array = np.ndarray[Any, Any]

NAME = "digit_pairs"
# By how much the error fell in the textbook: 5.42 to 3.46 %.
FALL = 0.35
TEST, LABELS = 1500, 50
MNIST, OMNIGLOT, UNSEEN = "digits", "characters", "unseen characters"
_SMALL = "cnn?filters=16,32&units=64"
NETWORKS = {MNIST: "mlp?units=100,100,100,100,100&activation=selu", OMNIGLOT: _SMALL, UNSEEN: _SMALL}
# Of few drawings more epochs and smaller batches, for as many steps.
TRAINING: Mapping[str, Mapping[str, int]] = {
    MNIST: {},
    OMNIGLOT: {"epochs": 40, "batch_size": 32},
    UNSEEN: {"epochs": 40, "batch_size": 32},
}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "same": {"loss": "same"},
    "triplet": {"loss": "triplet"},
    "triplet, pairs as they come": {"loss": "triplet", "hard": 0.0},
    "same, no views": {"loss": "same", "views": 0.0},
    "triplet, no views": {"loss": "triplet", "views": 0.0},
}
# Judged is what the textbook compared, without views on either side: its own loss, and the one that is usual here.
JUDGED = ((MNIST, "same, no views"), (MNIST, "triplet, no views"), (OMNIGLOT, "triplet, no views"))
# Of each labelled picture, for the network from scratch and for the softmax.
VIEWS = 20
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
        layer: up to which layers are kept, as cross-validation on the labels has it.
        frozen: share of right answers of a softmax on these, frozen.
        scratch: of the same network from scratch. It and the softmax see views where the pairs do.
        seconds: processor time of the pretraining.
    """

    data: str
    loss: str
    seed: int
    pairs: float
    layer: str
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
    pairs: Array | None = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self.x)

    def take(self, indices: Array) -> Array:
        """Some of them."""
        return self.x[indices]


def run(settings: Settings) -> Iterator[Result]:
    """Both tasks with a seed, and again for the next; the result so far after each."""
    fit.ready()
    measured = frame.earlier(NAME, settings, Outcome)
    if measured:
        yield compare(measured, settings)
    done = {(item.data, item.seed) for item in measured}
    for seed in range(settings.splits):
        for data in NETWORKS:
            if (data, seed) in done:
                continue
            measured += of_seed(data, seed, reduced=settings.reduced)
            yield compare(measured, settings)


def of_seed(data: str, seed: int, *, ways: Mapping[str, Any] = WAYS, reduced: bool = False) -> list[Outcome]:
    """Every loss on a task with a seed."""
    from regraft.pretraining import trunks
    from regraft.recipes.pretraining import helping
    from regraft.recipes.pretraining.probing import Labelled

    given = {MNIST: of_digits, OMNIGLOT: of_characters, UNSEEN: of_unseen_characters}[data](seed)
    given = _few(given) if reduced else given
    classes = int(given.labels.max()) + 1
    learning, judging = Labelled(given.known, given.labels, classes), Labelled(given.test, given.truth, classes)
    fresh = trunks.build(NETWORKS[data], (_SIDE, _SIDE, 1), "pictures", seed)
    scratch: dict[bool, float] = {}
    found: list[Outcome] = []
    for name, settings in ways.items():
        started = time.process_time()
        training = {"epochs": 2} if reduced else TRAINING[data]
        trunk, told = pretrained(given, NETWORKS[data], settings, seed, training)
        seconds = time.process_time() - started
        sees = settings.get("views") != 0
        shown = views_of(learning.x, seed) if sees else []
        frozen, layer = softmax(trunk, learning, judging, seed, shown)
        if sees not in scratch:
            feed = in_views(learning, shown) if sees else None
            scratch[sees] = float(helping.fine_tuned(fresh, learning, judging, seed, feed).correct.mean())
        found.append(Outcome(data, name, seed, told, layer, frozen, scratch[sees], seconds))
        print(
            f"{data} seed {seed} {name}: pairs {frame.percent(told)} %, {layer} frozen {frame.percent(frozen)} %, from "
            f"scratch {frame.percent(scratch[sees])} %, {frame.seconds(seconds)} s",
            file=sys.stderr,
            flush=True,
        )
    return found


def views_of(x: Array, seed: int) -> list[Array]:
    """Some pictures changed so many times, as pictures in pairs are; with the pictures themselves these are `VIEWS`."""
    from regraft.pretraining.views import pictures as views

    random = np.random.default_rng(seed)
    return [views.view(x, views.by(1.0), random) for _ in range(VIEWS - 1)]


def in_views(learning: Any, views: Sequence[Array]) -> Callable[[Array], Any]:
    """Some labelled pictures by index, for training from scratch; view 0 is the picture itself."""
    from regraft.training.feeds import Feed

    shown = [learning.x, *views]
    return lambda indices: Feed(lambda chosen, view: shown[view][indices[chosen]], learning.y[indices], len(shown))


def pretrained(given: Task, network: str, settings: Any, seed: int, training: Mapping[str, Any]) -> tuple[Any, float]:
    """A network that learnt pairs, and the share of held-out pairs it tells; one picture in ten is held out."""
    from regraft.pretraining import loop, method, trunks
    from regraft.pretraining.learner import Sample

    chosen = method("pairs")
    trunk = trunks.build(network, (_SIDE, _SIDE, 1), "pictures", seed)
    held_out = np.random.default_rng(seed).random(len(given.x)) < 0.1
    rows, others = Rows(given.x[~held_out], given.groups[~held_out]), Rows(given.x[held_out], given.groups[held_out])
    sample = Sample("pictures", rows.x[:1000], len(rows), groups=rows.groups[:1000])
    spec = dataclasses.replace(chosen.SPEC, **training)
    learner = chosen.learner(trunk, sample, chosen.Settings(**settings), seed)
    learned = loop.pretrain(learner, rows, others, spec, seed, title=str(settings["loss"]))
    return learned.trunk, learned.history[learned.best].measures["accuracy"]


def softmax(trunk: Any, learning: Any, judging: Any, seed: int, views: Sequence[Array]) -> tuple[float, str]:
    """Accuracy of a softmax on frozen lower layers, and the highest of them.

    Which layer it is, cross-validation on the labelled pictures as they are says; there the softmax learns from all
    views of them.
    """
    import keras

    from regraft.recipes.pretraining import helping
    from regraft.recipes.pretraining.probing import represented
    from regraft.training.heads import fit_head

    best: tuple[float, float, Any] = -1.0, 0.0, None
    for layer in trunk.layers:
        if len(layer.output.shape) != 2 or isinstance(layer, keras.layers.InputLayer):
            continue
        lower: Any = keras.Model(trunk.inputs[0], layer.output)
        found = helping.head_alone(lower, learning, judging, seed)
        # Of two that are as good the higher one, which has fewer numbers.
        if found.expected >= best[0]:
            best = found.expected, float(found.correct.mean()), lower
    _, accuracy, lower = best
    if views:
        features = np.concatenate([represented(lower, x) for x in (learning.x, *views)])
        head = fit_head(features, np.tile(learning.y, 1 + len(views)), learning.classes)
        logits = head.logits(represented(lower, judging.x))
        accuracy = float((logits.argmax(axis=1) == judging.y).mean())
    return accuracy, str(lower.layers[-1].name)


def of_digits(seed: int) -> Task:
    """The digits, divided by a seed."""
    x, y = digits.pool()
    x = x.reshape(-1, _SIDE, _SIDE, 1)
    order = np.random.default_rng(seed).permutation(len(x))
    test, rest = order[:TEST], order[TEST:]
    known = np.concatenate([rest[y[rest] == digit][:LABELS] for digit in range(10)])
    others = np.setdiff1d(rest, known)
    return Task(x[others], y[others], x[known], y[known], x[test], y[test])


def of_characters(seed: int) -> Task:
    """All characters: 10 drawings of each in pairs, 5 with labels, 5 to judge by."""
    x, _, character = drawings()
    paired, known, test = _divided(character, (10, 15), np.random.default_rng(seed))
    return Task(x[paired], character[paired], x[known], character[known], x[test], character[test])


def of_unseen_characters(seed: int) -> Task:
    """The characters of four alphabets in pairs; of each of the fifth, whose turn it is, 10 drawings with labels."""
    x, alphabet, character = drawings()
    fifth = alphabet == seed % (alphabet.max() + 1)
    _, labels = np.unique(character[fifth], return_inverse=True)
    own = np.flatnonzero(fifth)
    known, test = _divided(labels, (10,), np.random.default_rng(seed))
    return Task(x[~fifth], character[~fifth], x[own[known]], labels[known], x[own[test]], labels[test])


def _divided(labels: Array, ends: Sequence[int], random: np.random.Generator) -> list[Array]:
    """Rows in parts: of each class the first so many of a random order, those up to the next end, and the rest."""
    rows = [random.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    return [np.concatenate(part) for part in zip(*(np.split(own, ends) for own in rows), strict=True)]


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
    """Accuracies, how far the error fell, and the bars: of the loss that is the method's own; all are shown."""
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
            "lower layers frozen, %",
            "points",
            "error falls by, %",
            "seconds",
        ),
        tuple(_row(group) for group in groups),
    )
    bars = tuple(_bar(group) for group in groups if (group[0].data, group[0].loss) in JUDGED)
    rows = tuple(dataclasses.asdict(item) | {"fall": item.fall} for item in measured)
    note = (
        "The textbook's is the loss `same`, without views. Its own figures: 94.6 % from scratch, 96.5 % frozen, with "
        "500 labels a digit and pairs of 55,000 pictures."
    )
    return Result(NAME, str(__doc__), (table,), rows, bars, (note,), settings)


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
