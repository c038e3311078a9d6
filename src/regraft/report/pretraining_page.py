"""What a pretraining came to, as a page and as the README of its folder."""

import shlex
from pathlib import Path

from regraft.core import plain
from regraft.core.pretraining import ALL_LAYERS, PretrainingRecord
from regraft.report.naming import breakable
from regraft.report.page import environment
from regraft.report.plots import pretraining as plots
from regraft.report.quantities import percent, percent_interval


def page(record: PretrainingRecord) -> str:
    """The page as HTML that needs nothing but itself; every name in it is escaped."""
    html = (
        environment()
        .get_template("pretraining.html")
        .render(
            record=record,
            headline=headline(record),
            learnt_from=learnt_from(record),
            held_out=held_out(record),
            losses=plots.losses(record),
            probed=plots.probed(record),
            breakable=breakable,
            settings=plain.to_plain(record.asked.settings),
            spec=plain.to_plain(record.asked.spec),
            name=Path(record.folder).name,
        )
    )
    return html.encode("utf-8", "replace").decode("utf-8")


def headline(record: PretrainingRecord) -> str:
    """What it came to, in one sentence."""
    if record.helped is not None:
        return record.helped.sentence
    made = f"A source was made of {record.examples + record.held_out} examples by '{record.asked.method}'"
    why = f": {record.unmeasured}" if record.unmeasured else ""
    return f"{made}{_probed(record)}. Whether it helps was not measured{why}."


def learnt_from(record: PretrainingRecord) -> str:
    """What of the examples was learnt from beside themselves: pairs, groups or labels, or nothing."""
    if record.pairs:
        return f"in {record.pairs:,} pairs"
    if record.groups:
        return f"in {record.groups:,} groups"
    return "with their labels" if record.labels else "without labels"


def held_out(record: PretrainingRecord) -> str:
    """How many others it was judged by while training."""
    return f"{record.pairs_held_out:,} more pairs" if record.pairs else f"{record.held_out:,} more"


def _probed(record: PretrainingRecord) -> str:
    """What a linear head made of one representation before its layer learnt, and of the same in the network kept."""
    last = record.stages[-1]
    # All layers together begin where the highest of them ended; that one began in its own stage.
    first = record.stages[-2] if last.name == ALL_LAYERS and len(record.stages) > 1 else last
    before, after = first.history[0].probe, last.kept.probe
    if before is None or after is None:
        return ""
    if first.name == ALL_LAYERS:
        return f"; a linear head on a few labels went from {percent(before)} to {percent(after)}"
    return (
        f"; on what '{first.name}' gives, a linear head on a few labels went from {percent(before)} before that layer "
        f"learnt to {percent(after)}"
    )


def card(record: PretrainingRecord) -> str:
    """The README of the folder: what the network is, what it was made of, how it is used."""
    shape = " x ".join(map(str, record.inputs.shape))
    lines = [
        f"# A network pretrained by {record.asked.method}",
        headline(record),
        f"- learnt from: {record.examples} examples {learnt_from(record)} ({held_out(record)} held out)",
        f"- network: `{record.asked.architecture}`, {record.parameters:,} parameters",
        f"- takes: {record.kind} of shape {shape}, scaled as '{record.inputs.name}'; gives {record.shape}",
    ]
    if record.helped is not None:
        reused, scratch = record.helped.reused, record.helped.scratch
        lines += [
            f"- reused ({record.helped.way}): {percent(reused.value)}, 95 %: {percent_interval(reused)}",
            f"- from scratch: {percent(scratch.value)}, 95 %: {percent_interval(scratch)}",
        ]
    lines += ["", "```sh", f"regraft fit DATA --source {shlex.quote(record.folder)}", "```"]
    text = "\n".join([lines[0], "", lines[1], "", *lines[2:]]) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")
