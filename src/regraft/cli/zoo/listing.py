"""`regraft zoo list`: what there is."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli.text import counted, share, size, table
from regraft.cli.zoo import public
from regraft.cli.zoo import unfit as why

if TYPE_CHECKING:
    from regraft.catalogue import Catalogue, Entry, Filters
    from regraft.core.public import PublicZoo

RESULT = "Models"
SUMMARY = "show what is in the catalogue"
EXAMPLE = """
regraft zoo list
regraft zoo list --kind run --tag plants --json
regraft zoo list --zoo keras --most-parameters 5M
"""
_KINDS = ("network", "run", "pretraining")
_SUMMARY = 44


@dataclass(frozen=True, slots=True)
class Models:
    """What there is in a catalogue: one line each, of the latest version unless all were asked for.

    Attributes:
        catalogue: its address.
        models: that are like what was asked for.
        unfit: where there are others only, why these are not.
    """

    catalogue: str
    models: "tuple[Entry, ...]"
    unfit: str = ""


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `zoo list` understands."""
    filter_arguments(parser)
    words.zoo_argument(parser, "; or keras, keras-hub, timm: what others have published")


def filter_arguments(parser: argparse.ArgumentParser) -> None:
    """What models must be like."""
    parser.add_argument("--kind", choices=_KINDS, help="only these")
    parser.add_argument("--task", metavar="TASK", help="only what does this, such as image-classification")
    parser.add_argument("--tag", metavar="WORD", action="append", default=[], help="only what has it; may be repeated")
    parser.add_argument("--licence", metavar="LICENCE", help="only what may be used under it")
    parser.add_argument("--classes", metavar="N", type=words.positive, help="only what tells so many classes apart")
    parser.add_argument("--most-parameters", metavar="N", type=_count, help="at most so many, such as 5M")
    parser.add_argument("--least-accuracy", metavar="A", type=_accuracy, help="at least so much, such as 0.9")
    parser.add_argument("--versions", action="store_true", help="older versions too")


def filters(arguments: argparse.Namespace) -> "Filters":
    """What was asked for."""
    # Here, because this needs more than the help does.
    from regraft.catalogue import Filters

    return Filters(
        kind=arguments.kind,
        task=arguments.task,
        licence=arguments.licence,
        tags=tuple(arguments.tag),
        classes=arguments.classes,
        most_parameters=arguments.most_parameters,
        least_accuracy=arguments.least_accuracy,
        versions=arguments.versions,
    )


def run(arguments: argparse.Namespace) -> "Models | PublicZoo":
    """Do it."""
    if public.is_one(arguments.zoo):
        return public.run(arguments)
    from regraft.catalogue import open_catalogue

    catalogue = open_catalogue(arguments.zoo)
    found = catalogue.search("", filters(arguments))
    return Models(catalogue.address, found, "" if found else unfit(catalogue, "", arguments))


def unfit(catalogue: "Catalogue", text: str, arguments: argparse.Namespace) -> str:
    """Why none of the models for a text is like what was asked for; empty where there is no such model."""
    from regraft.catalogue import Filters

    asked = filters(arguments)
    there = catalogue.search(text, Filters(versions=asked.versions))
    return f"none of {counted(len(there), 'model')} fits: {why.of_models(there, asked)}" if there else ""


def show(result: Models) -> str:
    """For people."""
    heading = f"{counted(len(result.models), 'model')} in {result.catalogue}"
    if result.unfit:
        return f"{result.catalogue}: {result.unfit}"
    if not result.models:
        return f"{heading}; regraft zoo add MODEL puts one there"
    return f"{heading}\n{lines(result.models)}"


def lines(models: "Sequence[Entry]") -> str:
    """Models under each other."""
    heading = ["model", "kind", "accuracy", "classes", "parameters", "size", "input", "what"]
    return table([heading, *map(_cells, models)], right=[2, 3, 4, 5])


def _cells(model: "Entry") -> list[str]:
    return [
        model.address,
        model.kind,
        share(model.accuracy) if model.accuracy is not None else "",
        str(model.classes or ""),
        f"{model.parameters:,}",
        size(model.bytes),
        "x".join(map(str, model.shape)) if model.shape is not None else "",
        _short(", ".join(filter(None, [model.summary, *model.tags]))),
    ]


def _short(text: str) -> str:
    return text if len(text) <= _SUMMARY else f"{text[: _SUMMARY - 4].rstrip()} ..."


def _count(text: str) -> int:
    """A number such as 5M, 250k or 1000."""
    scale = {"k": 1_000, "m": 1_000_000, "g": 1_000_000_000, "b": 1_000_000_000}.get(text[-1:].lower(), 1)
    try:
        return round(float(text if scale == 1 else text[:-1]) * scale)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number such as 5M or 250000, found '{text}'") from None


def _accuracy(text: str) -> float:
    """A part of one, such as 0.9."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 <= value <= 1:
        return value
    meant = f"; {value:g} % is {value / 100:g}" if 1 < value <= 100 else ""
    raise argparse.ArgumentTypeError(f"expected an accuracy from 0 to 1, such as 0.9, found '{text}'{meant}")
