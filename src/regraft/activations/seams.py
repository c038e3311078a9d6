"""Where the frozen trunk is compiled apart, so that a row's bits depend on no other row that was wanted.

A graph that is compiled as a whole computes other bits for a convolution with its BatchNorm folded in than for one
whose own result is wanted too (measured: 4e-7 of the largest activation). So the trunk is compiled in segments that
begin and end at *seams*, and nothing is fused across one. A cut point that is no seam has a segment of its own, from
the nearest seam below it. Every cut point is therefore computed by the same compiled functions one after the other,
whatever else is wanted and whatever stands above it, and from the stored map of a seam just as from pixels.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from regraft.graph.flow import Call, Flow, Value
from regraft.graph.linearity import is_linear


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """What leads from one value of a flow to another; `start` separates the inputs from `end`.

    Attributes:
        start: the value that is given.
        end: the value that is made.
        calls: in order; none where both are the same.
    """

    start: Value
    end: Value
    calls: tuple[Call, ...]


def seams(flow: Flow) -> list[Call]:
    """The calls whose results are seams, from the input upwards: those that are not linear.

    So a convolution stays together with its BatchNorm and its activation, which compilers make one.
    """
    return [call for call in flow.separating() if not is_linear(call.operation)]


def segments(flow: Flow, wanted: Iterable[Value], start: Value) -> list[Segment]:
    """What computes values from another one, in order: each segment starts where one before it ends, or at `start`.

    Args:
        flow: the model's.
        wanted: made by separating calls at or above `start`.
        start: the model's input, or a seam.
    """
    goals = set(wanted)
    positions = {value: index for index, call in enumerate(flow.calls) for value in call.makes}
    positions[start] = positions.get(start, -1)
    above = [value for call in seams(flow) if positions[value := call.makes[0]] > positions[start]]
    stops = sorted(
        {*goals, *(value for value in above if any(positions[value] < positions[goal] for goal in goals))} - {start},
        key=lambda value: positions[value],
    )
    needed = {id(call) for call in flow.needed_for(goals)}
    made: list[Segment] = []
    below = start
    for stop in stops:
        between = flow.calls[positions[below] + 1 : positions[stop] + 1]
        made.append(Segment(below, stop, tuple(call for call in between if id(call) in needed)))
        if stop in above:
            below = stop
    return made
