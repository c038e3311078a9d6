"""Which examples belong together, for methods that learn from it: others are left out, and what is left is checked."""

from dataclasses import dataclass

import numpy as np

from regraft.core.errors import DataError
from regraft.core.progress import warn
from regraft.data import Examples
from regraft.pretraining.learner import Array, Method
from regraft.pretraining.pair_sampling import Sampler


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Which examples belong together.

    Attributes:
        codes: int (n,), of each example; negative: not known.
        names: of the codes.
        given: whether groups say it; else labels do.
        where: they are, for messages, such as ` in 'data.csv'`.
    """

    codes: Array
    names: tuple[str, ...]
    given: bool
    where: str


def together(examples: Examples, chosen: Method, column: str | None = None) -> Together:
    """What a method learns from: groups, where there are any and it learns from them, else labels.

    Args:
        examples: all examples.
        chosen: the method.
        column: that holds the groups, for messages; None: they are in no column.
    """
    if examples.groups is not None and chosen.GROUPS:
        return Together(examples.groups, examples.group_names, True, _where(examples, column))
    labels = None if examples.columns is None else examples.columns.label
    return Together(examples.labels, examples.classes, False, _where(examples, labels))


def _where(examples: Examples, column: str | None) -> str:
    return f"in {examples.origin}" if column is None else f"in the column '{column}' of {examples.origin}"


def known(examples: Examples, used: Array, chosen: Method, found: Together) -> Array:
    """Those of the used examples that have a group, or a label where labels are learnt from; others are counted.

    Args:
        examples: all examples.
        used: indices of those that may be learnt from.
        chosen: a method that needs labels or groups, or does so with its settings.
        found: which belong together.

    Raises:
        DataError: none has one, or no pairs can be made of these.
    """
    kept = used[found.codes[used] >= 0]
    if not len(kept):
        raise DataError(_none(chosen, found, examples))
    if len(kept) < len(used):
        warn(
            f"left out {len(used) - len(kept):,} of {len(used):,} examples of {examples.origin}, which have no "
            f"{'group' if found.given else 'label'}; '{chosen.NAME}' learns from those that have one"
        )
    require_pairs(found, kept, chosen, found.where)
    return kept


def require_pairs(found: Together, indices: Array, chosen: Method, where: str) -> None:
    """Refuse examples of which no pairs can be made.

    Raises:
        DataError: there is one group or label only, or each is there once where the method needs examples that are
            alike.
    """
    codes: Array = np.asarray(found.codes[indices])
    classes = np.unique(codes[codes >= 0])
    if not chosen.LABELS and len(classes) == 1:
        raise DataError(
            f"expected two classes or more to put in order {where}, found one: '{found.names[int(classes[0])]}', "
            f"of all {len(codes)} examples; add examples of others, or let '{chosen.NAME}' learn without labels"
        )
    Sampler.of(codes, found.names, chosen.LABELS, f" {where}")


def _none(chosen: Method, found: Together, examples: Examples) -> str:
    if found.given:
        return f"expected groups {found.where}, found no example to learn from that has one; fill it in"
    so_set = "" if chosen.LABELS else " with these settings"
    if examples.columns is None and examples.shape is not None:
        how = f"give labels as y beside x{', or groups' if chosen.GROUPS else ''}"
    else:
        groups = ", or of groups with --group-column" if chosen.GROUPS else ""
        how = f"name a column of labels with --label-column{groups}, or put each class into a folder of its own"
    return (
        f"'{chosen.NAME}'{so_set} learns from labelled {'or grouped ' if chosen.GROUPS else ''}examples, found none in "
        f"{examples.origin}; {how}"
    )
