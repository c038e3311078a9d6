"""`regraft convert`: any network as a Keras file, with proof."""

import argparse
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli import framework
from regraft.cli.text import counted, facts, table

if TYPE_CHECKING:
    from regraft.core.records import Conversion, Parity

SUMMARY = "write any network as a .keras file, and prove that it computes what the original computes"
EXAMPLE = """
regraft convert network.onnx network.keras --check
regraft convert network.onnx network.keras --json
"""

_SHOWN = 8


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `convert` understands."""
    parser.add_argument("source", metavar="SOURCE", help="a network of any format: .onnx, .h5, keras:NAME, ...")
    parser.add_argument("out", metavar="OUT", help="the .keras file to write")
    parser.add_argument(
        "--check",
        action="store_true",
        help="run the original as well (.onnx: needs onnxruntime), compare layer by layer, and write nothing where "
        "the outputs differ",
    )
    parser.add_argument(
        "--architecture", metavar="A", help="what builds the network where SOURCE holds only weights: keras:NAME?..., "
        "or package.module:function"
    )  # fmt: skip
    parser.add_argument(
        "--input-size", metavar="N", type=int, help="height and width in pixels, where SOURCE leaves them open"
    )
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
        trust=arguments.trust,
    )


def show(result: "Conversion") -> str:
    """For people."""
    load = result.load
    rows = [
        ("network", f"{counted(result.layers, 'layer')}, {counted(result.parameters, 'parameter')}, "
         f"{result.trainable_parameters:,} of them trainable"),
        ("input", " and ".join(map(_shape, result.input))),
        ("output", " and ".join(map(_shape, result.output))),
        ("tensors", f"{len(load.loaded) + len(load.renamed)} loaded, {len(load.skipped)} read as settings, "
         f"{len(load.unused)} unused"),
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
