"""Operations that an optimiser has joined: a product, its bias, and what works on both, as one.

TensorFlow's remapper writes `_FusedConv2D` and `_FusedMatMul`; the converter of TensorFlow.js adds
`FusedDepthwiseConv2dNative` and joins `Prelu`. What was joined stands in `fused_ops`, in order; operands of it follow
the first two inputs. `num_args` is not asked: that converter counts a function as an operand, which it is not.
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/grappler/optimizers/remapper.cc
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from regraft.core.tensors import Operation
from regraft.importers.graphs.neutral import Node
from regraft.importers.graphs.tensorflow_translation import Translation

Row = Callable[[Translation, Operation], None]

# By the word in `fused_ops`: the neutral kind, how many operands it has, its settings.
_JOINED: dict[str, tuple[str, int, dict[str, Any]]] = {
    "BiasAdd": ("binary", 1, {"function": "add"}),
    "BiasAddV1": ("binary", 1, {"function": "add"}),
    "FusedBatchNorm": ("batch_norm", 4, {"channels": -1}),
    "Prelu": ("prelu", 1, {}),
    "Relu": ("activation", 0, {"function": "relu"}),
    "Relu6": ("activation", 0, {"function": "relu6"}),
    "Elu": ("activation", 0, {"function": "elu"}),
    "LeakyRelu": ("activation", 0, {"function": "leaky_relu"}),
    "Sigmoid": ("activation", 0, {"function": "sigmoid"}),
    "Tanh": ("activation", 0, {"function": "tanh"}),
    "GeluApproximate": ("activation", 0, {"function": "gelu", "approximate": True}),
    "GeluExact": ("activation", 0, {"function": "gelu", "approximate": False}),
}


def joined(product: Row, momentum: float) -> Row:
    """The row of a product that other operations may be joined with.

    Args:
        product: the row of the product by itself.
        momentum: of a batch normalisation, which no graph says.
    """

    def row(translation: Translation, operation: Operation) -> None:
        words = [str(word) for word in operation.attributes.get("fused_ops") or ()]
        strange = [word for word in words if word not in _JOINED]
        operands = operation.inputs[2:]
        wanted = sum(_JOINED[word][1] for word in words if word in _JOINED)
        if strange:
            translation.refuse(operation, f"joined with {strange[0]}, for which no counterpart is known")
        elif wanted != len(operands):
            translation.refuse(operation, f"{', '.join(words)} have {wanted} operands, found {len(operands)}")
        else:
            _taken_apart(translation, operation, product, words, momentum)

    return row


def _taken_apart(
    translation: Translation, operation: Operation, product: Row, words: list[str], momentum: float
) -> None:
    values = [f"{operation.name}:product", *(f"{operation.name}:{word.lower()}" for word in words)]
    values[-1] = operation.outputs[0]
    product(translation, replace(operation, inputs=operation.inputs[:2], outputs=(values[0],)))
    operands = iter(operation.inputs[2:])
    for word, value, result in zip(words, values, values[1:], strict=False):
        kind, _, settings = _JOINED[word]
        reads = (value, *_taken(operands, _JOINED[word][1]))
        settings = {**settings, **_stated(word, operation.attributes, momentum)}
        name = f"{operation.name}_{word.lower()}"
        translation.nodes.append(Node(name, kind, reads, (result,), settings, operation.kind))


def _taken(operands: Iterator[str], count: int) -> tuple[str, ...]:
    return tuple(next(operands) for _ in range(count))


def _stated(word: str, given: Mapping[str, Any], momentum: float) -> dict[str, Any]:
    """What the joined operation says of one that it was made of; TensorFlow's defaults, where it says nothing."""
    if word == "LeakyRelu":
        return {"negative_slope": given.get("leakyrelu_alpha", 0.2)}
    return {"epsilon": given.get("epsilon", 1e-4), "momentum": momentum} if word == "FusedBatchNorm" else {}
