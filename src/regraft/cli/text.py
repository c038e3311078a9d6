"""Figures and tables as they stand on a terminal."""

import math
import textwrap
from collections.abc import Sequence

from regraft.core.errors import legible
from regraft.core.records import Metric

WIDTH = 96
_BAR = 24
_SIZES = ("B", "kB", "MB", "GB", "TB")


def share(value: float) -> str:
    """A part of a whole.

    >>> share(0.914)
    '91.4%'
    """
    return f"{100 * value:.1f}%" if math.isfinite(value) else "-"


def share_interval(metric: Metric) -> str:
    """The interval of a part of a whole, without the word for it.

    >>> share_interval(Metric(0.9, (0.85, 0.943)))
    '85.0 to 94.3%'
    """
    low, high = metric.interval
    return f"{100 * low:.1f} to {share(high)}" if math.isfinite(low) and math.isfinite(high) else ""


def gained(metric: Metric) -> str:
    """A difference of two parts in points, with its interval.

    >>> gained(Metric(0.042, (-0.01, 0.09)))
    '+4.2 (-1.0 to +9.0)'
    """
    low, high = metric.interval
    return f"{100 * metric.value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def bar(value: float) -> str:
    """A part of a whole as a line of blocks.

    >>> len(bar(1.0)), len(bar(0.0))
    (24, 0)
    """
    return "\N{FULL BLOCK}" * round(_BAR * value) if math.isfinite(value) else ""


def seconds(value: float) -> str:
    """Wall time in the unit that a person would say.

    >>> seconds(0.0421), seconds(8.23), seconds(95.0), seconds(7322.0)
    ('42 ms', '8.2 s', '1 min 35 s', '2 h 2 min')
    """
    if value < 0.9995:
        return f"{1000 * value:.0f} ms"
    if value < 59.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: int) -> str:
    """Bytes in decimal units.

    >>> size(999), size(1_500_000)
    ('999 B', '1.5 MB')
    """
    power = min(len(_SIZES) - 1, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:.1f} {_SIZES[power]}" if power else f"{count} B"


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """A count with its noun.

    >>> counted(1, "class", "classes"), counted(1200, "layer")
    ('1 class', '1,200 layers')
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def paragraph(text: str) -> str:
    """A sentence or two, broken where lines end."""
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False)


def table(rows: Sequence[Sequence[str]], indent: str = "  ", right: Sequence[int] = ()) -> str:
    """Columns set under each other.

    >>> print(table([["a", "1"], ["bb", "22"]], right=[1]))
      a    1
      bb  22
    """
    if not rows:
        return ""
    # Names come from files, and a file may try to steer the terminal.
    rows = [[legible(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines: list[str] = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"{indent}{'  '.join(cells)}".rstrip())
    return "\n".join(lines)


def facts(pairs: Sequence[tuple[str, str]], indent: str = "  ") -> str:
    """Names with what is to be said of them; long ones go on under themselves."""
    width = max((len(name) for name, _ in pairs), default=0) + 2
    lines: list[str] = []
    for name, said in pairs:
        lines += textwrap.wrap(
            legible(said, math.inf),
            WIDTH,
            initial_indent=f"{indent}{name:<{width}}",
            subsequent_indent=indent + " " * width,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)
