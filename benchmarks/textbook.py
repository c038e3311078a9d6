"""The textbook's exercise on reuse line by line: what its recipe comes to on these digits, and what Regraft comes to.

Digits 5 to 9 on a five-layer network that learnt 0 to 4 (`digits.py`), 100 pictures of each. `printed` is what the
notebook of the book printed, with one seed, a source from 28,000 pictures instead of 5,139, and 4,861 to test on
instead of 4,211. The recipe is the book's, in plain Keras: Adam at 0.01, batches of 20, until the validation loss has
not fallen for twenty epochs, then the best weights again, and a new Adam for every stage. Each line is run on a source
that the recipe made too (`recipe's source`), and on one that learnt from pictures moved a little, at a rate that falls
(`good source`).
"""

import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks import digits, fit, frame
from benchmarks.digits import LAYERS, Task
from benchmarks.frame import Bar, Result, Settings, Table

Array = np.ndarray[Any, Any]

RATE, BATCH, PATIENCE, MOST = 0.01, 20, 20, 1000
SOURCE_BATCH = 500
REACHED = 0.94
OURS, GOOD = "recipe's source", "good source"
# What the notebook printed, and what it is called here.
PRINTED: Mapping[str, float] = {
    "five frozen": 0.6402,
    "five frozen, activations kept": 0.6116,
    "four frozen": 0.6910,
    "top two thawed": 0.7809,
    "all thawed": 0.9134,
    "from scratch": 0.8482,
}
HEAD, FIT, DEPTH = "regraft.fit, head alone", "regraft.fit", "regraft.depth"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one line came to with one seed.

    Attributes:
        source: which.
        line: as in `PRINTED`, or one of ours.
        seed: of the pictures, the source and the training.
        accuracy: on the pictures that are left over.
        epochs: of the stage; 0: not counted.
        seconds: wall time of the stage.
    """

    source: str
    line: str
    seed: int
    accuracy: float
    epochs: int
    seconds: float


def run(settings: Settings) -> Iterator[Result]:
    """All lines with a seed on both sources, and again for the next; the result so far after each seed."""
    fit.ready()
    measured: list[Outcome] = []
    for seed in range(settings.splits):
        measured += of_seed(seed, most=settings.epochs[1] if settings.epochs else MOST)
        yield compare(measured, settings)


def of_seed(seed: int, most: int = MOST) -> list[Outcome]:
    """Every line with a seed, on both sources.

    Args:
        seed: of the pictures, the sources and the training.
        most: epochs of each stage, and of the sources.
    """
    given = digits.task(seed)
    sources = {OURS: source(seed, most), GOOD: digits.well_trained(seed, min(most, 60))}
    found: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as name:
        for kind, model in sources.items():
            for outcome in (*recipe(model, given, seed, most), *ours(model, given, seed, Path(name) / kind[:4])):
                found.append(dataclasses.replace(outcome, source=kind))
                _say(found[-1])
    return found


def source(seed: int, most: int = MOST) -> Any:
    """The five layers on 0 to 4 by the recipe, a tenth of the pictures kept for validation."""
    x, y = digits.lower(seed)
    model, tenth = digits.network(seed), len(x) // 10
    _stage(model, (x[tenth:], y[tenth:]), (x[:tenth], y[:tenth]), SOURCE_BATCH, most)
    return model


def recipe(model: Any, given: Task, seed: int, most: int = MOST) -> Iterator[Outcome]:
    """The book's lines, one after the other; the model stays as it is."""
    import keras

    keras.utils.set_random_seed(seed)
    five = _branch(model, LAYERS)
    yield _measured("five frozen", _thawed(five, 0), given, seed, most)
    yield _kept(model, given, seed, most)
    four = _branch(model, LAYERS - 1)
    for line, learning in (("four frozen", 0), ("top two thawed", 2), ("all thawed", LAYERS - 1)):
        yield _measured(line, _thawed(four, learning), given, seed, most)
    yield _measured("from scratch", _fresh(), given, seed, most)


def ours(model: Any, given: Task, seed: int, folder: Path) -> Iterator[Outcome]:
    """The same job for `regraft.fit`, the head alone and all, and for `regraft.depth`, with empty caches."""
    import regraft

    data = digits.data(given)
    tunings: tuple[tuple[str, Literal["auto", "no"]], ...] = ((HEAD, "no"), (FIT, "auto"), (DEPTH, "auto"))
    for number, (line, tuned) in enumerate(tunings):
        out, cache = folder / str(number) / "run", folder / str(number) / "cache"
        started = time.perf_counter()
        if line == DEPTH:
            plan = regraft.Plan(source="", baselines="no", seed=seed)
            found = regraft.depth(data, model, plan=plan, out=out, cache=cache, forecast=False)
            record = regraft.load(found.run).record
        else:
            record = regraft.fit(data, model, fine_tune=tuned, baselines="no", seed=seed, out=out, cache=cache).record
        seconds = time.perf_counter() - started
        yield Outcome("", line, seed, record.metrics["test"].accuracy.value, 0, seconds)


def _branch(model: Any, read: int) -> Any:
    """A copy of so many layers, and a new head."""
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return keras.Model(copy.inputs[0], keras.layers.Dense(5, name="head")(copy.get_layer(f"active{read}").output))


def _thawed(branch: Any, learning: int) -> Any:
    """The same model, so many of its topmost layers and the head free to learn."""
    hidden = [layer for layer in branch.layers if layer.name.startswith("hidden")]
    for number, layer in enumerate(reversed(hidden)):
        layer.trainable = number < learning
    return branch


def _fresh() -> Any:
    """The network that the book trains from scratch: not the one that it reuses."""
    import keras

    layers = [keras.layers.Dense(100, "elu", kernel_initializer="he_normal") for _ in range(4)]
    return keras.Sequential([keras.Input((784,)), *layers, keras.layers.Dense(5)])


def _kept(model: Any, given: Task, seed: int, most: int) -> Outcome:
    """A head on activations of the fifth layer that are computed once; the time has them in it."""
    import keras

    trunk: Any = keras.Model(model.inputs[0], model.get_layer(f"active{LAYERS}").output)
    started = time.perf_counter()
    x, validation_x = np.asarray(trunk(given.x)), np.asarray(trunk(given.validation_x))
    seconds = time.perf_counter() - started
    kept = dataclasses.replace(given, x=x, validation_x=validation_x, test_x=np.asarray(trunk(given.test_x)))
    head = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(5)])
    found = _measured("five frozen, activations kept", head, kept, seed, most)
    return dataclasses.replace(found, seconds=found.seconds + seconds)


def _measured(line: str, model: Any, given: Task, seed: int, most: int) -> Outcome:
    started = time.perf_counter()
    epochs = _stage(model, (given.x, given.y), (given.validation_x, given.validation_y), BATCH, most)
    seconds = time.perf_counter() - started
    right = np.asarray(model(given.test_x)).argmax(axis=1) == given.test_y
    return Outcome("", line, seed, float(np.mean(right)), epochs, seconds)


def _stage(model: Any, known: tuple[Array, Array], validation: tuple[Array, Array], batch: int, most: int) -> int:
    """One stage of the recipe, in place: it ends with the best weights by validation; returns the epochs it took."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(RATE), loss)
    stopping = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
    history = model.fit(
        *known,
        batch_size=batch,
        epochs=most,
        validation_data=validation,
        validation_batch_size=len(validation[0]),
        callbacks=[stopping],
        verbose=0,
    )
    return len(history.epoch)


def compare(measured: Sequence[Outcome], settings: Settings) -> Result:
    """Every line: what was printed, and what it comes to here."""
    lines = list(dict.fromkeys(item.line for item in measured))
    table = Table(
        f"Accuracy on digits 5 to 9, %: median of {len({item.seed for item in measured})} (smallest to largest)",
        ("line", "printed", OURS, GOOD),
        tuple(
            (line, _printed(line), *(_accuracy(_of(measured, kind, line)) for kind in (OURS, GOOD))) for line in lines
        ),
    )
    time_ = Table(
        f"Time on the {OURS}: medians",
        ("line", "epochs", "ms an epoch", "seconds"),
        tuple((line, *_time(_of(measured, OURS, line))) for line in lines),
    )
    rows = tuple(dataclasses.asdict(item) for item in measured)
    return Result("textbook", str(__doc__), (table, time_), rows, _bars(measured), settings=settings)


def _bars(measured: Sequence[Outcome]) -> tuple[Bar, ...]:
    """Ours against the best of the book's lines, on either source, and the search alone."""
    bars: list[Bar] = []
    for kind in dict.fromkeys(item.source for item in measured):
        best = max(_median(_of(measured, kind, line)) for line in PRINTED)
        for line in (FIT, DEPTH):
            found = _median(_of(measured, kind, line))
            wanted = f"{kind}: {line} is at least as good as the recipe's best line"
            bars.append(Bar(wanted, _against(found, best), found >= best))
    found = _median(_of(measured, GOOD, DEPTH))
    wanted = f"{GOOD}: {DEPTH} alone ends at {frame.percent(REACHED)} % or more"
    return (*bars, Bar(wanted, f"{frame.percent(found)} %", found >= REACHED))


def _of(measured: Sequence[Outcome], kind: str, line: str) -> list[Outcome]:
    return [item for item in measured if (item.source, item.line) == (kind, line)]


def _median(group: Sequence[Outcome]) -> float:
    return statistics.median(item.accuracy for item in group)


def _against(found: float, best: float) -> str:
    return f"{frame.percent(found)} %, the recipe {frame.percent(best)} %"


def _printed(line: str) -> str:
    return frame.percent(PRINTED[line]) if line in PRINTED else ""


def _accuracy(group: Sequence[Outcome]) -> str:
    each = [item.accuracy for item in group]
    return f"{frame.percent(statistics.median(each))} ({frame.percent(min(each))} to {frame.percent(max(each))})"


def _time(group: Sequence[Outcome]) -> tuple[str, str, str]:
    seconds = frame.seconds(statistics.median(item.seconds for item in group))
    if not group[0].epochs:
        return "", "", seconds
    each = statistics.median(1e3 * item.seconds / item.epochs for item in group)
    return f"{statistics.median(item.epochs for item in group):.0f}", f"{each:.0f}", seconds


def _say(outcome: Outcome) -> None:
    print(
        f"{outcome.source} seed {outcome.seed} {outcome.line}: {frame.percent(outcome.accuracy)} %, "
        f"{outcome.epochs} epochs, {frame.seconds(outcome.seconds)} s",
        file=sys.stderr,
        flush=True,
    )
