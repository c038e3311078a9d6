"""Alter files and see that the readers stand it: `python -m fuzz [TARGET ...]`.

Every case is a function of target, seed and number: `python -m fuzz TARGET --case N` runs one again, with a traceback.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fuzz import corpus, running
from fuzz.corpus import TARGETS
from fuzz.running import Tally

_CORPUS, _OUT = Path("build/fuzz/corpus"), Path("build/fuzz/findings")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the targets that were asked for; 0: no finding, 1: there are some."""
    asked = _parser().parse_args(arguments)
    names = asked.targets or list(TARGETS)
    if asked.make:
        for name in names:
            corpus.make(name, asked.corpus)
        return 0
    _ensure_corpus(names, asked.corpus)
    if asked.case is not None:
        return _again(names[0], asked)
    tallies: list[Tally] = []
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    for name in names:
        seeds = corpus.seeds(name, asked.corpus)
        with tempfile.TemporaryDirectory(dir=memory) as workplace:
            cases = range(asked.start, asked.start + asked.cases)
            tally = running.tried(name, seeds, asked.seed, cases, asked.seconds, Path(workplace))
        tallies.append(tally)
        print(_row(tally) if len(tallies) > 1 else f"{_HEAD}\n{_row(tally)}", flush=True)
        _report(tally, seeds, asked)
    return 1 if any(tally.findings for tally in tallies) else 0


_HEAD = (
    "| target | cases | refused | read | findings | slowest, s | peak, MB | cases per second |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|"
)


def _row(tally: Tally) -> str:
    return (
        f"| `{tally.name}` | {tally.cases:,} | {tally.outcomes['refused']:,} | {tally.outcomes['read']:,} | "
        f"{len(tally.findings):,} | {tally.slowest[0]:.2f} | {tally.peak[0] / 1e6:.0f} | "
        f"{tally.cases / max(tally.seconds, 1e-9):.0f} |"
    )


def _report(tally: Tally, seeds: list[corpus.Seed], asked: argparse.Namespace) -> None:
    """Say what was found, and keep the files of one case of each kind."""
    for case, outcome, said, count in running.distinct(tally.findings):
        folder = asked.out / f"{tally.name}-{asked.seed}-{case}"
        _, held = running.files(tally.name, seeds, asked.seed, case)
        running.write(held, folder)
        (folder.parent / f"{folder.name}.txt").write_text(
            f"{outcome}: {said}\npython -m fuzz {tally.name} --seed {asked.seed} --case {case}\n"
        )
        print(f"  {tally.name} {case}: {outcome}: {said[:300]} ({count} times); kept in {folder}", flush=True)


def _again(name: str, asked: argparse.Namespace) -> int:
    """One case again, in this process, with a traceback."""
    seeds = corpus.seeds(name, asked.corpus)
    seed, held = running.files(name, seeds, asked.seed, asked.case)
    with tempfile.TemporaryDirectory() as folder:
        running.write(held, Path(folder))
        if asked.debug:
            from regraft import formats

            for tensor in formats.read(Path(folder) / seed.opened).tensors.values():
                tensor.read()
        verdict = running.judged(seed, held, Path(folder))
    print(f"{verdict.outcome}: {verdict.said}; {verdict.seconds:.2f} s, {verdict.memory / 1e6:.1f} MB")
    return 0 if verdict.outcome in ("read", "refused") else 1


def _ensure_corpus(names: Sequence[str], folder: Path) -> None:
    # In a process of its own: it loads every framework, and what runs the cases is copied from this one.
    absent = [name for name in names if not (folder / name / "seeds.json").is_file()]
    if absent:
        command = [sys.executable, "-m", "fuzz", *absent, "--make", "--corpus", str(folder)]
        subprocess.run(command, check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[*TARGETS, []], help=", ".join(TARGETS))
    parser.add_argument("--cases", type=int, default=20_000, metavar="N", help="of each target (default 20000)")
    parser.add_argument(
        "--seconds", type=float, default=1200, metavar="S", help="for each target at most (default 1200)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of every choice (default 0)")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="the first case (default 0)")
    parser.add_argument("--case", type=int, metavar="N", help="only this one, in this process")
    parser.add_argument("--debug", action="store_true", help="with --case: let the error through")
    parser.add_argument("--make", action="store_true", help="only write the files to alter")
    parser.add_argument("--corpus", type=Path, default=_CORPUS, metavar="DIR", help=f"the files to alter ({_CORPUS})")
    parser.add_argument("--out", type=Path, default=_OUT, metavar="DIR", help=f"where findings are kept ({_OUT})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
