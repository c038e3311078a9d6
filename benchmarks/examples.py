"""What opening a mapped array costs as it grows: seconds and anonymous memory, each size in a process of its own."""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.frame import ROOT, Bar, FailedError, Result, Settings, Table, UnavailableError, seconds

SIZES = (10_000, 100_000, 1_000_000)
BYTES_EACH = 60
# Of the time that an example takes: ten times the examples may take so many times ten times as long.
LINEAR = 1.5

_STATUS = Path("/proc/self/status")
_FEATURES = 64
_BLOCK = 20_000
_EVERY = 0.01


def run(settings: Settings) -> Iterator[Result]:
    """Measure every size, the smallest first."""
    if not _STATUS.exists():
        raise UnavailableError(f"needs '{_STATUS}' to tell anonymous memory from mapped files; run it on Linux")
    measured: list[Mapping[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            size = size // 100 if settings.reduced else size
            measured.append(_in_a_process(written(Path(folder) / f"{size}.npy", size)))
    yield compare(measured, settings)


def written(path: Path, size: int) -> Path:
    """A file with an array of so many different examples, float32 (size, 64)."""
    array = np.lib.format.open_memmap(path, "w+", np.float32, (size, _FEATURES))
    random = np.random.default_rng(0)
    for start in range(0, size, _BLOCK):
        array[start : start + _BLOCK] = random.random((min(_BLOCK, size - start), _FEATURES), np.float32)
    array.flush()
    return path


def compare(measured: Sequence[Mapping[str, float]], settings: Settings) -> Result:
    """The table and the bars, from the measurements of rising sizes."""
    rows = [
        (f"{each['examples']:,.0f}", *(seconds(each[name]) for name in ("open", "digest")), f"{each['peak'] / 1e6:.1f}")
        for each in measured
    ]
    before, last = measured[-2:]
    further = last["examples"] - before["examples"]
    grown = (last["peak"] - before["peak"]) / further
    slower = (last["open"] / last["examples"]) / (before["open"] / before["examples"])
    table = Table(f"float32 (n, {_FEATURES})", ("examples", "open, s", "digest, s", "peak, MB"), tuple(rows))
    bars = (
        Bar(f"at most {BYTES_EACH} bytes for each further example, at the worst", f"{grown:.0f}", grown <= BYTES_EACH),
        Bar(f"an example takes at most {LINEAR} times as long among the most", f"{slower:.2f}", slower <= LINEAR),
    )
    return Result("examples", str(__doc__), (table,), tuple(measured), bars, settings=settings)


def measure(path: Path) -> dict[str, float]:
    """Open the array at a path, and digest it: seconds, and bytes of anonymous memory beyond those before."""
    from regraft import data

    x = np.load(path, mmap_mode="r")
    labels = np.arange(len(x)) % 10
    # What is loaded at the first use is no cost of an example.
    data.open((np.arange(40, dtype=np.float32).reshape(20, 2), labels[:20]))
    before = _anonymous()
    with _Watch() as watch:
        started = time.perf_counter()
        examples = data.open((x, labels))
        opened = time.perf_counter()
        examples.digest()
        digested = time.perf_counter()
    peak = watch.peak - before
    return {"examples": len(examples), "open": opened - started, "digest": digested - opened, "peak": peak}


class _Watch:
    """Looks at the memory again and again, in a thread."""

    def __init__(self) -> None:
        self.peak = _anonymous()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        self._thread.join()
        self.peak = max(self.peak, _anonymous())

    def _look(self) -> None:
        while not self._done.wait(_EVERY):
            self.peak = max(self.peak, _anonymous())


def _anonymous() -> int:
    lines = _STATUS.read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def _in_a_process(path: Path) -> dict[str, float]:
    command = (sys.executable, "-m", "benchmarks.examples", str(path))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise FailedError(f"opening '{path.name}' ended with: {done.stderr.strip().rpartition(chr(10))[2]}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
