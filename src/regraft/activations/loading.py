"""Raw examples at the network's size, decoded and resized by threads a little ahead of their use.

On a machine whose processors are all busy with the network, whatever is done here is added to the pass. So pictures are
written at once to where the engine will read them, in memory that an earlier batch has left; threads are handed several
at a time; and one thread reads alone while the engine does not have to wait for it, because threads that take turns
with Python take a quarter more of the processors.
"""

import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from regraft.activations.engines import BATCH
from regraft.activations.resizing import compile_resizing
from regraft.activations.tasks import Block
from regraft.activations.views import view_of
from regraft.core import table_spec, text_spec
from regraft.core.errors import DataError
from regraft.core.input_spec import InputSpec
from regraft.data import Examples, UnreadableExample
from regraft.data.decode import at_least

Array = np.ndarray[Any, Any]

# Threads that decode beside an engine that has to wait, and how many examples they are ahead of it at most.
_THREADS = max(2, (os.cpu_count() or 1) // 2)
_AHEAD = 3 * BATCH
# Files that a thread is handed at once: more spare little, and the first batch comes later.
_FILES = max(1, min(8, _AHEAD // (2 * _THREADS)))


@contextlib.contextmanager
def remembering(most: int) -> Generator[None]:
    """While the block runs, keep pictures at the size of a network for others of that size, up to so many bytes.

    For several networks on the same pictures: reading a large photograph takes longer than running a network on it.
    """
    token = _REMEMBERED.set(_Remembered(most))
    try:
        yield
    finally:
        _REMEMBERED.reset(token)


def load_prepared(
    examples: Examples, indices: Iterable[int], inputs: InputSpec, view: int = 0
) -> Iterator[tuple[int, Array | UnreadableExample]]:
    """Each example as the network is to be given it, before scaling: float32, in order; or why it cannot be read."""

    def alone(index: int) -> _Job:
        return _Job(index, [(view, _Rows(0, np.empty((1, *inputs.shape), np.float32)), 0)])

    for job, error in _done(examples, map(alone, indices), inputs):
        ((_, rows, _),) = job.goals
        yield job.index, error or rows.array[0]


def batches(
    examples: Examples,
    blocks: Sequence[Block],
    views: Sequence[int],
    inputs: InputSpec,
    unreadable: list[tuple[int, str]],
) -> Iterator[tuple[int, Array, Array] | None]:
    """Examples in batches, each for one task; an example is decoded once for all tasks of a block.

    Args:
        examples: where they come from.
        blocks: which of them, for which tasks.
        views: of each task.
        inputs: the input convention.
        unreadable: (index, reason) is added to it of each example that cannot be read; it leaves a batch smaller.

    Yields:
        (task, int64 indices (n,), float32 (n, *inputs.shape)) with n <= BATCH; None at the end of each block, over
        which no batch reaches.
    """
    memory = _Memory((BATCH, *inputs.shape))
    jobs = (job for block in blocks for job in _jobs(block, views, memory))
    done = _done(examples, jobs, inputs)
    for block in blocks:
        for job, error in islice(done, len(_everyone(block))):
            if error:
                unreadable.append((job.index, str(error)))
                for _, rows, place in job.goals:
                    rows.missing.append(place)
            for rows in job.completes:
                if len(rows.indices) > len(rows.missing):
                    yield rows.batch()
        yield None


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Where a batch of a task is put together: (BATCH, *inputs.shape)."""

    task: int
    array: Array
    indices: list[int] = field(default_factory=list[int])
    missing: list[int] = field(default_factory=list[int])

    def batch(self) -> tuple[int, Array, Array]:
        """The task, and what could be read."""
        indices, array = np.array(self.indices, np.int64), self.array[: len(self.indices)]
        if not self.missing:
            return self.task, indices, array
        return self.task, np.delete(indices, self.missing), np.delete(array, self.missing, axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """An example, as which views it is wanted at which places, and the batches that wait for nothing else."""

    index: int
    goals: Sequence[tuple[int, _Rows, int]]
    completes: Sequence[_Rows] = ()


class _Memory:
    """Where batches are put together: where an earlier one was, once nobody holds anything of it any more.

    To have memory anew from the system took a tenth of the time of decoding, for pictures of 224 pixels.
    """

    # More are handed out, and not looked at again.
    _MOST = 8

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._made: list[Array] = []
        # How many hold what nobody holds; versions of Python count themselves differently.
        self._unheld = self._holders([np.empty(0)], 0)

    def take(self) -> Array:
        """Memory for a batch, float32, with whatever was in it."""
        for place in range(len(self._made)):
            if self._holders(self._made, place) == self._unheld:
                return self._made[place]
        made = np.empty(self._shape, np.float32)
        if len(self._made) < self._MOST:
            self._made.append(made)
        return made

    @staticmethod
    def _holders(arrays: list[Array], place: int) -> int:
        # An array that is a part of another one holds it.
        return sys.getrefcount(arrays[place])


class _Remembered:
    """Pictures, float32 as a network is given them before scaling, by content and by how they were brought there."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._kept: dict[tuple[Any, ...], Array] = {}

    def fill(self, job: _Job, examples: Examples, inputs: InputSpec) -> bool:
        """Write what a job wants; False where not all of it is known."""
        known = [self._kept.get(self._key(examples, job.index, view, inputs)) for view, _, _ in job.goals]
        found = [picture for picture in known if picture is not None]
        if len(found) < len(known):
            return False
        for (_, rows, place), picture in zip(job.goals, found, strict=True):
            np.copyto(rows.array[place], picture)
        return True

    def keep(self, job: _Job, examples: Examples, inputs: InputSpec) -> None:
        """Keep what a job has written, as far as there is room."""
        for view, rows, place in job.goals:
            picture = rows.array[place]
            # Threads may both see room for a last one: that is one picture too many.
            if picture.nbytes <= self._left:
                self._left -= picture.nbytes
                self._kept[self._key(examples, job.index, view, inputs)] = picture.copy()

    @staticmethod
    def _key(examples: Examples, index: int, view: int, inputs: InputSpec) -> tuple[Any, ...]:
        return examples.ids[index], view, inputs.shape, inputs.resizing, inputs.draft_side


# What is remembered where somebody has asked for it.
_REMEMBERED: ContextVar[_Remembered | None] = ContextVar("remembered", default=None)


def _jobs(block: Block, views: Sequence[int], memory: "_Memory") -> Iterator[_Job]:
    """Each example of a block once, with the batches that it is for."""
    everyone = _everyone(block)
    members = [np.isin(everyone, indices, assume_unique=True) for _, indices in block.parts]
    waiting: dict[int, _Rows] = {}
    for row, index in enumerate(everyone.tolist()):
        goals: list[tuple[int, _Rows, int]] = []
        for (task, _), member in zip(block.parts, members, strict=True):
            if member[row]:
                if task not in waiting:
                    waiting[task] = _Rows(task, memory.take())
                goals.append((views[task], waiting[task], len(waiting[task].indices)))
                waiting[task].indices.append(index)
        complete = [rows for _, rows, _ in goals if len(rows.indices) == BATCH]
        for rows in complete:
            del waiting[rows.task]
        if row == len(everyone) - 1:
            complete += waiting.values()
        yield _Job(index, goals, complete)


def _everyone(block: Block) -> Array:
    return np.unique(np.concatenate([indices for _, indices in block.parts]))


def _done(
    examples: Examples, jobs: Iterable[_Job], inputs: InputSpec
) -> Iterator[tuple[_Job, UnreadableExample | None]]:
    """Do jobs, and tell of each in their order, with what kept it from being done."""
    prepare = _preparing(examples, inputs)
    remembered = _REMEMBERED.get() if inputs.is_picture else None

    def attempt(job: _Job) -> UnreadableExample | None:
        if remembered and remembered.fill(job, examples, inputs):
            return None
        try:
            # A single example is read by this thread.
            with at_least(inputs.draft_side):
                (raw,) = examples.load([job.index], inputs.channels if inputs.is_picture else None)
            for view, rows, place in job.goals:
                prepare(raw, view, job.index, rows.array[place])
        except UnreadableExample as error:
            return error
        if remembered:
            remembered.keep(job, examples, inputs)
        return None

    def attempt_all(some: Sequence[_Job]) -> list[UnreadableExample | None]:
        return [attempt(job) for job in some]

    # Handing one array to a thread takes longer than reading it.
    portion = _FILES if examples.shape is None else BATCH
    left = iter(jobs)
    with ThreadPoolExecutor(1) as alone, ThreadPoolExecutor(_THREADS) as several:
        ahead: deque[tuple[list[_Job], Future[list[UnreadableExample | None]]]] = deque()
        waits = _Waits()
        while some := list(islice(left, portion)):
            ahead.append((some, (several if waits.lately else alone).submit(attempt_all, some)))
            if len(ahead) * portion >= _AHEAD:
                begun, future = ahead.popleft()
                waits.saw(len(begun), future.done())
                yield from zip(begun, future.result(), strict=True)
        for begun, future in ahead:
            yield from zip(begun, future.result(), strict=True)


class _Waits:
    """Whether anybody waits for examples.

    Attributes:
        lately: whether somebody waited for one of the last batch; at first everybody would.
    """

    def __init__(self) -> None:
        self.lately = True
        self._given, self._waited = 0, False

    def saw(self, count: int, ready: bool) -> None:
        """Say of some examples whether they are ready when they are asked for."""
        self._given, self._waited = self._given + count, self._waited or not ready
        if self._given >= BATCH:
            self.lately, self._given, self._waited = self._waited, 0, False


def _preparing(examples: Examples, inputs: InputSpec) -> Callable[[Array, int, int, Array], None]:
    """What writes a view of a raw example, given its index, as the network is to be given it."""
    if examples.columns is not None:
        return _encoding(examples, inputs)
    if not inputs.is_picture:
        return lambda raw, _view, _index, out: np.copyto(out, np.reshape(raw, inputs.shape), "unsafe")
    resize = compile_resizing(inputs)

    def prepare(raw: Array, view: int, index: int, out: Array) -> None:
        seen = view_of(raw, view, examples.ids[index], examples.full_intensity)
        if seen.shape == inputs.shape:
            np.copyto(out, seen, "unsafe")
        else:
            resize(seen, out)

    return prepare


def _encoding(examples: Examples, inputs: InputSpec) -> Callable[[Array, int, int, Array], None]:
    """What writes the numbers of a text or of the cells of a row.

    Raises:
        DataError: the network's input convention does not say how, or the examples lack a column.
    """
    columns = examples.columns
    assert columns is not None
    if columns.of_text and inputs.text is not None:
        spec, encode = inputs.text, text_spec.encoder(inputs.text)
        return lambda raw, _view, _index, out: np.copyto(out, text_spec.fitted(spec, encode(raw[0]), len(out)))
    if columns.of_text or inputs.table is None:
        what = "texts" if columns.of_text else "rows of a table"
        raise DataError(f"the network's input convention does not say how {what} become numbers")
    row = table_spec.encoder(inputs.table, columns.features)

    def prepare(raw: Array, _view: int, index: int, out: Array) -> None:
        try:
            np.copyto(out, row(raw.tolist()))
        except DataError as error:
            raise UnreadableExample(examples.names[index], str(error)) from None

    return prepare
