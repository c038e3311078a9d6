"""What became of the optimizer's state of each variable, as a table of text: one row for all that are alike."""

from collections.abc import Mapping, Sequence

from regraft.core.optimizer_state import Carried

_MOST = 3
_HEADS = ("rate", "done", "steps", "from", "variables")


def table(carried: Sequence[Carried], rates: Mapping[str, float]) -> str:
    """A line for each rate and treatment, the highest rate first.

    Args:
        carried: a row for each variable that learns.
        rates: the peak of each.
    """
    alike: dict[tuple[float, str, int, str, str], list[str]] = {}
    for row in carried:
        key = (-rates[row.variable], row.done, row.steps, row.kind, row.why)
        alike.setdefault(key, []).append(row.variable)
    rows = [
        (f"{-rate:g}", done, str(steps), kind or "-", _named(found) + _because(why))
        for (rate, done, steps, kind, why), found in sorted(alike.items(), key=_rate_first)
    ]
    widths = [max(len(line[column]) for line in [_HEADS, *rows]) for column in range(len(_HEADS) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]])
        for line in [_HEADS, *rows]
    )


def _rate_first(item: tuple[tuple[float, str, int, str, str], list[str]]) -> float:
    return item[0][0]


def _because(why: str) -> str:
    # Who asked for it, or that nobody did, is known to who reads this.
    said = why.removeprefix("as asked").lstrip(":; ")
    return f" ({said})" if said else ""


def _named(found: Sequence[str]) -> str:
    if len(found) <= _MOST:
        return ", ".join(found)
    return f"{found[0]}, {found[1]}, ... {found[-1]} ({len(found)})"
