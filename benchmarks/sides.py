"""One side of a comparison: a measurement in a process of its own, so that none profits from what another warmed up."""

import argparse
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import frame, pictures
from benchmarks.frame import FailedError, Result, Settings, Table, UnavailableError

# The same for every side; set before a framework is imported.
_ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "1"}

_UNAVAILABLE = 2


@dataclass(frozen=True, slots=True)
class Request:
    """What a side is to do.

    Attributes:
        data: name of the data set.
        split: number of the split, and seed of the training.
        per_class: as in `frame.Settings`.
        epochs: of the guide's two stages; None: the data set's own.
        fine_tune: for Regraft: `auto`, `yes`, or `no` for the head alone.
        dtype: for Regraft: how whole activations are kept.
    """

    data: str
    split: int
    per_class: int | None = None
    epochs: tuple[int, int] | None = None
    fine_tune: str = "auto"
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class Side:
    """What a side found.

    Attributes:
        way: `guide`, `head` or `fit`.
        request: what it was asked.
        accuracy: on the 20 %.
        seconds: wall time that counts in the comparison.
        stages: wall time by stage, those that do not count included.
        cpu_seconds: processor time of the same stretch, all cores together; tells when others kept the machine busy.
        rounded: how far whole activations were off, where they were kept rounded.
    """

    way: str
    request: Request
    accuracy: float
    seconds: float
    stages: Mapping[str, float]
    cpu_seconds: float
    rounded: float = 0.0


class Clock:
    """Wall time by stage.

    >>> clock = Clock()
    >>> with clock.stage("decode"):
    ...     pass
    >>> list(clock.stages)
    ['decode']
    """

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Time the block under this name."""
        started = time.perf_counter()
        yield
        self.stages[name] = time.perf_counter() - started


def fresh(module: str, request: Request) -> Side:
    """Run a side as a process of its own and read what it found.

    Raises:
        UnavailableError: the side says that it cannot run here.
        FailedError: it ended in any other way than with a result.
    """
    command = [sys.executable, "-m", module, *_arguments(request), "--json"]
    done = subprocess.run(command, cwd=frame.ROOT, env={**os.environ, **_ENVIRONMENT}, capture_output=True, text=True)
    if done.returncode == _UNAVAILABLE:
        raise UnavailableError(_last_line(done.stderr))
    if done.returncode:
        raise FailedError(
            f"{module} on {request.data}, split {request.split}, ended with {done.returncode}:\n{done.stderr[-4000:]}"
        )
    side = from_plain(json.loads(_last_line(done.stdout)))
    print(describe(side), file=sys.stderr, flush=True)
    return side


def main(measure: Callable[[Request], Side]) -> None:
    """Be that process: read the request from the command line, measure, and print what was found."""
    parser = argparse.ArgumentParser(description=sys.modules[measure.__module__].__doc__)
    parser.add_argument("--data", choices=pictures.TASKS, default="flowers5_227px")
    parser.add_argument("--split", type=int, default=0)
    parser.add_argument("--per-class", type=int)
    parser.add_argument("--epochs", type=int, nargs=2, metavar=("FROZEN", "ALL"))
    parser.add_argument("--fine-tune", choices=("auto", "yes", "no"), default="auto")
    parser.add_argument("--dtype", choices=("float32", "float16", "int8"), default="float32")
    parser.add_argument("--json", action="store_true", help="print one JSON document in the last line")
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    options["epochs"] = tuple(options["epochs"]) if options["epochs"] else None
    try:
        side = measure(Request(**options))
    except UnavailableError as reason:
        print(reason, file=sys.stderr)
        sys.exit(_UNAVAILABLE)
    print(json.dumps(dataclasses.asdict(side)) if as_json else describe(side))


def result(name: str, about: str, measured: Sequence[Side], settings: Settings) -> Result:
    """What was measured so far: a table for each way and data set, with seconds by stage."""
    groups: dict[tuple[str, str], list[Side]] = {}
    for side in measured:
        groups.setdefault((side.request.data, side.way), []).append(side)
    tables = tuple(_table(f"{data}: {way}", group) for (data, way), group in groups.items())
    return Result(name, about, tables, tuple(map(dataclasses.asdict, measured)), settings=settings)


def describe(side: Side) -> str:
    """One line for a person who waits."""
    stages = ", ".join(f"{name} {frame.seconds(value)}" for name, value in side.stages.items())
    return (
        f"{side.request.data} split {side.request.split} {side.way}: {frame.percent(side.accuracy)} % "
        f"in {frame.seconds(side.seconds)} s ({stages})"
    )


def from_plain(document: Mapping[str, Any]) -> Side:
    """The side that JSON of it describes."""
    request = dict(document["request"])
    request["epochs"] = tuple(request["epochs"]) if request["epochs"] else None
    given: dict[str, Any] = {**document, "request": Request(**request)}
    return Side(**given)


def _table(title: str, group: Sequence[Side]) -> Table:
    stages = list(dict.fromkeys(stage for side in group for stage in side.stages))
    rows = [
        [side.request.split, side.accuracy, side.seconds, *(side.stages.get(stage, 0.0) for stage in stages)]
        for side in group
    ]
    show = [frame.percent, frame.seconds, *(frame.seconds for _ in stages)]
    columns = ("split", "accuracy, %", "counted, s", *(f"{stage}, s" for stage in stages))
    return Table(title, columns, tuple(map(tuple, frame.with_summary(rows, 1, show))))


def _arguments(request: Request) -> list[str]:
    arguments = ["--data", request.data, "--split", str(request.split), "--fine-tune", request.fine_tune]
    arguments += ["--dtype", request.dtype]
    arguments += ["--per-class", str(request.per_class)] if request.per_class is not None else []
    return arguments + (["--epochs", *map(str, request.epochs)] if request.epochs else [])


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
