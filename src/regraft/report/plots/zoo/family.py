"""The family tree: which model was made of which, and how much of its layers is still the same.

A family is drawn as an indented list, one model a line: names stay readable however large it is, and a screen reader
reads it from the top downwards as it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from regraft.core.exhibit import Exhibit
from regraft.report.plots.svg import Figure, across, clipped, element, plot
from regraft.report.quantities import counted, percent

_ROW, _TOP, _STEP = 30.0, 8.0, 22.0
_RADIUS = 5.0
# The width that names have on a telephone, in pixels, and of a letter.
_ROOM, _LETTER = 250.0, 7.4


@dataclass(frozen=True, slots=True)
class Member:
    """A model in a family.

    Attributes:
        name: `NAME@VERSION`, or what is known of a source that is not in the catalogue.
        exhibit: None where it is not in the catalogue.
        depth: how many generations are above it.
        above: the place of what it was made of, in the family; None for the first.
    """

    name: str
    exhibit: Exhibit | None
    depth: int
    above: int | None


@dataclass(frozen=True, slots=True)
class Family:
    """Models that were made of one another: the first, then its children, each with its own behind it."""

    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """What the family descends from."""
        return self.members[0].name


def families(exhibits: Iterable[Exhibit]) -> tuple[Family, ...]:
    """The families of two or more, the largest first.

    What a model was made of is known by `parent`, else by what was said as its source.

    Args:
        exhibits: the models, in any order.
    """
    known = {each.address: each for each in exhibits}
    children: dict[str, list[str]] = {}
    for each in known.values():
        if made_of := each.parent or each.source:
            children.setdefault(made_of, []).append(each.address)
    roots = [name for name in children if name not in known or not (known[name].parent or known[name].source)]
    # Of models that claim to be made of one another, which no honest card does, the first is the root.
    found = [Family(tuple(_members(root, known, children))) for root in roots]
    seen = {member.name for family in found for member in family.members}
    for name in known:
        if name in children and name not in seen:
            found.append(Family(tuple(_members(name, known, children))))
            seen |= {member.name for member in found[-1].members}
    return tuple(sorted(found, key=lambda family: (-len(family.members), family.name)))


def _members(root: str, known: Mapping[str, Exhibit], children: Mapping[str, Sequence[str]]) -> Iterator[Member]:
    # Not recursive: a chain of models may be longer than Python's stack.
    waiting: list[tuple[str, int, int | None]] = [(root, 0, None)]
    seen: set[str] = set()
    place = 0
    while waiting:
        name, depth, above = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield Member(name, known.get(name), depth, above)
        waiting += [(child, depth + 1, place) for child in sorted(children.get(name, ()), reverse=True)]
        place += 1


def draw(family: Family) -> Figure:
    """One family; the deepest names move to the left where there would be no room."""
    step = min(_STEP, _ROOM / 2 / max(1, *(member.depth for member in family.members)))
    height = _TOP * 2 + _ROW * len(family.members)
    pieces = [*_branches(family, step), *(_member(member, at, step) for at, member in enumerate(family.members))]
    return Figure(plot(height, f"What was made of {family.name}", *pieces), _caption(family))


def _x(depth: int, step: float) -> float:
    return _RADIUS + 2 + depth * step


def _y(place: int) -> float:
    return _TOP + (place + 0.5) * _ROW


def _branches(family: Family, step: float) -> Iterator[Markup]:
    """From each model down to the last that was made of it, and from there to each of these."""
    last: dict[int, int] = {}
    for place, member in enumerate(family.members):
        if member.above is not None:
            last[member.above] = place
            x = _x(family.members[member.above].depth, step)
            yield _line(x, _y(place), _x(member.depth, step), _y(place))
    for above, place in last.items():
        x = _x(family.members[above].depth, step)
        yield _line(x, _y(above), x, _y(place))


def _line(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="branch")


def _member(member: Member, place: int, step: float) -> Markup:
    x, y = _x(member.depth, step), _y(place)
    room = int((_ROOM - member.depth * step) / _LETTER)
    told = _told(member.exhibit)
    name = element("text", clipped(member.name, max(room, 12)), x=x + _RADIUS + 6, y=y + 4.5, class_="label")
    if member.exhibit is not None:
        name = element("a", name, href=f"#{anchor(member.exhibit)}")
    mark = element("circle", element("title", f"{member.name}: {told}"), cx=x, cy=y, r=_RADIUS, class_=_class(member))
    return Markup("").join(
        [mark, name, element("text", told, x=across(100), y=y + 4.5, class_="tick roomy", text_anchor="end")]
    )


def anchor(exhibit: Exhibit) -> str:
    """Where in the page a model is; names are of letters that an address may have."""
    return f"m-{exhibit.name}-{exhibit.version}"


def _class(member: Member) -> str:
    if member.exhibit is None:
        return "mark hollow"
    return {"network": "mark other", "run": "mark own", "pretraining": "mark changed"}[member.exhibit.kind]


def _told(exhibit: Exhibit | None) -> str:
    """What is between a model and the one that it was made of, and how good it is."""
    if exhibit is None:
        return "not in the catalogue"
    said: list[str] = []
    if exhibit.reused:
        learnt = f", {exhibit.thawed} of them learnt" if exhibit.thawed else ", all frozen"
        said.append(f"{counted(exhibit.reused, 'layer')} reused{learnt}")
    elif exhibit.shared:
        said.append(f"{counted(exhibit.shared, 'layer')} the same")
    if exhibit.accuracy is not None:
        said.append(percent(exhibit.accuracy.value))
    return "; ".join(said) or exhibit.kind


def _caption(family: Family) -> str:
    made = sum(member.exhibit is not None and member.above is not None for member in family.members)
    deepest = max(member.depth for member in family.members)
    generations = f" in {deepest} generations" if deepest > 1 else ""
    first = family.members[0]
    absent = ", which is not in the catalogue" if first.exhibit is None else ""
    return f"{counted(made, 'model')} made of {first.name}{absent}{generations}."
