"""What one kind of input gives, before digests, classes and splits are worked out the same way for all kinds."""

from collections.abc import Callable
from dataclasses import dataclass

from regraft.core.columns import Columns
from regraft.core.errors import DataError, nearest
from regraft.data.examples import SPLITS, Array, Read, UnreadableExample
from regraft.data.labels import Labels
from regraft.data.names import Names

Identified = list[bytes | UnreadableExample]

_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Raw examples.

    Attributes:
        names: of each example.
        labels: class names or integers; None where one is missing.
        stated: the split that the input states for each example, uint8 (n,), as `split.stated` gives it.
        identify: (start, stop) -> of each of these examples the bytes of its content's digest, or why it cannot be
            used.
        read: as in `Examples`.
        origin: what was opened.
        class_names: all classes in their order, where the input names them; integer labels are positions in it.
        shape: as in `Examples`.
        full_intensity: as in `Examples`.
        left_out: what was left out so far.
        block: how many examples to identify at once.
        columns: as in `Examples`.
        alone: what is wrong with these where classes are to be told apart: there is one; empty where there are several,
            or where only labels that are read show it.
        groups: of each example, which of them belong together; None where that is not said.
    """

    names: Names
    labels: Labels
    stated: Array
    identify: Callable[[int, int], Identified]
    read: Read
    origin: str
    class_names: tuple[str, ...] | None = None
    shape: tuple[int, ...] | None = None
    full_intensity: float = 255.0
    left_out: tuple[str, ...] = ()
    block: int = 64
    columns: Columns | None = None
    alone: str = ""
    groups: Labels | None = None


def one_by_one(identify: Callable[[int], str]) -> Callable[[int, int], Identified]:
    """What identifies a range of examples, from what identifies one or raises UnreadableExample."""

    def identified(start: int, stop: int) -> Identified:
        made: Identified = []
        for index in range(start, stop):
            try:
                made.append(bytes.fromhex(identify(index)))
            except UnreadableExample as error:
                made.append(error)
        return made

    return identified


def split_named(word: str) -> str | None:
    """The split that a word means, whatever its case: `val` and `valid` are `validation`; None: it means none.

    >>> split_named("Val"), split_named("tulip")
    ('validation', None)
    """
    return _SPLIT_WORDS.get(word.strip().lower())


def split_stated(word: str, where: str) -> str:
    """The split that a word must mean.

    Raises:
        DataError: it means none.
    """
    split = split_named(word)
    if split is None:
        raise DataError(f"{where}: expected split train, validation or test, found '{word}'{nearest(word, SPLITS)}")
    return split
