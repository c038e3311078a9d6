"""`regraft pretrain`: make a source where there is none."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from regraft.cli import arguments as words
from regraft.cli import framework, interruption
from regraft.cli.text import counted, facts, paragraph, seconds, share
from regraft.core.errors import RequestError
from regraft.core.pretraining import PretrainingRecord, Stage
from regraft.core.text_spec import UNITS
from regraft.pretraining import METHODS

SUMMARY = "make a source where there is none: pretrain a network on examples without labels"
EXAMPLE = """
regraft pretrain autoencoder photographs --out source
regraft pretrain denoising-autoencoder digits.npz --set noise=0.4 --epochs 50
regraft pretrain autoencoder table.npz --architecture mlp?units=500,250
regraft pretrain pairs faces.csv --group-column person --out source
regraft pretrain ranking photographs --pairs compared.csv
regraft pretrain corrupted sentences.txt --architecture text-transformer --labels questions.csv
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `pretrain` understands."""
    learns = "; ".join(f"{name}: {what}" for name, what in METHODS.items())
    parser.add_argument("method", metavar="METHOD", help=f"what the network learns: {learns}")
    parser.add_argument(
        "data",
        metavar="DATA",
        help="examples, with labels or without: a folder of pictures or texts, a .csv, .tsv, .jsonl, .parquet or .npz "
        "file, a .txt file of one text a line; labelled examples of the test split are left alone",
    )
    parser.add_argument("--out", metavar="DIR", help="a new folder for the source; else one below regraft-runs")
    parser.add_argument(
        "--architecture",
        metavar="A",
        help="the network: mlp?units=500,250, cnn?filters=32,64&units=128, text-cnn, text-rnn, text-transformer, "
        "keras:NAME?..., or package.module:function",
    )
    parser.add_argument("--epochs", metavar="N", type=words.positive, help="passes over the examples, of each stage")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        dest="settings",
        action="append",
        default=[],
        help="a setting of the method (noise=0.3) or of its training (rate=1e-3, batch_size=64); may be repeated",
    )
    parser.add_argument("--labels", metavar="DATA2", help="labelled examples for the probe, where DATA has none")
    parser.add_argument(
        "--pairs",
        metavar="FILE",
        help="for ranking: a table with the columns above and below, each of which names an example: a picture by its "
        "path, a row or a text by its line",
    )
    parser.add_argument(
        "--probe",
        metavar="N",
        type=int,
        default=500,
        help="labels that are used to see how good the network is, while it learns and after; 500; 0: none",
    )
    parser.add_argument(
        "--compare",
        choices=("auto", "yes", "no"),
        default="auto",
        help="measure whether it helped, beside the same network from scratch; auto: where that is cheap",
    )
    parser.add_argument(
        "--input-size", metavar="N", type=words.positive, help="height and width of the pictures, in pixels"
    )
    parser.add_argument(
        "--scaling",
        choices=("auto", "unit", "standard", "none"),
        default="auto",
        help="of plain numbers: to 0 to 1, to mean 0 and deviation 1, or none",
    )
    words.columns_arguments(parser, grouped=True)
    parser.add_argument("--tokens", choices=UNITS, help="what texts are taken apart into; words")
    parser.add_argument(
        "--vocabulary-size", metavar="N", type=words.positive, help="how many different tokens are told apart at most"
    )
    parser.add_argument(
        "--length",
        metavar="N",
        type=words.positive,
        help="tokens of each text that the network sees; one that has more is an error; else nearly all of nearly all",
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of every random choice; 0")
    words.strictness_arguments(parser, ", and cut texts that are too long")
    words.cache_argument(parser)


def run(arguments: argparse.Namespace) -> PretrainingRecord:
    """Do it."""
    settings = _settings(arguments.settings)
    from regraft.recipes.pretraining import early

    given = Path(arguments.out) if arguments.out else None
    early.refuse(arguments.method, arguments.data, arguments.labels, given, arguments.pairs)
    framework.load()
    # Only now, because this needs Keras.
    from regraft.recipes.pretraining.asking import default_folder, pretrain

    out = given or default_folder(arguments.method, arguments.data)
    with interruption.resumable(out):
        return pretrain(
            arguments.method,
            arguments.data,
            out=out,
            architecture=arguments.architecture,
            epochs=arguments.epochs,
            settings=settings,
            labels=arguments.labels,
            probe=arguments.probe,
            scaling=arguments.scaling,
            input_size=arguments.input_size,
            compare=arguments.compare,
            strict=arguments.strict,
            lenient=arguments.lenient,
            seed=arguments.seed,
            cache=arguments.cache,
            columns=words.columns_of(arguments),
            tokens=arguments.tokens,
            vocabulary=arguments.vocabulary_size,
            length=arguments.length,
            pairs=arguments.pairs,
        ).record


def show(result: PretrainingRecord) -> str:
    """For people."""
    # Here, because it needs more than the help does.
    from regraft.report.pretraining_page import headline, held_out, learnt_from

    examples = [f"{counted(result.examples, 'example')} {learnt_from(result)}", f"{held_out(result)} held out"]
    if result.unused:
        examples.append(f"{result.unused:,} left for tests")
    if result.unknown:
        lacking = "pair" if result.pairs else "group" if result.groups else "label"
        examples.append(f"{result.unknown:,} without a {lacking}")
    if result.unreadable:
        examples.append(f"{result.unreadable:,} that cannot be read")
    rows = [
        ("source", f"{result.folder}, {counted(result.parameters, 'parameter')}, gives {result.shape}"),
        ("learnt from", ", ".join(examples)),
    ]
    rows += [(stage.name, _came_to(stage)) for stage in result.stages]
    if result.interrupted:
        rows.append(("ended", "by hand, before its time; the best until then is kept"))
    rows += [("page", result.report), ("time", seconds(result.seconds["total"]))]
    use = f"use it\n  regraft fit DATA --source {shlex.quote(result.folder)}"
    return "\n\n".join([paragraph(headline(result)), facts(rows), use])


def _came_to(stage: Stage) -> str:
    """What a stage began with, and what the epoch that is kept has."""
    before, kept, last = stage.history[0], stage.kept, stage.history[-1]
    said = f"held-out loss {before.held_out:.4g} to {kept.held_out:.4g}, epoch {stage.best} of {len(stage.history) - 1}"
    if stage.worsened:
        said += ", never as low as before learning: try more epochs, or a lower rate"
    if before.probe is None or kept.probe is None or last.probe is None:
        return said
    said += f"; probe {share(before.probe)} to {share(kept.probe)}"
    return said if kept.probe == last.probe else f"{said} ({share(last.probe)} after the last)"


def _settings(texts: Sequence[str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise RequestError(f"expected --set NAME=VALUE, found '{text}'")
        if name in made:
            raise RequestError(f"'{name}' is set twice, to {made[name]} and to {value}; leave one out")
        made[name] = value
    return made
