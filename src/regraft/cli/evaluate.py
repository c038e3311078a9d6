"""`regraft evaluate`: how good a run is on other examples."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import regraft
from regraft.cli import arguments as words
from regraft.cli import framework
from regraft.cli.text import counted, share, share_interval, table
from regraft.core.records import Metric, Metrics

SUMMARY = "measure a finished run on labelled examples"
EXAMPLE = """
regraft evaluate flowers-run more-flowers
regraft evaluate flowers-run flowers --split test --json
"""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run, the examples, and how good the run is on them."""

    run: str
    data: str
    split: str | None
    metrics: Metrics


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `evaluate` understands."""
    words.run_argument(parser)
    words.trust_argument(parser, "RUN")
    parser.add_argument("data", metavar="DATA", help="labelled examples, in the ways that `regraft fit` takes them")
    parser.add_argument("--split", choices=("train", "validation", "test"), help="only this part; else all of them")
    words.columns_arguments(parser)
    words.strict_argument(parser)


def run(arguments: argparse.Namespace) -> Evaluation:
    """Do it."""
    # Here, because these need more than the help does.
    from regraft.data import files
    from regraft.recipes import run_folder

    run_folder.read(Path(arguments.folder))
    files.existing(Path(arguments.data).expanduser())
    framework.load()
    finished = regraft.load(arguments.folder, trust=arguments.trust)
    metrics = regraft.evaluate(
        finished,
        arguments.data,
        split=arguments.split,
        strict=arguments.strict,
        columns=words.columns_of(arguments, finished.record.plan.read_columns),
    )
    return Evaluation(arguments.folder, arguments.data, arguments.split, metrics)


def show(result: Evaluation) -> str:
    """For people."""
    metrics = result.metrics
    rows = [
        ["accuracy", share(metrics.accuracy.value), share_interval(metrics.accuracy)],
        ["balanced accuracy", share(metrics.balanced_accuracy.value), share_interval(metrics.balanced_accuracy)],
        ["log loss", *_plain(metrics.log_loss)],
        ["calibration error", *_plain(metrics.calibration_error)],
    ]
    part = f"the {result.split} split of " if result.split else ""
    heading = f"{result.run} on {counted(metrics.examples, 'example')} of {part}{result.data}, with 95 % intervals"
    return f"{heading}\n{table(rows, right=[1, 2])}"


def _plain(metric: Metric) -> list[str]:
    low, high = metric.interval
    return [f"{metric.value:.3f}", f"{low:.3f} to {high:.3f}"]
