"""`regraft rank`: which source to reuse."""

import argparse

import regraft
from regraft.cli import arguments as words
from regraft.cli import framework
from regraft.cli.rank_text import lines
from regraft.core.ranking import RankRecord

SUMMARY = "find out which of several pretrained networks to reuse for your examples, before training on any"
EXAMPLE = """
regraft rank flowers/
regraft rank flowers/ --sources nets/ regraft-runs/ zoo: keras:MobileNetV2
regraft rank flowers/ --sources nets/ --confirm 2 --time-budget 20m
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "data",
        metavar="DATA",
        help="labelled examples, as for fit; only the training examples among them are looked at",
    )
    parser.add_argument(
        "--sources",
        metavar="SOURCE",
        nargs="+",
        help="what to choose from: files and addresses as for fit, folders of runs, folders with any number of these "
        "in them, and zoo: for all of the catalogue; else the catalogue, and the networks that Keras has downloaded",
    )
    words.zoo_argument(parser)
    parser.add_argument(
        "--time-budget", metavar="TIME", type=words.duration, help="how long all of it may take, such as 90s, 10m or 1h"
    )
    parser.add_argument(
        "--confirm", metavar="N", type=int, default=0, help="really fit the first N, and say which wins; 0"
    )
    parser.add_argument("--out", metavar="DIR", help="a folder for the runs of --confirm; else regraft-runs")
    parser.add_argument("--page", metavar="FILE", help="write a page with all of it, such as rank.html")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of every random choice; 0")
    parser.add_argument(
        "--input-size",
        metavar="N",
        type=words.positive,
        help="height and width of the pictures for all sources; else each its own",
    )
    parser.add_argument("--decoding", choices=("full", "draft"), help="see fit --help")
    words.columns_arguments(parser)
    words.text_arguments(parser)
    words.strictness_arguments(parser)
    words.trust_argument(parser, "the sources")
    words.cache_argument(parser)
    words.cache_limit_argument(parser)
    parser.add_argument(
        "--engine", choices=("auto", "keras", "openvino", "onnxruntime"), default="auto", help="what runs the networks"
    )


def run(arguments: argparse.Namespace) -> RankRecord:
    """Do it."""
    # Here, because these need more than the help does.
    from regraft.recipes import early
    from regraft.recipes.ranking import candidates

    early.require_data(arguments.data)
    candidates.require(arguments.sources)
    framework.load()
    return regraft.rank(
        arguments.data,
        arguments.sources,
        time_budget=arguments.time_budget,
        confirm=arguments.confirm,
        out=arguments.out,
        page=arguments.page,
        input_size=arguments.input_size,
        decoding=arguments.decoding,
        strict=arguments.strict,
        lenient=arguments.lenient,
        trust=arguments.trust,
        seed=arguments.seed,
        cache=arguments.cache,
        cache_limit=arguments.cache_limit,
        engine=arguments.engine,
        columns=words.columns_of(arguments),
        tokens=arguments.tokens,
        vocabulary=arguments.vocabulary,
    )


def show(result: RankRecord) -> str:
    """For people."""
    return "\n".join(lines(result))
