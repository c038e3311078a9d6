"""The way of every command: read the words, do the work, show the result, and say in one line what went wrong."""

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any, TextIO

import regraft
from regraft.cli import (
    arguments,
    cache,
    convert,
    demo,
    depth,
    evaluate,
    export,
    fit,
    inspect,
    interruption,
    predict,
    pretrain,
    rank,
    report,
    restore,
    resume,
    zoo,
)
from regraft.cli.progress import Terminal
from regraft.core import durations, progress
from regraft.core.catalogue_place import catalogue_at
from regraft.core.errors import RegraftError, RequestError, nearest
from regraft.core.plain import to_json

# Each has SUMMARY, EXAMPLE, `add(parser)`, `run(arguments) -> result` and `show(result) -> text`.
COMMANDS: dict[str, ModuleType] = {
    "fit": fit,
    "depth": depth,
    "rank": rank,
    "pretrain": pretrain,
    "inspect": inspect,
    "evaluate": evaluate,
    "predict": predict,
    "report": report,
    "export": export,
    "convert": convert,
    "restore": restore,
    "resume": resume,
    "zoo": zoo,
    "cache": cache,
    "demo": demo,
}


_TRACEBACK = "REGRAFT_TRACEBACK"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `regraft`; None: those of the process.

    Returns:
        The exit status: 0 done, 1 the work failed, 2 the request was wrong, 130 interrupted.
    """
    try:
        with interruption.watched():
            status = _run(sys.argv[1:] if argv is None else list(argv))
            sys.stdout.flush()
            return status
    except SystemExit as end:  # What argparse ends `--help` with.
        return _flushed(end.code if isinstance(end.code, int) else 0)
    except BrokenPipeError:
        # Whoever reads has seen enough, as in `regraft inspect x | head`; the work is done.
        _close(sys.stdout)
        return 0
    except BaseException as error:
        status = _refused(error)
        try:
            sys.stdout.flush()
        except OSError:
            _close(sys.stdout)
        return status


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"regraft {regraft.__version__}")
        return 0
    command = find(words[0])
    parser = arguments.new(words[0], command.SUMMARY, command.EXAMPLE)
    command.add(parser)
    given = parser.parse_args(words[1:])
    # What libraries print goes where messages go: standard output is for the result.
    with (
        contextlib.redirect_stdout(sys.stderr),
        progress.shown_by(Terminal(sys.stderr)),
        _short_warnings(),
        catalogue_at(getattr(given, "zoo", None)),
        durations.counted_from_here(),
    ):
        result = command.run(given)
    _print(to_json(result) if given.json else command.show(result), as_json=given.json)
    # There is a result, but not all of what was asked for.
    if getattr(result, "interrupted", False):
        return interruption.STATUS
    return 0 if getattr(result, "holds", True) else 1


def find(name: str) -> ModuleType:
    """The command of this name.

    Raises:
        RequestError: there is none.
    """
    if name in COMMANDS:
        return COMMANDS[name]
    kind = "option" if name.startswith("-") else "command"
    raise RequestError(f"unknown {kind} '{name}'{nearest(name, COMMANDS)}; `regraft --help` shows what there is")


def overview() -> str:
    """What `regraft --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.SUMMARY}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: regraft COMMAND ...",
            "",
            "Reuse the layers of a pretrained network for a new task, and prove what was done.",
            "",
            *lines,
            "",
            "example:",
            "  regraft fit flowers --source keras:MobileNetV2",
            "",
            "`regraft COMMAND --help` tells more; `regraft --version` the version. Every command takes --json.",
        ]
    )


def _print(text: str, as_json: bool) -> None:
    """Print a result; JSON is always UTF-8, and a terminal that lacks a character shows another."""
    reconfigure: Any = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(**({"encoding": "utf-8"} if as_json else {"errors": "replace"}))
    print(text)


@contextlib.contextmanager
def _short_warnings() -> Any:
    """Python's warnings in one line each, as the user's other messages; all of it where Python was told so."""
    if sys.warnoptions:
        yield
        return
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: progress.warn(str(message))
        yield


def _refused(error: BaseException) -> int:
    """Say in one line what went wrong; returns the exit status."""
    if interruption.is_one(error):
        _say(interruption.message(error))
        return interruption.STATUS
    if os.environ.get(_TRACEBACK):
        traceback.print_exception(error)
    if isinstance(error, RegraftError):
        _say(str(error))
        return error.exit_status
    said = " ".join(str(error).split())[:300]
    advice = "" if os.environ.get(_TRACEBACK) else f"; run again with {_TRACEBACK}=1 to see where"
    _say(f"unexpected {type(error).__name__}: {said}{advice}")
    return 1


def _say(message: str) -> None:
    # Where nobody can be told, the exit status says it.
    with contextlib.suppress(OSError, ValueError):
        print(f"regraft: {' '.join(message.split())}", file=sys.stderr, flush=True)


def _flushed(status: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _close(sys.stdout)
    except OSError as error:
        _close(sys.stdout)
        return _refused(error)
    return status


def _close(stream: TextIO) -> None:
    """Let what could not be written go nowhere, so that Python does not try again at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
