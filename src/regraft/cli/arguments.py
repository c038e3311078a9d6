"""Reading a command line: one line for what is wrong with it, with the nearest thing that would be right."""

import argparse
import contextlib
import re
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any, NoReturn

from regraft.core import columns as columns_
from regraft.core import durations, sizes
from regraft.core.columns import Columns
from regraft.core.errors import RequestError, nearest
from regraft.core.text_spec import UNITS

# So many choices are all told where one is wrong.
_FEW = 6


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that raises what is wrong instead of printing its usage and leaving."""

    def __init__(self, *words: Any, **said: Any) -> None:
        super().__init__(*words, **said)
        # What begins like a negative number is no option: `-5s` is refused by what it is a value of.
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def error(self, message: str) -> NoReturn:
        """Raise in one line what argparse found.

        Raises:
            RequestError: always.
        """
        unknown = re.match(r"unrecognized arguments: (\S+)", message)
        if unknown:
            option = unknown[1].partition("=")[0]
            known = [name for name in self._option_string_actions if name.startswith("--")]
            kind = "option" if option.startswith("-") else "argument"
            message = f"unknown {kind} '{option}'{nearest(option, known) if kind == 'option' else ''}"
        elif choice := re.match(r"(argument .+: invalid choice: '(.*)') \(choose from (.*)\)$", message):
            known = [name.strip(" '") for name in choice[3].split(",")]
            told = f"; known names: {', '.join(known)}" if len(known) <= _FEW else nearest(choice[2], known, len(known))
            message = choice[1] + told
        raise RequestError(f"{message}; `{self.prog} --help` shows what there is")


class _Action(Parser):
    """A parser of a command of a command, which knows its own options."""

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """The same, refusing what it does not know here: the command above would look for it among its own."""
        found, others = super().parse_known_args(args, namespace)
        if others:
            self.error(f"unrecognized arguments: {others[0]}")
        return found, others


def new(name: str, summary: str, example: str) -> Parser:
    """A parser for one command, with its help.

    Args:
        name: of the command.
        summary: what it does, in one sentence.
        example: command lines that work, one per line.
    """
    parser = Parser(prog=f"regraft {name}", **_form(summary, example))
    _in_every_command(parser)
    return parser


def actions(parser: argparse.ArgumentParser, commands: Mapping[str, ModuleType]) -> None:
    """Commands of a command, each a module like those of `COMMANDS`; which one is said becomes `action`.

    Args:
        parser: of the command that they belong to.
        commands: by name.
    """
    group = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions", parser_class=_Action)
    for name, command in commands.items():
        below = group.add_parser(name, help=command.SUMMARY, **_form(command.SUMMARY, command.EXAMPLE))
        # What was said before the action stands.
        _in_every_command(below, default=argparse.SUPPRESS)
        command.add(below)


def actions_of(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers of a command's actions; none where it has none."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # pyright: ignore
    return [below for group in groups for below in group.choices.values()]


def _form(summary: str, example: str) -> dict[str, Any]:
    lines = "\n".join(f"  {line}" for line in example.strip().splitlines())
    return {
        "description": summary,
        "epilog": f"example:\n{lines}",
        "formatter_class": _Layout,
        "allow_abbrev": False,
        "add_help": False,
    }


def _in_every_command(parser: argparse.ArgumentParser, default: Any = False) -> None:
    parser.add_argument("-h", "--help", action="help", help="show this and leave")
    parser.add_argument(
        "--json",
        action="store_true",
        default=default,
        help="print one JSON document on standard output, nothing else",
    )


class _Layout(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)


def run_argument(parser: argparse.ArgumentParser) -> None:
    """RUN, the folder that `fit` made."""
    parser.add_argument("folder", metavar="RUN", help="the folder of a finished run")


def cache_argument(parser: argparse.ArgumentParser) -> None:
    """--cache, the folder of the activations."""
    parser.add_argument(
        "--cache", metavar="DIR", help="folder of the activations; else REGRAFT_CACHE, or your cache folder"
    )


def zoo_argument(parser: argparse.ArgumentParser, more: str = "") -> None:
    """--zoo, the catalogue of models.

    Args:
        parser: of the command.
        more: what else it may be there.
    """
    parser.add_argument(
        "--zoo",
        metavar="DIR",
        help="the catalogue of models: a folder, s3://... or what else fsspec reaches, or postgresql://...; else "
        f"REGRAFT_ZOO, or your data folder{more}",
    )


def cache_limit_argument(parser: argparse.ArgumentParser) -> None:
    """--cache-limit, above which the least recently used activations go."""
    parser.add_argument(
        "--cache-limit",
        metavar="SIZE",
        type=_bytes,
        help="bytes that activations may take on disk, such as 20GB, above which the least recently used ones are "
        "removed; else REGRAFT_CACHE_LIMIT",
    )


def cache_budget_argument(parser: argparse.ArgumentParser) -> None:
    """--cache-budget, how much the activations of a run may take."""
    parser.add_argument(
        "--cache-budget",
        metavar="SIZE",
        type=_size,
        help="how much the activations may take, such as 500MB or 2GB; what is given up for it is said first",
    )


def _size(text: str) -> str:
    try:
        sizes.parse(text)
    except RequestError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _bytes(text: str) -> int:
    return sizes.parse(_size(text))


def trust_argument(parser: argparse.ArgumentParser, of: str = "SOURCE") -> None:
    """--trust, for those who know the author of a file.

    Args:
        parser: of the command.
        of: what is trusted, as the command calls it.
    """
    parser.add_argument(
        "--trust",
        action="store_true",
        help=f"let Python code in {of} run, such as Lambda layers; only where you trust its author",
    )


_STRICT = "an example that cannot be read is an error"


def strict_argument(parser: argparse.ArgumentParser) -> None:
    """--strict, for those who want nothing left out."""
    parser.add_argument("--strict", action="store_true", help=_STRICT)


def strictness_arguments(parser: argparse.ArgumentParser, too_long: str = "") -> None:
    """--strict or --lenient, where a network learns from texts or from the rows of a table.

    Args:
        parser: of the command.
        too_long: what the lenient let happen to texts, where it is an error for others.
    """
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--strict",
        action="store_true",
        help=f"{_STRICT}, and so is a column of no use, or a text that is longer than the network sees",
    )
    either.add_argument(
        "--lenient",
        action="store_true",
        help="leave out columns of a table that have one value everywhere, or none, and text files in another encoding"
        f"{too_long}, each with a warning; else these are errors",
    )


def columns_arguments(parser: argparse.ArgumentParser, labelled: bool = True, grouped: bool = False) -> None:
    """What is said of the columns of a table.

    Args:
        parser: of the command.
        labelled: whether labels are looked at.
        grouped: whether groups are.
    """
    group = parser.add_argument_group("tables of texts, or of numbers and categories")
    if labelled:
        group.add_argument("--label-column", metavar="NAME", help="the column of classes; else the one called label")
    if grouped:
        group.add_argument(
            "--group-column",
            metavar="NAME",
            help="the column that says which examples belong together, such as whose they are, for the method pairs; "
            "of a table of pictures too; in an .npz file it is the array groups, or groups_train beside x_train",
        )
    group.add_argument(
        "--text-column",
        metavar="NAME",
        help="the column that is read as text; else one called text, or the only one",
    )
    group.add_argument(
        "--columns",
        metavar="NAME,NAME",
        type=columns_.named,
        help="the columns whose numbers and categories are read; else all others",
    )
    group.add_argument(
        "--category-columns",
        metavar="NAME,NAME",
        type=columns_.named,
        help="columns whose numbers are codes, not amounts",
    )
    group.add_argument(
        "--no-header", action="store_true", help="the first line is an example; columns are called 1, 2, 3, ..."
    )
    group.add_argument("--encoding", metavar="NAME", help="of the text, such as latin-1 or cp1252; utf-8")


def text_arguments(parser: argparse.ArgumentParser) -> None:
    """How texts become ids, where the source does not say."""
    parser.add_argument(
        "--tokens", choices=UNITS, help="what texts are taken apart into, where SOURCE does not say; words"
    )
    parser.add_argument(
        "--vocabulary",
        metavar="FILE",
        help="which token has which id, where SOURCE does not say: one token a line, JSON, or a tokenizer.json; else "
        "learnt from the training examples",
    )


def columns_of(arguments: argparse.Namespace, before: Columns | None = None) -> Columns | None:
    """The columns as the options say them in place of what was said before; None where nothing was said at all.

    Raises:
        RequestError: what is said does not go together.
    """
    said = {
        "label": getattr(arguments, "label_column", None),
        "group": getattr(arguments, "group_column", None),
        "text": arguments.text_column,
        "features": arguments.columns,
        "categories": arguments.category_columns,
        "header": False if arguments.no_header else None,
        "encoding": arguments.encoding,
    }
    changed = {name: value for name, value in said.items() if value is not None}
    if not changed:
        return before
    kept = before or Columns()
    # What is read is read as the one or the other.
    if "text" in changed:
        kept = replace(kept, features=(), categories=())
    elif "features" in changed or "categories" in changed:
        kept = replace(kept, text=None)
    return replace(kept, **changed)


def positive(text: str) -> int:
    """A whole number above zero."""
    with contextlib.suppress(ValueError):
        if (value := int(text)) > 0:
            return value
    raise argparse.ArgumentTypeError(f"expected a whole number above zero, found {text}")


def duration(text: str) -> float:
    """Seconds, of a time such as 90s, 10m or 1h."""
    try:
        return durations.parse(text, "a time")
    except RequestError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
