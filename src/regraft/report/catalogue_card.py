"""The README of a model of the catalogue, with a head that model hubs read."""

import re
from collections.abc import Iterator

from regraft.core.card import Card
from regraft.core.records import Certificate
from regraft.report import reading
from regraft.report.card import metrics_table
from regraft.report.markdown import escaped, fenced, quoted
from regraft.report.quantities import counted, operations, size

# What the Hugging Face hub calls licences, of those that it knows: https://huggingface.co/docs/hub/repositories-licenses.
LICENCES = frozenset(
    (
        *("apache-2.0", "mit", "openrail", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "isc", "zlib"),
        *("cc", "cc0-1.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0"),
        *("cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0"),
        *(
            "cc-by-nc-sa-3.0",
            "cc-by-nc-sa-4.0",
            "gpl",
            "gpl-2.0",
            "gpl-3.0",
            "agpl-3.0",
            "lgpl",
            "lgpl-2.1",
            "lgpl-3.0",
        ),
        *(
            "mpl-2.0",
            "epl-1.0",
            "epl-2.0",
            "eupl-1.1",
            "eupl-1.2",
            "artistic-2.0",
            "bsl-1.0",
            "ecl-2.0",
            "ms-pl",
            "ncsa",
        ),
        *("osl-3.0", "pddl", "ofl-1.1", "afl-3.0", "unlicense", "wtfpl", "odbl", "odc-by", "unknown", "other"),
    )
)
# Of a task, the kind of its data.
_KINDS = {
    "image-classification": "imagefolder",
    "text-classification": "text",
    "tabular-classification": "csv",
}
_MOST_CLASSES, _MOST_LAYERS = 60, 40


def readme(card: Card) -> str:
    """What people and model hubs read of a model: what it is, how good it is, what it was made from, how to use it.

    Args:
        card: of the model.

    Returns:
        Markdown with a YAML head in the manner of the Hugging Face hub.
    """
    blocks = [
        _head(card),
        f"# {escaped(card.name)}",
        escaped(card.summary),
        escaped(card.verdict),
        _measures(card),
        _use(card),
        _what(card),
        _made_from(card),
        _classes(card),
        _terms(card),
        _files(card),
    ]
    text = "\n\n".join(block for block in blocks if block) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")


def _head(card: Card) -> str:
    lines = ["---", "library_name: keras"]
    if card.licence:
        known = card.licence.lower()
        lines.append(
            f"license: {known}" if known in LICENCES else f"license: other\nlicense_name: {quoted(card.licence)}"
        )
    if re.fullmatch(r"[a-z]+(-[a-z]+)*", card.task):
        lines.append(f"pipeline_tag: {card.task}")
    tags = dict.fromkeys(["regraft", card.kind, *card.tags])
    lines += ["tags:", *(f"- {quoted(tag)}" for tag in tags)]
    hub = re.fullmatch(r"hf://([\w.-]+/[\w.-]+).*", card.lineage.source if card.lineage is not None else card.origin)
    lines += [f"base_model: {quoted(hub[1])}"] if hub else []
    return "\n".join([*lines, *_results(card), "---"])


def _results(card: Card) -> Iterator[str]:
    """The accuracies in the way that hubs take them up into their lists."""
    shown = {split: each for split, each in card.metrics.items() if reading.finite(each.accuracy.value)}
    if not shown or card.task not in _KINDS:
        return
    name = (card.data.name if card.data is not None else "") or "examples"
    yield from ("metrics:", "- accuracy", "model-index:", f"- name: {quoted(card.name)}", "  results:")
    for split, each in shown.items():
        yield from ("  - task:", f"      type: {card.task}", "    dataset:", f"      name: {quoted(name)}")
        yield from (f"      type: {_KINDS[card.task]}", f"      split: {quoted(split)}", "    metrics:")
        yield from ("    - type: accuracy", f"      value: {each.accuracy.value:.6f}")


def _measures(card: Card) -> str:
    if not card.metrics:
        return ""
    return f"## How good it is\n\n{metrics_table(card.metrics)}\n\nIn brackets: 95 % intervals."


def _use(card: Card) -> str:
    shell = (
        "regraft zoo import FOLDER            # into a catalogue\nregraft fit DATA --source FOLDER     # as a source"
    )
    code = "\n".join(
        [
            "import regraft",
            'network = regraft.open("FOLDER")  # this folder',
            f"answers = network.model.predict(examples)  # {_takes(card)}",
        ]
    )
    return "\n\n".join(["## How to use it", fenced(shell, "sh"), fenced(code, "python")])


def _takes(card: Card) -> str:
    if card.inputs is None:
        return "as network.model.inputs says"
    shape = ", ".join(map(str, ("n", *card.inputs.shape)))
    if card.inputs.name == "raw" and card.inputs.is_picture:
        return f"raw, 0 to 255, shape ({shape})"
    return f"shape ({shape}), prepared as network.inputs says"


def _what(card: Card) -> str:
    net = card.architecture
    lines = ["## What it is", "", f"- Kind: {card.kind}" + (f", for {escaped(card.task)}" if card.task else "")]
    said = [counted(len(net.layers), "layer"), counted(net.parameters, "parameter"), size(net.bytes)]
    lines.append(f"- Network: {escaped(net.name)}, {', '.join(said)}")
    if net.flops is not None:
        lines.append(f"- Cost: {operations(net.flops)} for an example")
    if card.inputs is not None:
        shape = " x ".join(map(str, card.inputs.shape))
        lines.append(f"- Input: {shape}, convention {escaped(card.inputs.name)} ({card.inputs.origin})")
    if card.cut_points:
        lines.append(f"- {counted(len(card.cut_points), 'cut point')}, the topmost {escaped(card.cut_points[-1].name)}")
    if card.optimizer is not None:
        state = card.optimizer
        lines.append(f"- The state of {escaped(', '.join(state.kinds))} after {counted(state.steps, 'step')} is kept")
    return "\n".join(lines)


def _made_from(card: Card) -> str:
    lines: list[str] = []
    made = card.lineage
    if made is not None:
        where = f", cut at {escaped(made.cut_point)}" if made.cut_point else ""
        parent = f" ({escaped(made.parent)} of the catalogue that it comes from)" if made.parent else ""
        lines.append(f"- Source: {escaped(made.source)}{parent}{where}")
        if made.reused:
            learnt = f"of which {len(made.thawed)} learnt" if made.thawed else "all frozen"
            lines.append(f"- {counted(len(made.reused), 'reused layer')}, {learnt}")
            lines += [f"- Thawed: {_listed(made.thawed)}"] if made.thawed else []
    if card.data is not None:
        counts = ", ".join(f"{escaped(split)} {count}" for split, count in card.data.examples.items())
        lines.append(f"- Data: {escaped(card.data.name or 'examples')}" + (f" ({counts})" if counts else ""))
        lines += [f"- Digest of the data: `{card.data.digest}`"] if card.data.digest else []
    if card.certificate is not None:
        lines.append(f"- {_proof(card.certificate)}")
    return "\n".join(["## What it was made from", "", *lines]) if lines else ""


def _proof(certificate: Certificate) -> str:
    if certificate.frozen_unchanged:
        return f"Certificate: {counted(certificate.variables, 'frozen variable')} byte-identical to the source's"
    return f"**The certificate did not hold**: {counted(len(certificate.changed), 'variable')} moved"


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(escaped, names[:_MOST_LAYERS]))
    return shown + (f", and {len(names) - _MOST_LAYERS} more" if len(names) > _MOST_LAYERS else "")


def _classes(card: Card) -> str:
    if not card.classes:
        return ""
    shown = ", ".join(map(escaped, card.classes[:_MOST_CLASSES]))
    more = len(card.classes) - _MOST_CLASSES
    rest = f", and {more} more" if more > 0 else ""
    return f"## Classes\n\n{len(card.classes)}, in the order of the outputs: {shown}{rest}"


def _terms(card: Card) -> str:
    lines = [f"Licence: {escaped(card.licence)}"] if card.licence else []
    lines += [f"Cite:\n\n{fenced(card.citation, '')}"] if card.citation else []
    return "\n\n".join(["## Licence and citation", *lines]) if lines else ""


def _files(card: Card) -> str:
    rows = [
        ("model.safetensors", "the weights, each under the path of its layer and its own name"),
        ("config.json", "how the network is built, as Keras writes it"),
        ("regraft.json", "the card: all of the above, as data"),
    ]
    rows += [("optimizer.npz", "the state of the optimizer")] if card.optimizer is not None else []
    return "\n".join(["## What is here", "", "| file | holds |", "|---|---|", *(f"| `{a}` | {b} |" for a, b in rows)])
