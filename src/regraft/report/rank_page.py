"""The page of a ranking: which source to reuse, what each score says, and what could not be ranked."""

from collections.abc import Mapping
from pathlib import Path

from regraft.core import storage
from regraft.core.ranking import TITLES, Ranked, RankRecord
from regraft.core.records import Metric
from regraft.report.naming import breakable, common_folder, within
from regraft.report.page import environment
from regraft.report.plots.comparison import beside, by_accuracy
from regraft.report.plots.ranking import draw
from regraft.report.plots.svg import Figure
from regraft.report.quantities import DASH, counted, duration, number, percent, percent_interval, spoken, whole
from regraft.report.scripts import policy, script

_SCRIPT = "rank.js"
# Scores that are parts of a whole.
_SHARES = ("probe", "neighbours", "quality")
SECTIONS: Mapping[str, str] = {
    "sources": "The sources",
    "known": "Models for classes of these names",
    "without": "Without any source",
    "refused": "Not ranked",
    "rule": "How scores become one",
    "warnings": "Warnings",
    "environment": "Environment",
}


def write(path: Path, record: RankRecord) -> Path:
    """Write the page of a ranking.

    Args:
        path: of the page; one of before is replaced.
        record: of the ranking.

    Raises:
        StorageError: it cannot be written.
    """
    storage.write_text(path, rank_page(record))
    return path


def rank_page(record: RankRecord) -> str:
    """The page, which asks for nothing from the network; every name in it is escaped.

    One script, the page's own, sorts tables; without it the page says the same.

    Args:
        record: of the ranking.
    """
    folder = common_folder([each.source for each in (*record.ranking, *record.refused)])
    html = (
        environment()
        .get_template("rank.html")
        .render(
            record=record,
            sections=SECTIONS,
            folder=folder,
            called=lambda name: breakable(within(name, folder)),
            heading=f"Reuse {within(record.ranking[0].source, folder)}"
            if record.ranking
            else "No source can be reused",
            figures=_figures(record),
            drawn=draw(record, folder),
            names=[name for name in record.rule if any(name in item.scores for item in record.ranking)],
            written=_written,
            titles=TITLES,
            interval=lambda item: Metric(item.score, item.interval),
            standings=[standing(item) for item in record.ranking],
            simpler=_simpler(record),
            warnings=_warnings(record),
            breakable=breakable,
            script=script(_SCRIPT),
            policy=policy(_SCRIPT),
        )
    )
    return html.encode("utf-8", "replace").decode("utf-8")


def standing(item: Ranked) -> str:
    """What is to be said of a source beside its figures, in a few words."""
    if item.note:
        return item.note
    if item.dropped_at is not None:
        return f"left behind at {whole(item.dropped_at)} examples"
    return "worse than the first on the same examples" if item.told_apart else ""


def _written(name: str, item: Ranked) -> str:
    if name not in item.scores:
        return DASH
    return percent(item.scores[name]) if name in _SHARES else number(item.scores[name])


def _figures(record: RankRecord) -> list[tuple[str, str, str]]:
    """What is told first: label, value, and more of it in small."""
    if not record.ranking:
        return []
    first = record.ranking[0]
    total, budget = record.seconds.get("total", float("nan")), record.budget
    return [
        ("Score of the first", percent(first.score), f"95 %: {percent_interval(Metric(first.score, first.interval))}"),
        ("Sources ranked", whole(len(record.ranking)), f"{counted(len(record.refused), 'more', 'more')} not ranked"),
        ("Examples looked at", whole(max(record.rounds)), f"in {counted(len(record.rounds), 'round')}"),
        ("Time", duration(total), f"of {duration(budget)} allowed" if budget is not None else ""),
    ]


def _simpler(record: RankRecord) -> Figure | None:
    if not record.baselines or not record.ranking:
        return None
    first = record.ranking[0]
    own = (first.source, Metric(first.score, first.interval))
    rows = [own, *((spoken(each.name), each.accuracy) for each in by_accuracy(record.baselines))]
    caption = (
        "The score of the first source, and what simpler ways reach by the same classifier; bars are 95 % intervals."
    )
    return Figure(beside(rows, "The first source and simpler ways"), caption)


def _warnings(record: RankRecord) -> list[tuple[str, str]]:
    """Of which source, empty for none, and what."""
    of_sources = [(item.source, text) for item in record.ranking for text in item.warnings]
    return [*(("", text) for text in record.warnings), *of_sources]
