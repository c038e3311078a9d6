"""`regraft zoo remove`: take a model out."""

import argparse
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli.text import counted, size

if TYPE_CHECKING:
    from regraft.catalogue import Removed

RESULT = "Removed"
SUMMARY = "take a version of a model out of the catalogue, and the weights that no other needs"
EXAMPLE = """
regraft zoo remove flowers@1
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `zoo remove` understands."""
    parser.add_argument(
        "model", metavar="NAME[@VERSION]", help="of the model; the version may be left out where there is one only"
    )
    words.zoo_argument(parser)


def run(arguments: argparse.Namespace) -> "Removed":
    """Do it."""
    # Here, because this needs more than the help does.
    from regraft.catalogue import open_catalogue

    return open_catalogue(arguments.zoo).remove(arguments.model)


def show(result: "Removed") -> str:
    """For people."""
    gone = f"{counted(result.parts, 'part')} that no other model needs, {size(result.freed)}"
    return f"{', '.join(result.removed)} removed; {gone}"
