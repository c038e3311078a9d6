"""`regraft depth`: how many layers to reuse, and how many to freeze."""

import argparse
from dataclasses import replace
from pathlib import Path

import regraft
from regraft.cli import arguments as words
from regraft.cli import framework
from regraft.cli.depth_text import lines
from regraft.core import plan as plans
from regraft.core.depth import DepthRecord
from regraft.core.plan import Plan

SUMMARY = "find how many layers of a network to reuse for your pictures, and how many of them to freeze"
EXAMPLE = "regraft depth flowers/ --source keras:MobileNetV2 --time-budget 10m"

_FIELDS = (
    "seed",
    "strict",
    "lenient",
    "input_size",
    "preprocessing",
    "architecture",
    "decoding",
    "views",
    "cache_budget",
    "engine",
    "baselines",
    "tokens",
    "vocabulary",
)


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "data",
        metavar="DATA",
        help="a folder with one sub-folder per class (perhaps under train/, validation/, test/), or a .csv, .tsv, "
        ".jsonl, .parquet or .npz file; its test split is not looked at while searching",
    )
    parser.add_argument("--source", metavar="SOURCE", required=True, help="the pretrained network, as for fit")
    parser.add_argument("--out", metavar="DIR", help="a new folder; else one below regraft-runs")
    parser.add_argument(
        "--time-budget", metavar="TIME", type=words.duration, help="how long all of it may take, such as 90s, 10m or 1h"
    )
    parser.add_argument(
        "--hidden",
        metavar="N,N",
        type=_widths,
        action="append",
        help="also try new layers of so many units on top of the reused ones; may be repeated",
    )
    parser.add_argument(
        "--taps", action="store_true", help="also try heads that read a lower cut point beside the one they stand on"
    )
    parser.add_argument(
        "--repeats",
        metavar="N",
        type=words.positive,
        default=1,
        help="judge the ways that are chosen among on so many divisions of the examples into folds; 1",
    )
    parser.add_argument("--jobs", metavar="N", type=words.positive, default=1, help="how many processes search; 1")
    parser.add_argument("--no-fit", action="store_true", help="only search; do not fit what is recommended")
    parser.add_argument("--no-forecast", action="store_true", help="do not ask what more labels would bring")
    parser.add_argument("--seed", metavar="N", type=int, help="of every random choice; 0")
    parser.add_argument(
        "--input-size", metavar="N", type=words.positive, help="height and width of the pictures, in pixels"
    )
    parser.add_argument("--preprocessing", metavar="P", help="how the network wants its pictures; see fit --help")
    parser.add_argument("--architecture", metavar="A", help="what builds the network where SOURCE holds only weights")
    parser.add_argument("--decoding", choices=("full", "draft"), help="see fit --help")
    parser.add_argument(
        "--views", metavar="K", type=words.positive, help="of each picture the final fit learns from; 1: as it is"
    )
    parser.add_argument("--augment", metavar="KINDS", help="what these views may differ by; see fit --help")
    parser.add_argument(
        "--baselines",
        choices=("auto", "yes", "no"),
        help="compare what is fitted with simpler ways; auto: where that is cheap",
    )
    words.columns_arguments(parser)
    words.text_arguments(parser)
    words.strictness_arguments(parser)
    words.zoo_argument(parser)
    words.trust_argument(parser)
    words.cache_argument(parser)
    words.cache_limit_argument(parser)
    words.cache_budget_argument(parser)
    parser.add_argument(
        "--engine", choices=("auto", "keras", "openvino", "onnxruntime", "ray"), help="what runs the frozen layers"
    )


def run(arguments: argparse.Namespace) -> DepthRecord:
    """Do it."""
    # Here, because these need more than the help does.
    from regraft.recipes import early
    from regraft.recipes.depth.folder import require_free

    plan = plan_of(arguments)
    early.refuse(plan, None)
    if arguments.out:
        require_free(Path(arguments.out))
    framework.load()
    return regraft.depth(
        plan.data,
        plan=plan,
        out=arguments.out,
        time_budget=arguments.time_budget,
        hidden=arguments.hidden or (),
        taps=arguments.taps,
        repeats=arguments.repeats,
        jobs=arguments.jobs,
        fit=not arguments.no_fit,
        forecast=not arguments.no_forecast,
        cache=arguments.cache,
        cache_limit=arguments.cache_limit,
    )


def show(result: DepthRecord) -> str:
    """For people."""
    return "\n".join(lines(result))


def plan_of(arguments: argparse.Namespace) -> Plan:
    """What all ways have in common."""
    given = {name: getattr(arguments, name) for name in _FIELDS if getattr(arguments, name) is not None}
    given["columns"] = words.columns_of(arguments)
    plan = Plan(source=arguments.source, data=arguments.data, trust=arguments.trust, **given)
    return replace(plan, augment=plans.changes(arguments.augment)) if arguments.augment else plan


def _widths(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise argparse.ArgumentTypeError(f"expected widths such as 128 or 256,64, found {text}")
    return found
