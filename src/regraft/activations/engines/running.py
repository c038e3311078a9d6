"""Batches through a compiled trunk, the next begun before one is waited for where the engine has a queue.

At the end of a batch some processors are done before others. With the next one waiting they go on, also while the
results are handed over.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np

from regraft.activations.engines.trunk import BATCH, Array, Compiled, Finish, Queued

T = TypeVar("T")

# Results of a batch beyond which no other waits beside them.
_BESIDE = 64_000_000


class Run:
    """A compiled trunk that takes up to a batch."""

    def __init__(self, begin: Callable[[Array], Finish], ahead: int = 0) -> None:
        """Say how a batch is begun.

        Args:
            begin: starts one, float32 (n, ...) with n <= BATCH; what it returns waits for the results.
            ahead: how many may have begun before one is waited for that pays.
        """
        self._begin, self._ahead = begin, ahead

    @property
    def ahead(self) -> int:
        """How many batches are to have begun before one is waited for."""
        return self._ahead

    def begin(self, raw: Array) -> Finish:
        """Start a batch; what is returned waits for its results."""
        finish = self._begin(raw)

        def finished() -> list[Array]:
            made = finish()
            if sum(result.nbytes for result in made) > _BESIDE:
                self._ahead = 0
            return made

        return finished

    def __call__(self, raw: Array) -> list[Array]:
        """One float32 array (n, ...) for each thing that is wanted, of float32 (n, ...)."""
        return self.begin(raw)()


def whole_batches(compiled: Compiled, look: Callable[[Array], None] = lambda raw: None) -> Run:
    """What runs whole batches, for batches that may be smaller.

    Args:
        compiled: what runs them.
        look: is shown each batch before it begins, and may refuse it.
    """
    start = compiled.begin if isinstance(compiled, Queued) else _at_once(compiled)

    def begin(raw: Array) -> Finish:
        look(raw)
        finish = start(padded(raw))
        return lambda: [result[: len(raw)] for result in finish()]

    return Run(begin, ahead=1 if isinstance(compiled, Queued) else 0)


def _at_once(compiled: Compiled) -> Callable[[Array], Finish]:
    """Begins a batch by computing it."""

    def start(given: Array) -> Finish:
        made = compiled(given)
        return lambda: made

    return start


def in_turn(begun: Iterable[Callable[[], T]], ahead: Callable[[], int]) -> Iterator[T]:
    """Wait for what is begun, in order, each when so many more have begun.

    Args:
        begun: begins the next whenever it is asked for one.
        ahead: how many, asked each time.
    """
    waiting: deque[Callable[[], T]] = deque()
    for finish in begun:
        waiting.append(finish)
        while len(waiting) > ahead():
            yield waiting.popleft()()
    for finish in waiting:
        yield finish()


def padded(raw: Array) -> Array:
    """Examples as a whole batch, float32, in memory as an engine takes them."""
    if len(raw) == BATCH:
        return np.ascontiguousarray(raw, np.float32)
    whole = np.zeros((BATCH, *raw.shape[1:]), np.float32)
    whole[: len(raw)] = raw
    return whole
