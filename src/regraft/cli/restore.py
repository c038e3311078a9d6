"""`regraft restore`: the whole or a part of one network in another, every tensor accounted for."""

import argparse
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli import framework
from regraft.cli.text import counted, facts, table

if TYPE_CHECKING:
    from regraft.core.opened import LoadReport, Restoration
    from regraft.recipes.restoring import Proposed

SUMMARY = "give a network the weights of another, all or what rules choose, every tensor accounted for"
EXAMPLE = """
regraft restore mine.keras --from resnet.pth --propose
regraft restore mine.keras --from resnet.pth --map rules.txt --out restored.keras
regraft restore keras:MobileNet?alpha=0.25 --from old.h5 --map rules.txt --partial --json
"""

_SHOWN = 40


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `restore` understands."""
    parser.add_argument(
        "target", metavar="TARGET", help="the network that gets the weights: a file, keras:NAME?... (built with random "
        "weights), package.module:function, or a model.json"
    )  # fmt: skip
    parser.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        required=True,
        help="where the weights are: a file of any format, or zoo:NAME",
    )
    parser.add_argument("--map", dest="rules", metavar="RULES", help="file of rules, one a line; else they are found")
    parser.add_argument(
        "--rule", action="append", default=[], metavar="RULE", help="one rule, such as 'a/(.*) -> b/\\1', "
        "'skip PATTERN' or 'keep PATTERN'; before those of --map; may be repeated"
    )  # fmt: skip
    parser.add_argument("--out", metavar="FILE", help="the .keras file to write; without it nothing is written")
    parser.add_argument(
        "--propose", "--dry-run", action="store_true", help="only print the rules that would be followed, to be edited "
        "and given back with --map"
    )  # fmt: skip
    parser.add_argument(
        "--partial", action="store_true", help="take what there is: what has no place is reported and is no error"
    )
    parser.add_argument(
        "--input-size", metavar="N", type=words.positive, help="height and width in pixels, for a TARGET that is built"
    )
    words.zoo_argument(parser)


def run(arguments: argparse.Namespace) -> "Restoration | Proposed":
    """Do it."""
    # Here, because these need more than the help does.
    from pathlib import Path

    from regraft import formats
    from regraft.core import rules
    from regraft.core.errors import RequestError
    from regraft.recipes.inspecting import is_file

    if arguments.propose and (arguments.rules or arguments.rule or arguments.out):
        raise RequestError("--propose only prints rules: expected no --map, --rule or --out beside it")
    if is_file(arguments.source):
        formats.sniff(arguments.source)
    # Rules are read before a framework is loaded, which takes seconds.
    given = rules.of(arguments.rule) + (rules.read(Path(arguments.rules)) if arguments.rules else ())
    framework.load()
    from regraft.recipes import restoring

    if arguments.propose:
        return restoring.propose(restoring.build(arguments.target, arguments.input_size), arguments.source)
    return restoring.restore_file(
        arguments.target,
        arguments.source,
        rules=given or None,
        out=arguments.out,
        strict=not arguments.partial,
        input_size=arguments.input_size,
    )


def show(result: "Restoration | Proposed") -> str:
    """For people; of a proposal the rules alone, so that they can go into a file."""
    from regraft.core.opened import Restoration

    if not isinstance(result, Restoration):
        return result.rules.rstrip("\n")
    load = result.load
    share = f"{result.restored_parameters:,} of {counted(result.parameters, 'parameter')}"
    rows = [("restored", f"{share}, from {result.source}")]
    rows += [(title, counted(count, "tensor")) for title, count in _tensors(load) if count]
    rows += [(title, counted(count, "variable")) for title, count in _variables(load) if count]
    rows += [("note", note) for note in load.notes]
    written = result.out or f"{result.target}  (nothing was written: say --out FILE)"
    return "\n\n".join([written, facts(rows), _rows(load)]).rstrip()


def _tensors(load: "LoadReport") -> list[tuple[str, int]]:
    return [
        ("loaded", len(load.loaded)),
        ("renamed", len(load.renamed)),
        ("transformed", sum(len(item.tensors) for item in load.transformed)),
        ("skipped", len(load.skipped)),
        ("unused", len(load.unused)),
        ("do not fit", sum(len(item.tensors) for item in load.mismatched)),
        ("optimizer", len(load.slots)),
    ]


def _variables(load: "LoadReport") -> list[tuple[str, int]]:
    return [("kept", len(load.kept)), ("still random", len(load.missing))]


def _rows(load: "LoadReport") -> str:
    """One row for everything that is not as it was in the source, what needs attention first."""
    rows = [
        ["do not fit", f"{_all(m.tensors)} ({m.found})", f"{_all(m.variables)} ({m.expected})"] for m in load.mismatched
    ]
    rows += [["unused", name, ""] for name in load.unused]
    rows += [["still random", "", name] for name in load.missing]
    rows += [["kept", "", name] for name in load.kept]
    rows += [["skipped", name, ""] for name in load.skipped]
    rows += [[item.steps, _all(item.tensors), _all(item.variables)] for item in load.transformed]
    rows += [["renamed", old, new] for old, new in load.renamed]
    shown = table([["what", "tensor", "variable"], *rows[:_SHOWN]]) if rows else ""
    return f"{shown}\n  ... {len(rows) - _SHOWN} more: --json has them all" if len(rows) > _SHOWN else shown


def _all(names: tuple[str, ...]) -> str:
    return ", ".join(names)
