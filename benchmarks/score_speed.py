"""How long the scores of a source take on 10,000 examples of 2,048 activations, and on wide ones of few examples.

Wall time of the best of so many rounds (`--repeats`), and processor time. Made activations: the scores take the same
time whatever is in them, but for the mixture of NLEEP, which goes on until it stands still.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import frame
from benchmarks.frame import Bar, Result, Settings, Table

Array = np.ndarray[Any, Any]

# Examples, activations, classes.
SHAPES = ((10_000, 2_048, 100), (2_000, 8_192, 10), (400, 1_024, 50))
JUDGED = ("logme", "h_score")
LIMIT = 5.0


@dataclass(frozen=True, slots=True)
class Timed:
    """What one score took on activations of one shape: the least of the rounds, in seconds."""

    score: str
    shape: tuple[int, int, int]
    seconds: float
    cpu_seconds: float


def run(settings: Settings) -> Iterator[Result]:
    """Every score on every shape; the result so far after each shape."""
    from regraft.zoo.scores import SCORES

    measured: list[Timed] = []
    for examples, width, classes in SHAPES:
        shape = (examples, width, classes) if not settings.reduced else (examples // 20, width // 20, classes)
        activations, labels = made(*shape)
        for name, module in SCORES.items():
            # What has no bar is timed once: it may take a minute.
            rounds = settings.repeats if name in JUDGED else 1
            measured.append(timed(name, module, activations, labels, shape, rounds))
        yield compare(measured, settings)


def made(examples: int, width: int, classes: int) -> tuple[Array, Array]:
    """Activations float32 (examples, width) around a centre for each class, and labels."""
    random = np.random.default_rng(0)
    labels = np.arange(examples) % classes
    centres = random.standard_normal((classes, width), np.float32)
    return centres[labels] * np.float32(0.3) + random.standard_normal((examples, width), np.float32), labels


def timed(name: str, module: Any, activations: Array, labels: Array, shape: tuple[int, int, int], rounds: int) -> Timed:
    """The least time of so many rounds."""
    found: list[tuple[float, float]] = []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        module.score(activations, labels, shape[2])
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return Timed(name, shape, min(wall for wall, _ in found), min(cpu for _, cpu in found))


def compare(measured: list[Timed], settings: Settings) -> Result:
    """Seconds by score and shape, and the bars."""
    rows = tuple(
        (f"{item.shape[0]:,} x {item.shape[1]:,}", item.score, str(item.shape[2]), *_seconds(item)) for item in measured
    )
    largest = measured[0].shape
    bars = tuple(
        Bar(
            f"{item.score} on {largest[0]:,} x {largest[1]:,} takes less than {LIMIT:g} s",
            f"{frame.seconds(item.seconds)} s",
            item.seconds < LIMIT,
        )
        for item in measured
        if item.shape == largest and item.score in JUDGED
    )
    columns = ("activations", "score", "classes", "wall, s", "processor, s")
    plain = tuple({"score": i.score, "shape": i.shape, "seconds": i.seconds, "cpu": i.cpu_seconds} for i in measured)
    return Result("score_speed", str(__doc__), (Table("Time", columns, rows),), plain, bars, settings=settings)


def _seconds(item: Timed) -> tuple[str, str]:
    return frame.seconds(item.seconds), frame.seconds(item.cpu_seconds)
