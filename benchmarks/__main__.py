"""Run benchmarks and write what they find: `python -m benchmarks [NAME ...]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from benchmarks import (
    activations,
    catalogue,
    codings,
    coverage,
    depth,
    depth_pictures,
    doubts,
    drawing,
    examples,
    fit,
    frame,
    guide,
    hard_pairs,
    kills,
    pictures,
    reading,
    score_speed,
    start,
    steps,
    switches,
    textbook,
    thaw,
    transfer,
    views,
)
from benchmarks.frame import FailedError, Result, Settings, UnavailableError
from benchmarks.pretraining import digit_pairs, greedy, labels, pair_sampling, rbm_parity, rotated, sentences
from benchmarks.ranking import regret

BENCHMARKS: dict[str, ModuleType] = {
    "start": start,
    "examples": examples,
    "activations": activations,
    "reading": reading,
    "transfer": transfer,
    "guide": guide,
    "fit": fit,
    "views": views,
    "codings": codings,
    "switches": switches,
    "kills": kills,
    "catalogue": catalogue,
    "thaw": thaw,
    "textbook": textbook,
    "hard_pairs": hard_pairs,
    "depth": depth,
    "depth_pictures": depth_pictures,
    "doubts": doubts,
    "steps": steps,
    "coverage": coverage,
    "score_speed": score_speed,
    "regret": regret,
    "rbm_parity": rbm_parity,
    "greedy": greedy,
    "rotated": rotated,
    "labels": labels,
    "sentences": sentences,
    "digit_pairs": digit_pairs,
    "pair_sampling": pair_sampling,
}

# `guide` and `fit` are the sides of `transfer`, and `reading` is a part of `activations`; `views` and
# `codings` have no bar, and take their time. `depth` and `depth_pictures` have bars, and try everything.
_BY_DEFAULT = (
    "start",
    "examples",
    "activations",
    "transfer",
    "switches",
    "thaw",
    "textbook",
    "hard_pairs",
    "steps",
    "coverage",
    "score_speed",
    "rbm_parity",
    "greedy",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked; 0: all bars hold, 1: one does not, or work failed, 2: a benchmark cannot run here."""
    asked = _parser().parse_args(arguments)
    if asked.list:
        for name, benchmark in BENCHMARKS.items():
            print(f"{name:16}{(benchmark.__doc__ or '').partition(chr(10))[0]}")
        return 0
    settings = Settings(
        splits=asked.splits,
        data=tuple(asked.data or Settings().data),
        per_class=asked.per_class,
        epochs=tuple(asked.epochs) if asked.epochs else None,
        reference=asked.reference,
        repeats=asked.repeats,
        kills=asked.kills,
    )
    if not asked.names:
        # Where nothing was asked for by name, a machine without the networks and data is no failure.
        try:
            pictures.shared()
        except UnavailableError as reason:
            print(f"{', '.join(_BY_DEFAULT)}: not measured: {reason}", file=sys.stderr)
            return 0
    return max(_run(name, settings, asked.out) for name in asked.names or _BY_DEFAULT)


def _run(name: str, settings: Settings, folder: Path) -> int:
    """Run one benchmark, writing its result anew whenever there is more of it."""
    facts = frame.machine()
    result: Result | None = None
    try:
        for found in BENCHMARKS[name].run(settings):
            frame.write(found, folder, facts)
            result = found
        if result is not None and name == activations.NAME:
            _draw(result)
    except UnavailableError as reason:
        print(f"{name}: not measured: {reason}", file=sys.stderr)
        return 2
    except FailedError as reason:
        print(f"{name}: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"{name}: stopped; what was measured before is in '{folder}'" if result else f"{name}: stopped",
            file=sys.stderr,
        )
        return 1
    if result is None:
        return 0
    print(frame.to_markdown(result, facts))
    return 0 if all(bar.holds for bar in result.bars) else 1


def _draw(result: Result) -> None:
    """Draw the pictures that the README shows, unless the figures mean nothing."""
    if not result.settings.reduced:
        drawing.draw(result.measurements, frame.PICTURES)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", type=_name, help=f"which: {', '.join(BENCHMARKS)}")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--splits", type=_count, default=5, metavar="N", help="stratified splits (default 5)")
    parser.add_argument("--data", action="append", choices=pictures.TASKS, help="only this data set; may be repeated")
    parser.add_argument("--kills", type=_count, default=200, metavar="N", help="kills of `kills` (default 200)")
    parser.add_argument(
        "--repeats", type=_count, default=7, metavar="N", help="rounds of `start` and `steps` (default 7)"
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="what was measured before is not measured again: for `transfer` the guide's JSON, of this machine; for "
        "`hard_pairs`, `rotated`, `labels`, `sentences` and `digit_pairs` their own; for `regret` the truth",
    )
    parser.add_argument("--out", type=Path, default=frame.RESULTS, metavar="DIR", help="default: build/benchmarks")
    trial = parser.add_argument_group("to try the harness out, in seconds; the figures then mean nothing")
    trial.add_argument("--per-class", type=_count, metavar="N", help="only so many pictures of each class")
    trial.add_argument("--epochs", type=_count, nargs=2, metavar=("FROZEN", "ALL"), help="of the guide's two stages")
    return parser


def _name(text: str) -> str:
    if text not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"unknown benchmark '{text}'; known: {', '.join(BENCHMARKS)}")
    return text


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())
