"""How long the command line takes to answer, as a whole process, beside what importing a framework costs."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import pictures
from benchmarks.frame import ROOT, Bar, FailedError, Result, Settings, Table, UnavailableError, seconds

LIMIT = 0.7


def run(settings: Settings) -> Iterator[Result]:
    """Run every command in turn, several rounds; one round before them, not timed, brings all files into memory."""
    ways = commands()
    for name, command in ways.items():
        _once(name, command)
    measured = {name: [] for name in ways}
    for _ in range(settings.repeats):
        for name, command in ways.items():
            measured[name].append(_once(name, command))
    yield compare(measured, settings)


def commands() -> dict[str, Sequence[str]]:
    """The commands by the name that the table gives them; ours begin with `regraft`."""
    ours = Path(sys.executable).with_name("regraft")
    if not ours.exists():
        raise UnavailableError(f"needs the command 'regraft' beside '{sys.executable}'; install the package there")
    return {
        "python -c pass": (sys.executable, "-c", "pass"),
        "regraft --help": (str(ours), "--help"),
        "regraft inspect FILE.keras --json": (str(ours), "inspect", str(pictures.trunk()), "--json"),
        "python -c 'import keras'": (sys.executable, "-c", "import keras"),
    }


def compare(measured: Mapping[str, Sequence[float]], settings: Settings) -> Result:
    """Medians, spreads and the bar, from the times of each command."""
    rows = [
        (name, seconds(statistics.median(found)), f"{seconds(min(found))}..{seconds(max(found))}")
        for name, found in measured.items()
    ]
    table = Table(f"Seconds, {settings.repeats} rounds", ("command", "median", "min..max"), tuple(rows))
    bars = tuple(
        Bar(f"`{name}` answers in under {LIMIT} s", f"{seconds(median)} s (median)", median < LIMIT)
        for name, median in ((name, statistics.median(found)) for name, found in measured.items())
        if name.startswith("regraft")
    )
    plain = tuple({"command": name, "seconds": list(found)} for name, found in measured.items())
    return Result("start", str(__doc__), (table,), plain, bars, settings=settings)


def _once(name: str, command: Sequence[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    took = time.perf_counter() - started
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise FailedError(f"`{name}` ended with {done.returncode}: {said}")
    return took
