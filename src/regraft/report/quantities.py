"""How quantities are written on a page: one way for each kind, and a dash for what is not a number."""

import math

from regraft.core.records import Metric

DASH = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
# Keeps a number and its unit on one line.
_SPACE = "\N{NO-BREAK SPACE}"


def number(value: float | None, digits: int = 3) -> str:
    r"""A plain number with a fixed count of decimals.

    >>> ascii(number(-0.25, 2)), ascii(number(float("nan")))
    ("'\\u22120.25'", "'\\u2013'")
    """
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:.{digits}f}".replace("-", _MINUS)


def percent(value: float | None, digits: int = 1) -> str:
    r"""A share as a percentage.

    >>> percent(0.914)
    '91.4\xa0%'
    """
    if value is None or not math.isfinite(value):
        return DASH
    return f"{number(100 * value, digits)}{_SPACE}%"


def points(value: float | None) -> str:
    r"""A difference of two shares in percentage points, always with its sign.

    >>> points(0.052), ascii(points(-0.011))
    ('+5.2', "'\\u22121.1'")
    """
    if value is None or not math.isfinite(value):
        return DASH
    written = number(100 * value, 1)
    return written if written.startswith(_MINUS) else f"+{written}"


def percent_interval(metric: Metric | None) -> str:
    r"""The interval of a share, without the word for it.

    >>> percent_interval(Metric(0.9, (0.85, 0.943)))
    '85.0 to 94.3\xa0%'
    """
    if metric is None or not all(map(math.isfinite, metric.interval)):
        return DASH
    low, high = metric.interval
    return f"{number(100 * low, 1)} to {percent(high)}"


def points_interval(metric: Metric | None) -> str:
    """The interval of a difference of two shares."""
    if metric is None or not all(map(math.isfinite, metric.interval)):
        return DASH
    return f"{points(metric.interval[0])} to {points(metric.interval[1])}"


def number_interval(metric: Metric | None) -> str:
    """The interval of a plain number."""
    if metric is None or not all(map(math.isfinite, metric.interval)):
        return DASH
    return f"{number(metric.interval[0])} to {number(metric.interval[1])}"


def whole(value: int | None) -> str:
    r"""A count, its thousands set apart by a thin space.

    >>> whole(1234567)
    '1\u202f234\u202f567'
    """
    return DASH if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(value: int, singular: str, plural: str | None = None) -> str:
    r"""A count with its noun.

    >>> counted(1, "class", "classes"), counted(0, "layer")
    ('1\xa0class', '0\xa0layers')
    """
    return f"{whole(value)}{_SPACE}{singular if value == 1 else plural or singular + 's'}"


def duration(seconds: float | None) -> str:
    r"""Wall time, in the unit that a person would say.

    >>> duration(0.0421), duration(8.23), duration(95.0), duration(7322.0)
    ('42\xa0ms', '8.2\xa0s', '1\xa0min 35\xa0s', '2\xa0h 2\xa0min')
    """
    if seconds is None or not math.isfinite(seconds):
        return DASH
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f}{_SPACE}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}{_SPACE}s"
    rounded = round(seconds)
    if rounded < 3600:
        return f"{rounded // 60}{_SPACE}min {rounded % 60}{_SPACE}s"
    return f"{rounded // 3600}{_SPACE}h {rounded % 3600 // 60}{_SPACE}min"


def size(count: int) -> str:
    r"""Bytes in decimal units.

    >>> size(999), size(1_500_000)
    ('999\xa0B', '1.5\xa0MB')
    """
    if count < 1000:
        return f"{count}{_SPACE}B"
    power = min(4, int(math.log10(count)) // 3)
    return f"{count / 1000**power:.1f}{_SPACE}{('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def operations(count: int) -> str:
    r"""What a network computes for one example.

    >>> operations(1_137_000_000), operations(4_200)
    ('1\u202f137\xa0million operations', '4\u202f200\xa0operations')
    """
    if count < 10_000_000:
        return counted(count, "operation")
    return f"{whole(round(count / 1e6))}{_SPACE}million operations"


def spoken(name: str) -> str:
    """A key such as `fine_tune` as a heading.

    >>> spoken("fine_tune"), spoken("from_scratch")
    ('Fine-tuning', 'From scratch')
    """
    known = {"fine_tune": "Fine-tuning", "open": "Opening the source", "activations": "Frozen layers (activations)"}
    words = name.replace("_", " ").strip()
    return known.get(name, words[:1].upper() + words[1:])
