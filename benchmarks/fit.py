"""Regraft's side: `regraft.fit` on the same pictures with the same weights, with nothing in its cache.

It is given the 80 % to learn from, and takes the validation examples for its choices out of them; the 20 % are given to
the finished model as files, when the clock has stopped. Baselines are left out. Measured twice: the head alone, and the
whole job.
"""

import contextlib
import csv
import importlib
import os
import pkgutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import pictures, sides
from benchmarks.frame import Result, Settings, UnavailableError
from benchmarks.pictures import SIZE, Pictures
from benchmarks.sides import Request, Side

# What training imports inside functions: loaded before the clock starts, as on the guide's side.
_FRAMEWORKS = (
    "keras",
    "tensorflow",
    "jinja2",
    "PIL.Image",
    "scipy.optimize",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "sklearn.neighbors",
    "sklearn.preprocessing",
)


def run(settings: Settings) -> Iterator[Result]:
    """Measure every split of every data set, the head alone and then the whole job; the result so far after each."""
    measured: list[Side] = []
    for data in settings.data:
        for split in range(settings.splits):
            for fine_tune in ("no", "auto"):
                request = Request(data, split, settings.per_class, fine_tune=fine_tune)
                measured.append(sides.fresh("benchmarks.fit", request))
                yield sides.result("fit", str(__doc__), measured, settings)


def measure(request: Request) -> Side:
    """Fit one split in this process, in folders that are new and removed afterwards."""
    source, given = pictures.trunk(), pictures.pictures(request.data, request.per_class)
    fit = ready()
    with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as name:
        folder = Path(name)
        os.environ["REGRAFT_CACHE"] = str(folder / "cache")
        write_manifest(folder / "data.csv", given, request.split)
        cpu, started = time.process_time(), time.perf_counter()
        done = fit(
            str(folder / "data.csv"),
            source=str(source),
            input_size=SIZE,
            out=str(folder / "run"),
            baselines="no",
            fine_tune=request.fine_tune,
            dtype=request.dtype,
            seed=request.split,
        )
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        accuracy = judged(done, given, request.split)
    way = "head" if request.fine_tune == "no" else "fit"
    stages = {**done.record.seconds, "whole call": wall}
    kept = getattr(done.record, "activations", None)
    return Side(way, request, accuracy, counted(way, stages), stages, cpu, (kept and kept.error) or 0.0)


def ready() -> Callable[..., Any]:
    """`regraft.fit`, with everything that it will need imported.

    Raises:
        UnavailableError: the library has no such function yet, or cannot be imported.
    """
    try:
        library = importlib.import_module("regraft")
        fit = library.fit
    except (ImportError, AttributeError) as error:
        raise UnavailableError(f"needs a Regraft that can fit; this checkout's cannot: {error}") from None
    ours = [module.name for module in pkgutil.walk_packages(library.__path__, "regraft.", onerror=lambda name: None)]
    for module in (*_FRAMEWORKS, *(name for name in ours if not name.endswith("__main__"))):
        # A module for an extra that is not installed is not needed here.
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    return fit


def write_manifest(path: Path, given: Pictures, seed: int) -> None:
    """Write the 80 % as a manifest of training examples."""
    train, _ = pictures.split(given.labels, seed)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "split"))
        rows.writerows((str(given.paths[index]), given.classes[given.labels[index]], "train") for index in train)


def judged(done: Any, given: Pictures, seed: int) -> float:
    """The share of the 20 % that the finished run's model answers rightly, from the files themselves."""
    _, test = pictures.split(given.labels, seed)
    answers = importlib.import_module("regraft").predict(done, [given.paths[index] for index in test])
    right = [answer.label == given.classes[given.labels[index]] for answer, index in zip(answers, test, strict=True)]
    return sum(right) / len(right)


def counted(way: str, stages: Mapping[str, float]) -> float:
    """The wall time that counts: of the whole job all but baselines, of the head what passes until it is trained.

    For the head that is the whole call without the report, so that time which no stage claims counts against us.
    """
    left_out = ("baselines",) if way == "fit" else ("baselines", "fine_tune", "report")
    return stages["whole call"] - sum(stages.get(name, 0.0) for name in left_out)


if __name__ == "__main__":
    sides.main(measure)
