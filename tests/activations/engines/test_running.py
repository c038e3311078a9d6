"""Batches one ahead of their results: in order, and only where an engine has a queue."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from regraft.activations.engines import BATCH, Run, in_turn, running
from regraft.activations.engines.trunk import Array, Queued


def _noted(events: list[str], count: int) -> Iterator[Callable[[], int]]:
    """Begins things, which note that they began and that somebody waited."""

    def waited(number: int) -> int:
        events.append(f"waited for {number}")
        return number

    for number in range(count):
        events.append(f"began {number}")
        yield lambda number=number: waited(number)


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (0, ["began 0", "waited for 0", "began 1", "waited for 1", "began 2", "waited for 2"]),
        (1, ["began 0", "began 1", "waited for 0", "began 2", "waited for 1", "waited for 2"]),
        (5, ["began 0", "began 1", "began 2", "waited for 0", "waited for 1", "waited for 2"]),
    ],
)
def test_so_many_begin_before_one_is_waited_for(ahead: int, expected: list[str]) -> None:
    events: list[str] = []
    assert list(in_turn(_noted(events, 3), lambda: ahead)) == [0, 1, 2]
    assert events == expected


def test_a_queue_gets_whole_batches_and_gives_back_as_many_rows_as_there_were() -> None:
    shapes: list[tuple[int, ...]] = []

    def begin(given: Array) -> Callable[[], list[Array]]:
        shapes.append(given.shape)
        return lambda: [given + 1, given[:, :1]]

    run = running.whole_batches(Queued(begin))
    x = np.arange(6, dtype=np.float64).reshape(3, 2)
    begun = [run.begin(x), run.begin(-x)]
    for finish, sign in zip(begun, (1, -1), strict=True):
        one, other = finish()
        np.testing.assert_array_equal(one, sign * x + 1)
        np.testing.assert_array_equal(other, sign * x[:, :1])
    assert shapes == [(BATCH, 2)] * 2
    assert run.ahead == 1


def test_an_engine_without_a_queue_is_not_given_a_batch_ahead() -> None:
    run = running.whole_batches(lambda given: [given])
    assert run.ahead == 0
    np.testing.assert_array_equal(run.begin(np.ones((2, 3)))()[0], np.ones((2, 3), np.float32))


def test_large_results_have_no_others_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(lambda raw: lambda: [raw], ahead=1)
    monkeypatch.setattr(running, "_BESIDE", 100)
    run(np.zeros(25, np.float32))
    assert run.ahead == 1
    run(np.zeros(26, np.float32))
    assert run.ahead == 0
