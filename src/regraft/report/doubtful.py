"""Doubtful examples as the page shows them: kind by kind, with pictures of the first of each."""

from collections.abc import Sequence
from dataclasses import dataclass

from regraft.core.doubt import KINDS, Doubt, Kind
from regraft.core.records import RunRecord

MOST_PICTURES = 24
# Of a group that is the same, two are enough to see it.
_TOGETHER = 2

_WORDS: dict[Kind, tuple[str, str]] = {
    "leak": (
        "The same in several splits",
        "What is judged by should not have been learnt from: such examples make figures better than they are.",
    ),
    "contradiction": (
        "The same under several labels",
        "At most one of the labels can be right. The others teach what is wrong, or are counted as mistakes.",
    ),
    "label": (
        "Labels that are probably wrong",
        "The other examples, each left out in turn, say another class so clearly that a wrong label is likelier than "
        "an odd example.",
    ),
    "outlier": (
        "Unlike all others",
        "Far from everything else to the network: pictures of something else, empty ones, or simply rare ones.",
    ),
    "repeat": (
        "Several times in one split",
        "Harmless but for counting more than once.",
    ),
}


@dataclass(frozen=True, slots=True)
class Section:
    """The doubts of one kind.

    Attributes:
        kind: the kind.
        title: its heading.
        meaning: why one should care.
        found: how many there are.
        shown: those with pictures.
        told: all that the record holds.
    """

    kind: Kind
    title: str
    meaning: str
    found: int
    shown: tuple[Doubt, ...]
    told: tuple[Doubt, ...]


def sections(record: RunRecord) -> tuple[Section, ...]:
    """The kinds of doubts that were found, in the order in which to look at them."""
    pictured = set(map(id, shown(record.doubts)))
    counts = record.doubt_search.found if record.doubt_search else {}
    made: list[Section] = []
    for kind in KINDS:
        told = tuple(each for each in record.doubts if each.kind == kind)
        if told:
            with_pictures = tuple(each for each in told if id(each) in pictured)
            made.append(Section(kind, *_WORDS[kind], max(counts.get(kind, 0), len(told)), with_pictures, told))
    return tuple(made)


def shown(doubts: Sequence[Doubt]) -> tuple[Doubt, ...]:
    """Those that get pictures: the first of every kind in turn, as long as pictures last.

    >>> shown(())
    ()
    """
    rows = [[each for each in doubts if each.kind == kind] for kind in KINDS]
    turns = [row[turn] for turn in range(max(map(len, rows))) for row in rows if turn < len(row)]
    chosen: list[Doubt] = []
    left = MOST_PICTURES
    for each in turns:
        needed = len(each.examples[:_TOGETHER])
        if needed <= left:
            chosen.append(each)
            left -= needed
    return tuple(chosen)


def pictured_ids(record: RunRecord) -> tuple[str, ...]:
    """Ids of the examples whose pictures the section shows, each once."""
    return tuple(dict.fromkeys(one.id for each in shown(record.doubts) for one in each.examples[:_TOGETHER]))
