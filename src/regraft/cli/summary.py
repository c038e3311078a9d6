"""A finished run, told on a terminal."""

import shlex
from pathlib import Path

from regraft.cli.framework import backend
from regraft.cli.text import bar, counted, facts, gained, paragraph, seconds, share, share_interval, size, table
from regraft.core.records import Metric, RunRecord
from regraft.core.verdict import gains_of

_STAGES = {
    "open": "opening",
    "activations": "frozen layers",
    "head": "head",
    "fine_tune": "fine-tuning",
    "baselines": "baselines",
    "doubts": "doubts",
    "join": "joining",
    "report": "report",
}


def summary(record: RunRecord, pictures: str | None = None) -> str:
    """What a run came to: how good it is against simpler ways, what was done, where everything is, what to do next.

    Args:
        record: of the run.
        pictures: what to propose to predict; None: a word for it.
    """
    blocks = [
        paragraph(record.verdict),
        accuracies(record),
        facts(_done(record)),
        facts(_files(record)),
        f"next\n{_next(record, pictures)}",
    ]
    return "\n\n".join(blocks)


def _files(record: RunRecord) -> list[tuple[str, str]]:
    """What to open, and what to deploy; the page of the search where one led to the run."""
    # Here, because it needs more than the help does.
    from regraft.report.depth_page import DEPTH_PAGE

    search = Path(record.run) / DEPTH_PAGE
    searched = [("search", str(search))] if search.exists() else []
    return [("report", record.report), *searched, ("model", record.model)]


def _taken(record: RunRecord) -> str:
    """What the run answers for."""
    inputs = record.plan.input
    if inputs is not None and inputs.text is not None:
        return "texts"
    return "rows" if inputs is not None and inputs.table is not None else "pictures"


def accuracies(record: RunRecord) -> str:
    """Accuracy of the run and of the baselines, on the same examples."""
    own = record.metrics[record.evaluated_on]
    gains = gains_of(record)
    rows = [_row("this model", own.accuracy)]
    leaks = record.twins
    if leaks is not None and leaks.with_twin and leaks.accuracy is not None:
        rows.append(_row(f"this model, on {leaks.examples - leaks.with_twin:,} without a twin", leaks.accuracy))
    ordered = sorted(record.baselines.items(), key=lambda item: -item[1].accuracy.value)
    rows += [_row(baseline.name, baseline.accuracy, gains.get(name)) for name, baseline in ordered]
    heading = f"accuracy on {counted(own.examples, f'{record.evaluated_on} example')}, with its 95 % interval"
    also = "; last, by how many points this model is better" if gains else ""
    return f"{heading}{also}\n{table(rows, right=[1, 2])}"


def _row(name: str, metric: Metric, gain: Metric | None = None) -> list[str]:
    return [name, share(metric.value), share_interval(metric), bar(metric.value), gained(gain) if gain else ""]


def _done(record: RunRecord) -> list[tuple[str, str]]:
    new, hidden = len(record.new_variables), record.plan.head.hidden
    others = len(record.trainable_variables) - new
    classes = counted(len(record.classes), "class", "classes")
    learnt = f"a new head of {counted(new, 'variable')} for {classes}"
    if hidden:
        widths = " and ".join(map(str, hidden))
        learnt = f"{counted(len(hidden), 'new layer')} of {widths} units and a head for {classes}, {new} variables"
    for name in record.plan.head.taps or ():
        learnt += f", which reads '{name}' as well"
    if others:
        learnt += f", and {counted(others, 'variable')} of the reused layers above '{record.trained_from}'"
    proof = "byte for byte the source's" if record.certificate.frozen_unchanged else "BUT NOT ALL UNCHANGED"
    found = [
        ("reused", f"{counted(len(record.reused_layers), 'layer')} with weights of {record.plan.source}, up to "
         f"'{record.cut_point}'"),
        ("frozen", f"{counted(len(record.frozen_variables), 'variable')}, {proof}"),
        ("trained", learnt),
    ]  # fmt: skip
    if record.interrupted:
        found.append(("ended", f"by hand, in phase '{record.phases[-1].phase.name}'; the best until then is kept"))
    if "validation" in record.metrics and record.evaluated_on != "validation":
        metrics = record.metrics["validation"]
        said = f"{share(metrics.accuracy.value)} of {counted(metrics.examples, 'example')} right"
        found.append(("validation", f"{said} ({share_interval(metrics.accuracy)})"))
    found.append(("cache", _cache(record)))
    found.append(("time", _time(record)))
    if record.warnings:
        found.append(("warnings", f"{len(record.warnings)}, all of them in the report"))
    return found


def _cache(record: RunRecord) -> str:
    used = record.cache
    text = f"{used.computed:,} activations computed, {used.hits:,} found on disk, {size(used.bytes)}"
    kept = record.activations
    if kept is not None and kept.error is not None:
        text += f"; whole ones in {kept.dtype}, {kept.error:.1g} off"
    return text


def _time(record: RunRecord) -> str:
    stages = [
        f"{_STAGES.get(name, name)} {seconds(value)}"
        for name, value in record.seconds.items()
        if name != "total" and value >= 0.05
    ]
    total = seconds(record.seconds.get("total", 0.0))
    return f"{total}: {', '.join(stages)}" if stages else total


def _on_tensorflow() -> str:
    """What goes before a command that is carried out on TensorFlow alone."""
    return "" if backend() == "tensorflow" else "KERAS_BACKEND=tensorflow "


def _next(record: RunRecord, pictures: str | None) -> str:
    folder, taken = shlex.quote(str(Path(record.run))), _taken(record)
    files = shlex.quote(pictures) if pictures else "TABLE" if taken == "rows" else taken.upper()
    return table(
        [
            [f"regraft predict {folder} {files}", f"answers for new {taken}"],
            [f"regraft evaluate {folder} DATA", "how good it is on other labelled examples"],
            [f"{_on_tensorflow()}regraft export {folder} onnx", "the model for other programs"],
        ]
    )
