"""What a pretraining came to, as a page and as the README of its folder."""

from pathlib import Path

from regraft.core import plain
from regraft.core.pretraining import PretrainingRecord
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
    probes = [row.probe for stage in record.stages for row in stage.history if row.probe is not None]
    last = f"; a linear head on a few labels went from {percent(probes[0])} to {percent(probes[-1])}" if probes else ""
    return f"{made}{last}. Whether it helps was not measured."


def card(record: PretrainingRecord) -> str:
    """The README of the folder: what the network is, what it was made of, how it is used."""
    shape = " x ".join(map(str, record.inputs.shape))
    lines = [
        f"# A network pretrained by {record.asked.method}",
        headline(record),
        f"- learnt from: {record.examples} examples without labels ({record.held_out} more held out)",
        f"- network: `{record.asked.architecture}`, {record.parameters:,} parameters",
        f"- takes: {record.kind} of shape {shape}, scaled as '{record.inputs.name}'; gives {record.shape}",
    ]
    if record.helped is not None:
        reused, scratch = record.helped.reused, record.helped.scratch
        lines += [
            f"- reused ({record.helped.way}): {percent(reused.value)}, 95 %: {percent_interval(reused)}",
            f"- from scratch: {percent(scratch.value)}, 95 %: {percent_interval(scratch)}",
        ]
    lines += ["", "```sh", f"regraft fit DATA --source {record.folder}", "```"]
    text = "\n".join([lines[0], "", lines[1], "", *lines[2:]]) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")
