"""`regraft zoo export`: a copy of a model in a form that others take."""

import argparse
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli.text import facts, size

if TYPE_CHECKING:
    from regraft.recipes.cataloguing.exchange import Exported

RESULT = "Exported"
SUMMARY = "write a model as a folder in the manner of the Hugging Face hub, or into MLflow"
EXAMPLE = """
regraft zoo export flowers flowers-for-the-hub
regraft zoo export flowers@2 store --to mlflow
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `zoo export` understands."""
    parser.add_argument("model", metavar="NAME[@VERSION]", help="of the model; without a version the latest")
    parser.add_argument(
        "folder", metavar="FOLDER", nargs="?", help="to write into; of mlflow the store, else MLFLOW_TRACKING_URI"
    )
    parser.add_argument("--to", choices=("hf", "mlflow"), default="hf", help="in which form (hf)")
    words.zoo_argument(parser)


def run(arguments: argparse.Namespace) -> "Exported":
    """Do it."""
    # Here, because this needs more than the help does.
    from regraft.recipes.cataloguing.exchange import export

    return export(arguments.model, arguments.folder, to=arguments.to, zoo=arguments.zoo)


def show(result: "Exported") -> str:
    """For people."""
    heading = f"{result.model} is in {result.place}: {size(result.bytes)}"
    back = result.place if result.to == "hf" else f"{result.place} --store FOLDER"
    told = [("files", ", ".join(result.files)), ("take it in again", f"regraft zoo import {back}")]
    if result.to == "hf":
        told.append(("put it on the hub", f"hf upload USER/{result.model.partition('@')[0]} {result.place}"))
    return f"{heading}\n{facts(told)}"
