"""A pass that is recorded after some batches and replayed from then on, where that gives the same to the bit.

What cannot be recorded is computed as before. Nothing is taken on trust: the first batches that are replayed are
computed as before too, and compared.
"""

import threading
from collections.abc import Callable

from regraft.activations.engines.trunk import Array, Compiled

# Recording takes as long as some batches; where there are no more than these it is not begun.
_PLAIN = 3
_COMPARED = 2


def replayed(plain: Compiled, record: Callable[[Array], Compiled]) -> Compiled:
    """A function that does what another does.

    Args:
        plain: from a batch to arrays.
        record: makes a faster one for batches of one shape, from a first batch; it raises a RuntimeError where that
            cannot be done.
    """
    return _Replayed(plain, record).computed


class _Replayed:
    def __init__(self, plain: Compiled, record: Callable[[Array], Compiled]) -> None:
        self._plain, self._record = plain, record
        self._plain_left, self._compared_left = _PLAIN, _COMPARED
        self._shape: tuple[int, ...] | None = None
        self._replay: Compiled | None = None
        self._given_up = False
        # What is recorded has one place in memory for its input, and one for each result.
        self._lock = threading.Lock()

    def computed(self, given: Array) -> list[Array]:
        """Float32 (batch, ...) to one float32 array for each result."""
        with self._lock:
            replay = self._replay_for(given)
            if replay is None:
                return self._plain(given)
            if not self._compared_left:
                return replay(given)
            return self._compared(replay, given)

    def _replay_for(self, given: Array) -> Compiled | None:
        """What replays batches of this shape, if there is anything yet."""
        self._shape = self._shape or given.shape
        if self._given_up or given.shape != self._shape:
            return None
        if self._plain_left:
            self._plain_left -= 1
        elif self._replay is None:
            try:
                self._replay = self._record(given)
            except RuntimeError:
                self._give_up()
        return self._replay

    def _compared(self, replay: Compiled, given: Array) -> list[Array]:
        expected = self._plain(given)
        try:
            same = all(one.tobytes() == other.tobytes() for one, other in zip(replay(given), expected, strict=True))
        except RuntimeError:
            same = False
        if same:
            self._compared_left -= 1
        else:
            self._give_up()
        return expected

    def _give_up(self) -> None:
        self._given_up, self._replay = True, None
