"""Time of a training step: `loop.train`, with one rate and with one for every layer, Keras' `fit`, and PyTorch.

The MobileNet branch above `conv_pw_10_relu` with a head for five classes, on random activations, batches of 32, Adam
with a rate that falls along a cosine, BatchNorm frozen; the ways in turn, each round beginning with another one. What
counts is processor time from the beginning of one epoch to the beginning of the next, the least of a round: what an
epoch holds besides its steps is in it, and the first epoch, in which steps are compiled, is not. Wall time stands
beside it; it depends on what else the machine does. Threads of PyTorch that wait for each other are busy meanwhile: it
is measured with one thread as well, and the ratios are to the faster.
"""

import cProfile
import importlib.util
import pstats
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import frame, native, pictures
from benchmarks.frame import Bar, Result, Settings, Table, UnavailableError
from benchmarks.pictures import SIZE

Array = np.ndarray[Any, Any]

FIT, RATES = 1.05, 1.03
ONE, LAYERS, KERAS = "one rate", "a rate for every layer", "Keras' fit"
ALONE, PYTORCH = "PyTorch, 1 thread", "PyTorch"
WAYS = (ONE, KERAS, LAYERS, ALONE, PYTORCH)
FROM_CUT, CUT = "conv_pw_10_relu", "conv_pw_12_relu"
_RATE, _CLASSES, _BATCH = 3e-4, 5, 32

# What the profile tells apart: function -> words.
STAGES = {
    "fetch": "rows fetched",
    "in_views": "views chosen and put together, with the fetching",
    "_batches": "batches, with views and targets",
    "step": "steps",
    "_values": "copies of weights and state",
    "_is_finite": "whether all of them are numbers",
    "evaluated": "judging on validation",
}


@dataclass(frozen=True, slots=True)
class Work:
    """What every way trains on.

    Attributes:
        x: activations float32 (n, height, width, channels).
        y: labels int64 (n,).
        batch: examples a step.
        epochs: that are timed.
    """

    x: Array
    y: Array
    batch: int = _BATCH
    epochs: int = 4

    @property
    def steps(self) -> int:
        """In an epoch."""
        return -(-len(self.x) // self.batch)


class Clock:
    """Notes wall and processor time."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, float]] = []

    def __call__(self) -> None:
        """Note that an epoch begins."""
        self._marks.append((time.perf_counter(), time.process_time()))

    def epochs(self) -> list[tuple[float, float]]:
        """Wall and processor seconds of each epoch but the first, to the beginning of the one after it."""
        return [
            (end[0] - start[0], end[1] - start[1])
            for start, end in zip(self._marks[1:-1], self._marks[2:], strict=True)
        ]


def run(settings: Settings) -> Iterator[Result]:
    """Every way in every round, the result so far after each; then where our time goes."""
    work = activations(512)
    branch = made()
    measured: list[dict[str, Any]] = []
    for number in range(settings.repeats):
        # Whoever comes after whom, everybody does once.
        turn = number % len(WAYS)
        for way in (*WAYS[turn:], *WAYS[:turn]):
            measured.append({"round": number, "way": way} | measure(way, branch, work))
            _say(measured[-1])
        yield summarise(measured, {}, settings)
    yield summarise(measured, profile(branch, work), settings)


def activations(examples: int, size: int = SIZE // 16, channels: int = 512, **options: Any) -> Work:
    """Random activations as they are after a ReLU6, and labels."""
    random = np.random.default_rng(0)
    x = np.clip(random.standard_normal((examples, size, size, channels), np.float32), 0, 6)
    return Work(x, random.integers(_CLASSES, size=examples), **options)


def made() -> Any:
    """The branch: the trunk's upper layers and a head."""
    import keras

    from regraft.core.plan import Plan
    from regraft.recipes.running import open_for
    from regraft.surgery.cut import between
    from regraft.surgery.graft import graft

    if importlib.util.find_spec("torch") is None:
        raise UnavailableError("needs PyTorch, to compare with: pip install torch")
    keras.utils.set_random_seed(0)
    trunk = open_for(Plan(str(pictures.trunk()), input_size=SIZE), None).model
    rest = between(trunk, FROM_CUT, CUT)
    assert rest is not None
    return graft(rest, _CLASSES)


def measure(way: str, branch: Any, work: Work) -> dict[str, Any]:
    """Seconds of a step in each epoch but the first."""
    clock = Clock()
    _TRAIN[way](branch, work, clock)
    epochs = clock.epochs()
    return {
        "wall": [wall / work.steps for wall, _ in epochs],
        "processor": [processor / work.steps for _, processor in epochs],
    }


def _ours(layer_decay: float) -> Callable[[Any, Work, Clock], None]:
    def trained(branch: Any, work: Work, clock: Clock) -> None:
        from regraft.training.feeds import Feed
        from regraft.training.loop import train

        fetched = 0

        def fetch(rows: Array, view: int) -> Array:
            nonlocal fetched
            if fetched % work.steps == 0:
                clock()
            fetched += 1
            return work.x[rows]

        # One epoch more: the last one's end is not seen from here.
        train(branch, phase(branch, work, layer_decay), Feed(fetch, work.y), Feed(fetch, work.y[:0]), seed=0)

    return trained


def phase(branch: Any, work: Work, layer_decay: float) -> Any:
    """Ours by default, but for how many epochs."""
    from regraft.core.phase import Phase
    from regraft.training.rates import with_rates

    plain = Phase(rate=_RATE, layer_decay=layer_decay, epochs=work.epochs + 2, batch_size=work.batch)
    return with_rates(plain, branch)


def keras_fit(branch: Any, work: Work, clock: Clock) -> None:
    """As a user would write it, with the same that learns."""
    import keras

    class Noting(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            clock()

    model: Any = keras.models.clone_model(branch)
    model.set_weights(branch.get_weights())
    for layer in model.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    steps = (work.epochs + 2) * work.steps
    falling: Any = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=_RATE, warmup_steps=steps // 10)
    model.compile(keras.optimizers.Adam(falling), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(work.x, work.y, batch_size=work.batch, epochs=work.epochs + 2, verbose=0, callbacks=[Noting()])


def _pytorch(threads: int) -> Callable[[Any, Work, Clock], None]:
    def trained(branch: Any, work: Work, clock: Clock) -> None:
        native.train(branch, work.x, work.y, work.batch, work.epochs + 2, clock, threads)

    return trained


_TRAIN: Mapping[str, Callable[[Any, Work, Clock], None]] = {
    ONE: _ours(1.0),
    LAYERS: _ours(0.85),
    KERAS: keras_fit,
    ALONE: _pytorch(1),
    PYTORCH: _pytorch(int(frame.machine()["cores"])),
}


def profile(branch: Any, work: Work) -> dict[str, float]:
    """Processor seconds of an epoch by stage, the first and the last epoch left out; a quarter of it for validation.

    Stages are parts of one another as their words say, `all` is the whole of an epoch.
    """
    from regraft.training.feeds import Feed
    from regraft.training.loop import train

    watch = cProfile.Profile(time.process_time)
    fetched, begun, ended = 0, 0.0, 0.0

    def fetch(rows: Array, view: int) -> Array:
        nonlocal fetched, begun, ended
        epoch, place = divmod(fetched, work.steps)
        fetched += 1
        if place == 0 and epoch == 1:
            begun = time.process_time()
            watch.enable()
        if place == 0 and epoch == work.epochs + 1:
            watch.disable()
            ended = time.process_time()
        return work.x[rows]

    def judged(rows: Array, view: int) -> Array:
        return work.x[rows]

    validation = Feed(judged, work.y[: len(work.y) // 4])
    train(branch, phase(branch, work, 0.85), Feed(fetch, work.y), validation, seed=0)
    found = dict.fromkeys(STAGES, 0.0)
    stats: Any = pstats.Stats(watch)
    for (file, _, name), (_, _, _, cumulative, _) in stats.stats.items():
        if name in found and ("regraft" in file or "benchmarks" in file):
            found[name] += cumulative / work.epochs
    return {"all": (ended - begun) / work.epochs} | found


def summarise(measured: Sequence[Mapping[str, Any]], found: Mapping[str, float], settings: Settings) -> Result:
    """Round by round, and the bars."""
    least = {way: [min(item["processor"]) for item in measured if item["way"] == way] for way in WAYS}
    walls = {way: [min(item["wall"]) for item in measured if item["way"] == way] for way in WAYS}
    bars = _bars(least)
    tables = [
        _table("Processor milliseconds a step", least),
        _table("Wall milliseconds a step", walls),
        _rates(walls),
    ]
    if found:
        tables.append(_profile_table(found))
    return Result("steps", str(__doc__), tuple(tables), (*measured, {"profile": dict(found)}), bars, settings=settings)


def ratio(seconds: Mapping[str, Sequence[float]], ours: str, *ways: str) -> list[float]:
    """Our time over that of the fastest of some ways, round by round."""
    fastest = [min(each) for each in zip(*(seconds[way] for way in ways), strict=True)]
    return [mine / theirs for mine, theirs in zip(seconds[ours], fastest, strict=True)]


def _table(title: str, seconds: Mapping[str, Sequence[float]]) -> Table:
    against = [ratio(seconds, ONE, KERAS), ratio(seconds, LAYERS, ONE), ratio(seconds, ONE, ALONE, PYTORCH)]
    rows = [
        [number, *(1000 * seconds[way][number] for way in WAYS), *(each[number] for each in against)]
        for number in range(len(seconds[ONE]))
    ]
    written = frame.with_summary(rows, 1, [_ms] * len(WAYS) + [_ratio] * len(against))
    heads = ("one rate / Keras' fit", "every layer / one rate", "one rate / PyTorch")
    return Table(title, ("round", *WAYS, *heads), tuple(map(tuple, written)))


def _rates(walls: Mapping[str, Sequence[float]]) -> Table:
    rows = tuple((way, f"{_BATCH / min(walls[way]):.0f}") for way in WAYS)
    return Table("Examples a second at the best, by wall time", ("way", "examples/s"), rows)


def _bars(least: Mapping[str, Sequence[float]]) -> tuple[Bar, ...]:
    asked = (
        (f"one rate takes at most {FIT} of one of Keras' fit", ratio(least, ONE, KERAS), FIT, "1.00"),
        (f"a rate for every layer takes at most {RATES} of one with one rate", ratio(least, LAYERS, ONE), RATES, ""),
    )
    return tuple(
        Bar(
            f"a step with {words}, median of {len(found)} rounds",
            _ratio(statistics.median(found)),
            statistics.median(found) <= most,
            aim,
        )
        for words, found, most, aim in asked
    )


def _profile_table(found: Mapping[str, float]) -> Table:
    rows = [("all", _ms(1000 * found["all"]), "100.0")]
    rows += [
        (words, _ms(1000 * found[stage]), frame.percent(found[stage] / found["all"])) for stage, words in STAGES.items()
    ]
    return Table("Where an epoch of ours goes, under a profiler", ("stage", "processor ms", "%"), tuple(rows))


def _ms(value: float) -> str:
    return f"{value:.1f}"


def _ratio(value: float) -> str:
    return f"{value:.3f}"


def _say(found: Mapping[str, Any]) -> None:
    wall, processor = 1000 * min(found["wall"]), 1000 * min(found["processor"])
    print(
        f"round {found['round']} {found['way']}: {processor:.1f} ms of processor time a step, {wall:.1f} ms in all",
        file=sys.stderr,
        flush=True,
    )
