"""A ranking, told on a terminal."""

import math
import re
import shlex
from collections.abc import Sequence

from regraft.cli.text import counted, facts, paragraph, seconds, share, share_interval, table
from regraft.core.errors import legible
from regraft.core.ranking import TITLES, Known, Ranked, RankRecord, Refused
from regraft.core.records import Metric
from regraft.report.naming import common_folder, shortened, within

WIDTH = 100
MOST_ROWS = 30
MOST_REASONS, MOST_NAMES = 10, 3
_HEADS = ("source", "score", "95 % interval", "size", "prepared", "time", "")
_SHORTEST, _REFUSED, _LONGEST = 24, 40, 240


def lines(record: RankRecord) -> list[str]:
    """What a ranking found: models for these classes first, then the sources, what could not be used, the answer last.

    Args:
        record: of the ranking.

    Returns:
        Lines; no mark in them but words and figures.
    """
    blocks = [
        _known(record.known),
        _sources(record),
        _refused(record),
        _simpler(record),
        facts(_facts(record)),
        paragraph(record.verdict),
        f"next\n  {_next(record.ranking[0])}" if record.ranking else "",
    ]
    return "\n\n".join(block for block in blocks if block).splitlines()


def _known(known: Sequence[Known]) -> str:
    if not known:
        return ""
    rows = [
        (
            each.source,
            f"{share(each.accuracy.value)} of its {each.measured_on} examples" if each.accuracy else "",
            f"{share(each.here.value)} of these as it is" if each.here else "",
            "made from these" if each.same_data else "",
        )
        for each in known
    ]
    return f"models for classes of these names\n{table(rows)}"


def _sources(record: RankRecord) -> str:
    shown, folder = record.ranking[:MOST_ROWS], _folder(record)
    figures = [_HEADS[1:], *(_row(item) for item in shown)]
    # What names may take is what the figures leave.
    room = max(_SHORTEST, WIDTH - 2 - sum(max(map(len, column)) + 2 for column in zip(*figures, strict=True)))
    names = [_HEADS[0], *(_short(item.source, folder, room) for item in shown)]
    rows = [(name, *row) for name, row in zip(names, figures, strict=True)]
    left_out = len(record.ranking) - len(shown)
    more = f"\n  and {counted(left_out, 'more source')}, see --json" if left_out else ""
    heading = f"sources, the best first{f', in {folder}' if folder else ''}"
    return f"{heading}\n{table(rows, right=range(1, len(_HEADS) - 1))}{more}"


def _folder(record: RankRecord) -> str:
    return common_folder([each.source for each in (*record.ranking, *record.refused)])


def _short(source: str, folder: str, room: int) -> str:
    return shortened(legible(within(source, folder)), room)


def _row(item: Ranked) -> tuple[str, ...]:
    return (
        share(item.score),
        share_interval(Metric(item.score, item.interval)),
        str(item.input_size or "-"),
        # What was assumed and not known is doubtful.
        f"{item.inputs.name}{'?' if item.inputs.origin == 'assumed' else ''}",
        seconds(item.seconds),
        _standing(item),
    )


def _standing(item: Ranked) -> str:
    if item.confirmed is not None:
        return f"fitted: {share(item.confirmed.value)}"
    if item.trained_on_these:
        return "knows these"
    if item.dropped_at is not None:
        return f"left at {item.dropped_at:,}"
    return "worse" if item.told_apart else ""


def _refused(record: RankRecord) -> str:
    """What was not ranked, those with the same reason together."""
    if not record.refused:
        return ""
    folder = _folder(record)
    groups: dict[str, list[str]] = {}
    for each in record.refused:
        groups.setdefault(_reason(each), []).append(_short(each.source, folder, _REFUSED))
    rows = [(f"{counted(len(names), 'source')}", _listed(names, reason)) for reason, names in groups.items()]
    left_out = sum(len(names) for names in list(groups.values())[MOST_REASONS:])
    more = f"\n  and {counted(left_out, 'more source')}, see --json" if left_out else ""
    return f"not ranked\n{facts(rows[:MOST_REASONS])}{more}"


def _reason(refused: Refused) -> str:
    """Without the name of the source, which stands beside it."""
    name = re.escape(f"'{refused.source}'")
    bare = re.sub(rf" (?:in|for|of) {name}|^{name}[:,]? ?", "", refused.reason)
    bare = re.sub(name, "it", bare)
    return f"{bare[:_LONGEST]} ..." if len(bare) > _LONGEST else bare


def _listed(names: Sequence[str], reason: str) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}: {reason}"


def _simpler(record: RankRecord) -> str:
    if not record.baselines:
        return ""
    ordered = sorted(record.baselines.values(), key=lambda each: -each.accuracy.value)
    rows = [(each.name, share(each.accuracy.value), share_interval(each.accuracy)) for each in ordered]
    return f"without any source\n{table(rows, right=[1, 2])}"


def _facts(record: RankRecord) -> list[tuple[str, str]]:
    rule = ", ".join(f"{TITLES.get(name, name)} {share(weight)}" for name, weight in record.rule.items())
    total = record.seconds.get("total", math.nan)
    took = seconds(total) if math.isfinite(total) else "-"
    if record.budget is not None:
        took += f" of {seconds(record.budget)} allowed"
    found = [
        ("score", f"accuracy of a quick probe, shifted by the other scores ({rule})"),
        ("rounds", ", ".join(f"{size:,}" for size in record.rounds) + " examples"),
        ("time", took),
    ]
    warned = sum(bool(item.warnings) for item in record.ranking)
    if warned:
        found.append(("warnings", f"of {counted(warned, 'source')}, all of them in --json"))
    return found


def _next(first: Ranked) -> str:
    if first.run:
        return f"regraft predict {shlex.quote(first.run)} FILES"
    return f"regraft fit DATA --source {shlex.quote(first.source)}"
