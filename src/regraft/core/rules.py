r"""Rules that say where tensors go: one a line, tried in order, the first that matches a tensor's whole name wins.

    # comments begin like this
    conv(\d)\.weight -> conv_\1/kernel                     goes to one variable
    conv(\d)\.weight -> conv_\1/kernel | transpose | flip  on its way something is done to it
    qkv -> q/kernel, k/kernel, v/kernel | split 1          goes to several
    w_i, w_f, w_c, w_o -> lstm/cell/kernel | merge 1       several go to one
    hidden(\d)/w => dense.*/kernel                         in order: the first to the first, ...
    skip .*num_batches_tracked                             tensors that are left out on purpose
    keep top/.*                                            variables that stay as they are on purpose
    name arr_\d+ as #/W #/beta #/gamma                     names for arrays without: 1/W, 1/beta, 1/gamma, 2/W, ...

What a step does is in `core/steps.py`. Without steps Regraft finds out itself whether a kernel must be transposed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from regraft.core.errors import RequestError, nearest

Kind = Literal["map", "order", "skip", "keep", "name"]

# How many numbers each step takes, at least and at most; None: any number.
STEPS: dict[str, tuple[int, int | None]] = {
    "as-is": (0, 0),
    "transpose": (0, None),
    "flip": (0, None),
    "reshape": (0, None),
    "inverse-std": (0, 1),
    "scale": (1, 1),
    "slice": (3, 3),
    "blocks": (2, None),
    "split": (1, None),
    "merge": (1, 1),
    "stack": (1, 1),
    "add": (0, 0),
}
JOINING = ("merge", "stack", "add")
_FRACTIONS = ("inverse-std", "scale")
_ARROWS: dict[str, Kind] = {" -> ": "map", " => ": "order"}
_COMMENT = re.compile(r"(^|\s)#(\s.*|$)")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done to values: its name and its numbers."""

    kind: str
    numbers: tuple[float, ...] = ()

    def __str__(self) -> str:
        """As it stands in a rule."""
        return " ".join([self.kind, *(f"{number:g}" if number % 1 else str(int(number)) for number in self.numbers)])


@dataclass(frozen=True, slots=True)
class Rule:
    """Where the tensors go that it matches.

    Attributes:
        kind: `map`: to the variables that `targets` name; `order`: to the variables that `targets` match, in order;
            `skip`: nowhere; `keep`: no tensor, `patterns` match variables; `name`: a name for tensors without.
        patterns: regular expressions for whole names; of several the matches are joined in this order.
        targets: what the kind says.
        steps: what is done to the values; None where that is to be found out.
        text: as the user wrote it.
    """

    kind: Kind
    patterns: tuple[str, ...]
    targets: tuple[str, ...] = ()
    steps: tuple[Step, ...] | None = None
    text: str = ""

    def __str__(self) -> str:
        """As it stands in a file of rules."""
        left = ", ".join(self.patterns)
        if self.kind in ("skip", "keep"):
            return f"{self.kind} {left}"
        if self.kind == "name":
            return f"name {left} as {' '.join(self.targets)}"
        arrow = "->" if self.kind == "map" else "=>"
        return " | ".join([f"{left} {arrow} {', '.join(self.targets)}", *map(str, self.steps or ())])


RulesValue = str | Sequence["str | Rule | Sequence[str | None]"] | Mapping[str, str | None]


def parse(text: str) -> tuple[Rule, ...]:
    r"""The rules of a text, one a line.

    Raises:
        RequestError: a line is no rule; it is named by its number.

    >>> parse(r"conv(\d)\.weight -> conv\1/kernel | transpose 2 3 1 0")[0].steps
    (Step(kind='transpose', numbers=(2, 3, 1, 0)),)
    """
    rules: list[Rule] = []
    for number, line in enumerate(text.splitlines(), start=1):
        said = _COMMENT.sub("", line).strip()
        if said:
            rules.append(_rule(said, f"line {number} of the rules"))
    return tuple(rules)


def of(value: RulesValue) -> tuple[Rule, ...]:
    r"""Rules as Python says them.

    Args:
        value: a text of rules; or a dictionary from patterns to replacements (with their steps), None to skip; or a
            sequence of rules as text or of such pairs.

    Raises:
        RequestError: it is something else.

    >>> [str(rule) for rule in of({r"fc(\d)\.(w)": r"dense\1/kernel | transpose", "head/.*": None})]
    ['fc(\\d)\\.(w) -> dense\\1/kernel | transpose', 'skip head/.*']
    """
    if isinstance(value, str):
        return parse(value)
    if isinstance(value, Mapping):
        return tuple(_pair(pattern, target) for pattern, target in value.items())
    rules: list[Rule] = []
    for item in cast(Sequence[object], value):
        if isinstance(item, Rule):
            rules.append(item)
        elif isinstance(item, str):
            rules += parse(item)
        elif isinstance(item, (list, tuple)) and len(pair := cast(Sequence[object], item)) == 2:
            rules.append(_pair(pair[0], pair[1]))
        else:
            raise RequestError(f"expected a rule as text or a pair (pattern, replacement), found {item!r}")
    return tuple(rules)


def read(path: Path) -> tuple[Rule, ...]:
    """The rules of a file.

    Raises:
        RequestError: it cannot be read, holds none, or a line is no rule.
    """
    try:
        rules = parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise RequestError(f"expected a file of rules at '{path}': {reason}") from None
    if not rules:
        raise RequestError(f"expected rules, one a line, in '{path}', found none")
    return rules


def to_text(rules: Sequence[Rule]) -> str:
    """The rules as a text that `parse` reads."""
    return "".join(f"{rule}\n" for rule in rules)


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """A key that sorts names with the numbers in them as numbers.

    >>> sorted(["arr_10", "arr_9", "b"], key=natural)
    ['arr_9', 'arr_10', 'b']
    """
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part)


def compiled(pattern: str, rule: Rule) -> re.Pattern[str]:
    """A pattern of a rule.

    Raises:
        RequestError: it is no regular expression.
    """
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise RequestError(f"'{pattern}' in the rule '{rule}' is not a regular expression: {error}") from None


def _pair(pattern: object, target: object) -> Rule:
    if not isinstance(pattern, str) or not (target is None or isinstance(target, str)):
        raise RequestError(f"expected a pattern and a replacement as text, found {pattern!r} and {target!r}")
    return _rule(f"skip {pattern}" if target is None else f"{pattern} -> {target}", "a rule")


def _rule(said: str, where: str) -> Rule:
    for arrow, kind in _ARROWS.items():
        left, found, right = said.partition(arrow)
        if found:
            targets, *steps = right.split(" | ")
            read = tuple(_step(step.strip(), said, where) for step in steps) if steps else None
            return Rule(kind, _listed(left, said, where), _listed(targets, said, where), read, said)
    word, _, rest = said.partition(" ")
    rest = rest.strip()
    if word in ("skip", "keep") and rest:
        return Rule(word, (rest,), text=said)
    if word == "name" and " as " in rest:
        pattern, _, leaves = rest.partition(" as ")
        return Rule("name", (pattern.strip(),), tuple(leaves.split()), text=said)
    raise RequestError(
        f"expected 'PATTERN -> VARIABLE', 'PATTERN => PATTERN', 'skip PATTERN', 'keep PATTERN' or 'name PATTERN as "
        f"NAMES' in {where}, found '{said}'"
    )


def _listed(text: str, said: str, where: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in re.split(r",(?:\s+|$)", text.strip()))
    if not all(items):
        raise RequestError(f"expected names on both sides of the arrow in {where}, found '{said}'")
    return items


def _step(text: str, said: str, where: str) -> Step:
    kind, *words = text.split() or [""]
    if kind not in STEPS:
        raise RequestError(f"unknown step '{kind}' in {where} ('{said}'){nearest(kind, STEPS)}")
    low, high = STEPS[kind]
    if len(words) < low or (high is not None and len(words) > high):
        many = f"{low}" if low == high else f"{low} or more" if high is None else f"{low} to {high}"
        raise RequestError(f"expected {many} numbers behind '{kind}' in {where}, found '{text}'")
    try:
        return Step(kind, tuple(float(word) if kind in _FRACTIONS else int(word) for word in words))
    except ValueError:
        kinds = "numbers" if kind in _FRACTIONS else "integers"
        raise RequestError(f"expected {kinds} behind '{kind}' in {where}, found '{text}'") from None
