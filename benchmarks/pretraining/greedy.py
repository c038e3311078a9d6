"""Five layers trained one after the other: on outputs of the layers below that are kept, and on those computed anew.

Kept: every stage reads the outputs of the layers below from the cache of activations, as `regraft pretrain` does. Anew:
the layers below run, compiled, on every batch, from the examples on. The examples are photographs in files, decoded
whenever they are asked for as where they do not fit into memory, and digits that lie in memory. Autoencoders without
noise, so that both ways draw nothing and must come to the same network.
"""

import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import digits, fit, frame, pictures
from benchmarks.frame import Bar, Result, Settings, Table

Array = np.ndarray[Any, Any]

PHOTOGRAPHS, DIGITS = "photographs in files", "digits in memory"
NETWORK = "mlp?units=512,256,128,64,32&activation=sigmoid"
BAR = 3.0
# The two networks may differ by the rounding of what runs the layers below.
SAME = 1e-2
_EPOCHS, _SIDE = 20, 32


@dataclass(frozen=True, slots=True)
class Outcome:
    """One pair of trainings.

    Attributes:
        data: which examples.
        kept: wall and processor seconds on kept outputs.
        anew: likewise on outputs that are computed anew.
        losses: held-out loss of the last stage, kept and anew.
        apart: the largest difference between outputs of the two networks on the same examples, a part of the largest.
    """

    data: str
    kept: tuple[float, float]
    anew: tuple[float, float]
    losses: tuple[float, float]
    apart: float

    @property
    def ratio(self) -> float:
        """How many times as long it takes anew."""
        return self.anew[0] / self.kept[0]


class Anew:
    """Rows of outputs that are computed whenever they are asked for."""

    groups = None
    pairs = None

    def __init__(self, below: Any, rows: Any) -> None:
        """Compile the layers below once."""
        import tensorflow as tf

        self.labels = rows.labels
        self._rows = rows
        batch: Any = [tf.TensorSpec((None, *below.input_shape[1:]), tf.float32)]
        function: Any = tf.function(lambda x: below(x, training=False), batch, autograph=False)
        self._run: Any = function.get_concrete_function()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._rows)

    def take(self, indices: Array) -> Array:
        """The outputs for some examples."""
        import tensorflow as tf

        return self._run(tf.constant(self._rows.take(indices))).numpy()


def run(settings: Settings) -> Iterator[Result]:
    """A pair of ways on both kinds of examples, so many times; the result so far after each."""
    fit.ready()
    measured: list[Outcome] = []
    epochs = settings.epochs[0] if settings.epochs else _EPOCHS
    with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as name:
        folder = Path(name)
        write_photographs(folder / "photographs", settings.per_class)
        for number in range(max(1, min(3, settings.repeats // 2))):
            for data, given in ((PHOTOGRAPHS, str(folder / "photographs")), (DIGITS, _digits(settings.per_class))):
                measured.append(pair(data, given, epochs, folder / f"{number}-{data[:6]}", number))
                yield compare(measured, settings)


def write_photographs(folder: Path, per_class: int | None = None) -> None:
    """The flowers, each mirrored and turned: eight files of every photograph, as JPEG."""
    from PIL import Image

    given = pictures.pictures("flowers5_227px", per_class)
    folder.mkdir(parents=True)
    for number, path in enumerate(given.paths):
        with Image.open(path) as opened:
            picture = np.asarray(opened.convert("L"))
        for turn in range(8):
            turned = np.rot90(picture if turn < 4 else picture[:, ::-1], turn % 4)
            Image.fromarray(np.ascontiguousarray(turned)).save(folder / f"{number:04}-{turn}.jpg", quality=90)


def _digits(per_class: int | None) -> Array:
    x, _ = digits.pool()
    return (255 * x[: 10 * per_class if per_class else 6000]).astype(np.uint8)


def pair(data: str, given: Any, epochs: int, folder: Path, seed: int) -> Outcome:
    """Both ways on the same examples from the same weights; which comes first alternates."""
    ways = ("kept", "anew") if seed % 2 == 0 else ("anew", "kept")
    done = {way: layered(way, given, data == DIGITS, epochs, folder / way, seed) for way in ways}
    (kept, one), (anew, other) = ((done[way].seconds, done[way].outputs) for way in ("kept", "anew"))
    losses = done["kept"].loss, done["anew"].loss
    apart = float(np.abs(one - other).max() / np.abs(one).max())
    outcome = Outcome(data, kept, anew, losses, apart)
    print(
        f"{data}: kept {frame.seconds(kept[0])} s, anew {frame.seconds(anew[0])} s, {frame.times(outcome.ratio)}; "
        f"networks {apart:.1e} apart",
        file=sys.stderr,
        flush=True,
    )
    return outcome


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """What training layer by layer took and gave.

    Attributes:
        seconds: wall and processor.
        loss: held-out loss of the last stage.
        outputs: of the network for some examples.
    """

    seconds: tuple[float, float]
    loss: float
    outputs: Array


def layered(way: str, given: Any, in_memory: bool, epochs: int, folder: Path, seed: int) -> Done:
    """Train five layers in one way; opening the examples does not count."""
    from regraft import data as data_room
    from regraft.activations.store import Store
    from regraft.core.pretraining import Asked, Spec
    from regraft.pretraining import greedy, method, trunks
    from regraft.pretraining.learner import Sample
    from regraft.recipes.pretraining import preparing
    from regraft.recipes.pretraining.outputs import outputs
    from regraft.recipes.pretraining.rows import Prepared

    examples = data_room.open_unlabelled(given)
    order = np.random.default_rng(seed).permutation(len(examples))
    size = None if in_memory else _SIDE
    inputs = preparing.inputs_for(examples, order, Asked(method="stacked-autoencoder", input_size=size))
    held = len(order) // 10
    rows = [Prepared(examples, np.sort(part), inputs, in_memory) for part in (order[held:], order[:held])]
    kind: Any = preparing.kind_of(examples)
    trunk = trunks.build(NETWORK, inputs.shape, kind, seed)
    store = Store(folder)

    def below(lower: Any) -> Any:
        if lower is None:
            return rows[0], rows[1]
        return tuple(outputs(lower, own, store) if way == "kept" else Anew(lower, own) for own in rows)

    chosen: Any = method("stacked-autoencoder")
    settings = chosen.Settings(noise=0.0, together=False)
    some = rows[0].take(np.arange(min(500, len(rows[0]))))
    sample = Sample(kind=kind, x=some, count=len(rows[0]))
    spec = Spec(epochs=epochs, batch_size=100, patience=0)
    cpu, started = time.process_time(), time.perf_counter()
    made = greedy.pretrain(chosen, trunk, below, sample, settings, spec, seed, checkpoint=lambda number: None)
    seconds = time.perf_counter() - started, time.process_time() - cpu
    answers = np.asarray(made.trunk(some))
    return Done(seconds, made.stages[-1].history[made.stages[-1].best].held_out, answers)


def compare(measured: Sequence[Outcome], settings: Settings) -> Result:
    """Seconds and ratios pair by pair, and the bars."""
    columns = ("examples", "kept, s", "anew, s", "anew / kept", "processor", "networks apart")
    rows = [
        (
            item.data,
            frame.seconds(item.kept[0]),
            frame.seconds(item.anew[0]),
            frame.times(item.ratio),
            frame.times(item.anew[1] / item.kept[1]),
            f"{item.apart:.1e}",
        )
        for item in measured
    ]
    bars: list[Bar] = []
    files = [item.ratio for item in measured if item.data == PHOTOGRAPHS]
    if files:
        median = statistics.median(files)
        requirement = f"five layers on kept outputs take at most 1/{BAR:g} of the time, photographs in files"
        bars.append(Bar(requirement, frame.times(median), median >= BAR))
    apart = max(item.apart for item in measured)
    bars.append(Bar(f"both ways come to the same network within {SAME:g}", f"{apart:.1e}", apart <= SAME))
    notes = (
        "From memory the ratio stays below 2 whatever the layers are: training one costs five products of its size or "
        "more, running it below another costs one, and no layer is below more than four others.",
    )
    tables = (Table("Seconds for all five layers", columns, tuple(rows)),)
    return Result(
        "greedy", str(__doc__), tables, tuple(map(dataclasses.asdict, measured)), tuple(bars), notes, settings
    )
