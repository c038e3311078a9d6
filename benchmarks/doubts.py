"""Doubtful examples, planted and looked for: altered copies, flipped labels, pictures of something else.

Photographs of flowers and hand signs on MobileNet, digits on a small network that knows digits. Copies and odd pictures
are planted beside all examples; labels are flipped at random, five times.
"""

import gzip
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import frame, pictures
from benchmarks.frame import Bar, Result, Settings, Table

Array = np.ndarray[Any, Any]

_COPIES, _ODD, _FLIPPED = 30, 6, 0.05
_DIGITS = "mnist_t10k_idx"
_DIGIT_NET = Path("nets", "keras3_mnist_keras_zip_2", "mnist.keras")
# Photographs like those that the network knows.
_KNOWN = "flowers5_227px"
# What must be found: the same picture, compressed or cut a little otherwise.
_REQUIRED = ("quality 75", "quality 40", "half the size", "cut by a pixel")


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """Examples with copies and odd ones behind them.

    Attributes:
        name: of the data.
        pictures: uint8 (n, h, w, c), all of them.
        labels: (n,).
        clean: how many are not planted.
        copies: for each kind of change, the pairs (original, copy).
        odd: for each kind, the indices.
    """

    name: str
    pictures: Array
    labels: Array
    clean: int
    copies: Mapping[str, list[tuple[int, int]]]
    odd: Mapping[str, list[int]]


def run(settings: Settings) -> Iterator[Result]:
    """Every data set in turn; the result so far after each."""
    copies: list[tuple[str, ...]] = []
    labels: list[tuple[str, ...]] = []
    odd: list[tuple[str, ...]] = []
    measured: list[dict[str, Any]] = []
    for name in (*settings.data, _DIGITS):
        found = judge(planted(name, settings), settings)
        measured.append(found)
        copies += [(name, kind, f"{hits} of {of}") for kind, (hits, of) in found["copies"].items()]
        copies.append((name, "pairs among the examples themselves", str(found["pairs"])))
        labels += [(name, kind, *values) for kind, values in found["labels"].items()]
        odd += [(name, kind, f"{hits} of {of}") for kind, (hits, of) in found["odd"].items()]
        odd.append((name, "among the examples themselves", str(found["outliers"])))
        yield Result(
            "doubts", str(__doc__), _tables(copies, labels, odd), tuple(measured), bars(measured), (), settings
        )


def bars(measured: list[dict[str, Any]]) -> tuple[Bar, ...]:
    """Where the network knows what it is shown, copies that are hardly altered are found; clean labels are believed."""
    hits = [each["copies"][kind] for each in measured if each["data"] == _KNOWN for kind in _REQUIRED]
    found, of = sum(hit for hit, _ in hits), sum(of for _, of in hits)
    told = max(each["doubted"] / each["examples"] for each in measured)
    return (
        Bar(f"{_KNOWN}, copies found: {', '.join(_REQUIRED)}: at least 95 %", f"{found} of {of}", found >= 0.95 * of),
        Bar("labels doubted where none was flipped: at most 1 %", f"{100 * told:.2f} %", told <= 0.01),
    )


def _tables(*rows: list[tuple[str, ...]]) -> tuple[Table, ...]:
    return (
        Table("Copies", ("data", "change", "found"), tuple(rows[0])),
        Table("Labels", ("data", "flipped", "doubted", "precision, %", "recall, %"), tuple(rows[1])),
        Table("Unlike all others", ("data", "kind", "found"), tuple(rows[2])),
    )


def planted(name: str, settings: Settings) -> Planted:
    """A data set with altered copies of some of its pictures, and odd ones."""
    from PIL import Image

    random = np.random.default_rng(0)
    if name == _DIGITS:
        raw, labels = digits()
        chosen = random.permutation(len(raw))[:2000]
        originals = [Image.fromarray(each) for each in raw[chosen]]
        return _planted(name, originals, labels[chosen], {}, (28, 28), "L", random)
    given = pictures.pictures(name, settings.per_class)
    originals = [Image.open(path).convert("RGB") for path in given.paths]
    other = pictures.pictures(next(each for each in pictures.TASKS if each != name), settings.per_class)
    strange: dict[str, list[Any]] = {
        "noise": [Image.fromarray(random.integers(0, 256, (96, 96, 3), dtype=np.uint8)) for _ in range(_ODD)],
        "empty": [Image.new("RGB", (96, 96), (gray, gray, gray)) for gray in (0, 128, 255)],
        "of the other task": [
            Image.open(other.paths[index]).convert("RGB") for index in random.permutation(len(other.paths))[:_ODD]
        ],
        "digits": [Image.fromarray(each).convert("RGB") for each in digits()[0][:_ODD]],
    }
    size = (pictures.SIZE, pictures.SIZE)
    return _planted(name, originals, np.array(given.labels), strange, size, "RGB", random)


def _planted(
    name: str,
    originals: list[Any],
    labels: Array,
    strange: Mapping[str, list[Any]],
    size: tuple[int, int],
    mode: str,
    random: np.random.Generator,
) -> Planted:
    every, given = list(originals), labels.tolist()
    copies: dict[str, list[tuple[int, int]]] = {}
    for kind, change in CHANGES.items():
        chosen = random.permutation(len(originals))[:_COPIES].tolist()
        copies[kind] = [(index, len(every) + place) for place, index in enumerate(chosen)]
        every += [change(originals[index]) for index in chosen]
        given += [given[index] for index in chosen]
    odd: dict[str, list[int]] = {}
    for kind, few in strange.items():
        odd[kind] = list(range(len(every), len(every) + len(few)))
        every += few
        given += [0] * len(few)
    arrays = np.stack([np.asarray(each.convert(mode).resize(size)) for each in every])
    return Planted(name, arrays if mode == "RGB" else arrays[..., None], np.array(given), len(originals), copies, odd)


def _compressed(quality: int) -> Callable[[Any], Any]:
    def change(picture: Any) -> Any:
        from PIL import Image

        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    return change


CHANGES: Mapping[str, Callable[[Any], Any]] = {
    "quality 75": _compressed(75),
    "quality 40": _compressed(40),
    "quality 15": _compressed(15),
    "half the size": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "cut by a pixel": lambda picture: picture.crop((1, 1, picture.width, picture.height)),
    "cut by 5 % on each side": lambda picture: picture.crop(
        (picture.width // 20, picture.height // 20, picture.width * 19 // 20, picture.height * 19 // 20)
    ),
    "mirrored": lambda picture: picture.transpose(0),
    "gray": lambda picture: picture.convert("L").convert(picture.mode),
}


def digits() -> tuple[Array, Array]:
    """The 10,000 digits, uint8 (n, 28, 28), and their labels."""
    folder = pictures.shared() / "data" / _DIGITS
    raw, labels = (
        np.frombuffer(gzip.decompress((folder / f"t10k-{name}.gz").read_bytes()), np.uint8, offset=skip)
        for name, skip in (("images-idx3-ubyte", 16), ("labels-idx1-ubyte", 8))
    )
    return raw.reshape(-1, 28, 28), labels.astype(np.int64)


def judge(given: Planted, settings: Settings) -> dict[str, Any]:
    """What is found of all that was planted; each kind is planted alone."""
    from regraft.recipes.doubting import searching
    from regraft.training.doubts import outliers
    from regraft.training.doubts.labels import label_doubts

    found, plan = _surveyed(given)
    everyone = np.arange(given.clean)
    copies: dict[str, tuple[int, int]] = {}
    own = _pairs(found, plan, everyone)
    for kind, pairs in given.copies.items():
        some = np.concatenate([everyone, [copy for _, copy in pairs]])
        told = _pairs(found, plan, some)
        copies[kind] = (len(told & set(pairs)), len(pairs))
    features, labels = found.pooled(plan.reads, everyone), given.labels[: given.clean]
    classes = int(labels.max()) + 1
    clean = label_doubts(features, labels, classes)
    rows = {"none": (str(len(clean.doubted())), "-", "-")}
    hits, told_of, of = 0, 0, 0
    for seed in range(5):
        wrong, chosen = _flipped(labels, classes, seed)
        doubted = label_doubts(features, wrong, classes).doubted()
        hits, told_of, of = hits + len(np.intersect1d(doubted, chosen)), told_of + len(doubted), of + len(chosen)
    rows[f"{100 * _FLIPPED:.0f} %"] = (
        frame.seconds(told_of / 5),
        frame.percent(hits / max(told_of, 1)),
        frame.percent(hits / max(of, 1)),
    )
    at = searching.outlook(found, plan)
    odd = {
        kind: (sum(_strange(found, at, np.append(everyone, index)) for index in indices), len(indices))
        for kind, indices in given.odd.items()
    }
    return {
        "data": given.name,
        "examples": given.clean,
        "cut_point": plan.cut_point,
        "copies": copies,
        "pairs": len(own),
        "labels": rows,
        "doubted": len(clean.doubted()),
        "odd": odd,
        "outliers": len(outliers.outliers(outliers.isolation(found.pooled([at], everyone)))),
    }


def _strange(found: Any, at: str, some: Array) -> bool:
    """Whether the last of these is unlike all others."""
    from regraft.training.doubts import outliers

    return len(some) - 1 in outliers.outliers(outliers.isolation(found.pooled([at], some)))


def _pairs(found: Any, plan: Any, some: Array) -> set[tuple[int, int]]:
    from regraft.recipes.doubting import searching
    from regraft.recipes.doubting.pixels import confirmed, the_same
    from regraft.training.doubts.nearest import nearest
    from regraft.training.doubts.twins import pairs

    near = nearest(found.pooled([plan.cut_point], some), searching.NEIGHBOURS)
    known = confirmed(found.examples, some, pairs(near))
    more = the_same(found.examples, some, near, known)
    return {
        (int(some[one]), int(some[other]))
        for each in (known, more)
        for one, other in zip(each.first.tolist(), each.second.tolist(), strict=True)
    }


def _flipped(labels: Array, classes: int, seed: int) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(labels))[: round(_FLIPPED * len(labels))]
    wrong = labels.copy()
    wrong[chosen] = (wrong[chosen] + random.integers(1, classes, len(chosen))) % classes
    return wrong, chosen


def _surveyed(given: Planted) -> tuple[Any, Any]:
    """The survey of all of it, and the plan with the cut point that it leads to."""
    from regraft import data
    from regraft.activations.store import Store
    from regraft.core.plan import Plan
    from regraft.recipes.choosing import choose
    from regraft.recipes.running import open_for
    from regraft.recipes.survey import survey

    digit = given.name == _DIGITS
    source = pictures.shared() / _DIGIT_NET if digit else pictures.trunk()
    plan = Plan(str(source), preprocessing="unit" if digit else None, input_size=None if digit else pictures.SIZE)
    pretrained = open_for(plan)
    examples = data.open((given.pictures, given.labels))
    with TemporaryDirectory() as folder:
        found = survey(pretrained, examples, plan, Store(Path(folder)))
        plan = choose(pretrained, found, plan).plan
        # In memory, because the folder goes.
        names = dict.fromkeys((plan.cut_point, *plan.reads, found.halfway))
        rows = {name: found.pooled([name], np.arange(len(examples))) for name in names}
    return _Kept(found, rows), plan


class _Kept:
    """A survey whose averages are in memory."""

    def __init__(self, found: Any, rows: Mapping[str, Array]) -> None:
        self.examples, self.points, self.halfway, self._rows = found.examples, found.points, found.halfway, rows

    def pooled(self, cut_points: Any, indices: Array) -> Array:
        return np.concatenate([self._rows[name][indices] for name in cut_points], axis=1)
