"""What must be done to values where a rule does not say it: transpositions, by layer kind, where that is certain.

Tensors of one family of kernels lie alike in one file. So those whose shapes leave no choice tell how the square ones
lie; where none does, the format; and where that says nothing either, the request is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regraft.core import layouts
from regraft.core.errors import SelectorError
from regraft.core.layouts import AS_KERAS, FIRST, Place, Shape
from regraft.core.rules import Step
from regraft.importers.restoring.matching import Move, with_steps


@dataclass(frozen=True, slots=True)
class Habits:
    """How a format lays out what it holds; see `sources.Source`."""

    outputs_first: bool | None = None
    channels_first: bool = False
    turned: bool | None = False
    epsilon: float | None = None


def derived(
    moves: Sequence[Move], shapes: Mapping[str, Shape], places: Mapping[str, Place], habits: Habits
) -> tuple[list[Move], list[str]]:
    """The same moves, each with its steps, and what one should know about them.

    Args:
        moves: those with steps stay as they are, and tell about the others.
        shapes: of the source's tensors.
        places: of the model's variables.
        habits: of the source's format.

    Raises:
        SelectorError: a kernel could lie in two ways, and nothing tells which.
    """
    choices = {
        move: layouts.ways(shapes[move.tensors[0]], places[move.variables[0]], habits.outputs_first is False)
        for move in moves
        if _is_open(move)
    }
    votes = _votes(moves, choices, shapes, places)
    chosen = {move: _layout(move, ways, votes, places, habits) for move, ways in choices.items()}
    _refuse_what_is_open(chosen, choices, shapes, places)
    stated = {FIRST} if habits.channels_first else {AS_KERAS} if habits.outputs_first is False else set[str]()
    # Kernels of Keras 1 on Theano were put in today's order before; what reads a flattened map was not.
    theano = habits.channels_first and habits.outputs_first is False
    maps = {FIRST} if theano else votes.get("convolution", stated)
    done: list[Move] = []
    notes: list[str] = []
    for move in moves:
        if move not in choices:
            done.append(move if move.steps is not None else with_steps(move, ()))
            continue
        layout = chosen[move]
        steps = choices[move][layout] if layout else ()
        place = places[move.variables[0]]
        if layout and place.flattened and maps != {AS_KERAS}:
            turned = layouts.channels_first(place)
            notes.append(_about_rows(place, steps, turned, FIRST in maps))
            steps = (*steps, *turned) if FIRST in maps else steps
        done.append(with_steps(move, steps))
    laid_first = [
        place.name
        for move, layout in chosen.items()
        if layout == FIRST and (place := places[move.variables[0]]).family == "convolution"
        if any(side > 1 for side in place.shape[:-2])
    ]
    return done, [*notes, *_doubts(laid_first if habits.turned is None else [], moves, places, habits.epsilon)]


def _about_rows(place: Place, steps: Sequence[Step], turned: Sequence[Step], first: bool) -> str:
    """What was done, or not done, to the axis that counts the elements of a flattened map."""
    reads = f"because its layer reads a flattened map of {_shown(place.flattened)}"
    if first:
        return (
            f"the first axis of '{place.name}' was put from channels, height, width into height, width, channels, "
            f"{reads}; say the steps where the source flattened otherwise"
        )
    written = " | ".join(map(str, (*steps, *turned)))
    return (
        f"whether the first axis of '{place.name}' counts channels first cannot be told, which matters {reads}; it was "
        f"left in its order; where channels were first, write '| {written}' into its rule"
    )


def _doubts(
    laid_first: Sequence[str], moves: Sequence[Move], places: Mapping[str, Place], epsilon: float | None
) -> list[str]:
    """What could make the model compute something else though every value is in its place."""
    notes: list[str] = []
    if laid_first:
        notes.append(
            "the file does not say whether its convolutions turn kernels around, as Theano's and Lasagne's do unless "
            f"flip_filters=False: {_counted(laid_first)} had the outputs first and were not turned; if they should be, "
            "write '| transpose | flip' into the rules"
        )
    norms = [places[move.variables[0]] for move in moves if places[move.variables[0]].leaf == "moving_variance"]
    other = [place.layer for place in norms if epsilon is not None and place.epsilon != epsilon]
    if other:
        notes.append(
            f"PyTorch's BatchNorm adds {epsilon:g} to a variance unless it is told otherwise, {_counted(other)} "
            f"another number: build the model with epsilon={epsilon:g}, or as the source said"
        )
    return notes


def _counted(names: Sequence[str]) -> str:
    return f"'{names[0]}'" + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _is_open(move: Move) -> bool:
    return move.steps is None and len(move.tensors) == len(move.variables) == 1


def _votes(
    moves: Sequence[Move],
    choices: Mapping[Move, Mapping[str, tuple[Step, ...]]],
    shapes: Mapping[str, Shape],
    places: Mapping[str, Place],
) -> dict[str, set[str]]:
    """For every family of kernels, the layouts of those that leave no choice or whose rules say it."""
    votes: dict[str, set[str]] = {}
    for move in moves:
        place = places[move.variables[0]]
        if not place.family:
            continue
        if move in choices:
            found = list(choices[move]) if len(choices[move]) == 1 else []
        elif len(move.tensors) == len(move.variables) == 1:
            found = _said(move, layouts.ways(shapes[move.tensors[0]], place))
        else:
            found = []
        votes.setdefault(place.family, set()).update(found)
    return {family: found for family, found in votes.items() if found}


def _said(move: Move, ways: Mapping[str, tuple[Step, ...]]) -> list[str]:
    """The layout that a rule's own steps amount to."""
    steps = tuple(step for step in move.steps or () if step.kind not in ("as-is", "scale", "flip"))
    if steps == (Step("transpose"),):
        return [layout for layout in ways if layout != AS_KERAS][:1]
    return [layout for layout, way in ways.items() if way == steps]


def _layout(
    move: Move,
    ways: Mapping[str, tuple[Step, ...]],
    votes: Mapping[str, set[str]],
    places: Mapping[str, Place],
    habits: Habits,
) -> str | None:
    """The layout of a tensor; "" where it cannot be told, None where it has none that fits."""
    if len(ways) < 2:
        return next(iter(ways), None)
    stated = set() if habits.outputs_first is None else {FIRST if habits.outputs_first else AS_KERAS}
    evidence = votes.get(places[move.variables[0]].family, set()) | stated
    fitting = evidence & set(ways)
    return fitting.pop() if len(evidence) == 1 and fitting else ""


def _refuse_what_is_open(
    chosen: Mapping[Move, str | None],
    choices: Mapping[Move, Mapping[str, tuple[Step, ...]]],
    shapes: Mapping[str, Shape],
    places: Mapping[str, Place],
) -> None:
    unknown = [move for move, layout in chosen.items() if layout == ""]
    if not unknown:
        return
    names = ", ".join(f"'{move.tensors[0]}'" for move in unknown[:3]) + (", ..." if len(unknown) > 3 else "")
    move = unknown[0]
    written = {layout: " | ".join(map(str, steps)) or "as-is" for layout, steps in choices[move].items()}
    said = " or ".join(f"'| {steps}' ({layout})" for layout, steps in written.items())
    raise SelectorError(
        f"how {names} lies cannot be told: its shape {_shown(shapes[move.tensors[0]])} fits '{move.variables[0]}' "
        f"({places[move.variables[0]].kind}) in {len(choices[move])} ways, and neither the format nor another tensor "
        f"tells which; add to its rule {said}"
    )


def _shown(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "scalar"
