"""The map of examples as the page shows it: dots by the thousand in a few paths, pictures for some, shares by class.

The page runs no script, so that it is the same in a mail, behind any policy, and on paper. Dots are segments of no
length with round ends, one path for each class. What answers to the pointer and to the keyboard are the examples that
have a picture: a group of radio buttons, which Tab enters and arrows go through.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from regraft.core.evidence import GRID, EmbeddingMap, Evidence, Pictures, View
from regraft.core.records import RunRecord
from regraft.report.plots.svg import element
from regraft.report.quantities import counted, percent

Array = np.ndarray[Any, Any]

COLOURS = 10
"""So many classes have a colour of their own; further ones share theirs."""
MOST_SWITCHES = 40
"""With more classes than this there is no switch for each."""
# Dots do not touch the edge.
_MARGIN = 30
_BOX = GRID + 2 * _MARGIN


@dataclass(frozen=True, slots=True)
class Side:
    """One of the maps: what it is of, and the drawing."""

    title: str
    place: str
    drawing: Markup
    alike: float


@dataclass(frozen=True, slots=True)
class Pin:
    """An example that has a picture.

    Attributes:
        style: where it is on the maps, from 0 to 1.
        colour: of its class.
        class_index: of its label.
        column: of its picture in the file.
        row: likewise.
        name: the example's.
        actual: its label.
        predicted: the answer.
        confidence: of the answer.
        wrong: whether they differ.
    """

    style: str
    colour: int
    class_index: int
    column: int
    row: int
    name: str
    actual: str
    predicted: str
    confidence: float
    wrong: bool


@dataclass(frozen=True, slots=True)
class ClassShare:
    """A class on the map: how many of its examples are there and wrong, and how far they are among themselves."""

    name: str
    index: int
    colour: int
    examples: int
    wrong: int
    before: float
    after: float | None


@dataclass(frozen=True, slots=True)
class MapDrawing:
    """All of it, for the template.

    Attributes:
        sides: before and after, or one where both are the same.
        pins: examples with pictures.
        sprite: the file of pictures as an address; empty without.
        columns: of the file.
        side: pixels of each picture in it.
        classes: those that have examples on the map.
        shown: how many examples are on the map.
        judged: how many the run was judged by.
        wrong: how many on the map are mistakes.
        neighbours: how many nearest ones were looked at.
        method: how places were found.
        caption: one or two sentences.
    """

    sides: tuple[Side, ...]
    pins: tuple[Pin, ...]
    sprite: str
    columns: int
    side: int
    classes: tuple[ClassShare, ...]
    shown: int
    judged: int
    wrong: int
    neighbours: int
    method: str
    caption: str


def drawn(record: RunRecord, evidence: Evidence | None) -> MapDrawing | None:
    """The map of a run; None where there is none, or where it is not of this record's classes."""
    if evidence is None or evidence.embedding is None:
        return None
    own, shown = evidence.answers, evidence.embedding
    labels, answers = own.labels[shown.rows], own.predicted[shown.rows]
    if max(labels.max(initial=0), answers.max(initial=0)) >= len(record.classes):
        return None
    wrong = labels != answers
    places = [("In the source", f"at {record.cut_point}", shown.before)]
    if shown.after is not None:
        places.append(("In the result", "below the head", shown.after))
    sides = tuple(
        Side(title, place, _dots(view, labels, wrong, title), float(view.alike.astype(np.float64).mean()))
        for title, place, view in places
    )
    pictures = evidence.pictures
    return MapDrawing(
        sides=sides,
        pins=_pins(record, evidence, shown, pictures) if pictures else (),
        sprite=f"data:image/jpeg;base64,{base64.b64encode(pictures.jpeg).decode()}" if pictures else "",
        columns=pictures.columns if pictures else 1,
        side=pictures.side if pictures else 1,
        classes=_shares(record, shown, labels, wrong),
        shown=len(labels),
        judged=len(own.names),
        wrong=int(wrong.sum()),
        neighbours=shown.neighbours,
        method=shown.method,
        caption=_caption(shown, sides),
    )


def _dots(view: View, labels: Array, wrong: Array, title: str) -> Markup:
    """Right answers below, mistakes with a ring above them."""
    pieces: list[Markup] = []
    for kind, chosen in (("", ~wrong), ("wrong", wrong)):
        for index in np.unique(labels[chosen]).tolist():
            line = _segments(view.places[chosen & (labels == index)])
            ring = [element("path", d=line, class_=f"ring k{index}")] if kind else []
            pieces += [*ring, element("path", d=line, class_=f"dot c{index % COLOURS} k{index}")]
    said = f"{title}: {counted(len(labels), 'example')}, {int(wrong.sum())} of them mistakes; the table below says how "
    return element(
        "svg", *pieces, class_="dots", viewBox=f"0 0 {_BOX} {_BOX}", role="img",
        aria_label=f"{said}far classes lie apart",
    )  # fmt: skip


def _segments(places: Array) -> str:
    return "".join(f"M{x + _MARGIN} {GRID - y + _MARGIN}h0" for x, y in places.tolist())


def _pins(record: RunRecord, evidence: Evidence, shown: EmbeddingMap, pictures: Pictures) -> tuple[Pin, ...]:
    own = evidence.answers
    at = {row: place for place, row in enumerate(shown.rows.tolist())}
    views = [shown.before, *([shown.after] if shown.after is not None else [])]
    found: list[Pin] = []
    for number, row in enumerate(pictures.rows.tolist()):
        if row not in at:
            continue
        x = [(view.places[at[row]].astype(np.int64) * (1, -1) + (_MARGIN, GRID + _MARGIN)) / _BOX for view in views]
        style = ";".join(f"--{name}:{value:.4f}" for name, value in zip("xyuv", np.concatenate(x), strict=False))
        label, answer = int(own.labels[row]), int(own.predicted[row])
        found.append(
            Pin(
                style,
                label % COLOURS,
                label,
                number % pictures.columns,
                number // pictures.columns,
                own.names[row],
                record.classes[label],
                record.classes[answer],
                float(own.confidence[row]),
                label != answer,
            )
        )
    return tuple(found)


def _shares(record: RunRecord, shown: EmbeddingMap, labels: Array, wrong: Array) -> tuple[ClassShare, ...]:
    rows: list[ClassShare] = []
    for index in np.unique(labels).tolist():
        own = labels == index
        before, after = (
            None if view is None else float(view.alike[own].astype(np.float64).mean())
            for view in (shown.before, shown.after)
        )
        assert before is not None
        rows.append(
            ClassShare(
                record.classes[index], index, index % COLOURS, int(own.sum()), int(wrong[own].sum()), before, after
            )
        )
    return tuple(rows)


def _caption(shown: EmbeddingMap, sides: Sequence[Side]) -> str:
    near = f"{shown.neighbours} nearest neighbours"
    said = f"Of the {near} of an example, {percent(sides[0].alike, 0)} are of its class in the source"
    said += f", {percent(sides[1].alike, 0)} in the result" if len(sides) > 1 else ""
    if shown.method == "t-SNE":
        return f"{said}. Neighbours are kept together (t-SNE); how far apart groups are, and how large, means nothing."
    return (
        f"{said}. The two directions in which examples differ most (PCA); what lies apart in others lies together here."
    )
