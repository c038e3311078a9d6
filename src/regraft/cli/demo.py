"""`regraft demo`: all of it, offline, in a minute."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from regraft.cli import framework
from regraft.cli.summary import summary
from regraft.cli.text import facts, paragraph, seconds, share

if TYPE_CHECKING:
    from regraft.recipes.demo import Demo

SUMMARY = "show all of it in a minute, offline, on handwritten digits that ship with scikit-learn"
EXAMPLE = "regraft demo --out regraft-demo"


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `demo` understands."""
    parser.add_argument("--out", metavar="DIR", default="regraft-demo", help="where to put it; regraft-demo")


def run(arguments: argparse.Namespace) -> "Demo":
    """Do it."""
    framework.load()
    # Only now, because this needs Keras.
    from regraft.recipes.demo import demo

    return demo(Path(arguments.out))


def show(result: "Demo") -> str:
    """For people."""
    made = [
        ("source", f"{result.source}, the network that knows 0 to 4"),
        ("data", f"{result.data}, the digits 5 to 9"),
        ("pictures", f"{result.pictures}, some of them as files, for `regraft predict`"),
    ]
    words = ["regraft", "fit", result.data, "--source", result.source, "--views", "1", "--refit", "no"]
    return "\n\n".join(
        [
            paragraph(_story(result)),
            summary(result.run, pictures=result.pictures),
            f"made here, in {seconds(result.seconds)}\n{facts(made)}",
            f"the same by hand\n  {shlex.join(words)}",
        ]
    )


def _story(result: "Demo") -> str:
    run = result.run
    accuracy = run.metrics[run.evaluated_on].accuracy.value
    return (
        f"A network learnt the digits 0 to 4 from {result.source_examples} pictures in "
        f"{seconds(result.source_seconds)}. Reused for 5 to 9, it had {result.examples} pictures to learn from, and "
        f"gets {share(accuracy)} of {run.metrics[run.evaluated_on].examples} others right."
    )
