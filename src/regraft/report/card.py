"""The model card: what the run folder's README.md says."""

import re
from collections.abc import Mapping
from pathlib import PurePath

from regraft.core.doubt import Twins
from regraft.core.records import Baseline, Certificate, Metrics, RunRecord
from regraft.core.verdict import WITHOUT, gains_of
from regraft.report import reading, reusing
from regraft.report.markdown import escaped, fenced, quoted
from regraft.report.quantities import (
    counted,
    number,
    number_interval,
    percent,
    percent_interval,
    points,
    points_interval,
    spoken,
)

_MOST_CLASSES = 60
_MOST_NAMES = 10


def card(record: RunRecord) -> str:
    """The model card that people and model hubs read: what the model does, how well, and what it was made from.

    Args:
        record: of the run.

    Returns:
        Markdown with a YAML head in the manner of the Hugging Face hub.
    """
    blocks = [
        _head(record),
        f"# {escaped(_title(record))}",
        escaped(record.verdict),
        _measures(record),
        _comparison(record),
        _made_from(record),
        _classes(record),
        _use(record),
        _again(record),
        _warnings(record),
    ]
    text = "\n\n".join(block for block in blocks if block) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")


def _head(record: RunRecord) -> str:
    title = quoted(_title(record))
    task, kind = reusing.task(record)
    lines = ["---", "library_name: keras", f"pipeline_tag: {task}"]
    lines += ["tags:", "- regraft", "- transfer-learning", f"- {task}"]
    hub = re.fullmatch(r"hf://([\w.-]+/[\w.-]+).*", record.plan.source)
    if hub:
        lines.append(f"base_model: {quoted(hub[1])}")
    lines += ["metrics:", "- accuracy"]
    metrics = record.metrics.get(record.evaluated_on)
    if metrics and reading.finite(metrics.accuracy.value):
        lines += ["model-index:", f"- name: {title}", "  results:", "  - task:", f"      type: {task}"]
        lines += ["    dataset:", f"      name: {quoted(_data(record))}", f"      type: {kind}"]
        lines += [f"      split: {quoted(record.evaluated_on)}", "    metrics:", "    - type: accuracy"]
        lines += [f"      value: {metrics.accuracy.value:.6f}"]
    return "\n".join([*lines, "---"])


def _measures(record: RunRecord) -> str:
    if not record.metrics:
        return ""
    rows = ["## How good it is", "", metrics_table(record.metrics), "", "In brackets: 95 % intervals."]
    if record.twins is not None and record.twins.with_twin:
        rows += ["", _leaks(record.twins)]
    if record.plan.refit != "no" and "validation" in record.metrics:
        rows += ["", "The validation figures are from before the model learnt from these examples too, last of all."]
    return "\n".join(rows)


def metrics_table(metrics: Mapping[str, Metrics]) -> str:
    """Every figure of every split with its interval, as a table in Markdown."""
    heads = [
        "| split | examples | accuracy | balanced accuracy | log loss | calibration error |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    return "\n".join([*heads, *(_row(split, each) for split, each in metrics.items())])


def _leaks(twins: Twins) -> str:
    line = f"{twins.with_twin} of {twins.examples} {escaped(twins.split)} examples have a twin in what was learnt from"
    if twins.accuracy is None:
        return f"{line}: the accuracy says nothing about new examples."
    return f"{line}: without them accuracy is {percent(twins.accuracy.value)} ({percent_interval(twins.accuracy)})."


def _row(split: str, metrics: Metrics) -> str:
    cells = [
        escaped(split),
        str(metrics.examples),
        f"{percent(metrics.accuracy.value)} ({percent_interval(metrics.accuracy)})",
        f"{percent(metrics.balanced_accuracy.value)} ({percent_interval(metrics.balanced_accuracy)})",
        f"{number(metrics.log_loss.value)} ({number_interval(metrics.log_loss)})",
        f"{percent(metrics.calibration_error.value)} ({percent_interval(metrics.calibration_error)})",
    ]
    return f"| {' | '.join(cells)} |"


def _comparison(record: RunRecord) -> str:
    lines = ["## Did reuse help?", "", f"{reading.OUTCOMES[reading.outcome(record)]}."]
    gains = gains_of(record)
    if gains:
        lines += [
            "",
            f"Accuracy on the {escaped(record.evaluated_on)} split minus that of what does without the source:",
        ]
        lines += [
            "",
            *(
                f"- {WITHOUT[name]}: {points(gain.value)} points ({points_interval(gain)})"
                for name, gain in gains.items()
            ),
        ]
    if record.baselines:
        lines += ["", "| baseline | accuracy | note |", "|---|---:|---|"]
        lines += map(_baseline, record.baselines.values())
    return "\n".join(lines)


def _baseline(baseline: Baseline) -> str:
    accuracy = f"{percent(baseline.accuracy.value)} ({percent_interval(baseline.accuracy)})"
    return f"| {escaped(spoken(baseline.name))} | {accuracy} | {escaped(baseline.note)} |"


def _made_from(record: RunRecord) -> str:
    trained = len(reading.trained_layers(record))
    fate = f"of which {trained} learnt, above {escaped(record.trained_from)}" if trained else "all frozen"
    splits = ", ".join(f"{escaped(split)} {count}" for split, count in record.data.examples.items())
    lines = [
        "## What it was made from",
        "",
        f"- Source: {escaped(record.plan.source)}, cut at {escaped(record.cut_point)}{_taps(record)}",
        f"- {counted(len(record.reused_layers), 'reused layer')}, {fate}",
        *([f"- {added} between these and the head"] if (added := reading.new_layers(record)) else []),
        f"- Data: {escaped(_data(record))} ({splits})",
        *(f"- {said.rstrip('.')}" for said in [reading.learnt_from(record)] if said),
        f"- {_proof(record.certificate)}",
    ]
    return "\n".join(lines)


def _taps(record: RunRecord) -> str:
    taps = record.plan.head.taps or ()
    return f"; the head reads {', '.join(map(escaped, taps))} as well" if taps else ""


def _proof(certificate: Certificate) -> str:
    if certificate.frozen_unchanged:
        held = f"Certificate: {counted(certificate.variables, 'frozen variable')} byte-identical to the source's"
        return f"{held}, digest `{certificate.digest}`"
    changed = certificate.changed
    names = ", ".join(map(escaped, changed[:_MOST_NAMES])) + (", ..." if len(changed) > _MOST_NAMES else "")
    return (
        f"**The certificate did not hold**: {counted(len(changed), 'variable')} of {certificate.variables} "
        f"that should be frozen moved: {names}"
    )


def _classes(record: RunRecord) -> str:
    shown = ", ".join(map(escaped, record.classes[:_MOST_CLASSES]))
    more = len(record.classes) - _MOST_CLASSES
    rest = f", and {more} more" if more > 0 else ""
    return f"## Classes\n\n{len(record.classes)}, in the order of the outputs: {shown}{rest}"


def _use(record: RunRecord) -> str:
    code = reusing.code(record, PurePath(record.model).name)
    return "\n".join(["## How to use it", "", fenced("regraft predict . FILES", "sh"), "", fenced(code, "python")])


def _again(record: RunRecord) -> str:
    command = fenced("regraft fit DATA --plan plan.toml", "sh")
    return "\n".join(
        ["## How to make it again", "", command, "", fenced(reusing.plan_shown(record.plan).rstrip(), "toml")]
    )


def _warnings(record: RunRecord) -> str:
    if not record.warnings:
        return ""
    return "\n".join(["## Warnings", "", *(f"- {escaped(warning)}" for warning in record.warnings)])


def _title(record: RunRecord) -> str:
    return PurePath(record.run).name or "regraft model"


def _data(record: RunRecord) -> str:
    return PurePath(record.plan.data).name or "examples in memory"
