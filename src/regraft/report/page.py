"""The report of a run: one HTML page that needs nothing but itself."""

import base64
import functools
import shlex
from collections.abc import Mapping
from typing import Any

import jinja2

from regraft.core.depth import DepthRecord
from regraft.core.evidence import Evidence
from regraft.core.records import RunRecord
from regraft.core.verdict import WITHOUT, gains_of
from regraft.report import doubtful, embedding_map, quantities, reading, reusing
from regraft.report.naming import breakable
from regraft.report.plots import PLOTS
from regraft.report.plots.confusion import MOST_CLASSES
from regraft.report.searched import searched

SECTIONS: Mapping[str, str] = {
    "comparison": "Did reuse help?",
    "reuse": "What was reused",
    "cut": "Where the source was cut",
    "learning": "How it learnt",
    "confusion": "What is taken for what",
    "mistakes": "The most confident mistakes",
    "doubts": "Doubtful examples",
    "calibration": "How far its confidence can be trusted",
    "drift": "What thawing changed",
    "map": "The examples as the network sees them",
    "metrics": "All measures",
    "data": "The data",
    "load": "What was loaded",
    "time": "Where the time went",
    "warnings": "Warnings",
    "environment": "Environment",
    "again": "Use it, and do it again",
}
MEASURES: Mapping[str, str] = {
    "accuracy": "share of right answers",
    "balanced_accuracy": "mean over the classes",
    "log_loss": "0 is perfect",
    "calibration_error": "gap between confidence and accuracy",
}
MOST_MISTAKES = 24
# Beside a matrix the pairs are a summary, instead of one they are all there is.
_FEW_PAIRS, _MANY_PAIRS = 5, 20
_KINDS = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png"}


def page(
    record: RunRecord,
    thumbnails: Mapping[str, bytes],
    evidence: Evidence | None = None,
    search: DepthRecord | None = None,
    search_page: str | None = None,
) -> str:
    """The report as a page that can be read, mailed and printed, and that asks for nothing from the network.

    Args:
        record: of the run.
        thumbnails: JPEG or PNG bytes by example id; mistakes and doubtful examples without one are shown without a
            picture.
        evidence: what the run keeps beside its record, for the map; None: the page says that there is none.
        search: that led to the run, for the depth curve; None: the run was made without one.
        search_page: address of the search's own page, as seen from this one; None: it is named and not linked.

    Returns:
        HTML. Every name in it is escaped, and what is not Unicode in a file name is replaced by a question mark.
    """
    template = environment().get_template("page.html")
    html = template.render(
        record=record,
        sections=SECTIONS,
        measures=MEASURES,
        figures={name: draw(record) for name, draw in PLOTS.items()},
        outcome=reading.outcome(record),
        headline=reading.OUTCOMES[reading.outcome(record)],
        accuracy=reading.accuracy(record),
        search=searched(search, search_page),
        breakable=breakable,
        better=reading.better_baseline(record),
        gains=gains_of(record),
        decisive=reading.decisive(record),
        without=WITHOUT,
        learnt_from=reading.learnt_from(record),
        phases=reading.phase_rows(record),
        pairs=reading.confused_pairs(record, _FEW_PAIRS if len(record.classes) <= MOST_CLASSES else _MANY_PAIRS),
        class_rows=reading.class_rows(record),
        most_classes=MOST_CLASSES,
        mistakes=record.mistakes[:MOST_MISTAKES],
        doubtful=doubtful.sections(record),
        pictures=_pictures(record, thumbnails),
        texts=evidence.texts if evidence else {},
        map=embedding_map.drawn(record, evidence),
        most_switches=embedding_map.MOST_SWITCHES,
        plan_toml=reusing.plan_shown(record.plan),
        code=reusing.code(record, record.model),
        run_quoted=shlex.quote(record.run),
    )
    return html.encode("utf-8", "replace").decode("utf-8")


@functools.cache
def environment() -> jinja2.Environment:
    """Where the templates are, with the ways in which quantities are written."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("regraft.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    written = (
        quantities.number,
        quantities.percent,
        quantities.points,
        quantities.percent_interval,
        quantities.points_interval,
        quantities.number_interval,
        quantities.whole,
        quantities.counted,
        quantities.duration,
        quantities.size,
        quantities.spoken,
    )
    filters: dict[str, Any] = environment.filters
    filters.update({function.__name__: function for function in written})
    return environment


def _pictures(record: RunRecord, thumbnails: Mapping[str, bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    wanted = (*(mistake.id for mistake in record.mistakes[:MOST_MISTAKES]), *doubtful.pictured_ids(record))
    for example in dict.fromkeys(wanted):
        content = thumbnails.get(example, b"")
        kind = kind_of(content)
        if kind:
            found[example] = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return found


def kind_of(content: bytes) -> str | None:
    """Which kind of picture a page may hold these bytes are; None where they are none."""
    return next((kind for start, kind in _KINDS.items() if content.startswith(start)), None)
