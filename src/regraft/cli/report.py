"""`regraft report`: the page of a run again, or one page for several."""

import argparse
from pathlib import Path

from regraft.cli.text import counted, facts, seconds, share, share_interval, table
from regraft.core.side_by_side import ComparedRun, PairedGain, SideBySide

SUMMARY = "draw the page of a finished run again, or one page that compares several"
EXAMPLE = """
regraft report flowers-run
regraft report flowers-run --map tsne --out map.html
regraft report first second third --out comparison.html
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `report` understands."""
    parser.add_argument(
        "folders",
        metavar="RUN",
        nargs="+",
        help="the folder of a finished run; where there are several, the first is what the others are compared with",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the page; else report.html in the run folder, or comparison.html here for several runs",
    )
    parser.add_argument(
        "--map",
        choices=("tsne", "pca"),
        help="how the map of a run's examples is drawn: by neighbours, or by the two directions of most variance; else "
        "as it was, by neighbours for up to 400 examples",
    )


def run(arguments: argparse.Namespace) -> SideBySide:
    """Do it."""
    # Here, because this needs more than the help does.
    from regraft.recipes.reporting import write_report

    out = Path(arguments.out) if arguments.out else None
    return write_report([Path(folder) for folder in arguments.folders], out, arguments.map)


def show(result: SideBySide) -> str:
    """For people."""
    if len(result.runs) == 1:
        return result.report
    rows = [["run", "accuracy", "95 % interval", "log loss", "frozen", "tuned", "time"], *map(_row, result.runs)]
    blocks = [table(rows, right=[1, 2, 3, 4, 5, 6]), facts([(gain.run, _said(gain)) for gain in result.gains])]
    if result.notes:
        blocks.append("\n".join(f"  {note}" for note in result.notes))
    if result.differences:
        plans = [(item.key, " | ".join(value or "-" for value in item.values)) for item in result.differences]
        blocks.append(f"the plans differ\n{facts(plans)}")
    return "\n\n".join([*blocks, result.report])


def _row(run: ComparedRun) -> list[str]:
    log_loss = f"{run.log_loss.value:.3f}"
    time = seconds(run.seconds) if run.seconds == run.seconds else "-"
    layers = [str(run.frozen_layers), str(run.tuned_layers)]
    return [run.name, share(run.accuracy.value), share_interval(run.accuracy), log_loss, *layers, time]


def _said(gain: PairedGain) -> str:
    if gain.gain is None:
        return f"cannot be compared with {gain.against} example by example: {gain.why}"
    low, high = (100 * bound for bound in gain.gain.interval)
    which = "better" if low > 0 else "worse" if high < 0 else "cannot be told apart"
    told = f"{100 * gain.gain.value:+.1f} points against {gain.against} on {counted(gain.examples, 'same example')}"
    only = f"{gain.only_run} only this one got right, {gain.only_against} only the other"
    return f"{told} (95 % interval {low:+.1f} to {high:+.1f}): {which}; {only}" + (f"; {gain.why}" if gain.why else "")
