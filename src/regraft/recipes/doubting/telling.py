"""Doubts in words: each in a sentence for the record and the page, and each kind in one line for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regraft.core.doubt import KINDS, Doubt, Doubted, DoubtSearch, Kind, Twins
from regraft.core.records import Metrics
from regraft.data import Examples
from regraft.recipes.doubting.alike import Alike
from regraft.training.doubts.labels import LabelDoubts

Array = np.ndarray[Any, Any]

# Of each kind the record holds so many, and of a group so many examples.
KEPT, NAMED = 24, 6
_SEE = "see the report"


def of_groups(examples: Examples, groups: Alike) -> list[Doubt]:
    """A contradiction where labels differ, else a leak where splits do, else a repeat."""
    return [_of_group(examples, members, similarity) for members, similarity in groups.each()]


def _of_group(examples: Examples, members: Array, similarity: float) -> Doubt:
    labels, splits = examples.labels[members], examples.split.codes[members]
    kind: Kind = "repeat"
    if (labels != labels[0]).any():
        kind = "contradiction"
    elif (splits != splits[0]).any():
        kind = "leak"
    # One of each label and split first: these are what the doubt is about.
    _, telling = np.unique(np.stack([labels, splits], axis=1), axis=0, return_index=True)
    order = np.concatenate([np.sort(telling), np.setdiff1d(np.arange(len(members)), telling)])
    named = tuple(_doubted(examples, index) for index in members[order][:NAMED])
    more = f" and {len(members) - 2} more" if len(members) > 2 else ""
    how = "identical" if similarity == 1 else f"nearly the same (similarity {similarity:.3f})"
    one, other = named[:2]
    text = f"{_said(one, kind)} and {_said(other, kind)}{more} are {how}"
    classes = tuple(examples.classes[label] for label in np.unique(labels))
    return Doubt(kind, named, classes, similarity, text)


def of_labels(examples: Examples, some: Array, found: LabelDoubts, chosen: Array, near: Array) -> list[Doubt]:
    """Labels that are probably wrong, and what the nearest neighbours have to say of them.

    Args:
        examples: all.
        some: indices of those that were looked at.
        found: what became of these.
        chosen: places in `some` of those to tell of.
        near: int64 (m, k), places in `some` of the nearest others of each of these.
    """
    doubts: list[Doubt] = []
    for place in chosen.tolist():
        one = _doubted(examples, some[place])
        around = examples.labels[some[near[place]]]
        agreeing = int((around == found.suggested[place]).sum()), int((around == examples.labels[some[place]]).sum())
        other, wrong = examples.classes[found.suggested[place]], float(found.wrong[place])
        text = (
            f"'{one.name}' is labelled '{one.label}' in {one.split}; by all other examples it is more likely "
            f"'{other}' (the label is wrong with probability {wrong:.2f}); of its {len(around)} nearest neighbours "
            f"{agreeing[0]} are '{other}' and {agreeing[1]} '{one.label}'"
        )
        doubts.append(Doubt("label", (one,), (one.label, other), wrong, text))
    return doubts


def of_outliers(examples: Examples, some: Array, isolation: Array, chosen: Array) -> list[Doubt]:
    """Examples unlike all others.

    Args:
        examples: all.
        some: indices of those that were looked at.
        isolation: (m,) how many times as far as usual each of these is from its neighbours.
        chosen: places in `some` of those to tell of.
    """
    doubts: list[Doubt] = []
    for place in chosen.tolist():
        one, far = _doubted(examples, some[place]), float(isolation[place])
        text = f"'{one.name}' ('{one.label}', {one.split}) is {far:.2f} times as far from its neighbours as is usual"
        doubts.append(Doubt("outlier", (one,), (one.label,), far, text))
    return doubts


def strongest(doubts: Sequence[Doubt]) -> tuple[Doubt, ...]:
    """Those that the record keeps: of each kind the strongest, nothing lost where there are few."""
    kept: list[Doubt] = []
    for kind in KINDS:
        own = sorted((each for each in doubts if each.kind == kind), key=lambda each: -each.score)
        kept += own[:KEPT]
    return tuple(kept)


def warnings(
    doubts: Sequence[Doubt], search: DoubtSearch, twins: Twins | None, metrics: Mapping[str, Metrics]
) -> list[str]:
    """One line for each kind that was found, leaks by what they do to the accuracy."""
    first = {kind: next((each for each in doubts if each.kind == kind), None) for kind in KINDS}
    lines: list[str] = []
    if twins is not None and twins.with_twin:
        lines.append(consequence(twins, metrics[twins.split]))
    elif leak := first["leak"]:
        lines.append(f"{leak.text}{_more(search, 'leak')}; figures on validation will be too good; {_SEE}")
    if contradiction := next((each for each in doubts if each.kind == "contradiction" and each.score < 1), None):
        lines.append(f"{contradiction.text}{_more(search, 'contradiction')}; {_SEE}")
    if label := first["label"]:
        lines.append(f"labels that are probably wrong: {search.found['label']}; {label.text}; {_SEE}")
    if outlier := first["outlier"]:
        lines.append(
            f"examples unlike all others: {search.found['outlier']}, first '{outlier.examples[0].name}'; {_SEE}"
        )
    return lines


def consequence(twins: Twins, metrics: Metrics) -> str:
    """What examples in several splits do to the accuracy that is stated."""
    identical = f", {twins.identical} of them identical" if twins.identical else ""
    line = (
        f"{twins.with_twin} of {twins.examples} {twins.split} examples have a twin in what was learnt from{identical}"
    )
    if twins.accuracy is None:
        return f"{line}; the accuracy says nothing about new examples; {_SEE}"
    return (
        f"{line}; without them accuracy is {twins.accuracy.value:.1%} instead of {metrics.accuracy.value:.1%}; {_SEE}"
    )


def _doubted(examples: Examples, index: Any) -> Doubted:
    place = int(index)
    return Doubted(
        examples.names[place], examples.ids[place], examples.split[place], examples.classes[examples.labels[place]]
    )


def _said(one: Doubted, kind: Kind) -> str:
    return f"'{one.name}' ('{one.label}', {one.split})" if kind == "contradiction" else f"'{one.name}' ({one.split})"


def _more(search: DoubtSearch, kind: Kind) -> str:
    count = search.found[kind] - 1
    return f" ({count} more such)" if count > 0 else ""
