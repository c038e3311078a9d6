"""`regraft zoo`: the catalogue of models."""

import argparse
from types import ModuleType
from typing import Any

from regraft.cli import arguments as words
from regraft.cli.zoo import (
    adding,
    exporting,
    importing,
    listing,
    paging,
    public,
    removing,
    searching,
    showing,
    verifying,
)

# Each has SUMMARY, EXAMPLE, RESULT, `add(parser)`, `run(arguments) -> result` and `show(result) -> text`. RESULT is the
# name of the class of what `run` returns: the class itself may need more than the help does.
ACTIONS: dict[str, ModuleType] = {
    "add": adding,
    "list": listing,
    "search": searching,
    "show": showing,
    "remove": removing,
    "verify": verifying,
    "export": exporting,
    "import": importing,
    "page": paging,
}

SUMMARY = "the catalogue of models: keep every network, run and pretraining, find it, reuse it"
EXAMPLE = """
regraft zoo add run --name flowers --tag plants
regraft zoo search plants
regraft zoo show flowers
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `zoo` understands."""
    words.actions(parser, ACTIONS)


def run(arguments: argparse.Namespace) -> Any:
    """Do what the action does."""
    return ACTIONS[arguments.action].run(arguments)


def show(result: Any) -> str:
    """For people."""
    action = next(action for action in (*ACTIONS.values(), public) if type(result).__name__ == action.RESULT)
    return action.show(result)
