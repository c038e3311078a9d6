"""OpenVINO on the processor, in float32.

A batch is computed in pieces, several at once, each by its own share of the processors: they wait for each other less
than when all work on one layer, and what passes between layers stays in their caches. Two streams of 8 examples were
1.05 to 1.45 times as fast as whole batches of 32 on two processors (MobileNet, MobileNetV2, at 128 and 224 pixels).
The next batch may queue behind one that is not done: the share that is done first goes on with it.
"""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regraft.activations.engines import tensorflow_graph
from regraft.activations.engines.trunk import Array, Finish, Queued, Trunk

NAME = "openvino"
INSTALL = "pip install 'regraft[openvino]'"

_TELEMETRY = "openvino_telemetry"

# Examples in a piece; it divides the batch.
_PIECE = 8


def available() -> bool:
    """Whether it is installed."""
    return importlib.util.find_spec("openvino") is not None


def version() -> str:
    """What its results may depend on."""
    return str(_openvino().__version__)


def compile(trunk: Trunk) -> Queued:  # noqa: A001 - every engine's function of this name
    """A function that computes what is wanted of a whole batch; the network is converted when the first one comes.

    Raises:
        RequestError: it is not installed, or Keras does not run on TensorFlow.
    """
    tensorflow_graph.require(NAME)
    openvino = _openvino()
    made: dict[tuple[int, ...], _Network] = {}

    def begin(given: Array) -> Finish:
        if given.shape not in made:
            made[given.shape] = _compiled(openvino, trunk, given.shape)
        return made[given.shape].begin(given)

    return Queued(begin)


@dataclass(frozen=True, slots=True, eq=False)
class _Network:
    """A trunk for batches of one size.

    Attributes:
        compiled: what runs a piece.
        pieces: of a batch.
        places: of the results, as OpenVINO has an order of its own.
        idle: for each batch that was under way at once, what runs its pieces; those of which none is.
    """

    compiled: Any
    pieces: int
    places: Sequence[int]
    idle: list[list[Any]] = field(default_factory=list[list[Any]])

    def begin(self, given: Array) -> Finish:
        """Start a batch."""
        requests = self.idle.pop() if self.idle else [self.compiled.create_infer_request() for _ in range(self.pieces)]
        # They are read where they are: whoever waits holds them until then.
        pieces = [given[number * _PIECE : (number + 1) * _PIECE] for number in range(self.pieces)]
        for request, piece in zip(requests, pieces, strict=True):
            request.start_async([piece], share_inputs=True)

        def finish() -> list[Array]:
            for request, _ in zip(requests, pieces, strict=True):
                request.wait()
            parts = [[request.get_output_tensor(place).data for request in requests] for place in self.places]
            made = [np.concatenate(part).astype(np.float32, copy=False) for part in parts]
            self.idle.append(requests)
            return made

        return finish


def _compiled(openvino: Any, trunk: Trunk, shape: tuple[int, ...]) -> _Network:
    """The trunk for batches of this shape."""
    pieces = shape[0] // _PIECE
    with tensorflow_graph.converting(NAME, trunk):
        function = tensorflow_graph.traced(trunk, (_PIECE, *shape[1:])).get_concrete_function()
        # Shared weights would change when those of the model do.
        model = openvino.convert_model(function, share_weights=False)
        settings = {
            # Processors that can would compute in bfloat16 unasked.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": min(pieces, os.cpu_count() or 1),
        }
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        names = [output.get_names() for output in compiled.outputs]
        places = [_place(names, tensor.name) for tensor in function.outputs]
        return _Network(compiled, pieces, places)


def _place(names: list[set[str]], name: str) -> int:
    found = [place for place, known in enumerate(names) if name in known]
    # A result that is the input itself has the input's names only.
    return (found or [place for place, known in enumerate(names) if tensorflow_graph.INPUT in known])[0]


def _openvino() -> Any:
    with _saying_nothing():
        return tensorflow_graph.package("openvino", NAME, INSTALL)


@contextlib.contextmanager
def _saying_nothing() -> Generator[None]:
    """OpenVINO reports its use to its makers as soon as it is imported, unless what does that is absent."""
    absent = _TELEMETRY not in sys.modules
    if absent:
        sys.modules[_TELEMETRY] = None  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        if absent:
            del sys.modules[_TELEMETRY]
