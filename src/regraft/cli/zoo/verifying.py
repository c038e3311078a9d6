"""`regraft zoo verify`: whether everything is what was put in."""

import argparse
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli.text import counted, facts, size

if TYPE_CHECKING:
    from regraft.catalogue.verifying import Verified

RESULT = "Verified"
SUMMARY = "read all cards and weights, and compare them with the digests that they were put in under"
EXAMPLE = """
regraft zoo verify
regraft zoo verify --repair
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `zoo verify` understands."""
    parser.add_argument(
        "--repair",
        action="store_true",
        help="make the index anew; remove damaged weights, so that adding the model again heals it, and what no model "
        "needs for a day",
    )
    words.zoo_argument(parser)


def run(arguments: argparse.Namespace) -> "Verified":
    """Do it."""
    # Here, because this needs more than the help does.
    from regraft.catalogue import open_catalogue
    from regraft.catalogue.verifying import verify

    return verify(open_catalogue(arguments.zoo), repair=arguments.repair)


def show(result: "Verified") -> str:
    """For people."""
    sound = "all sound" if result.holds else "not all sound"
    count = f"{counted(result.cards, 'card')}, {counted(result.parts, 'part')}, {size(result.bytes)}"
    told = [("damaged", f"{damage.what}: {damage.reason}{_concerned(damage.models)}") for damage in result.damage]
    told += [("newer", reason) for reason in result.newer]
    if result.left:
        done = f", {result.removed} of them removed" if result.removed else ""
        told.append(
            ("left over", f"{counted(result.left, 'part')} that no model needs, {size(result.left_bytes)}{done}")
        )
    return "\n".join([f"{result.address}: {count}: {sound}", *([facts(told)] if told else [])])


def _concerned(models: tuple[str, ...]) -> str:
    return f"; of {', '.join(models)}" if models else ""
