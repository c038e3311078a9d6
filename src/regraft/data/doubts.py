"""What is doubtful about examples: refused where nothing good can come of it, else said in one line each."""

from collections import defaultdict
from collections.abc import Sequence

from regraft.core import progress
from regraft.core.errors import DataError
from regraft.core.plan import SplitSpec
from regraft.data import split
from regraft.data.examples import Array, Examples

_NAMED = 3


def refuse(examples: Examples, strict: bool) -> None:
    """Refuse examples that no classifier can be trained on, and, if `strict`, those of which something was left out.

    Raises:
        DataError: with the first reason.
    """
    left_out, origin = examples.left_out, examples.origin
    if strict and left_out:
        raise DataError(f"{left_out[0]}, in {origin}{_more(len(left_out) - 1)}; repair it, or do without strict")
    if not examples.classes:
        raise DataError(f"no usable example in {origin}{because(left_out)}")
    if len(examples.classes) == 1:
        raise DataError(
            f"expected at least two classes in {origin}, found only '{examples.classes[0]}'{because(left_out)}"
        )


def warn(examples: Examples, spec: SplitSpec) -> None:
    """Say once each: what was left out, contradicting labels, leaks between stated splits, what cannot be validated."""
    origin = examples.origin
    if examples.left_out:
        progress.warn(f"left out of {origin}{because(examples.left_out)}; {len(examples)} examples are used")
    if conflicts := [pair for group in split.identical(examples.ids) if (pair := _differing(group, examples.labels))]:
        one, other = (f"'{examples.names[i]}' ({examples.classes[examples.labels[i]]})" for i in conflicts[0])
        more = _more(len(conflicts) - 1)
        progress.warn(f"identical examples have different labels in {origin}: {one} and {other}{more}")
    if leaks := [pair for group in split.identical(examples.ids) if (pair := _differing(group, examples.split))]:
        one, other = (f"'{examples.names[i]}' ({examples.split[i]})" for i in leaks[0])
        more = _more(len(leaks) - 1)
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
    return f": {'; '.join(left_out[:_NAMED])}{_more(len(left_out) - _NAMED)}" if left_out else ""


def _differing(group: Sequence[int], values: Array) -> tuple[int, int] | None:
    first = group[0]
    return next(((first, index) for index in group if values[index] != values[first]), None)


def _singles(examples: Examples) -> list[str]:
    contents: dict[int, set[str]] = defaultdict(set)
    for id_, label in zip(examples.ids, examples.labels.tolist(), strict=True):
        contents[label].add(id_)
    return [f"'{name}'" for label, name in enumerate(examples.classes) if len(contents[label]) == 1]


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
