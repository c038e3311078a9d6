"""The page of a catalogue: all its models, to be filtered, sorted and compared, and who was made of whom."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from regraft.core import storage
from regraft.core.exhibit import Exhibit, Exhibition, Kinship
from regraft.report.naming import breakable
from regraft.report.page import environment
from regraft.report.plots.zoo import draw_family, draw_kinship, families
from regraft.report.plots.zoo.family import anchor
from regraft.report.quantities import DASH, counted, operations, percent, percent_interval, whole
from regraft.report.scripts import policy, script

ZOO_PAGE = "zoo.html"
_SCRIPT = "zoo.js"
_NEAR = "How near the models are to the data"
SECTIONS: Mapping[str, str] = {
    "near": _NEAR,
    "models": "The models",
    "compare": "Beside each other",
    "families": "Who was made of whom",
    "warnings": "Warnings",
}
# Families that are drawn at once; and names of classes that are written out.
_FAMILIES, _CLASSES = 12, 40


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table.

    Attributes:
        of: the model.
        anchor: by which the page links to it.
        facts: what else is known of it, label and value.
        classes: how many it tells apart; 0 where nobody knows.
        created: seconds since 1970, to sort by; empty where the card says no time.
        near: how near it is to the data, to sort by; empty where nobody knows.
        near_said: the same in words.
        near_small: what stands below it.
    """

    of: Exhibit
    anchor: str
    facts: tuple[tuple[str, str], ...]
    classes: int
    created: str
    near: str
    near_said: str
    near_small: str


def write(path: Path, record: Exhibition) -> Path:
    """Write the page of a catalogue.

    Args:
        path: the file; its folder is made if it is not there, a page of before is replaced.
        record: of the catalogue.

    Raises:
        StorageError: it cannot be written.
    """
    storage.write_text(path, zoo_page(record))
    return path


def zoo_page(record: Exhibition) -> str:
    """The page, which can be read, mailed and printed, and which asks for nothing from the internet.

    Args:
        record: of the catalogue.

    Returns:
        HTML. Every name in it is escaped. One script, the page's own, filters, sorts and compares; without it the page
        says the same of each model.
    """
    trees = families(record.exhibits)
    sections = {key: title for key, title in SECTIONS.items() if key != "near" or record.data is not None}
    html = (
        environment()
        .get_template("zoo.html")
        .render(
            record=record,
            heading=_heading(record),
            sections=sections,
            figures=list(_figures(record, len(trees))),
            nearness=draw_kinship(record.exhibits, record.data.tried) if record.data is not None else None,
            choices=list(_choices(record)),
            rows=[row(each, record) for each in _ordered(record)],
            families=[(tree, draw_family(tree)) for tree in trees],
            shown=_FAMILIES,
            breakable=breakable,
            script=script(_SCRIPT),
            policy=policy(_SCRIPT),
        )
    )
    return html.encode("utf-8", "replace").decode("utf-8")


def row(exhibit: Exhibit, record: Exhibition) -> Row:
    """What the table says of a model."""
    near, said, small = _near(exhibit.kinship, record)
    return Row(
        exhibit,
        anchor(exhibit),
        tuple((label, value) for label, value in _facts(exhibit, record) if value),
        len(exhibit.classes) or exhibit.outputs or 0,
        _seconds(exhibit.created),
        near,
        said,
        small,
    )


def _heading(record: Exhibition) -> str:
    if record.data is None:
        return counted(len(record.exhibits), "model")
    best = max((each for each in record.exhibits if _score(each) is not None), key=_order, default=None)
    if best is None:
        return f"{counted(len(record.exhibits), 'model')} beside {record.data.name}"
    return f"Nearest to {record.data.name}: {best.address}"


def _ordered(record: Exhibition) -> list[Exhibit]:
    """The nearest first, where there are data; else as they came."""
    return sorted(record.exhibits, key=lambda each: -_order(each)) if record.data is not None else list(record.exhibits)


def _order(exhibit: Exhibit) -> float:
    score = _score(exhibit)
    return -math.inf if score is None else score


def _score(exhibit: Exhibit) -> float | None:
    score = exhibit.kinship.score if exhibit.kinship is not None else None
    return score.value if score is not None and math.isfinite(score.value) else None


def _figures(record: Exhibition, trees: int) -> Iterator[tuple[str, str, str]]:
    kinds = [each.kind for each in record.exhibits]
    yield "Models", whole(len(kinds)), f"{whole(len({each.name for each in record.exhibits}))} by name"
    yield "Runs", whole(kinds.count("run")), "trained on somebody's data"
    yield "Networks", whole(kinds.count("network")), "as they were added"
    yield "Pretrainings", whole(kinds.count("pretraining")), "made without a source"
    yield "Families", whole(trees), "models made of one another"


def _choices(record: Exhibition) -> Iterator[tuple[str, str, list[str]]]:
    for key, label in (("kind", "Kind"), ("task", "Task"), ("licence", "Licence")):
        yield key, label, sorted({getattr(each, key) for each in record.exhibits} - {""})


def _near(kinship: Kinship | None, record: Exhibition) -> tuple[str, str, str]:
    """How near a model is: to sort by, in words, and what stands below."""
    if kinship is None or record.data is None:
        return "", DASH, ""
    shared = len(kinship.classes)
    below = [f"{shared} of {len(record.data.classes)} classes by name"] if shared else []
    if kinship.same_examples:
        below.insert(0, "learnt from these examples")
    if kinship.score is not None and math.isfinite(kinship.score.value):
        below.insert(0, percent_interval(kinship.score))
        return str(kinship.score.value), percent(kinship.score.value), "; ".join(below)
    return "", DASH, "; ".join([*below, kinship.note] if kinship.note else below)


def _facts(exhibit: Exhibit, record: Exhibition) -> Iterator[tuple[str, str]]:
    yield "Kind", exhibit.kind
    yield "Task", exhibit.task
    yield "What it is", exhibit.summary
    if exhibit.accuracy is not None:
        said = f"{percent(exhibit.accuracy.value)} ({percent_interval(exhibit.accuracy)})"
        yield "Accuracy", f"{said} on {exhibit.measured_on}"
    if record.data is not None and exhibit.kinship is not None:
        yield from _kin(exhibit.kinship)
    yield "Verdict", exhibit.verdict
    yield "Classes", _classes(exhibit)
    yield (
        "Input",
        ", ".join(filter(None, [" \N{MULTIPLICATION SIGN} ".join(map(str, exhibit.shape)), exhibit.convention])),
    )
    yield "Network", f"{counted(exhibit.layers, 'layer')}, {counted(exhibit.cut_points, 'cut point')}"
    yield "Parameters", whole(exhibit.parameters)
    if exhibit.flops is not None:
        yield "Cost", f"{operations(exhibit.flops)} for an example"
    yield "Learnt from", exhibit.data
    yield "Made of", _made_of(exhibit)
    yield "Proof", {True: "frozen layers did not move", False: "frozen layers moved", None: ""}[exhibit.proof]
    yield "Optimizer", exhibit.optimizer and f"the state of {exhibit.optimizer} is kept"
    yield "Licence", exhibit.licence
    yield "Cite", exhibit.citation
    yield "Tags", ", ".join(exhibit.tags)
    yield "Added", exhibit.created
    yield "Use it", f"--source zoo:{exhibit.address}"


def _kin(kinship: Kinship) -> Iterator[tuple[str, str]]:
    if kinship.score is not None:
        where = f" at {kinship.cut_point}" if kinship.cut_point else ""
        yield "Near the data", f"{percent(kinship.score.value)} ({percent_interval(kinship.score)}){where}"
    if kinship.same_examples:
        yield "Same examples", "it learnt from these very examples"
    yield "Classes in both", ", ".join(kinship.classes[:_CLASSES])
    yield "Not tried", kinship.note


def _classes(exhibit: Exhibit) -> str:
    if not exhibit.classes:
        return f"{exhibit.outputs}, without names" if exhibit.outputs else ""
    more = len(exhibit.classes) - _CLASSES
    return ", ".join(exhibit.classes[:_CLASSES]) + (f", and {more} more" if more > 0 else "")


def _made_of(exhibit: Exhibit) -> str:
    source = exhibit.parent or exhibit.source
    if not source:
        return ""
    said = [source, f"cut at {exhibit.cut_point}" if exhibit.cut_point else ""]
    if exhibit.reused:
        said.append(f"{counted(exhibit.reused, 'layer')} reused, {whole(exhibit.thawed)} of them learnt")
    if exhibit.shared:
        said.append(f"{counted(exhibit.shared, 'layer')} the same, byte for byte")
    return "; ".join(filter(None, said))


def _seconds(created: str) -> str:
    try:
        return str(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return ""
