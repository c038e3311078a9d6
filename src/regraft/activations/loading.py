"""Raw examples at the network's size, decoded and resized by threads a little ahead of their use."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from regraft.activations.engines import BATCH
from regraft.activations.resizing import compile_resizing
from regraft.activations.tasks import Block
from regraft.activations.views import view_of
from regraft.core.input_spec import InputSpec
from regraft.data import Examples, UnreadableExample
from regraft.data.decode import at_least

Array = np.ndarray[Any, Any]
_Seen = list[Array] | UnreadableExample


# Threads that decode beside an engine, and how many examples they are ahead of it at most.
_THREADS = max(2, (os.cpu_count() or 1) // 2)
_AHEAD = 3 * BATCH


def load_prepared(
    examples: Examples, indices: Iterable[int], inputs: InputSpec
) -> Iterator[tuple[int, Array | UnreadableExample]]:
    """Each example as the network is to be given it, before scaling: float32, in order; or why it cannot be read."""
    for index, seen in _load(examples, ((index, (0,)) for index in indices), inputs):
        yield index, seen if isinstance(seen, UnreadableExample) else seen[0]


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
        unreadable: (index, reason) is added to it of each example that cannot be read.

    Yields:
        (task, int64 indices (n,), float32 (n, *inputs.shape)) with n <= BATCH; None at the end of each block, over
        which no batch reaches.
    """
    waiting: dict[int, tuple[list[int], list[Array]]] = {}
    asked = (item for block in blocks for item in _asked(block))
    loaded = _load(examples, ((index, [views[place] for place in places]) for index, places in asked), inputs)
    for block in blocks:
        for (index, places), (_, seen) in zip(_asked(block), loaded, strict=False):
            if isinstance(seen, UnreadableExample):
                unreadable.append((index, str(seen)))
                continue
            for place, prepared in zip(places, seen, strict=True):
                indices, rows = waiting.setdefault(place, ([], []))
                indices.append(index)
                rows.append(prepared)
                if len(rows) == BATCH:
                    del waiting[place]
                    yield place, np.array(indices, np.int64), np.stack(rows)
        for place, (indices, rows) in waiting.items():
            yield place, np.array(indices, np.int64), np.stack(rows)
        waiting = {}
        yield None


def _asked(block: Block) -> Iterator[tuple[int, list[int]]]:
    """Each example of a block once, with the tasks that it is for."""
    everyone = np.unique(np.concatenate([indices for _, indices in block.parts]))
    members = [np.isin(everyone, indices, assume_unique=True) for _, indices in block.parts]
    for row, index in enumerate(everyone.tolist()):
        yield index, [place for (place, _), member in zip(block.parts, members, strict=True) if member[row]]


def _load(
    examples: Examples, wanted: Iterable[tuple[int, Sequence[int]]], inputs: InputSpec
) -> Iterator[tuple[int, _Seen]]:
    resize = compile_resizing(inputs) if inputs.is_picture else None

    def load(index: int, views: Sequence[int]) -> _Seen:
        try:
            # A single example is read by this thread.
            with at_least(inputs.draft_side):
                (raw,) = examples.load([index], inputs.channels if resize else None)
        except UnreadableExample as error:
            return error
        if resize is None:
            return [np.asarray(raw, np.float32).reshape(inputs.shape) for _ in views]
        seen = [view_of(raw, view, examples.ids[index], examples.full_intensity) for view in views]
        return [np.ascontiguousarray(each, np.float32) if each.shape == inputs.shape else resize(each) for each in seen]

    def load_some(some: Sequence[tuple[int, Sequence[int]]]) -> list[tuple[int, _Seen]]:
        return [(index, load(index, views)) for index, views in some]

    # Handing one array to a thread takes longer than reading it.
    portion = 1 if examples.shape is None else BATCH
    left = iter(wanted)
    with ThreadPoolExecutor(_THREADS) as pool:
        ahead: deque[Future[list[tuple[int, _Seen]]]] = deque()
        while some := list(islice(left, portion)):
            ahead.append(pool.submit(load_some, some))
            if len(ahead) * portion >= _AHEAD:
                yield from ahead.popleft().result()
        for future in ahead:
            yield from future.result()
