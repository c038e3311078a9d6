"""Short patterns for some names that match none of the others, for rules that a message suggests."""

import re
from collections.abc import Iterable, Sequence


def patterns(names: Sequence[str], others: Iterable[str]) -> list[str]:
    r"""Regular expressions that match all of the names and none of the others.

    >>> patterns(["head/kernel", "head/bias", "bn.1.num"], ["conv/kernel"])
    ['head/.*', 'bn\\..*']
    >>> patterns(["a/kernel"], ["a/bias"])
    ['a/kernel']
    """
    others = list(others)
    found: list[str] = []
    for name in names:
        if any(re.fullmatch(pattern, name) for pattern in found):
            continue
        found.append(_widest(name, others))
    return found


def _widest(name: str, others: Sequence[str]) -> str:
    for end in [match.end() for match in re.finditer(r"[/.]", name)]:
        start = name[:end]
        if start.rstrip("/.") and not any(other.startswith(start) for other in others):
            return f"{exact(start)}.*" if start.endswith("/") else f"{exact(start[:-1])}\\..*"
    return exact(name)


def exact(name: str) -> str:
    r"""A pattern for one name, as a person would write it.

    >>> exact("layer1.0.conv1/kernel_2")
    'layer1\\.0\\.conv1/kernel_2'
    """
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", name)
