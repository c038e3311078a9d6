"""What the record of a depth search says between its lines: standings, depths, which ways make a curve, its cost."""

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Literal

from regraft.core.depth import DepthRecord, Trial, Way
from regraft.core.records import Metric
from regraft.report.quantities import counted, duration
from regraft.report.reading import finite

Standing = Literal["recommended", "alike", "worse", "unfinished"]

STANDINGS: dict[Standing, str] = {
    "recommended": "recommended",
    "alike": "cannot be told apart from it",
    "worse": "did worse",
    "unfinished": "left early",
}
_INPUT = "input"


def standing(record: DepthRecord, trial: Trial) -> Standing:
    """How a way stands to the recommended one."""
    name = trial.way.name
    if name == record.recommended.way.name:
        return "recommended"
    if name in record.recommended.indistinguishable:
        return "alike"
    return "worse" if is_compared(record, trial) else "unfinished"


def is_compared(record: DepthRecord, trial: Trial) -> bool:
    """Whether a way was judged on all folds, as the choice between ways asks for; others were left before."""
    return trial.folds == max(each.folds for each in record.table)


def alike(record: DepthRecord) -> tuple[Trial, ...]:
    """The ways that cannot be told from the recommended one, which is not among them."""
    return tuple(trial for trial in record.table if standing(record, trial) == "alike")


def recommended(record: DepthRecord) -> Trial | None:
    """The last trial of the recommended way."""
    return next((trial for trial in record.table if standing(record, trial) == "recommended"), None)


def ahead(record: DepthRecord) -> tuple[Trial, ...]:
    """The ways that were left early although they did better than the recommended one does."""
    own = recommended(record)
    early = [trial for trial in record.table if standing(record, trial) == "unfinished"]
    return tuple(trial for trial in early if own and trial.accuracy.value > own.accuracy.value)


def corrected(record: DepthRecord) -> Metric:
    """Accuracy of the recommended way, corrected for having been chosen."""
    return Metric(record.recommended.accuracy, record.recommended.interval)


def confidence(record: DepthRecord) -> str:
    """How sure the answer is, in a few words."""
    if len(record.table) < 2:
        return "Only one way was tried"
    same = len(alike(record))
    if ahead(record):
        return "More time may change this"
    if not same:
        return "One way stands out"
    return f"{same + 1} ways cannot be told apart"


def told_apart(record: DepthRecord) -> str:
    """How sure the answer is, in a sentence or two."""
    if len(record.table) < 2:
        return "There is nothing to compare it with."
    leading = len(ahead(record))
    if leading == 1:
        return f"{_compared(record)} One way was ahead of it when it was left early: more time may change the answer."
    if leading:
        return (
            f"{_compared(record)} {leading} ways were ahead of it when they were left early: more time may change the "
            "answer."
        )
    return _compared(record)


def _compared(record: DepthRecord) -> str:
    same, rest = alike(record), [each for each in record.table if standing(record, each) == "worse"]
    if same:
        others = "This one" if len(same) == 1 else f"These {len(same)}"
        return (
            f"{others} and the recommended way cannot be told apart on your data: the differences are as small as "
            "chance makes them. The recommended one trains fewest layers of those within a standard error of the best."
            f"{_fewer(record, same)}"
        )
    if rest:
        worse, verb = ("the other way", "was") if len(rest) == 1 else (f"each of the other {len(rest)} ways", "were")
        return f"On your data it can be told apart from {worse} that {verb} judged to the end."
    return "No other way was judged to the end, so that it could be compared with none."


def _fewer(record: DepthRecord, same: Sequence[Trial]) -> str:
    """Why ways that cannot be told from the recommended one and train fewer layers are not recommended in its place."""
    fewer = sum(trial.way.trained < record.recommended.way.trained for trial in same)
    if not fewer:
        return ""
    which = "It" if len(same) == 1 else "One of these" if fewer == 1 else f"{fewer} of these"
    behind = "trains fewer and is further behind" if fewer == 1 else "train fewer and are further behind"
    return f" {which} {behind} than that; more examples would tell whether fewer are enough."


def in_words(way: Way) -> str:
    """A way as people say it.

    >>> in_words(Way("conv_5", "conv_3", (64,), 5, 2)).replace(chr(160), " ")
    'head on conv_5, 5 layers reused; the 2 layers above conv_3 learn; new layers of 64'
    >>> in_words(Way("conv_5", "conv_5", (), 5, 0, "conv_3")).replace(chr(160), " ")
    'head on conv_5, 5 layers reused; none of them learns; the head reads conv_3 as well'
    """
    said = f"head on {way.cut_point}, {counted(way.reused, 'layer')} reused"
    if way.trained_from == _INPUT and way.tuned:
        said += "; all of them learn"
    elif way.tuned:
        said += f"; the {counted(way.tuned, 'layer')} above {way.trained_from} learn"
    else:
        said += "; none of them learns"
    said += f"; new layers of {', '.join(map(str, way.hidden))}" if way.hidden else ""
    return said + (f"; the head reads {way.tap} as well" if way.tap is not None else "")


def judged(trials: Iterable[Trial]) -> list[Trial]:
    """Those whose accuracy is a number."""
    return [trial for trial in trials if finite(trial.accuracy.value)]


def best(trials: Iterable[Trial]) -> Trial | None:
    """The one of highest accuracy."""
    return max(judged(trials), key=lambda trial: trial.accuracy.value, default=None)


def sentence(said: str) -> str:
    """What was said in half a sentence, as a whole one.

    >>> sentence("twice the labels would help"), sentence("")
    ('Twice the labels would help.', '')
    """
    return f"{said[:1].upper()}{said[1:]}{'' if said.endswith(('.', '!', '?')) else '.'}" if said else ""


def is_plain(way: Way) -> bool:
    """Whether nothing is new but a head that reads one cut point."""
    return not way.hidden and way.tap is None


def is_frozen(way: Way) -> bool:
    """Whether nothing that is reused learns, and nothing is new but a head that reads one cut point."""
    return not way.tuned and is_plain(way)


def frozen_curve(record: DepthRecord) -> list[Trial]:
    """The ways in which nothing reused learns, one for each cut point, from the input upwards."""
    where = depths(record)
    return sorted(
        judged(trial for trial in record.table if is_frozen(trial.way) and is_compared(record, trial)),
        key=lambda trial: where[trial.way.cut_point],
    )


def tuned_curve(record: DepthRecord) -> list[Trial]:
    """The best way of those that let layers learn, for each cut point, from the input upwards."""
    where = depths(record)
    trials = judged(trial for trial in record.table if trial.way.tuned and is_compared(record, trial))
    cuts = {trial.way.cut_point for trial in trials}
    tops = [best(trial for trial in trials if trial.way.cut_point == cut) for cut in cuts]
    return sorted((top for top in tops if top is not None), key=lambda trial: where[trial.way.cut_point])


def by_cut_point(record: DepthRecord) -> list[tuple[str, list[Trial]]]:
    """For each cut point the plain ways, by how many layers learn; the best cut points first.

    Only cut points where that number varies: one point is no curve.
    """
    trials = judged(trial for trial in record.table if is_plain(trial.way) and is_compared(record, trial))
    cuts = dict.fromkeys(trial.way.cut_point for trial in trials)
    grouped = [
        (cut, sorted((each for each in trials if each.way.cut_point == cut), key=lambda each: each.way.tuned))
        for cut in cuts
    ]
    curves = [(cut, found) for cut, found in grouped if len({each.way.tuned for each in found}) > 1]
    chosen = record.recommended.way.cut_point
    return sorted(curves, key=lambda curve: (curve[0] != chosen, -max(each.accuracy.value for each in curve[1])))


def depths(record: DepthRecord) -> dict[str, float]:
    """Every cut point of the record with its depth; where none says it, by how many layers are below."""
    known: dict[str, float] = {each.cut_point: float(each.depth) for each in record.stretches}
    known |= {probe.cut_point: float(probe.depth) for probe in record.probes}
    layers = accumulate(each.layers for each in record.stretches)
    stations = [(0, 0.0), *zip(layers, (float(each.depth) for each in record.stretches), strict=True)]
    for trial in (*record.table, *record.trials):
        way = trial.way
        if way.cut_point not in known:
            known[way.cut_point] = _between(way.reused, stations)
    return known


def _between(layers: int, stations: Sequence[tuple[int, float]]) -> float:
    """The depth that so many layers reach, on straight lines between the ends of the blocks."""
    if len(stations) == 1:
        return float(layers)
    for (fewer, low), (more, high) in pairwise(stations):
        if fewer <= layers <= more:
            return high if more == fewer else low + (high - low) * (layers - fewer) / (more - fewer)
    return stations[-1][1]


def all_layers(record: DepthRecord) -> int:
    """How many layers with weights the source has below its highest cut point, as far as the record knows."""
    most = max((trial.way.reused for trial in record.table), default=record.recommended.way.reused)
    return max(sum(each.layers for each in record.stretches), most, 1)


def layers_below(record: DepthRecord, cut_point: str) -> int | None:
    """How many layers with weights are in the blocks up to the one that ends with a cut point; None: none does."""
    totals = accumulate(each.layers for each in record.stretches)
    ends = (each.cut_point for each in record.stretches)
    return dict(zip(ends, totals, strict=True)).get(cut_point)


def block_of(record: DepthRecord, cut_point: str) -> str:
    """The block that a cut point is in; empty where the record does not say."""
    depth = depths(record).get(cut_point)
    if depth is None:
        return ""
    return next((each.block for each in record.stretches if depth <= each.depth), "")


def cost(record: DepthRecord) -> str:
    """What the search took, in two or three sentences."""
    known, tried = record.reused_trials, len(record.trials)
    said = f"{counted(len(record.table), 'way was', 'ways were')} tried in {counted(tried, 'trial')}"
    if known:
        said += f", of which {counted(known, 'was', 'were')} known from before and not run again"
    said += "."
    total = record.seconds.get("total")
    if finite(total):
        said += f" It took {duration(total)}"
        said += f" of the {duration(record.budget)} that were allowed." if record.budget is not None else "."
    if (divisions := record.table[0].divisions if record.table else 1) > 1:
        said += f" Ways that were judged to the end were judged on {divisions} divisions of the examples into folds."
    early = [trial for trial in record.table if not is_compared(record, trial)]
    if early:
        which = "One way was" if len(early) == 1 else f"{len(early)} ways were"
        said += f" {which} left early, because others did better or because time was up."
    return said
