"""What every benchmark shares: its settings, medians and ratios, tables, bars, machine facts, and files of results."""

import dataclasses
import datetime as dt
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "build" / "benchmarks"
PICTURES = ROOT / "benchmarks" / "results"

_PACKAGES = ("regraft", "keras", "tensorflow", "tensorflow-cpu", "numpy", "scikit-learn", "pillow")
_T = TypeVar("_T")
_SAME_MACHINE = ("cores", "processor", "system", "python", "keras", "tensorflow", "tensorflow-cpu")


class UnavailableError(Exception):
    """A benchmark cannot be run here; the message is one line that says what is absent and what to do."""


class FailedError(Exception):
    """A measurement started and did not end well."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked on the command line; each benchmark reads what concerns it.

    Attributes:
        splits: how many stratified splits, 0 to `splits` - 1; the split's number is also the seed of the training.
        data: names of data sets in `pictures.TASKS`.
        per_class: only so many pictures of each class, to try the harness out; None: all.
        epochs: of the guide's two stages, to try the harness out; None: the data set's own.
        reference: results of an earlier run; what a benchmark finds of its own there is not measured again.
        repeats: how often a whole process, or a way of training, is timed.
        kills: how often a run is killed.
    """

    splits: int = 5
    data: tuple[str, ...] = ("flowers5_227px", "sign_language_digits")
    per_class: int | None = None
    epochs: tuple[int, int] | None = None
    reference: Path | None = None
    repeats: int = 7
    kills: int = 200

    @property
    def reduced(self) -> bool:
        """Whether this is a trial of the harness, whose figures say nothing about the ways that it compares."""
        return self.per_class is not None or self.epochs is not None


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A requirement, what was found, and whether it is met; and the aim beyond it, where there is one."""

    requirement: str
    found: str
    holds: bool
    aim: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark found, so far or in the end."""

    name: str
    about: str
    tables: tuple[Table, ...]
    measurements: tuple[Mapping[str, Any], ...]
    bars: tuple[Bar, ...] = ()
    notes: tuple[str, ...] = ()
    settings: Settings = field(default_factory=Settings)


def ratios(references: Sequence[float], values: Sequence[float]) -> list[float]:
    """Reference divided by value, pair by pair: how many times less the value is.

    >>> ratios([10.0, 9.0], [2.0, 3.0])
    [5.0, 3.0]
    """
    return [reference / value for reference, value in zip(references, values, strict=True)]


def differences(references: Sequence[float], values: Sequence[float]) -> list[float]:
    """Value minus reference, pair by pair: how much more the value is."""
    return [value - reference for reference, value in zip(references, values, strict=True)]


def with_summary(rows: Sequence[Sequence[Any]], labels: int, show: Sequence[Callable[[float], str]]) -> list[list[str]]:
    """Rows of figures as text, followed by the columns' medians and their smallest and largest figures.

    Args:
        rows: the first `labels` cells of each name it, the others are figures.
        labels: how many cells are names.
        show: how to write the figures of each other column.
    """
    columns = list(zip(*(row[labels:] for row in rows), strict=True))
    written = [
        [*map(str, row[:labels]), *(write(value) for write, value in zip(show, row[labels:], strict=True))]
        for row in rows
    ]
    if len(rows) < 2:
        return written
    blank = [""] * (labels - 1)
    medians = [write(statistics.median(column)) for write, column in zip(show, columns, strict=True)]
    spreads = [f"{write(min(column))}..{write(max(column))}" for write, column in zip(show, columns, strict=True)]
    return [*written, ["median", *blank, *medians], ["min..max", *blank, *spreads]]


def percent(value: float) -> str:
    """A share as a percentage."""
    return f"{100 * value:.1f}"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.1f}"


def seconds(value: float) -> str:
    """A duration: three digits that tell."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value: float) -> str:
    """A ratio."""
    return f"{value:.1f}x"


def machine() -> dict[str, str]:
    """What a figure depends on besides the code: cores, processor, system, versions, and how busy the machine was."""
    facts = {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown",
        "commit": _commit(),
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return facts


def document(path: Path, makes: str) -> dict[str, Any]:
    """The results of an earlier run.

    Args:
        path: NAME.json that it wrote.
        makes: what makes such a file, for who gave another.

    Raises:
        UnavailableError: it cannot be read, or is something else.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UnavailableError(f"cannot read earlier measurements: {error}") from None
    if not isinstance(found, dict) or not {"name", "measured", "machine", "measurements", "settings"} <= found.keys():
        raise UnavailableError(f"'{path}' holds no results of a benchmark; `{makes}` makes some")
    return found


def earlier(name: str, settings: Settings, of: type[_T]) -> list[_T]:
    """What a benchmark has measured before, in the reference that was named: it goes on from there.

    For figures that do not hang on the machine. Nothing where no reference was named, or that of another benchmark.

    Args:
        name: of the benchmark.
        settings: with the reference.
        of: a dataclass of plain values and tuples, whose fields the measurements have.

    Raises:
        UnavailableError: the reference cannot be read, or one of the two runs is a trial of the harness.
    """
    if settings.reference is None:
        return []
    found = document(settings.reference, f"python -m benchmarks {name}")
    if found["name"] != name:
        return []
    of_then = found["settings"]
    if (of_then["per_class"], of_then["epochs"]) != (settings.per_class, settings.epochs and list(settings.epochs)):
        raise UnavailableError(f"'{settings.reference}' was measured with other settings")
    names = [item.name for item in dataclasses.fields(of)]  # pyright: ignore[reportArgumentType]
    return [of(**{name: _with_tuples(row[name]) for name in names}) for row in found["measurements"]]


def _with_tuples(value: Any) -> Any:
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def differing(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """The facts that must be equal for times of two runs to be comparable, and are not."""
    return [
        f"{name} {there.get(name, 'unknown')}, here {here.get(name, 'unknown')}"
        for name in _SAME_MACHINE
        if here.get(name) != there.get(name)
    ]


def to_markdown(result: Result, facts: Mapping[str, str]) -> str:
    """The page of a result."""
    lines = [f"# {result.name}", "", result.about.strip(), ""]
    lines += [
        f"**Reduced settings: a trial of the harness, no measurement.** {result.settings}",
        "",
    ] * result.settings.reduced
    for table in result.tables:
        lines += [f"## {table.title}", "", *table_lines(table), ""]
    if result.bars:
        lines += ["## Bars", ""]
        lines += [
            f"- {'holds' if bar.holds else '**does not hold**'}: {bar.requirement}; found {bar.found}"
            + (f" (aim: {bar.aim})" if bar.aim else "")
            for bar in result.bars
        ]
        lines += [""]
    lines += [f"- {note}" for note in result.notes] + [""] * bool(result.notes)
    lines += ["Measured on: " + ", ".join(f"{name} {value}" for name, value in facts.items()) + "."]
    return "\n".join(lines) + "\n"


def table_lines(table: Table) -> list[str]:
    """A Markdown table whose columns also line up as plain text; every column but the first is set flush right.

    >>> table_lines(Table("", ("way", "s"), (("a", "1.5"), ("guide", "20"))))
    ['| way   |   s |', '|:------|----:|', '| a     | 1.5 |', '| guide |  20 |']
    """
    grid = [table.columns, *table.rows]
    widths = [max(3 if index else 1, *(len(row[index]) for row in grid)) for index in range(len(table.columns))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(cells)} |"

    rule = [f"{'-' * (width + 1)}:" if index else f":{'-' * (width + 1)}" for index, width in enumerate(widths)]
    return [line(table.columns), f"|{'|'.join(rule)}|", *map(line, table.rows)]


def write(result: Result, folder: Path, facts: Mapping[str, str]) -> None:
    """Put NAME.md and NAME.json into the folder, over earlier ones."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "measured": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": dict(facts),
        **dataclasses.asdict(result),
    }
    (folder / f"{result.name}.md").write_text(to_markdown(result, facts))
    (folder / f"{result.name}.json").write_text(json.dumps(document, indent=2, default=str) + "\n")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _commit() -> str:
    """The checkout's commit, with a `+` where files differ from it."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()
