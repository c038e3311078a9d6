"""How long the command line takes to answer, as a whole process, beside what importing a framework costs."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import pictures
from benchmarks.frame import ROOT, Bar, FailedError, Result, Settings, Table, UnavailableError, seconds

LIMIT = 0.7

# What lies beside networks and is none.
_BESIDE = {".jpg", ".jpeg", ".png", ".txt", ".csv", ".md", ".json", ".prototxt", ""}
_FOLDERS = ("saved_model.pb", "export.meta")


def run(settings: Settings) -> Iterator[Result]:
    """Run every command in turn, several rounds; one round before them, not timed, brings all files into memory."""
    ways = commands()
    for name, command in ways.items():
        _once(name, command)
    measured = {name: [] for name in ways}
    for _ in range(settings.repeats):
        for name, command in ways.items():
            measured[name].append(_once(name, command))
    yield over_all(compare(measured, settings), {name: _inspected(path) for name, path in networks().items()})


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


def networks() -> dict[str, Path]:
    """Every file and folder of the real networks that can be inspected, by its place."""
    nets = pictures.shared() / "nets"
    return {str(path.relative_to(nets)): path for path in sorted(nets.rglob("*")) if _is_network(path)}


def _is_network(path: Path) -> bool:
    if path.is_dir():
        return any((path / name).is_file() for name in _FOLDERS)
    return path.suffix not in _BESIDE and path.name != "fingerprint.pb"


def over_all(result: Result, measured: Mapping[str, float]) -> Result:
    """The result with a table of what inspecting each file took, and a bar that each must be under."""
    slowest = max(measured.items(), key=lambda item: item[1])
    rows = tuple((name, seconds(took)) for name, took in sorted(measured.items(), key=lambda item: -item[1]))
    table = Table("Seconds of `regraft inspect FILE --json`, the better of two", ("file", "seconds"), rows)
    bar = Bar(
        f"each of {len(measured)} files is inspected in under {LIMIT} s",
        f"{seconds(slowest[1])} s (`{slowest[0]}`)",
        slowest[1] < LIMIT,
    )
    plain = tuple({"command": f"regraft inspect {name}", "seconds": [took]} for name, took in measured.items())
    return replace(
        result,
        tables=(*result.tables, table),
        measurements=(*result.measurements, *plain),
        bars=(*result.bars, bar),
    )


def _inspected(path: Path) -> float:
    command = (str(Path(sys.executable).with_name("regraft")), "inspect", str(path), "--json")
    return min(_once(str(path), command) for _ in range(2))


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
