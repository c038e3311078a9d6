"""What is doubtful about examples: refused where nothing good can come of it, else said in one line each."""

from collections.abc import Sequence

import numpy as np

from regraft.core import progress
from regraft.core.errors import DataError
from regraft.core.plan import SplitSpec
from regraft.data.examples import Array, Examples
from regraft.data.portions import portions
from regraft.data.text_files import UndecodableText

_NAMED = 3


def refuse(examples: Examples, strict: bool, classes: int = 2) -> None:
    """Refuse examples of fewer classes than there must be, and, if `strict`, those of which something was left out.

    Raises:
        DataError: with the first reason.
    """
    left_out, origin = examples.left_out, examples.origin
    if strict and left_out:
        raise DataError(f"{left_out[0]}, in {origin}{_more(len(left_out) - 1)}; repair it, or do without strict")
    if not examples.classes:
        raise DataError(f"no usable example in {origin}{because(left_out)}")
    if len(examples.classes) < classes:
        raise DataError(
            f"expected at least two classes in {origin}, found only '{examples.classes[0]}'{because(left_out)}"
        )


def refuse_undecodable(undecodable: Sequence[UndecodableText], origin: str) -> None:
    """Refuse text files in another encoding than is said: which one is read by it would be no matter of chance.

    Raises:
        DataError: there is one.
    """
    if undecodable:
        first = undecodable[0]
        raise DataError(
            f"expected {first.encoding} text in all files of {origin}, found the byte 0x{first.byte:02x} in "
            f"'{first.name}'{_more(len(undecodable) - 1)}; say which encoding they have, such as --encoding latin-1 or "
            "cp1252, or leave these out with --lenient; in Python columns= and lenient=True"
        )


def warn(examples: Examples, spec: SplitSpec) -> None:
    """Say once each: what was left out, contradicting labels, leaks between stated splits, what cannot be validated."""
    origin = examples.origin
    if examples.left_out:
        progress.warn(f"left out of {origin}{because(examples.left_out)}; {len(examples)} examples are used")
    again, first = examples.ids.repeats()
    conflicts = examples.labels[again] != examples.labels[first]
    if conflicts.any():
        one, other = (
            f"'{examples.names[i]}' ({examples.classes[examples.labels[i]]})" for i in _one(first, again, conflicts)
        )
        more = _more(_groups(first, conflicts) - 1)
        progress.warn(f"identical examples have different labels in {origin}: {one} and {other}{more}")
    leaks = examples.split.codes[again] != examples.split.codes[first]
    if leaks.any():
        one, other = (f"'{examples.names[i]}' ({examples.split[i]})" for i in _one(first, again, leaks))
        more = _more(_groups(first, leaks) - 1)
        progress.warn(
            f"identical examples lie in different splits of {origin}: {one} and {other}{more}; figures will be too good"
        )
    if singles := _singles(examples):
        named = f"{', '.join(singles[:_NAMED])}{_more(len(singles) - _NAMED)}"
        progress.warn(f"a class with a single example cannot be validated: {named}, in {origin}")
    if spec.validation > 0 and not len(examples.indices("validation")):
        progress.warn(f"no example of {origin} is in the validation split; add examples, or state the splits")


def because(left_out: Sequence[str]) -> str:
    """The first reasons why something was left out, as the end of a sentence."""
    more = f"; and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
    return f": {'; '.join(left_out[:_NAMED])}{more}" if left_out else ""


def _one(first: Array, again: Array, differing: Array) -> tuple[int, int]:
    """The first pair that differs."""
    place = int(np.argmax(differing))
    return int(first[place]), int(again[place])


def _groups(first: Array, differing: Array) -> int:
    """Of how many different contents some differ from their first one."""
    return len(np.unique(first[differing]))


def _singles(examples: Examples) -> list[str]:
    """The classes all of whose examples have one content."""
    count = len(examples.labels)
    first = np.zeros(len(examples.classes), np.int64)
    several = np.zeros(len(examples.classes), bool)
    # Written backwards, the first example of each class stays.
    for part in reversed(list(portions(count))):
        first[examples.labels[part][::-1]] = np.arange(part.start, part.stop)[::-1]
    for part in portions(count):
        labels = examples.labels[part]
        other = examples.ids.digests[part] != examples.ids.digests[first[labels]]
        several[labels[other.any(axis=1)]] = True
    return [f"'{examples.classes[label]}'" for label in np.flatnonzero(~several)]


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
