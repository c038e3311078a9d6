"""What is taken for what: the confusion matrix, up to a number of classes that can still be read."""

import math

from markupsafe import Markup

from regraft.core.records import RunRecord
from regraft.report.plots.svg import Figure, clipped, element
from regraft.report.quantities import counted, percent
from regraft.report.reading import confused_pairs

MOST_CLASSES = 30
_LETTERS = 20


def draw(record: RunRecord) -> Figure | None:
    """One row for each actual class, one column for each answer; the colour is the share of the row."""
    classes = len(record.classes)
    if not 2 <= classes <= MOST_CLASSES or not any(map(any, record.confusion)):
        return None
    cell = max(26.0, min(56.0, 340 / classes))
    names = [clipped(name, _LETTERS) for name in record.classes]
    margin = 7.0 * max(map(_length, names)) + 14
    # Column names lean to the right at 45 degrees.
    # Where all names are short, the words in the corner need the room.
    left, top, right = max(margin, 84.0), max(0.71 * margin + 8, 40.0), 0.71 * margin
    pieces: list[Markup] = [
        element("text", "predicted →", x=left - 8, y=top - 26, class_="tick", text_anchor="end"),
        element("text", "actual ↓", x=left - 8, y=top - 9, class_="tick", text_anchor="end"),
    ]
    for index, name in enumerate(names):
        x, y = left + (index + 0.5) * cell, top + (index + 0.5) * cell
        lean = f"translate({x + 3:.1f} {top - 7:.1f}) rotate(-45)"
        pieces.append(element("text", name, element("title", record.classes[index]), transform=lean, class_="label"))
        pieces.append(
            element(
                "text",
                name,
                element("title", record.classes[index]),
                x=left - 8,
                y=y + 4,
                class_="label",
                text_anchor="end",
            )
        )
    for row, counts in enumerate(record.confusion):
        for column, count in enumerate(counts):
            title = f"{record.classes[row]} taken for {record.classes[column]}"
            pieces.append(_cell(count, sum(counts), row == column, left + column * cell, top + row * cell, cell, title))
    width, height = left + classes * cell + right, top + classes * cell + 2
    drawing = element(
        "svg",
        *pieces,
        class_="matrix",
        role="img",
        aria_label="Confusion matrix",
        width=width,
        height=height,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
    )
    return Figure(drawing, _caption(record), wide=True)


def _length(name: str) -> float:
    return sum(1.0 if character.isascii() else 1.6 for character in name)


def _cell(count: int, total: int, right: bool, x: float, y: float, side: float, title: str) -> Markup:
    # The root, so that a few mistakes among many right answers can still be seen.
    share = math.sqrt(count / total) if total else 0.0
    kind = "right" if right else "wrong"
    square = element(
        "rect",
        element("title", f"{title}: {count} of {total}"),
        x=x + 1,
        y=y + 1,
        width=side - 2,
        height=side - 2,
        rx=2.0,
        class_=f"cell {kind}",
        style=f"--share:{share:.3f}",
    )
    if not count:
        return square
    strong = " strong" if share > 0.7 else ""
    written = element(
        "text", str(count), x=x + side / 2, y=y + side / 2 + 4, class_=f"count{strong}", text_anchor="middle"
    )
    return Markup("").join([square, written])


def _caption(record: RunRecord) -> str:
    total = sum(map(sum, record.confusion))
    right = sum(row[index] for index, row in enumerate(record.confusion))
    told = f"{right} of {total} {record.evaluated_on} examples lie on the diagonal ({percent(right / total)})"
    worst = confused_pairs(record, 1)
    if not worst:
        return f"{told}: there is no mistake."
    pair = worst[0]
    return (
        f"{told}; most often {pair.actual} was taken for {pair.predicted} "
        f"({counted(pair.examples, 'time')}, {percent(pair.share)} of its class)."
    )
