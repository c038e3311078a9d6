"""Raw examples at the network's size, decoded and resized by threads a little ahead of their use."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from regraft.activations.engines import BATCH
from regraft.activations.resizing import compile_resizing
from regraft.activations.views import view_of
from regraft.core.input_spec import InputSpec
from regraft.data import Examples, UnreadableExample
from regraft.data.decode import at_least

Array = np.ndarray[Any, Any]

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
    examples: Examples, wanted: Mapping[int, Sequence[int]], inputs: InputSpec, unreadable: list[tuple[int, str]]
) -> Iterator[tuple[int, list[str], Array]]:
    """Examples in batches, each of one view; an example is decoded once for all of its views.

    Args:
        examples: where they come from.
        wanted: by index, in the order of loading, the views.
        inputs: the input convention.
        unreadable: (index, reason) is added to it of each example that cannot be read.

    Yields:
        (view, ids, float32 (n, *inputs.shape)) with n <= BATCH.
    """
    waiting: dict[int, tuple[list[str], list[Array]]] = {}
    for index, seen in _load(examples, wanted.items(), inputs):
        if isinstance(seen, UnreadableExample):
            unreadable.append((index, str(seen)))
            continue
        for view, prepared in zip(wanted[index], seen, strict=True):
            names, rows = waiting.setdefault(view, ([], []))
            names.append(examples.ids[index])
            rows.append(prepared)
            if len(rows) == BATCH:
                del waiting[view]
                yield view, names, np.stack(rows)
    for view, (names, rows) in waiting.items():
        yield view, names, np.stack(rows)


def _load(
    examples: Examples, wanted: Iterable[tuple[int, Sequence[int]]], inputs: InputSpec
) -> Iterator[tuple[int, list[Array] | UnreadableExample]]:
    resize = compile_resizing(inputs) if inputs.is_picture else None

    def load(index: int, views: Sequence[int]) -> list[Array] | UnreadableExample:
        try:
            # A single example is read by this thread.
            with at_least(inputs.draft_side):
                (raw,) = examples.load([index], inputs.channels if resize else None)
        except UnreadableExample as error:
            return error
        if resize is None:
            return [np.asarray(raw, np.float32).reshape(inputs.shape) for _ in views]
        seen = [view_of(raw, view, examples.ids[index]) for view in views]
        return [np.ascontiguousarray(each, np.float32) if each.shape == inputs.shape else resize(each) for each in seen]

    with ThreadPoolExecutor(_THREADS) as pool:
        ahead: deque[tuple[int, Future[list[Array] | UnreadableExample]]] = deque()
        for index, views in wanted:
            ahead.append((index, pool.submit(load, index, views)))
            if len(ahead) >= _AHEAD:
                first, future = ahead.popleft()
                yield first, future.result()
        for index, future in ahead:
            yield index, future.result()
