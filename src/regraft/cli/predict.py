"""`regraft predict`: answers for new pictures, texts or rows."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import regraft
from regraft.cli import arguments as words
from regraft.cli import framework
from regraft.cli.text import share, table

if TYPE_CHECKING:
    from regraft.recipes.using import Prediction

SUMMARY = "answer for new pictures, texts or rows of a table"
EXAMPLE = """
regraft predict flowers-run photo.jpg
regraft predict flowers-run holiday-pictures --json
regraft predict spam-run inbox.csv --text-column message
"""


@dataclass(frozen=True, slots=True)
class Predictions:
    """A run, and what it answers for each picture."""

    run: str
    predictions: "tuple[Prediction, ...]"


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `predict` understands."""
    words.run_argument(parser)
    words.trust_argument(parser, "RUN")
    parser.add_argument(
        "files",
        metavar="FILES",
        nargs="+",
        help="pictures, or folders of pictures; for a run on texts or rows, tables or .txt files of one text each",
    )
    words.columns_arguments(parser, labelled=False)
    words.strict_argument(parser)


def run(arguments: argparse.Namespace) -> Predictions:
    """Do it."""
    # Here, because these need more than the help does.
    from regraft.data import pictures_in, rows_in
    from regraft.recipes import run_folder

    plan = run_folder.read(Path(arguments.folder)).plan
    columns = words.columns_of(arguments, plan.read_columns)
    if columns is not None:
        rows_in([Path(file) for file in arguments.files], columns)
    else:
        pictures_in(arguments.files)
    framework.load()
    made = regraft.predict(
        regraft.load(arguments.folder, trust=arguments.trust),
        arguments.files,
        strict=arguments.strict,
        columns=columns,
    )
    return Predictions(arguments.folder, tuple(made))


def show(result: Predictions) -> str:
    """For people."""
    return table(
        [[answer.name, answer.label, share(answer.confidence)] for answer in result.predictions], indent="", right=[2]
    )
