"""OpenVINO on the processor, in float32."""

import contextlib
import importlib.util
import sys
from collections.abc import Generator
from typing import Any

import numpy as np

from regraft.activations.engines import tensorflow_graph
from regraft.activations.engines.trunk import Array, Compiled, Trunk

NAME = "openvino"
INSTALL = "pip install 'regraft[openvino]'"

_TELEMETRY = "openvino_telemetry"

_Request = tuple[Any, list[int]]


def available() -> bool:
    """Whether it is installed."""
    return importlib.util.find_spec("openvino") is not None


def version() -> str:
    """What its results may depend on."""
    return str(_openvino().__version__)


def compile(trunk: Trunk) -> Compiled:  # noqa: A001 - every engine's function of this name
    """A function that computes what is wanted of a whole batch; the network is converted when the first one comes.

    Raises:
        RequestError: it is not installed, or Keras does not run on TensorFlow.
    """
    tensorflow_graph.require(NAME)
    openvino = _openvino()
    made: dict[tuple[int, ...], _Request] = {}

    def run(given: Array) -> list[Array]:
        if given.shape not in made:
            made[given.shape] = _compiled(openvino, trunk, given.shape)
        request, places = made[given.shape]
        request.infer([given], share_inputs=True)
        # The next batch is written over these.
        return [np.array(request.get_output_tensor(place).data, np.float32) for place in places]

    return run


def _compiled(openvino: Any, trunk: Trunk, shape: tuple[int, ...]) -> _Request:
    """What runs a batch, and the places of its results: OpenVINO has an order of its own."""
    with tensorflow_graph.converting(NAME, trunk):
        function = tensorflow_graph.traced(trunk, shape).get_concrete_function()
        # Shared weights would change when those of the model do.
        model = openvino.convert_model(function, share_weights=False)
        # Processors that can would compute in bfloat16 unasked.
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        names = [output.get_names() for output in compiled.outputs]
        return compiled.create_infer_request(), [_place(names, tensor.name) for tensor in function.outputs]


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
