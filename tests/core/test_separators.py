"""Separating values against their definition."""

from collections.abc import Hashable, Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from regraft.core.separators import Step, separators


def _reachable(steps: Sequence[Step], starts: Iterable[Hashable], without: Hashable = None) -> set[Hashable]:
    """The values that a path leads to from one of the starts and that avoids one value."""
    seen = set(starts) - {without}
    for step in steps:
        if seen.intersection(step.reads):
            seen.update(value for value in step.makes if value != without)
    return seen


def _by_definition(steps: Sequence[Step], inputs: Sequence[Hashable], outputs: Sequence[Hashable]) -> list[Hashable]:
    """Values on a path from an input to an output, such that no path is left without them."""
    made = [*inputs, *(value for step in steps for value in step.makes)]
    return [
        value
        for value in made
        if value in _reachable(steps, inputs)
        and not _reachable(steps, [value]).isdisjoint(outputs)
        and _reachable(steps, inputs, without=value).isdisjoint(outputs)
    ]


@st.composite
def _graphs(draw: st.DrawFn) -> tuple[list[Step], list[int], list[int]]:
    """Steps in topological order over values named by numbers; near values are read more often than far ones."""
    count = draw(st.integers(1, 3))
    inputs = list(range(count))
    steps: list[Step] = []
    for _ in range(draw(st.integers(0, 9))):
        near = st.integers(max(0, count - 3), count - 1)
        reads = draw(st.lists(near | near | st.integers(0, count - 1), max_size=3))
        makes = tuple(range(count, count + draw(st.integers(1, 2))))
        steps.append(Step(tuple(reads), makes))
        count += len(makes)
    outputs = draw(st.lists(st.integers(max(0, count - 4), count - 1), min_size=1, max_size=2))
    return steps, inputs, outputs


@given(_graphs())
def test_the_sweep_finds_what_the_definition_says_in_order(graph: tuple[list[Step], list[int], list[int]]) -> None:
    steps, inputs, outputs = graph
    assert separators(steps, inputs, outputs) == _by_definition(steps, inputs, outputs)


def test_a_chain_is_cut_everywhere() -> None:
    steps = [Step((index,), (index + 1,)) for index in range(5)]
    assert separators(steps, [0], [5]) == [0, 1, 2, 3, 4, 5]


def test_a_residual_block_is_cut_around_not_inside() -> None:
    steps = [Step(("x",), ("a",)), Step(("a",), ("b",)), Step(("b", "a"), ("sum",)), Step(("sum",), ("y",))]
    assert separators(steps, ["x"], ["y"]) == ["x", "a", "sum", "y"]


def test_two_towers_are_cut_after_they_meet() -> None:
    steps = [Step(("left",), ("l",)), Step(("right",), ("r",)), Step(("l", "r"), ("both",)), Step(("both",), ("y",))]
    assert separators(steps, ["left", "right"], ["y"]) == ["both", "y"]


def test_constants_and_dead_ends_are_no_reason_against_a_cut() -> None:
    steps = [
        Step((), ("constant",)),
        Step(("x",), ("a",)),
        Step(("a",), ("unused",)),
        Step(("constant", "a"), ("y",)),
    ]
    assert separators(steps, ["x", "ignored"], ["y"]) == ["x", "a", "y"]


def test_an_output_that_depends_on_no_input_has_no_separator() -> None:
    assert separators([Step((), ("y",))], ["x"], ["y"]) == []
