"""`regraft zoo add`: keep a model."""

import argparse
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli import framework
from regraft.cli.text import counted, facts, size

if TYPE_CHECKING:
    from regraft.recipes.cataloguing.adding import Added

RESULT = "Added"
SUMMARY = "keep a network, a finished run or a pretraining in the catalogue"
EXAMPLE = """
regraft zoo add run --name flowers --licence CC-BY-4.0 --tag plants --tag photographs
regraft zoo add mine.keras
regraft zoo add keras:MobileNetV2 --name mobilenet-v2
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `zoo add` understands."""
    parser.add_argument(
        "source", metavar="MODEL", help="the folder of a run or of a pretraining, or a network as fit takes it"
    )
    parser.add_argument("--name", metavar="NAME", help="in the catalogue; one that is there gets another version")
    parser.add_argument("--summary", metavar="TEXT", help="what it is, in a sentence")
    parser.add_argument(
        "--task", metavar="TASK", help="what it does, such as image-classification; else as its ends say"
    )
    parser.add_argument("--licence", metavar="LICENCE", default="", help="under which it may be used, such as MIT")
    parser.add_argument("--citation", metavar="TEXT", default="", help="what to cite")
    parser.add_argument("--tag", metavar="WORD", action="append", default=[], help="to find it by; may be repeated")
    parser.add_argument("--no-optimizer", action="store_true", help="without the state of the optimizer")
    parser.add_argument(
        "--architecture", metavar="A", help="what builds the network where MODEL holds only weights: keras:NAME?..., "
        "or package.module:function"
    )  # fmt: skip
    parser.add_argument("--preprocessing", metavar="P", help="what the network's input is, where MODEL does not say")
    parser.add_argument(
        "--input-size", metavar="N", type=words.positive, help="height and width, where MODEL can have any"
    )
    words.trust_argument(parser, "MODEL")
    words.zoo_argument(parser)


def run(arguments: argparse.Namespace) -> "Added":
    """Do it."""
    framework.load()
    # Here, because this needs a framework.
    from regraft.recipes.cataloguing.adding import add as add_model

    return add_model(
        arguments.source,
        name=arguments.name,
        zoo=arguments.zoo,
        summary=arguments.summary,
        task=arguments.task,
        licence=arguments.licence,
        citation=arguments.citation,
        tags=arguments.tag,
        optimizer=not arguments.no_optimizer,
        architecture=arguments.architecture,
        preprocessing=arguments.preprocessing,
        input_size=arguments.input_size,
        trust=arguments.trust,
    )


def show(result: "Added") -> str:
    """For people."""
    card = result.card
    done = "added" if result.is_new else "is there already, with the same weights"
    told = [
        (
            "holds",
            f"{counted(card.architecture.parameters, 'parameter')}, {counted(len(card.cut_points), 'cut point')}",
        ),
        ("stored", f"{size(result.stored)} new, {size(result.shared)} shared with what was there"),
    ]
    if card.lineage is not None:
        made_of = card.lineage.parent or f"{card.lineage.source}, which is not in the catalogue"
        told.append(("made of", made_of))
    if card.optimizer is not None:
        kinds, steps = ", ".join(card.optimizer.kinds), counted(card.optimizer.steps, "step")
        told.append(("optimizer", f"{kinds}, {counted(card.optimizer.variables, 'variable')}, {steps}"))
    return "\n".join([f"{result.address} {done}, in {result.catalogue}", facts(told), f"  --source zoo:{result.name}"])
