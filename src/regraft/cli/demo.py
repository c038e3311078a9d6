"""`regraft demo`: all of it, offline, in a minute."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from regraft.cli import framework
from regraft.cli.summary import summary
from regraft.cli.text import counted, facts, paragraph, seconds, share

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
    return ""
