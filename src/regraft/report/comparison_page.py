"""Several runs on one page, which needs nothing but itself."""

import base64
import io
from collections.abc import Sequence

from PIL import Image

from regraft.core.evidence import Evidence
from regraft.core.records import RunRecord
from regraft.core.side_by_side import PairedGain, SideBySide
from regraft.report.page import environment, kind_of
from regraft.report.plots import side_by_side
from regraft.report.quantities import counted, points, points_interval

MOST_SHOWN = 24
"""Disagreements that are shown for each pair of runs."""
MOST_DIFFERENCES = 80


def comparison_page(found: SideBySide, records: Sequence[RunRecord], kept: Sequence[Evidence]) -> str:
    """A page that compares several runs.

    Args:
        found: what they have in common and what not.
        records: of the runs, in the same order.
        kept: evidence of those that have it, for small pictures.

    Returns:
        HTML. Every name in it is escaped.
    """
    shown = {item.id for gain in found.gains for item in gain.disagreements[:MOST_SHOWN]}
    html = (
        environment()
        .get_template("comparison.html")
        .render(
            found=found,
            headline=headline(found),
            accuracies=side_by_side.accuracies(found),
            gains=side_by_side.gains(found),
            curves=side_by_side.curves(found, records),
            pictures={id_: address for id_, address in _pictures(kept).items() if id_ in shown},
            most_shown=MOST_SHOWN,
            most_differences=MOST_DIFFERENCES,
        )
    )
    return html.encode("utf-8", "replace").decode("utf-8")


def headline(found: SideBySide) -> str:
    """One sentence: which of two runs is better, or what became of more."""
    compared = [gain for gain in found.gains if gain.gain is not None]
    if not compared:
        return f"{counted(len(found.runs), 'run')} that cannot be compared example by example"
    if len(found.runs) == 2:
        return _of_two(compared[0])
    better = [gain.run for gain in compared if gain.gain is not None and gain.gain.interval[0] > 0]
    first = found.runs[0].name
    if better:
        return f"{' and '.join(better)} {'is' if len(better) == 1 else 'are'} better than {first}"
    return f"None of {counted(len(compared), 'other run')} is measurably better than {first}"


def _of_two(gain: PairedGain) -> str:
    assert gain.gain is not None
    low, high = gain.gain.interval
    said = f"{points(gain.gain.value)} points ({points_interval(gain.gain)})"
    on = counted(gain.examples, "example")
    if low > 0:
        return f"{gain.run} is better than {gain.against}: {said} on the same {on}"
    if high < 0:
        return f"{gain.run} is worse than {gain.against}: {said} on the same {on}"
    return f"{gain.run} and {gain.against} cannot be told apart: {said} on the same {on}"


def _pictures(kept: Sequence[Evidence]) -> dict[str, str]:
    """Addresses of small pictures by example id: those of mistakes, else what the map has."""
    found: dict[str, str] = {}
    for evidence in kept:
        for id_, content in _cut_out(evidence).items():
            found.setdefault(id_, _address(content))
    for evidence in kept:
        found |= {id_: _address(content) for id_, content in evidence.thumbnails.items() if kind_of(content)}
    return found


def _address(content: bytes) -> str:
    return f"data:image/{kind_of(content)};base64,{base64.b64encode(content).decode()}"


def _cut_out(evidence: Evidence) -> dict[str, bytes]:
    pictures = evidence.pictures
    if pictures is None:
        return {}
    found: dict[str, bytes] = {}
    with Image.open(io.BytesIO(pictures.jpeg), formats=["JPEG"]) as sheet:
        for number, row in enumerate(pictures.rows.tolist()):
            left, top = pictures.side * (number % pictures.columns), pictures.side * (number // pictures.columns)
            buffer = io.BytesIO()
            sheet.crop((left, top, left + pictures.side, top + pictures.side)).save(buffer, "JPEG", quality=85)
            found[evidence.answers.id(row)] = buffer.getvalue()
    return found
