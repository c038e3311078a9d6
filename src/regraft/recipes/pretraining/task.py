"""What a pretraining learns from: which examples, in which form, what is held out, and which labels probe it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regraft import data as data_room
from regraft.core.columns import Columns
from regraft.core.errors import DataError, nearest
from regraft.core.input_spec import InputSpec
from regraft.core.pretraining import Asked
from regraft.core.progress import warn
from regraft.data import Examples
from regraft.data import pairs as pairs_
from regraft.pretraining import METHODS, method
from regraft.pretraining.learner import Method
from regraft.recipes.encoding import lengths, tell_of_long_ones
from regraft.recipes.pretraining import grouping, holding_out, ordering, preparing, unused
from regraft.recipes.pretraining.probing import Labelled
from regraft.recipes.pretraining.rows import Prepared, fits_in_memory, only_readable

Array = np.ndarray[Any, Any]

_MOST_JUDGED = 2000
_FEWEST, _FEWEST_LEFT = 10, 2
_STREAM = 11


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What is learnt from, by what, and what is measured on the way.

    Attributes:
        examples: all of them.
        inputs: what the network takes.
        learning: examples that are learnt from.
        held_out: examples that epochs are judged by.
        unused: how many examples are left for tests.
        unknown: how many have no label or group, or are in no pair, where the method learns from these.
        unreadable: how many cannot be read.
        labelled: what the probe learns from; None where there is no probe.
        judging: what it is judged by.
        classes: names of the labels.
        pairs_digest: of all pairs that were given; None where none are learnt from.
    """

    examples: Examples
    inputs: InputSpec
    learning: Prepared
    held_out: Prepared
    unused: int
    unknown: int
    unreadable: int
    labelled: Labelled | None
    judging: Labelled | None
    classes: tuple[str, ...]
    pairs_digest: str | None = None


def task_of(
    chosen: Method,
    asked: Asked,
    data: Any,
    labels: Any = None,
    taken: tuple[int | None, ...] | None = None,
    needs_labels: bool = False,
    said: Collection[str] = (),
    pairs: Any = None,
) -> Task:
    """Open and divide what is learnt from.

    Args:
        chosen: the method.
        asked: what is asked for.
        data: examples; what `data.open_unlabelled` takes.
        labels: labelled examples for the probe, where `data` has none; what `data.open` takes.
        taken: the shape of one input of somebody's own network; None: the network is made for the examples.
        needs_labels: whether the method, as it is set, learns from labels or groups.
        said: options and settings, see `unused.refuse`.
        pairs: of examples in an order, where the method learns from them, as it is set; what `data.pairs.of` takes.

    Raises:
        DataError: the method does not learn from such examples, or there are too few.
        RequestError: something is said that makes no difference.
    """
    examples = data_room.open_unlabelled(
        data,
        strict=asked.strict,
        lenient=asked.lenient,
        columns=asked.columns,
        classes=2 if needs_labels else 0,
        groups=chosen.GROUPS,
    )
    kind = preparing.kind_of(examples)
    if kind not in chosen.KINDS:
        raise DataError(
            f"'{chosen.NAME}' learns from {', '.join(chosen.KINDS)}, found {kind} in {examples.origin}; "
            f"from {kind} learn {', '.join(name for name in METHODS if kind in method(name).KINDS)}"
        )
    unused.refuse(said, chosen, asked, kind, examples.origin)
    known = examples if labels is None else _opened(labels, asked)
    if labels is None:
        _require_labels(asked, examples)
    used = _for_learning(examples, known)
    tests = len(examples) - len(used)
    named = asked.columns.group if asked.columns is not None else None
    together = grouping.together(examples, chosen, named) if needs_labels else None
    if together is not None:
        used = grouping.known(examples, used, chosen, together)
    stated = None if pairs is None else pairs_.of(pairs, examples)
    ordered = None if stated is None else ordering.among(stated, used, "that is left for tests")
    if ordered is not None:
        used = ordering.paired(examples, used, chosen, ordered)
    lacking = "pair" if ordered is not None else "group" if together is not None and together.given else "label"
    _require_enough(examples, len(used), tests, lacking)
    inputs = preparing.inputs_for(examples, used, asked)
    if taken is not None and inputs.is_picture and asked.input_size is None:
        inputs = _as_taken(inputs, taken)
    unknown = len(examples) - tests - len(used)
    readable = only_readable(examples, used, inputs, asked.strict)
    used, unreadable = readable, np.setdiff1d(used, readable)
    share, keep = (asked.spec or chosen.SPEC).held_out, fits_in_memory(len(used), inputs)
    if ordered is None:
        sides = holding_out.held_out(used, share, asked.seed, together if chosen.LABELS else None)
        _require_some_left(examples, len(sides[0]), len(used), share)
        if together is not None:
            # Held-out examples are compared with one another as well.
            for side, which in zip(sides, ("to learn from in", "held out of"), strict=True):
                grouping.require_pairs(together, side, chosen, f"among those {which} {examples.origin}")
        learning, held_out = (Prepared(examples, side, inputs, keep) for side in sides)
    else:
        ordered = ordering.among(ordered, used, "that cannot be read")
        parts = (part.rows for part in ordering.held_out(ordered, share, asked.seed))
        learning, held_out = (Prepared(examples, np.unique(part), inputs, keep, part) for part in parts)
    labelled, judging, classes = _labelled(asked, examples, known, inputs, unreadable)
    if asked.compare == "yes" and (labelled is None or judging is None):
        raise DataError(
            f"--compare yes learns from labels and judges by others, found too few in {known.origin}; bring some with "
            "--labels, or leave it out"
        )
    digest = None if stated is None else stated.digest(examples)
    return Task(
        examples, inputs, learning, held_out, tests, unknown, len(unreadable), labelled, judging, classes, digest
    )


def _require_enough(examples: Examples, used: int, tests: int, lacking: str) -> None:
    """Refuse so few examples that nothing can be learnt.

    Raises:
        DataError: they are that few; it says where the others are.
    """
    if used >= _FEWEST:
        return
    others = [f"{tests} for tests"] * (tests > 0)
    others += [f"{len(examples) - tests - used} without a {lacking}"] * (len(examples) > used + tests)
    why = f" of {len(examples)} ({', '.join(others)})" if others else ""
    raise DataError(
        f"expected at least {_FEWEST} examples to learn from in {examples.origin}, found {used}{why}; bring more"
    )


def _require_some_left(examples: Examples, left: int, used: int, share: float) -> None:
    """Refuse a division that leaves next to nothing to learn from.

    Raises:
        DataError: it does.
    """
    if left < _FEWEST_LEFT:
        raise DataError(
            f"expected at least {_FEWEST_LEFT} examples to learn from in {examples.origin}, found {left} of {used}, as "
            f"a part of {share:g} is held out; bring more, or hold out less with --set held_out"
        )


def _opened(labels: Any, asked: Asked) -> Examples:
    """Labelled examples; a column of groups is left aside there, where there are columns."""
    columns = asked.columns
    if columns is not None and columns.group is not None and not data_room.has_columns(labels):
        others = replace(columns, group=None)
        columns = None if others == Columns() else others
    return data_room.open(labels, strict=asked.strict, lenient=asked.lenient, columns=columns, grouped=True)


def _require_labels(asked: Asked, examples: Examples) -> None:
    """Refuse a column of labels that is not there: the real one would be learnt from.

    Raises:
        DataError: a column was named, and no example has a label.
    """
    label, columns = asked.columns and asked.columns.label, examples.columns
    if label is not None and columns is not None and not (examples.labels >= 0).any():
        known = nearest(label, columns.features)
        raise DataError(f"expected labels in the column '{label}' of {examples.origin}, found none{known}")


def _for_learning(examples: Examples, known: Examples) -> Array:
    """Indices of the examples that are not kept for a test, nor the same as one that is."""
    used = np.flatnonzero(examples.split != "test")
    if known is examples:
        return used
    tests = set(known.ids.take(np.flatnonzero(known.split == "test")))
    return np.array([index for index in used.tolist() if examples.ids[index] not in tests], np.int64)


def _as_taken(inputs: InputSpec, taken: tuple[int | None, ...]) -> InputSpec:
    """The inputs that somebody's own network takes, where it takes others than the pictures' own size."""
    height, width, channels = inputs.shape
    if len(taken) != 3:
        return inputs
    return replace(inputs, shape=(taken[0] or height, taken[1] or width, taken[2] or channels))


def _labelled(
    asked: Asked, examples: Examples, known: Examples, inputs: InputSpec, unreadable: Array
) -> tuple[Labelled | None, Labelled | None, tuple[str, ...]]:
    """Some labelled examples to probe with and to learn from, others to judge by, and the names of the classes.

    Args:
        asked: what is asked for.
        examples: that are learnt from without labels.
        known: the labelled ones, perhaps the same.
        inputs: what the network takes.
        unreadable: indices of `examples` that were left out already, and told of.
    """
    if known is not examples:
        _require_kind(known, examples)
        if known.columns is None and known.shape != examples.shape and not inputs.is_picture:
            raise DataError(
                f"expected labelled examples of shape {examples.shape} as in {examples.origin}, found {known.shape} "
                f"in {known.origin}"
            )
    if not asked.probe or not known.classes:
        return None, None, known.classes
    training, test = (
        _some(known, np.flatnonzero((known.split == split) & (known.labels >= 0)), count, asked.seed)
        for split, count in (("train", asked.probe), ("test", _MOST_JUDGED))
    )
    if lacking := _lacking(asked, known, len(training)):
        warn(f"no probe and no comparison: {lacking}")
        return None, None, known.classes
    if known is not examples and inputs.text is not None:
        read = known.take(np.concatenate([training, test]))
        tell_of_long_ones(lengths(read, inputs.text), inputs.shape[0], inputs.text, read, strict=asked.strict)
    if known is examples:
        training, test = (part[~np.isin(part, unreadable)] for part in (training, test))
    made = [Prepared(known, only_readable(known, part, inputs, asked.strict), inputs) for part in (training, test)]
    both = [
        Labelled(rows.take(np.arange(len(rows))), known.labels[rows.indices].astype(np.int64), len(known.classes))
        if len(rows)
        else None
        for rows in made
    ]
    return both[0], both[1], known.classes


def _lacking(asked: Asked, known: Examples, found: int) -> str:
    """Why so many labels are no probe; empty where they are one."""
    count = len(known.classes)
    if count == 1:
        return f"all labels in {known.origin} are '{known.classes[0]}'; bring others with --labels"
    if found >= 2 * count:
        return ""
    need = f"they need 2 labels of each of {count} classes"
    if asked.probe < 2 * count:
        return f"{need}, found --probe {asked.probe}; say --probe {2 * count} or more"
    return f"{need}, found {found} to learn from in {known.origin}; bring more with --labels"


def _require_kind(known: Examples, examples: Examples) -> None:
    own, others = preparing.kind_of(examples), preparing.kind_of(known)
    if own != others and "numbers" not in (own, others):
        raise DataError(
            f"expected labelled examples that are {own} as in {examples.origin}, found {others} in {known.origin}"
        )


def _some(known: Examples, indices: Array, count: int, seed: int) -> Array:
    """At most so many of the examples, classes in proportion."""
    order = np.random.default_rng([seed, _STREAM, 1]).permutation(indices)
    by_class = [order[known.labels[order] == label] for label in range(len(known.classes))]
    # The first of each class, the second of each, ...: as many as are wanted.
    ranks = np.concatenate([np.arange(len(own)) / max(1, len(own)) for own in by_class])
    return np.concatenate(by_class)[np.argsort(ranks, kind="stable")][:count]
