"""The accuracy that every source comes to on every target: `python -m benchmarks.ranking.truth --out FILE`.

Each pair is fitted as `regraft.rank --confirm` fits the first ones: `regraft.fit` at each of the rates that are tried
there, and the run with the least log loss on validation examples counts; cut point, head and whether layers learn are
its own choice. The test part judges. A line of JSON is added to the file for each pair, so that what was interrupted
goes on where it stopped. The work is done by a second process, which is begun anew where it was brought down; that,
too, is a line.
"""

import argparse
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import fit, frame
from benchmarks.frame import FailedError, UnavailableError
from benchmarks.ranking import sources, targets
from benchmarks.ranking.sources import SOURCES, Source
from benchmarks.ranking.targets import TARGETS, Target

FILE = targets.PLACE / "truth.jsonl"
SPLITS = 3
# Those of `regraft.recipes.ranking.confirming`; what is only asked for loads no framework.
RATES = (3e-4, 1e-4, 1e-3)
_ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "1"}
_UNAVAILABLE = 2

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """A source, a target's split, and how many training pictures of each class there are."""

    source: Source
    target: Target
    split: int
    per_class: int

    def line(self) -> dict[str, Any]:
        """What it is known by."""
        return {
            "source": self.source.name,
            "target": self.target.name,
            "split": self.split,
            "per_class": self.per_class,
            "version": self.source.version,
            "size": sources.SIZE,
            "rates": list(RATES),
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """Which pairs are wanted.

    Attributes:
        splits: how many splits, from 0 on; all pairs of the first come first.
        sources: names; none: all.
        targets: names; none: all.
        per_class: only so many training pictures of each class.
    """

    splits: int = SPLITS
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    per_class: int | None = None

    def pairs(self) -> list[Pair]:
        """In the order in which they are measured."""
        names = self.targets or tuple(TARGETS)
        return [
            Pair(source, TARGETS[name], split, self.per_class or TARGETS[name].learn)
            for split in range(self.splits)
            for name in names
            for source in sources.known(self.sources)
        ]

    def left(self, file: Path) -> list[Pair]:
        """Those that the file has not."""
        done = {key(line) for line in read(file)}
        return [pair for pair in self.pairs() if key(pair.line()) not in done]

    def arguments(self) -> list[str]:
        """The same on a command line."""
        chosen = [f"--source={name}" for name in self.sources] + [f"--target={name}" for name in self.targets]
        return [f"--splits={self.splits}", *chosen, *([f"--per-class={self.per_class}"] if self.per_class else [])]


def measure(file: Path, asked: Asked) -> list[dict[str, Any]]:
    """Fine-tune every pair that the file has not, and return all lines that were asked for.

    Raises:
        UnavailableError: what is needed is not here.
        FailedError: the work failed in a way that says nothing about a source.
    """
    command = [sys.executable, "-m", "benchmarks.ranking.truth", f"--out={file}", *asked.arguments(), "--here"]
    while left := asked.left(file):
        ended = subprocess.run(command, cwd=frame.ROOT, env={**os.environ, **_ENVIRONMENT}).returncode
        if ended > 0:
            raise (UnavailableError if ended == _UNAVAILABLE else FailedError)(f"the work ended with status {ended}")
        if ended < 0 and (after := asked.left(file)):
            fallen = after[0]
            append(file, {**fallen.line(), "refused": f"the process ended with signal {-ended}", "seconds": 0.0})
            print(f"{fallen.source.name} on {fallen.target.name}: {signal.strsignal(-ended)}", file=sys.stderr)
        elif ended == 0 and len(asked.left(file)) == len(left):
            raise FailedError("the work ended without a result")
    keys = {key(pair.line()) for pair in asked.pairs()}
    return [line for line in read(file) if key(line) in keys]


def measure_here(file: Path, asked: Asked) -> None:
    """The same in this process."""
    left = asked.left(file)
    for number, pair in enumerate(left, start=1):
        line = of_pair(pair)
        append(file, line)
        print(f"{number} of {len(left)}: {described(line)}", file=sys.stderr, flush=True)


def of_pair(pair: Pair) -> dict[str, Any]:
    """What one pair comes to at the best of the rates, or why the source cannot be used."""
    fit.ready()
    line = pair.line()
    given = targets.data(pair.target, pair.split, pair.per_class)
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as name:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            source = sources.opened(pair.source)
            for rate in RATES:
                runs.append(_found(_run(str(given), source, pair, rate, Path(name)).record) | {"rate": rate})
                line.setdefault("cpu_seconds_of_one", time.process_time() - cpu)
            line |= min(runs, key=lambda run: run["log_loss"])
        except _errors() as error:
            line["refused"] = str(error)
        line |= {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    gc.collect()
    return line | {"accuracies": [run["accuracy"] for run in runs]}


def read(file: Path) -> list[dict[str, Any]]:
    """The lines of a file; one that was not written to its end is passed over."""
    if not file.exists():
        return []
    found: list[dict[str, Any]] = []
    for text in file.read_text().splitlines():
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


def append(file: Path, line: Line) -> None:
    """Add a line to a file, on a line of its own whatever is there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    torn = file.exists() and file.stat().st_size > 0 and not file.read_bytes().endswith(b"\n")
    with file.open("a") as out:
        out.write("\n" * torn + json.dumps(line) + "\n")


def key(line: Line) -> tuple[Any, ...]:
    """What a line is of: source, target, split, pictures of each class, rates, how the sources are made."""
    about = tuple(line[name] for name in ("source", "target", "split", "per_class", "version", "size"))
    return (*about, tuple(line.get("rates", ())))


def described(line: Line) -> str:
    """One line for a person who waits."""
    found = line.get("refused") or f"{frame.percent(line['accuracy'])} % on {line['cut_point']}"
    return f"{line['source']} on {line['target']} ({line['split']}): {found}, {frame.seconds(line['seconds'])} s"


def _run(given: str, source: Any, pair: Pair, rate: float, folder: Path) -> Any:
    """One fit; what the frozen layers make is there for the next."""
    import regraft
    from regraft.core.plan import FineTuneSpec, changes

    plan = regraft.Plan(
        source="",
        augment=changes(pair.target.augment),
        baselines="no",
        seed=pair.split,
        fine_tune=FineTuneSpec(rate=rate),
    )
    return regraft.fit(given, source, plan=plan, out=folder / f"run-{rate}", cache=folder / "cache")


def _found(record: Any) -> dict[str, Any]:
    test, validation, spec = record.metrics["test"], record.metrics["validation"], record.plan.fine_tune
    return {
        "accuracy": test.accuracy.value,
        "interval": list(test.accuracy.interval),
        "validation": validation.accuracy.value,
        "log_loss": validation.log_loss.value,
        "cut_point": record.plan.cut_point,
        "fine_tuned_from": None if spec.enabled == "no" else spec.from_cut,
        "stages": dict(record.seconds),
    }


def _errors() -> tuple[type[Exception], ...]:
    import regraft

    return (regraft.RegraftError,)


def main(arguments: Iterable[str] | None = None) -> int:
    """Measure what was asked for; 2: a part of what it needs is not here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranking.truth", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=FILE, metavar="FILE", help=f"default {FILE.relative_to(frame.ROOT)}"
    )
    parser.add_argument("--splits", type=int, default=SPLITS, metavar="N", help=f"splits 0 to N - 1 (default {SPLITS})")
    parser.add_argument("--source", action="append", choices=SOURCES, help="only this one; may be repeated")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; may be repeated")
    parser.add_argument("--per-class", type=int, metavar="N", help="only so many training pictures, to try it out")
    parser.add_argument("--here", action="store_true", help="in this process; begun anew by nobody")
    asked = parser.parse_args(None if arguments is None else list(arguments))
    wanted = Asked(asked.splits, tuple(asked.source or ()), tuple(asked.target or ()), asked.per_class)
    try:
        (measure_here if asked.here else measure)(asked.out, wanted)
    except UnavailableError as reason:
        print(reason, file=sys.stderr)
        return _UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
