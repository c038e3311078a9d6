"""`regraft zoo search`: find a model by words."""

import argparse
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli.text import counted
from regraft.cli.zoo import listing, public

if TYPE_CHECKING:
    from regraft.catalogue import Entry
    from regraft.core.public import PublicZoo

RESULT = "FoundModels"
SUMMARY = "find models by words: of their names, tags, classes, data, kinds of layers and what is said of them"
EXAMPLE = """
regraft zoo search flowers
regraft zoo search "mobilenet daisy" --kind run
"""
_LIMIT = 50


@dataclass(frozen=True, slots=True)
class FoundModels:
    """What was found, the best first.

    Attributes:
        catalogue: its address.
        text: that was looked for.
        models: that are like what was asked for.
        unfit: where there are others only, why these are not.
    """

    catalogue: str
    text: str
    models: "tuple[Entry, ...]"
    unfit: str = ""


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `zoo search` understands."""
    parser.add_argument("text", metavar="TEXT", nargs="+", help="words, each the beginning of one that is looked for")
    parser.add_argument("--limit", metavar="N", type=words.positive, default=_LIMIT, help=f"at most so many ({_LIMIT})")
    listing.filter_arguments(parser)
    words.zoo_argument(parser, "; or keras, keras-hub, timm: what others have published")


def run(arguments: argparse.Namespace) -> "FoundModels | PublicZoo":
    """Do it."""
    if public.is_one(arguments.zoo):
        found = public.run(arguments, " ".join(arguments.text))
        return replace(found, networks=found.networks[: arguments.limit])
    # Here, because this needs more than the help does.
    from regraft.catalogue import open_catalogue

    catalogue, text = open_catalogue(arguments.zoo), " ".join(arguments.text)
    models = catalogue.search(text, listing.filters(arguments), arguments.limit)
    return FoundModels(catalogue.address, text, models, "" if models else listing.unfit(catalogue, text, arguments))


def show(result: FoundModels) -> str:
    """For people."""
    if result.unfit:
        return f"{result.catalogue}, '{result.text}': {result.unfit}"
    heading = f"{counted(len(result.models), 'model')} for '{result.text}' in {result.catalogue}"
    return f"{heading}\n{listing.lines(result.models)}" if result.models else heading
