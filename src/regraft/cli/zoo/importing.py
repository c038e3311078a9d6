"""`regraft zoo import`: a model that was exported from a catalogue, or a folder that others made."""

import argparse
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli.text import counted, facts

if TYPE_CHECKING:
    from regraft.recipes.cataloguing.exchange import Imported

RESULT = "Imported"
SUMMARY = "take in a model that was exported, or the folder of one from a hub"
EXAMPLE = """
regraft zoo import flowers-for-the-hub
regraft zoo import models--timm--resnet18.a1_in1k --name resnet18
regraft zoo import hf://USER/flowers
regraft zoo import models:/flowers/3 --store store
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `zoo import` understands."""
    parser.add_argument(
        "source", metavar="FOLDER", help="of the model; hf://USER/NAME; or models:/NAME/VERSION of MLflow"
    )
    parser.add_argument("--name", metavar="NAME", help="in the catalogue; else what it was called")
    parser.add_argument("--store", metavar="DIR", help="of MLflow; else MLFLOW_TRACKING_URI")
    parser.add_argument(
        "--architecture", metavar="A", help="what builds the network of a folder without a card that holds only weights"
    )
    words.trust_argument(parser, "a folder without a card")
    words.zoo_argument(parser)


def run(arguments: argparse.Namespace) -> "Imported":
    """Do it."""
    # Here, because this needs more than the help does.
    from regraft.recipes.cataloguing.exchange import import_model

    return import_model(
        arguments.source,
        name=arguments.name,
        zoo=arguments.zoo,
        store=arguments.store,
        architecture=arguments.architecture,
        trust=arguments.trust,
    )


def show(result: "Imported") -> str:
    """For people."""
    done = "is in" if result.is_new else "was there already in"
    told = [("holds", f"{counted(result.card.architecture.parameters, 'parameter')}, {result.card.kind}")]
    told += [("note", note) for note in result.notes]
    told += [("unknown", what) for what in result.unknown]
    return f"{result.address} {done} {result.catalogue}\n{facts(told)}\n  --source zoo:{result.name}"
