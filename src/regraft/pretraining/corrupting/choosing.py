"""Which corruption fits which kind of data, as one function of examples, strength and chance."""

from collections.abc import Callable

import numpy as np

from regraft.core.errors import RequestError
from regraft.core.pretraining import Kind
from regraft.pretraining.corrupting import cells, pictures, words
from regraft.pretraining.corrupting.corrupted import Array, Corrupted
from regraft.pretraining.corrupting.words import How
from regraft.pretraining.learner import Sample
from regraft.pretraining.strength import Course

Corrupt = Callable[[Array, float, np.random.Generator], Corrupted]


def corrupter(sample: Sample, how: How = "either") -> Corrupt:
    """How examples like these are made bad.

    Args:
        sample: some of them.
        how: what is done to words; of no concern to other kinds.

    Raises:
        RequestError: nothing that is done to examples like these changes any of them, or no text has a known word.
    """
    made = _of_kind(sample, how)
    tried = made(sample.x[:64], 1.0, np.random.default_rng(0))
    if sample.kind == "text":
        words.require_known(sample.x)
    if not tried.bad.any():
        raise RequestError(
            f"expected {sample.kind} that differ from one another, so that parts of one can stand in another, found "
            f"{len(sample.x)} of which none can be told from what was made of it; is every one the same?"
        )
    return made


def unused(kind: Kind, course: Course) -> dict[str, str]:
    """The settings of a corruption that make no difference, each with what it is for."""
    found = {} if kind == "text" else {"words": "texts"}
    return found if course != "constant" else found | {"last_strength": "course=linear or course=cosine"}


def _of_kind(sample: Sample, how: How) -> Corrupt:
    if sample.kind == "pictures":
        return pictures.corrupt
    if sample.kind == "text":
        return lambda x, strength, random: words.corrupt(x, strength, random, how)
    columns = column_of_place(sample) if sample.cells else None
    return lambda x, strength, random: cells.corrupt(x, strength, random, columns)


def column_of_place(sample: Sample) -> Array:
    """Which column of the table each place of a row belongs to: int64 (width,); each its own where nothing is said.

    >>> column_of_place(Sample("table", np.zeros((1, 3), np.float32), 1, cells=((0, 2), (2, 3)))).tolist()
    [0, 0, 1]
    """
    if not sample.cells:
        return np.arange(sample.shape[0])
    return np.repeat(np.arange(len(sample.cells)), [stop - start for start, stop in sample.cells])
