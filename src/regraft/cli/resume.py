"""`regraft resume`: finish what was interrupted."""

import argparse
from pathlib import Path

import regraft
from regraft.cli import arguments as words
from regraft.cli import framework, interruption
from regraft.cli import pretrain as pretraining
from regraft.cli.summary import summary
from regraft.core.pretraining import PretrainingRecord
from regraft.core.records import RunRecord
from regraft.formats.folders import is_pretraining

SUMMARY = "finish a run that was interrupted; what was computed is not computed again"
EXAMPLE = "regraft resume flowers-run"


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `resume` understands."""
    parser.add_argument("folder", metavar="RUN", help="the folder of the run")
    words.cache_argument(parser)
    words.cache_limit_argument(parser)
    words.zoo_argument(parser)
    words.trust_argument(parser, "the source of RUN")


def run(arguments: argparse.Namespace) -> RunRecord | PretrainingRecord:
    """Do it."""
    # Here, because this needs more than the help does.
    from regraft.recipes import early

    folder = Path(arguments.folder)
    if is_pretraining(folder):
        return _pretraining(folder, arguments.cache)
    early.require_run(folder)
    framework.load()
    with interruption.resumable(folder):
        return regraft.resume(
            folder, cache=arguments.cache, cache_limit=arguments.cache_limit, trust=arguments.trust
        ).record


def _pretraining(folder: Path, cache: str | None) -> PretrainingRecord:
    framework.load()
    # Only now, because this needs Keras.
    from regraft.recipes.pretraining.asking import resume

    with interruption.resumable(folder):
        return resume(folder, cache=cache).record


def show(result: RunRecord | PretrainingRecord) -> str:
    """For people."""
    return pretraining.show(result) if isinstance(result, PretrainingRecord) else summary(result)
