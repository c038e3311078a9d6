"""Which examples are for training, for choices, and for the final figure: decided by their content.

An example's place is a number in [0, 1) made from its content's digest: below `test` it is for the test, below
`test + validation` for validation, else for training. So adding files moves no file, and identical content is always
on one side, whatever the files are called.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from regraft.core.plan import SplitSpec
from regraft.data.examples import Array


def place(id_: str) -> float:
    """The number in [0, 1) that decides for a digest; 52 bits, so that the float is exact.

    >>> place("a") == place("a") and 0 <= place("a") < 1
    True
    """
    return int(hashlib.blake2b(f"split {id_}".encode(), digest_size=8).hexdigest()[:13], 16) / 2**52


def divide(ids: Sequence[str], labels: Sequence[int] | Array, stated: Sequence[str | None], spec: SplitSpec) -> Array:
    """The split of every example.

    Where nothing is stated, content decides, except that a class left without a training example gets those of its
    examples back whose place is highest (identical ones together; later, when other files have given the class a
    training example, they return to where their content puts them).

    Where something is stated, it is kept. Examples without a statement count as training examples then. Where no
    validation examples are stated, those of the training examples become validation whose place is below
    `validation / (1 - test)`: the same proportion of validation to training as without a statement. No test is made up.

    Args:
        ids: digests of contents.
        labels: (n,) classes.
        stated: `train`, `validation`, `test`, or None, for each.
        spec: the parts.

    Returns:
        str (n,).
    """
    places = np.array([place(id_) for id_ in ids], dtype=np.float64)
    if not any(stated):
        split = np.full(len(ids), "train", dtype="<U10")
        split[places < spec.test + spec.validation] = "validation"
        split[places < spec.test] = "test"
        movable = np.ones(len(ids), dtype=bool)
    else:
        split = np.array([value or "train" for value in stated], dtype="<U10")
        movable = split == "train"
        if "validation" in stated:
            return split
        split[movable & (places < spec.validation / (1 - spec.test))] = "validation"
    return _with_training(split, np.asarray(ids, dtype=object), np.asarray(labels), places, movable)


def _with_training(split: Array, ids: Array, labels: Array, places: Array, movable: Array) -> Array:
    trained = set(labels[split == "train"].tolist())
    back: set[str] = set()
    for label in sorted(set(labels[movable].tolist()) - trained):
        own = np.flatnonzero(movable & (labels == label))
        back.add(str(ids[int(own[places[own].argmax()])]))
    returned = np.array([id_ in back for id_ in ids], dtype=bool) & movable
    return np.where(returned, "train", split).astype("<U10")


def identical(ids: Sequence[str]) -> list[list[int]]:
    """Groups of two or more indices with the same content."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, id_ in enumerate(ids):
        groups[id_].append(index)
    return [group for group in groups.values() if len(group) > 1]
