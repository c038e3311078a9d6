"""Examples with labels, for methods that learn from them: others are left out, and what is left is checked."""

import numpy as np

from regraft.core.errors import DataError
from regraft.core.progress import warn
from regraft.data import Examples
from regraft.pretraining.learner import Array, Method
from regraft.pretraining.pair_sampling import Sampler


def with_labels(examples: Examples, used: Array, chosen: Method) -> Array:
    """Those of the used examples that have a label; how many have none is told.

    Args:
        examples: all examples.
        used: indices of those that may be learnt from.
        chosen: a method that needs labels, or does so with its settings.

    Raises:
        DataError: none has a label, or no pairs can be made of these.
    """
    known = used[examples.labels[used] >= 0]
    if not len(known):
        so_set = "" if chosen.LABELS else " with these settings"
        raise DataError(
            f"'{chosen.NAME}'{so_set} learns from labelled examples, found none in {examples.origin}; name a column of "
            "labels with --label-column, or put the examples of each class into a folder of its own"
        )
    if len(known) < len(used):
        warn(
            f"left out {len(used) - len(known):,} of {len(used):,} examples of {examples.origin}, which have no label; "
            f"'{chosen.NAME}' learns from those that have one"
        )
    require_pairs(examples, known, chosen, f"in {examples.origin}")
    return known


def require_pairs(examples: Examples, indices: Array, chosen: Method, where: str) -> None:
    """Refuse examples of whose labels no pairs can be made.

    Raises:
        DataError: there is one label only, or each is there once where the method needs examples that are alike.
    """
    labels: Array = np.asarray(examples.labels[indices])
    classes = np.unique(labels[labels >= 0])
    if not chosen.LABELS and len(classes) == 1:
        raise DataError(
            f"expected two classes or more to put in order {where}, found one: '{examples.classes[int(classes[0])]}', "
            f"of all {len(labels)} examples; add examples of others, or let '{chosen.NAME}' learn without labels"
        )
    Sampler.of(labels, examples.classes, chosen.LABELS, f" {where}")
