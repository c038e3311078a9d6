"""`regraft export`: a run's model, or its numbers, for other programs."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import regraft
from regraft.cli import arguments as words
from regraft.cli import framework
from regraft.cli.text import size

SUMMARY = (
    "write a finished run for other programs: its model (keras, savedmodel, onnx) or its numbers (tensorboard, mlflow)"
)
EXAMPLE = """
regraft export flowers-run onnx
regraft export flowers-run savedmodel --out serving/flowers/1
regraft export flowers-run tensorboard --out logs/flowers
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """A run, the format, where it was written, and how much that is."""

    run: str
    format: str
    path: str
    bytes: int


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `export` understands."""
    words.run_argument(parser)
    words.trust_argument(parser, "RUN")
    parser.add_argument("format", metavar="FORMAT", help="keras, savedmodel, onnx, tensorboard or mlflow")
    parser.add_argument("--out", metavar="PATH", help="where to write it; else in the run folder")


def run(arguments: argparse.Namespace) -> Exported:
    """Do it."""
    # Here, because this needs more than the help does.
    from regraft.recipes import run_folder
    from regraft.recipes.export_kinds import known
    from regraft.recipes.tracking import TRACKERS

    folder, kind = Path(arguments.folder), known(arguments.format)
    record, out = run_folder.read(folder), Path(arguments.out) if arguments.out else None
    if kind in TRACKERS:
        path = TRACKERS[kind](folder, record, out)
    else:
        framework.load()
        path = regraft.export(regraft.load(arguments.folder, trust=arguments.trust), kind, out)
    return Exported(arguments.folder, kind, str(path), _bytes(path))


def show(result: Exported) -> str:
    """For people."""
    return f"{result.path}  ({result.format}, {size(result.bytes)})"


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
