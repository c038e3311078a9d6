"""Many cases of a target, in processes of their own: what kills one is a finding like any other."""

import contextlib
import faulthandler
import json
import mmap
import os
import resource
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from fuzz import examining, mutation
from fuzz.corpus import Seed

# A process is replaced now and then, so that what one case leaves behind does not count against another.
_CASES_OF_A_PROCESS = 2000
_HARD_SECONDS = 20
_STUCK_SECONDS = 300
_HARD_MEMORY = 2 << 30


@dataclass(slots=True)
class Tally:
    """What the cases of a target came to.

    Attributes:
        name: of the target.
        outcomes: how many of each.
        reasons: what the refused ones were refused with.
        slowest: processor seconds, and of which case.
        peak: bytes, and of which case.
        findings: the defects: case, outcome, what is said of it.
        seconds: that all of it took.
    """

    name: str
    outcomes: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    slowest: tuple[float, int] = (0.0, -1)
    peak: tuple[int, int] = (0, -1)
    findings: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        """How many were tried."""
        return self.outcomes.total()


def files(name: str, seeds: list[Seed], base: int, case: int) -> tuple[Seed, dict[str, bytes]]:
    """The files of a case: the same for the same target, seeds, base and number.

    Args:
        name: of the target.
        seeds: whole networks.
        base: the seed of the whole run.
        case: its number.
    """
    random = Random(f"{name}:{base}:{case}")
    seed = random.choice(seeds)
    held = dict(seed.files)
    key = random.choice(sorted(held))
    others = [item.files[key] for item in seeds if key in item.files and item is not seed]
    other = random.choice(others) if others else held[key]
    # An alteration may find nothing to alter; the file is then tried as it is.
    with contextlib.suppress(IndexError, ValueError):
        held[key] = mutation.altered(key, held[key], random, other)
    return seed, held


def tried(name: str, seeds: list[Seed], base: int, cases: range, seconds: float, workplace: Path) -> Tally:
    """Try cases until they, or the seconds, are over.

    Args:
        name: of the target.
        seeds: whole networks.
        base: the seed of the whole run.
        cases: their numbers.
        seconds: after which no further case is begun.
        workplace: a folder for the altered files.
    """
    tally, started = Tally(name), time.monotonic()
    current = mmap.mmap(-1, 8)
    case = cases.start
    while case < cases.stop and time.monotonic() - started < seconds:
        stop = min(case + _CASES_OF_A_PROCESS, cases.stop)
        case = _process(
            tally, seeds, base, range(case, stop), seconds - (time.monotonic() - started), workplace, current
        )
    tally.seconds = time.monotonic() - started
    return tally


def _process(
    tally: Tally, seeds: list[Seed], base: int, cases: range, seconds: float, workplace: Path, current: mmap.mmap
) -> int:
    """Try cases in a process of its own; gives the first case that was not tried."""
    reading, writing = os.pipe()
    current[:] = (cases.start).to_bytes(8, "little")
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(tally.name, seeds, base, cases, seconds, workplace, current, writing)
    os.close(writing)
    following = cases.start
    with os.fdopen(reading) as lines:
        for line in lines:
            case, verdict = json.loads(line)
            _count(tally, case, examining.Verdict(**verdict))
            following = case + 1
    _, status = os.waitpid(child, 0)
    if status == 0:
        return max(following, cases.start + 1) if following < cases.stop else cases.stop
    case = int.from_bytes(current[:], "little")
    how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit status {status >> 8}"
    _count(tally, case, examining.Verdict("killed", how, 0.0, 0))
    return case + 1


def _count(tally: Tally, case: int, verdict: examining.Verdict) -> None:
    tally.outcomes[verdict.outcome] += 1
    tally.slowest = max(tally.slowest, (verdict.seconds, case))
    tally.peak = max(tally.peak, (verdict.memory, case))
    if verdict.outcome in ("read", "refused"):
        tally.reasons[verdict.said] += 1
    else:
        tally.findings.append((case, verdict.outcome, verdict.said))


def _work(
    name: str, seeds: list[Seed], base: int, cases: range, seconds: float, workplace: Path, current: Any, writing: int
) -> None:
    """What the process does; it never returns."""
    started, status = time.monotonic(), 1
    try:
        _limit()
        with os.fdopen(writing, "w", buffering=1) as lines:
            for case in cases:
                if time.monotonic() - started > seconds:
                    break
                current[:] = case.to_bytes(8, "little")
                seed, held = files(name, seeds, base, case)
                verdict = judged(seed, held, workplace)
                found = {field: getattr(verdict, field) for field in ("outcome", "said", "seconds", "memory")}
                lines.write(json.dumps([case, found]) + "\n")
        status = 0
    finally:
        os._exit(status)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + _HARD_MEMORY, now + _HARD_MEMORY))
    # The default action of both signals ends the process, in the middle of foreign code too.
    faulthandler.disable()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def judged(seed: Seed, held: dict[str, bytes], workplace: Path) -> examining.Verdict:
    """Write the files of a case and try them."""
    folder = Path(tempfile.mkdtemp(dir=workplace))
    try:
        write(held, folder)
        architecture = folder / seed.architecture if seed.architecture else None
        signal.setitimer(signal.ITIMER_PROF, _HARD_SECONDS)
        signal.alarm(_STUCK_SECONDS)
        return examining.examined(folder / seed.opened, architecture, sum(map(len, held.values())))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        shutil.rmtree(folder, ignore_errors=True)


def write(held: dict[str, bytes], folder: Path) -> None:
    """Write files into a folder."""
    for name, content in held.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def distinct(findings: list[tuple[int, str, str]]) -> Iterator[tuple[int, str, str, int]]:
    """One of each kind of finding, and how many there are of it."""
    kinds: dict[tuple[str, str], list[int]] = {}
    for case, outcome, said in findings:
        # What is said quotes the file; the kind of error and its place do not.
        kind = f"{said.partition(':')[0]}{said.rpartition('(')[2]}" if outcome == "crash" else said.partition(":")[0]
        kinds.setdefault((outcome, "" if outcome == "message" else kind), []).append(case)
    texts = {case: said for case, _, said in findings}
    for (outcome, _), cases in kinds.items():
        yield cases[0], outcome, texts[cases[0]], len(cases)
