"""ONNX Runtime on the processor; the network reaches it as an ONNX graph in memory."""

import importlib.util
from typing import Any

import numpy as np

from regraft.activations.engines import tensorflow_graph
from regraft.activations.engines.trunk import Array, Compiled, Trunk

NAME = "onnxruntime"
INSTALL = "pip install 'regraft[onnxruntime]'"

# The highest that the converter knows.
_OPSET = 18
_PROVIDERS = ["CPUExecutionProvider"]

_Session = tuple[Any, dict[str, Array]]


def available() -> bool:
    """Whether it and what converts for it are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("onnxruntime", "tf2onnx"))


def version() -> str:
    """What its results may depend on."""
    names = ("onnxruntime", "tf2onnx")
    return " ".join(f"{name} {tensorflow_graph.package(name, NAME, INSTALL).__version__}" for name in names)


def compile(trunk: Trunk) -> Compiled:  # noqa: A001 - every engine's function of this name
    """A function that computes what is wanted of a whole batch; the network is converted when the first one comes.

    Raises:
        RequestError: it is not installed, or Keras does not run on TensorFlow.
    """
    tensorflow_graph.require(NAME)
    runtime = tensorflow_graph.package("onnxruntime", NAME, INSTALL)
    converter = tensorflow_graph.package("tf2onnx", NAME, INSTALL)
    made: dict[tuple[int, ...], _Session] = {}

    def run(given: Array) -> list[Array]:
        if given.shape not in made:
            made[given.shape] = _session(runtime, converter, trunk, given.shape)
        session, constants = made[given.shape]
        results = session.run(None, {tensorflow_graph.INPUT: given, **constants})
        return [np.asarray(result, np.float32) for result in results]

    return run


def _session(runtime: Any, converter: Any, trunk: Trunk, shape: tuple[int, ...]) -> _Session:
    """What runs a batch, and what it is to be given besides: arrays that layers keep outside of their variables."""
    with tensorflow_graph.converting(NAME, trunk):
        function, signature = tensorflow_graph.traced(trunk, shape), tensorflow_graph.signature_of(shape)
        graph, _ = converter.convert.from_function(
            function, signature, opset=_OPSET, custom_op_handlers={"Erfc": (_erfc, [])}
        )
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        session = runtime.InferenceSession(graph.SerializeToString(), options, providers=_PROVIDERS)
        taken = {argument.name for argument in session.get_inputs()}
        captured = {inside.name: value for value, inside in function.get_concrete_function().graph.captures}
        return session, {name: value.numpy() for name, value in captured.items() if name in taken}


def _erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """TensorFlow's complement of the error function, which GELU is made of, and which the converter does not know."""
    shape, dtype = graph.get_shape(node.output[0]), graph.get_dtype(node.output[0])
    graph.remove_node(node.name)
    one = graph.make_const(f"{node.name}_one", np.ones((), np.float32)).output[0]
    erf = graph.make_node("Erf", [node.input[0]]).output[0]
    graph.make_node("Sub", [one, erf], outputs=node.output, name=node.name, shapes=[shape], dtypes=[dtype])
