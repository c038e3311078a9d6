"""`regraft convert`: any network as a Keras file, with proof."""

import argparse
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli import framework
from regraft.cli.text import counted, facts, table

if TYPE_CHECKING:
    from regraft.core.opened import Conversion, Parity

SUMMARY = "write any network as a .keras file, and prove that it computes what the original computes"
EXAMPLE = """
regraft convert network.onnx network.keras --check
regraft convert frozen_graph.pb network.keras --check --json
regraft convert graph.pb features.keras --inputs input --outputs conv5/Relu
"""

_SHOWN = 8


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `convert` understands."""
    parser.add_argument("source", metavar="SOURCE", help="a network of any format: .onnx, .h5, keras:NAME, ...")
    parser.add_argument("out", metavar="OUT", help="the .keras file to write")
    parser.add_argument(
        "--check",
        action="store_true",
        help="run the original as well, in the program that it was made for (onnxruntime, tensorflow, opencv, "
        "tf_keras), compare layer by layer, and write nothing where the outputs differ",
    )
    parser.add_argument(
        "--architecture", metavar="A", help="what builds the network where SOURCE holds only weights: keras:NAME?..., "
        "or package.module:function"
    )  # fmt: skip
    parser.add_argument(
        "--input-size",
        metavar="N",
        type=words.positive,
        help="height and width in pixels, where SOURCE leaves them open",
    )
    parser.add_argument(
        "--inputs",
        metavar="NAME",
        nargs="+",
        type=_given,
        help="values of a graph that the network is to begin at: NAME, or NAME=28x28x1 where the file does not say the "
        "shape",
    )
    parser.add_argument("--outputs", metavar="NAME", nargs="+", help="values of a graph that the network is to end at")
    parser.add_argument("--signature", metavar="NAME", help="of a SavedModel, whose inputs and outputs it is to have")
    words.zoo_argument(parser)
    words.trust_argument(parser)


def run(arguments: argparse.Namespace) -> "Conversion":
    """Do it."""
    # Here, because these need more than the help does.
    from regraft import formats
    from regraft.recipes.inspecting import is_file

    if is_file(arguments.source):
        formats.sniff(arguments.source)
    framework.load()
    from regraft.recipes.converting import convert

    return convert(
        arguments.source,
        arguments.out,
        check=arguments.check,
        architecture=arguments.architecture,
        input_size=arguments.input_size,
        inputs=dict(arguments.inputs or ()),
        outputs=arguments.outputs,
        signature=arguments.signature,
        trust=arguments.trust,
    )


def _given(text: str) -> tuple[str, tuple[int | None, ...] | None]:
    """A name, and the shape after it if there is one."""
    name, said, sizes = text.partition("=")
    if not said:
        return name, None
    try:
        shape = tuple(None if size == "?" else int(size) for size in sizes.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a shape without the batch such as 28x28x1, found '{sizes}'"
        ) from None
    if any(size is not None and size < 1 for size in shape):
        raise argparse.ArgumentTypeError(f"expected sizes from 1 on, found '{sizes}'")
    return name, shape


def show(result: "Conversion") -> str:
    """For people."""
    load = result.load
    rows = [
        ("network", f"{counted(result.layers, 'layer')}, {counted(result.parameters, 'parameter')}, "
         f"{result.trainable_parameters:,} of them trainable"),
        ("input", " and ".join(map(_shape, result.input))),
        ("output", " and ".join(map(_shape, result.output))),
        ("tensors", f"{len(load.loaded) + len(load.renamed)} loaded, "
         f"{len(load.skipped)} no weights (settings, counters), {len(load.unused)} unused"),
    ]  # fmt: skip
    rows += [("note", note) for note in load.notes]
    if result.trusted:
        rows.append(("trusted", "Python code in the source was allowed to run, and what was written may hold it"))
    if not result.whole:
        rows.append(("part", "the network ends below what has no counterpart in Keras"))
    blocks = [f"{result.out}  (from {result.format or result.source})", facts(rows)]
    if result.parity is not None:
        blocks += [_proof(result.parity), _worst(result.parity)]
    return "\n\n".join(blocks)


def _proof(parity: "Parity") -> str:
    said = (
        f"the outputs of {parity.runtime} and of Keras on {parity.backend} differ by {parity.error:.1e} of the largest "
        f"at most ({counted(parity.examples, 'example')}, {parity.tolerance:.0e} is allowed); a gradient reaches every "
        "trainable variable"
    )
    return facts([("proof", said)])


def _worst(parity: "Parity") -> str:
    """The layers that differ most."""
    worst = sorted(parity.layers, key=lambda item: -item.error)[:_SHOWN]
    return table(
        [["layer", "in the file", "difference"], *([item.layer, item.value, f"{item.error:.1e}"] for item in worst)]
    )


def _shape(shape: tuple[int | None, ...]) -> str:
    return " x ".join("?" if size is None else str(size) for size in shape) or "1"
