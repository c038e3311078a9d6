"""A pass that is recorded: only after some batches, only for their shape, and only where it does the same."""

import threading

import numpy as np
import pytest

from regraft.activations.engines import replaying
from regraft.activations.engines.trunk import Array, Compiled


class Machine:
    """Computes, and can record; it counts what it was asked for."""

    def __init__(self, error: float = 0.0, wrong_from: int = 0, broken: bool = False) -> None:
        self.plain_calls = self.recordings = self.replays = 0
        self.error, self.wrong_from, self.broken = error, wrong_from, broken

    def plain(self, given: Array) -> list[Array]:
        self.plain_calls += 1
        return [given * 2, given.sum(axis=1)]

    def record(self, given: Array) -> Compiled:
        self.recordings += 1
        if self.broken:
            raise RuntimeError("cannot be recorded")

        def replay(batch: Array) -> list[Array]:
            assert batch.shape == given.shape
            self.replays += 1
            doubled, total = batch * 2, batch.sum(axis=1)
            return [doubled, total + np.float32(self.error if self.replays > self.wrong_from else 0)]

        return replay


def _batches(count: int, rows: int = 4) -> list[Array]:
    return list(np.random.default_rng(0).random((count, rows, 3), np.float32))


def _all_right(machine: Machine, batches: list[Array]) -> None:
    run = replaying.replayed(machine.plain, machine.record)
    for batch in batches:
        doubled, total = run(batch)
        np.testing.assert_array_equal(doubled, batch * 2)
        np.testing.assert_array_equal(total, batch.sum(axis=1))


def test_few_batches_are_computed_as_they_are() -> None:
    machine = Machine()
    _all_right(machine, _batches(3))
    assert (machine.plain_calls, machine.recordings) == (3, 0)


def test_it_is_recorded_once_and_compared_twice() -> None:
    machine = Machine()
    _all_right(machine, _batches(20))
    assert (machine.plain_calls, machine.recordings, machine.replays) == (3 + 2, 1, 17)


@pytest.mark.parametrize("machine", [Machine(error=1e-6), Machine(error=1e-6, wrong_from=1), Machine(broken=True)])
def test_what_cannot_be_recorded_or_differs_in_the_last_bit_is_computed_as_before(machine: Machine) -> None:
    _all_right(machine, _batches(20))
    assert (machine.plain_calls, machine.recordings) == (20, 1)


def test_replaying_that_fails_is_left() -> None:
    machine = Machine()

    def record(given: Array) -> Compiled:
        del given

        def replay(batch: Array) -> list[Array]:
            raise RuntimeError("out of memory")

        return replay

    run = replaying.replayed(machine.plain, record)
    for batch in _batches(8):
        np.testing.assert_array_equal(run(batch)[0], batch * 2)
    assert machine.plain_calls == 8


def test_batches_of_another_shape_are_computed_as_they_are() -> None:
    machine = Machine()
    mixed = [batch for pair in zip(_batches(10), _batches(10, rows=2), strict=True) for batch in pair]
    _all_right(machine, mixed)
    assert (machine.recordings, machine.replays) == (1, 7)


def test_threads_take_turns() -> None:
    inside, most = [0], [0]

    def record(given: Array) -> Compiled:
        def replay(batch: Array) -> list[Array]:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            made = [batch * 2, batch.sum(axis=1)]
            threading.Event().wait(0.001)
            inside[0] -= 1
            return made

        return replay

    machine = Machine()
    run, batches = replaying.replayed(machine.plain, record), _batches(40)
    found: dict[int, list[Array]] = {}
    threads = [
        threading.Thread(target=lambda start=start: found.update({i: run(batches[i]) for i in range(start, 40, 4)}))
        for start in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    for index, batch in enumerate(batches):
        np.testing.assert_array_equal(found[index][0], batch * 2)
