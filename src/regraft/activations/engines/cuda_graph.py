"""A pass on PyTorch as a CUDA graph.

PyTorch starts one operation after the other, which takes the processor about 10 us each. A network of hundreds of them
on a batch of 32 takes a GPU less, and it waits. A CUDA graph holds them all and is started at once: MobileNet at 128
pixels 8 times as fast on an H200 (`docs/gpu.md`).
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from regraft.activations.engines.trunk import Array, Compiled

# From a tensor on the GPU to several.
Run = Callable[[Any], list[Any]]

# What brings numbers and arrays to a device, and what makes the processor wait for a tensor on the GPU.
_BRINGING: frozenset[Any] = frozenset(
    (torch.as_tensor, torch.tensor, torch.asarray, torch.Tensor.to, torch.Tensor.cuda)
)
_WAITING: frozenset[Any] = frozenset(
    getattr(torch.Tensor, name)
    for name in ("item", "tolist", "cpu", "numpy", "nonzero", "__bool__", "__int__", "__float__", "__index__")
)


def recorded(run: Run, given: Array) -> Compiled:
    """A pass over batches of one shape, recorded.

    Args:
        run: the pass.
        given: a batch, float32.

    Returns:
        A function of batches of this shape, for one thread at a time.

    Raises:
        RuntimeError: it cannot be recorded: it waits for a result on the processor, or is not the same each time.
            Everything is then as it was.
    """
    shown, constants = keras.ops.convert_to_tensor(given), Constants()
    stream, own = torch.cuda.Stream(), torch.cuda.current_stream()
    stream.wait_stream(own)
    # Libraries make what they work with in the first run; the second is the one that will be recorded.
    with torch.inference_mode(), torch.cuda.stream(stream):
        for _ in range(2):
            with constants.in_order():
                run(shown)
    own.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Other threads may go on using the GPU.
    recording = torch.cuda.graph(graph, capture_error_mode="thread_local")
    with torch.inference_mode(), constants.in_order(), _as_before_where_it_fails(), recording:
        results = run(shown)
    host = torch.empty(given.shape, dtype=torch.float32, pin_memory=True)
    return _Graph(graph, host, shown, results, constants).replay


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    """What is replayed, and all that it reads and writes: memory that has to live as long as it does.

    Attributes:
        graph: of CUDA.
        host: of one batch, on the processor, where the GPU can fetch it from.
        shown: the same on the GPU.
        results: of a batch, on the GPU.
        constants: what the graph reads besides.
    """

    graph: Any
    host: Any
    shown: Any
    results: list[Any]
    constants: "Constants"

    def replay(self, given: Array) -> list[Array]:
        """The results of a batch; copying waits for them, so that the next batch overwrites nothing that is read."""
        self.host.numpy()[...] = given
        self.shown.copy_(self.host, non_blocking=True)
        self.graph.replay()
        return [np.asarray(keras.ops.convert_to_numpy(result), np.float32) for result in self.results]


class Constants:
    """Tensors that a run makes from numbers and arrays on the processor: made by the first run, given to those after.

    Their way to the GPU cannot be recorded. They are told by their order.
    """

    def __init__(self) -> None:
        self.made: list[Any] | None = None

    @contextmanager
    def in_order(self) -> Generator[None]:
        """While the block runs, they are made where this is the first time, else given.

        Raises:
            RuntimeError: more or fewer are wanted than the first time, or a result is waited for on the processor.
        """
        made, self.made = self.made, None
        with _Intercepting(made) as seen:
            yield
        if made is not None and len(seen.made) < len(made):
            raise RuntimeError(f"{len(seen.made)} tensors come from the processor, the first time {len(made)}")
        self.made = seen.made


class _Intercepting(TorchFunctionMode):
    """Takes the place of what brings tensors to the GPU, and refuses what waits for them."""

    def __init__(self, before: list[Any] | None) -> None:
        super().__init__()
        self.made: list[Any] = []
        self._before = before

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        source = args[0] if args else None
        is_there = bool(getattr(source, "is_cuda", False))
        if is_there and func in _WAITING:
            raise RuntimeError(f"a result is waited for on the processor, by {func.__name__}")
        if is_there or func not in _BRINGING:
            return func(*args, **(kwargs or {}))
        if self._before is not None and len(self.made) == len(self._before):
            raise RuntimeError(f"more tensors come from the processor than the first time, {len(self.made)}")
        self.made.append(func(*args, **(kwargs or {})) if self._before is None else self._before[len(self.made)])
        return self.made[-1]


@contextmanager
def _as_before_where_it_fails() -> Generator[None]:
    """Where recording fails, what is computed next runs on the stream of before, and random numbers can be drawn.

    PyTorch leaves the stream that it recorded set, and the generator as one that is being recorded.
    """
    stream, generator = torch.cuda.current_stream(), torch.cuda.default_generators[torch.cuda.current_device()]
    before = generator.clone_state()
    try:
        yield
    except RuntimeError:
        torch.cuda.set_stream(stream)
        generator.graphsafe_set_state(before)
        raise
