"""`regraft fit`: the main job."""

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import regraft
from regraft.cli import arguments as words
from regraft.cli import framework, interruption
from regraft.cli.summary import summary
from regraft.core import plan as plans
from regraft.core.errors import RequestError
from regraft.core.head_spec import widths
from regraft.core.phase import SCHEDULES
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.records import RunRecord
from regraft.training.strategies import STRATEGIES

SUMMARY = "get the best model for your pictures out of a pretrained network, with a report"
EXAMPLE = """
regraft fit flowers --source keras:MobileNetV2 --input-size 128 --out flowers-run
regraft fit labels.csv --source mine.keras --preprocessing tf --fine-tune no
regraft fit flowers --source keras:MobileNetV2 --plan gradual-unfreezing --optimizer adamw
regraft fit flowers --source keras:MobileNetV2 --hidden 128,64
regraft fit messages.csv --source pretrained-run --text-column message --label-column kind
regraft fit --plan flowers-run/plan.toml --out again
"""

_CHOICES = ("auto", "yes", "no")
# Options that are fields of every phase.
_SHARED = ("optimizer", "rate", "schedule", "epochs", "batch_size")
# Options that are fields of the plan.
_FIELDS = (
    "architecture",
    "preprocessing",
    "input_size",
    "decoding",
    "cut_point",
    "views",
    "augment",
    "refit",
    "baselines",
    "seed",
    "cache_budget",
    "dtype",
    "engine",
    "tokens",
    "vocabulary",
)


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `fit` understands."""
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="a folder with one sub-folder per class (perhaps under train/, validation/, test/), or a .csv, .tsv, "
        ".jsonl, .parquet or .npz file",
    )
    parser.add_argument(
        "--source",
        metavar="SOURCE",
        help="the pretrained network: a .keras, .h5, .onnx or .pth file, keras:MobileNetV2, zoo:NAME, "
        "hf://..., kaggle://...",
    )
    parser.add_argument("--out", metavar="DIR", help="the run folder; else a new one below regraft-runs")
    parser.add_argument(
        "--plan",
        metavar="PLAN",
        help="do what this plan.toml says; or a ready-made plan: which layers learn, in which phases: "
        f"{', '.join(STRATEGIES)}; options go before it",
    )
    parser.add_argument("--seed", metavar="N", type=int, help="of every random choice; 0")
    parser.add_argument(
        "--input-size", metavar="N", type=words.positive, help="height and width of the pictures, in pixels"
    )
    parser.add_argument(
        "--preprocessing",
        metavar="P",
        help="how the network wants its pictures, where it does not say: raw, tf, caffe, torch, unit, or a formula "
        "such as x/127.5-1",
    )
    parser.add_argument(
        "--architecture", metavar="A", help="what builds the network where SOURCE holds only weights: keras:NAME?..., "
        "or package.module:function"
    )  # fmt: skip
    parser.add_argument(
        "--decoding",
        choices=("full", "draft"),
        help="draft: decode large JPEG files at a half, a quarter or an eighth of their size, where that is at least "
        "twice the network's; full, the default: every pixel",
    )
    parser.add_argument("--cut-point", metavar="NAME", help="put the head here; else where it does best")
    parser.add_argument(
        "--hidden",
        metavar="WIDTHS",
        type=_widths,
        help="new layers between the reused ones and the head, such as 128 or 128,64, from the lowest upwards; they "
        "learn first, all reused layers frozen; none, the default: a linear head",
    )
    parser.add_argument("--fine-tune", choices=_CHOICES, help="let upper reused layers learn; auto: if that is better")
    parser.add_argument("--optimizer", metavar="NAME", help="of every phase: adam, or any other of Keras, or nesterov")
    parser.add_argument("--rate", metavar="R", type=_rate, help="highest learning rate of every phase, or find")
    parser.add_argument("--schedule", choices=SCHEDULES, help="how the rate of every phase goes; cosine")
    parser.add_argument("--epochs", metavar="N", type=words.positive, help="of every phase; else by how many pictures")
    parser.add_argument("--batch-size", metavar="N", type=words.positive, help="pictures for each step; 32")
    parser.add_argument(
        "--views", metavar="K", type=words.positive, help="how many views of each picture to learn from"
    )
    parser.add_argument(
        "--augment",
        metavar="KINDS",
        type=_changes,
        help="what views may differ by: some of flip,crop,colour, or none; leave out flip where left and right mean "
        "something, as in digits, letters and signs",
    )
    parser.add_argument(
        "--refit",
        choices=("auto", "yes", "anew", "no"),
        help="learn from the validation pictures too, last of all, in a shorter lesson or all of it anew; auto: where "
        "they are few",
    )
    parser.add_argument("--baselines", choices=_CHOICES, help="compare with simpler ways; auto: where that is cheap")
    parser.add_argument("--no-baselines", dest="baselines", action="store_const", const="no", help="do not compare")
    parser.add_argument(
        "--time-budget",
        metavar="TIME",
        type=words.duration,
        help="find by trying, in a time such as 90s, 10m or 1h, how many layers to reuse, to freeze and to train; else "
        "that is told by quick probes and by what training costs",
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
        "--dtype",
        choices=("auto", "float32", "float16", "int8"),
        help="how whole activations are kept; auto: in float32 unless the budget or the disk asks for less",
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "keras", "openvino", "onnxruntime", "ray"),
        help="what runs the frozen layers",
    )


def run(arguments: argparse.Namespace) -> RunRecord:
    """Do it."""
    # Here, because these need more than the help does.
    from regraft.recipes import early, run_folder

    plan = plan_of(arguments)
    out = Path(arguments.out) if arguments.out else None
    early.refuse(plan, out)
    out = out or run_folder.default_folder(plan.data, plan.source)
    framework.load()
    with interruption.resumable(out):
        return regraft.fit(
            plan.data,
            plan=plan,
            out=out,
            cache=arguments.cache,
            cache_limit=arguments.cache_limit,
            time_budget=arguments.time_budget,
        ).record


def show(result: RunRecord) -> str:
    """For people."""
    return summary(result)


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The plan of the file, if there is one, with what the options say in place of what stands in it.

    Raises:
        RequestError: the source or the data is not named, or the plan cannot be read or trusts its source unasked.
    """
    # Here, because it needs more than the help does.
    from regraft.recipes import ready_made

    given = ready_made.named(arguments.plan) if arguments.plan else FineTuneSpec()
    if isinstance(given, Plan):
        plan = given
    elif arguments.source:
        plan = Plan(source=arguments.source, fine_tune=given)
    else:
        raise RequestError("expected the pretrained network: say --source FILE or --source keras:NAME, or --plan FILE")
    shared = {name: getattr(arguments, name) for name in _SHARED if getattr(arguments, name) is not None}
    plan = plans.with_shared(plan, shared)
    changed: dict[str, Any] = {
        name: getattr(arguments, name) for name in _FIELDS if getattr(arguments, name) is not None
    }
    if arguments.source:
        plan = plans.with_source(plan, arguments.source)
    if arguments.data:
        changed["data"] = arguments.data
    if arguments.hidden is not None:
        # How others learnt is not how these are to: it is open again.
        same = arguments.hidden == plan.head.hidden
        learning = plan.head.learning if same else None
        changed["head"] = replace(plan.head, hidden=arguments.hidden, learning=learning)
    if arguments.fine_tune:
        changed["fine_tune"] = replace(plan.fine_tune, enabled=arguments.fine_tune)
    if plan.trust and not arguments.trust:
        # Who writes a plan may be the one who wrote the code.
        raise RequestError(
            f"'{arguments.plan}' lets Python code in '{plan.source}' run; where you trust its author too, say --trust"
        )
    changed["columns"] = words.columns_of(arguments, plan.columns)
    if arguments.strict or arguments.lenient:
        changed |= {"strict": arguments.strict, "lenient": arguments.lenient}
    plan = replace(plan, trust=arguments.trust, **changed)
    if not plan.data:
        raise RequestError("expected labelled examples: say DATA, a folder with one sub-folder per class, or a table")
    return plan


def _changes(text: str) -> tuple[plans.Change, ...]:
    try:
        return plans.changes(text)
    except RequestError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _widths(text: str) -> tuple[int, ...]:
    try:
        return widths(text)
    except RequestError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _rate(text: str) -> float | Literal["find"]:
    if text == "find":
        return "find"
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above zero, or find, found {text}")
    return value
