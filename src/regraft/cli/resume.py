"""`regraft resume`: finish what was interrupted."""

import argparse
from pathlib import Path

import regraft
from regraft.cli import arguments as words
from regraft.cli import framework, interruption
from regraft.cli.summary import summary
from regraft.core.records import RunRecord

SUMMARY = "finish a run that was interrupted; what was computed is not computed again"
EXAMPLE = "regraft resume flowers-run"


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `resume` understands."""
    parser.add_argument("folder", metavar="RUN", help="the folder of the run")
    words.cache_argument(parser)
    words.cache_limit_argument(parser)
    words.trust_argument(parser, "the source of RUN")


def run(arguments: argparse.Namespace) -> RunRecord:
    """Do it."""
    # Here, because this needs more than the help does.
    from regraft.recipes import early

    folder = Path(arguments.folder)
    early.require_run(folder)
    framework.load()
    with interruption.resumable(folder):
        return regraft.resume(
            folder, cache=arguments.cache, cache_limit=arguments.cache_limit, trust=arguments.trust
        ).record


def show(result: RunRecord) -> str:
    """For people."""
    return summary(result)
