"""TensorFlow functions that a model was built with as if they were layers, in the operations of Keras.

tf.keras 2.0 to 2.3 kept the operation of the graph (`TensorFlowOpLayer`), 2.4 to 2.15 the function that was called
(`TFOpLambda`, `SlicingOpLambda`). Both are names and arguments, and both are looked up here; nothing is imported.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import keras
from keras import ops

from regraft.core.errors import SourceError, nearest

CLASSES = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")
# What adds a loss or a metric and hands its input on.
PASSING_ON = ("AddLoss", "AddMetric")


@dataclass(frozen=True, slots=True)
class Function:
    """One function of TensorFlow.

    Attributes:
        parameters: its arguments in order.
        compute: the same in Keras' operations, called with those that were given, by name.
        attributes: names of attributes of a graph's operation that are arguments of the function.
    """

    parameters: tuple[str, ...]
    compute: Callable[..., Any]
    attributes: tuple[tuple[str, str], ...] = ()


def computed(item: Mapping[str, Any], given: Sequence[Any], named: Mapping[str, Any], place: str) -> Any:
    """What an operation of a configuration makes of tensors.

    Args:
        item: the layer.
        given: tensors (and constants) by position.
        named: the other arguments of the call.
        place: the layer and the file, for messages.

    Raises:
        SourceError: the function is not known, or is given what Keras' counterpart does not take.
    """
    config = cast(Mapping[str, Any], item["config"])
    if item["class_name"] == "TensorFlowOpLayer":
        name, arguments = _from_node(config, given, place)
    else:
        name = str(config.get("function") or "__operators__.getitem").removeprefix("tf.")
        name = "__operators__.getitem" if item["class_name"] == "SlicingOpLambda" else name
        arguments = _by_name(name, given, named, place)
    result = _found(name, place).compute(**arguments)
    if not any(result is tensor for tensor in given):
        _name(result, str(config.get("name") or item.get("name") or ""))
    return result


def _found(name: str, place: str) -> Function:
    current = name.removeprefix("compat.v1.")
    known = FUNCTIONS.get(current) or FUNCTIONS.get(_ALIASES.get(current, ""))
    if known is None:
        raise SourceError(
            f"{place} calls TensorFlow's '{name}', which is not translated{nearest(name, FUNCTIONS)}; cut the network "
            "below it in the Keras that wrote it, or give its weights with --architecture"
        )
    return known


def _by_name(name: str, given: Sequence[Any], named: Mapping[str, Any], place: str) -> dict[str, Any]:
    known = _found(name, place)
    first = dict(zip(known.parameters, given, strict=False))
    rest = {key: value for key, value in named.items() if key != "name" and value is not None}
    unknown = sorted(key for key in set(rest) - set(known.parameters) if rest[key] is not False)
    if unknown or len(given) > len(known.parameters):
        raise SourceError(f"{place}: argument {unknown or len(given)} of TensorFlow's '{name}' is not translated")
    return {**first, **{key: value for key, value in rest.items() if key in known.parameters}}


def _from_node(config: Mapping[str, Any], given: Sequence[Any], place: str) -> tuple[str, dict[str, Any]]:
    """The function and its arguments from the record of a graph's operation: constants stand at their positions."""
    stated: Any = config.get("node_def")
    try:
        node = json.loads(stated) if isinstance(stated, str) else stated
        kind, count = str(node["op"]), len(node.get("input", ()))
    except (ValueError, TypeError, KeyError) as error:
        raise SourceError(
            f"{place}: expected the JSON of one TensorFlow operation, found {str(stated)[:60]!r}"
        ) from error
    constants = {int(key): value for key, value in (config.get("constants") or {}).items()}
    tensors = iter(given)
    everything = [constants[index] if index in constants else next(tensors, None) for index in range(count)]
    known = _found(kind, place)
    attributes = node.get("attr", {})
    more = {name: _attribute(attributes[key]) for key, name in known.attributes if key in attributes}
    if kind in ("ConcatV2", "Pack"):
        # The tensors are spread over the inputs; the axis of a concatenation is the last.
        axis = {"axis": everything.pop()} if kind == "ConcatV2" else {}
        return kind, {"values": everything, **axis, **more}
    return kind, {**dict(zip(known.parameters, everything, strict=False)), **more}


def _attribute(value: Mapping[str, Any]) -> Any:
    (kind, content), *_ = value.items()
    if kind == "i":
        return int(content)
    if kind == "list":
        return [int(item) for item in content.get("i", ())]
    return content


def _name(result: Any, name: str) -> None:
    """Let the operation that made a tensor bear the name of the layer that it stands for."""
    history = getattr(result, "_keras_history", None)
    if history is not None and name and not isinstance(history.operation, keras.Layer):
        history.operation.name = name.replace("/", "_")


def _cast(x: Any, dtype: Any) -> Any:
    name = str(dtype).removeprefix("DT_").lower()
    return ops.cast(x, {"float": "float32", "double": "float64", "half": "float16"}.get(name, name))


def _sized(images: Any, size: Any, method: str = "bilinear", antialias: bool = False) -> Any:
    return ops.image.resize(images, tuple(size), interpolation=method, antialias=antialias, data_format="channels_last")


def _padded(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    pairs = tuple(tuple(pair) for pair in paddings)
    if mode.upper() != "CONSTANT":
        return ops.pad(tensor, pairs, mode=mode.lower())
    return ops.pad(tensor, pairs, mode="constant", constant_values=constant_values)


def _multiplied(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    def turned(x: Any, turn: bool) -> Any:
        return ops.swapaxes(x, -1, -2) if turn else x

    return ops.matmul(turned(a, transpose_a), turned(b, transpose_b))


def _normalized(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    total = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return ops.multiply(x, ops.rsqrt(ops.maximum(total, epsilon)))


def _split(value: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    if isinstance(num_or_size_splits, int):
        return ops.split(value, num_or_size_splits, axis=axis)
    ends = [sum(num_or_size_splits[: index + 1]) for index in range(len(num_or_size_splits) - 1)]
    return ops.split(value, ends, axis=axis)


def _sliced(tensor: Any, slice_spec: Any) -> Any:
    spec = tuple(slice_spec) if isinstance(slice_spec, (list, tuple)) else slice_spec
    return tensor[spec]


def _one(function: Callable[[Any], Any], parameter: str = "x") -> Function:
    return Function((parameter,), lambda **given: function(given[parameter]))


def _two(function: Callable[[Any, Any], Any]) -> Function:
    return Function(("x", "y"), lambda x, y: function(x, y))


def _reduced(function: Any) -> Function:
    def compute(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
        axes = tuple(cast("list[int]", axis)) if isinstance(axis, list) else axis
        return function(input_tensor, axis=axes, keepdims=bool(keepdims))

    return Function(("input_tensor", "axis", "keepdims"), compute, (("keep_dims", "keepdims"),))


def _permuted(a: Any, perm: Any = None) -> Any:
    return ops.transpose(a, axes=perm)


def _expanded(**given: Any) -> Any:
    return ops.expand_dims(given["input"], given.get("axis", 0))


def _squeezed(**given: Any) -> Any:
    axis = given.get("axis")
    return ops.squeeze(given["input"], axis=tuple(axis) if isinstance(axis, list) else axis)


def _silu(features: Any, beta: float = 1.0) -> Any:
    return ops.silu(features) if beta == 1.0 else ops.multiply(features, ops.sigmoid(ops.multiply(features, beta)))


def _gelu(features: Any, approximate: bool = False) -> Any:
    return ops.gelu(features, approximate)


def _leaky(features: Any, alpha: float = 0.2) -> Any:
    return ops.leaky_relu(features, alpha)


# By the names of `tf.`, and by the kinds of a graph's operations.
FUNCTIONS: dict[str, Function] = {
    "math.add": _two(ops.add),
    "math.subtract": _two(ops.subtract),
    "math.multiply": _two(ops.multiply),
    "math.truediv": _two(ops.true_divide),
    "math.maximum": _two(ops.maximum),
    "math.minimum": _two(ops.minimum),
    "math.pow": _two(ops.power),
    "math.squared_difference": _two(lambda x, y: ops.square(ops.subtract(x, y))),
    "math.abs": _one(ops.abs),
    "math.negative": _one(ops.negative),
    "math.exp": _one(ops.exp),
    "math.log": _one(ops.log),
    "math.sqrt": _one(ops.sqrt),
    "math.rsqrt": _one(ops.rsqrt),
    "math.square": _one(ops.square),
    "math.tanh": _one(ops.tanh),
    "math.sigmoid": _one(ops.sigmoid),
    "math.sin": _one(ops.sin),
    "math.cos": _one(ops.cos),
    "math.floor": _one(ops.floor),
    "math.erf": _one(ops.erf),
    "math.softplus": _one(ops.softplus, "features"),
    "nn.relu": _one(ops.relu, "features"),
    "nn.relu6": _one(ops.relu6, "features"),
    "nn.elu": _one(ops.elu, "features"),
    "nn.selu": _one(ops.selu, "features"),
    "nn.silu": Function(("features", "beta"), _silu),
    "nn.gelu": Function(("features", "approximate"), _gelu),
    "nn.leaky_relu": Function(("features", "alpha"), _leaky, (("alpha", "alpha"),)),
    "nn.softmax": Function(("logits", "axis"), lambda logits, axis=-1: ops.softmax(logits, axis=axis)),
    "nn.bias_add": Function(("value", "bias"), lambda value, bias: ops.add(value, bias)),
    "math.l2_normalize": Function(("x", "axis", "epsilon"), _normalized),
    "math.reduce_mean": _reduced(ops.mean),
    "math.reduce_sum": _reduced(ops.sum),
    "math.reduce_max": _reduced(ops.max),
    "math.reduce_min": _reduced(ops.min),
    "math.reduce_prod": _reduced(ops.prod),
    "math.reduce_std": _reduced(ops.std),
    "math.reduce_variance": _reduced(ops.var),
    "reshape": Function(("tensor", "shape"), lambda tensor, shape: ops.reshape(tensor, tuple(shape))),
    "expand_dims": Function(("input", "axis"), _expanded),
    "squeeze": Function(("input", "axis"), _squeezed, (("squeeze_dims", "axis"),)),
    "transpose": Function(("a", "perm"), _permuted),
    "concat": Function(("values", "axis"), lambda values, axis: ops.concatenate(values, axis=axis)),
    "stack": Function(("values", "axis"), lambda values, axis=0: ops.stack(values, axis=axis), (("axis", "axis"),)),
    "split": Function(("value", "num_or_size_splits", "axis"), _split),
    "tile": Function(("input", "multiples"), lambda **given: ops.tile(given["input"], tuple(given["multiples"]))),
    "identity": _one(lambda x: x, "input"),
    "stop_gradient": _one(ops.stop_gradient, "input"),
    "cast": Function(("x", "dtype"), _cast, (("DstT", "dtype"),)),
    "clip_by_value": Function(
        ("t", "clip_value_min", "clip_value_max"),
        lambda t, clip_value_min, clip_value_max: ops.clip(t, clip_value_min, clip_value_max),
    ),
    "linalg.matmul": Function(("a", "b", "transpose_a", "transpose_b"), _multiplied),
    "pad": Function(("tensor", "paddings", "mode", "constant_values"), _padded),
    "image.resize": Function(("images", "size", "method", "antialias"), _sized),
    "__operators__.getitem": Function(("tensor", "slice_spec"), _sliced),
}

_ALIASES = {
    "__operators__.add": "math.add",
    "__operators__.subtract": "math.subtract",
    "__operators__.multiply": "math.multiply",
    "__operators__.truediv": "math.truediv",
    "math.divide": "math.truediv",
    "nn.swish": "nn.silu",
    "nn.tanh": "math.tanh",
    "nn.sigmoid": "math.sigmoid",
    "nn.l2_normalize": "math.l2_normalize",
    "Add": "math.add",
    "AddV2": "math.add",
    "Sub": "math.subtract",
    "Mul": "math.multiply",
    "RealDiv": "math.truediv",
    "Maximum": "math.maximum",
    "Minimum": "math.minimum",
    "Pow": "math.pow",
    "SquaredDifference": "math.squared_difference",
    "Abs": "math.abs",
    "Neg": "math.negative",
    "Exp": "math.exp",
    "Log": "math.log",
    "Sqrt": "math.sqrt",
    "Rsqrt": "math.rsqrt",
    "Square": "math.square",
    "Tanh": "math.tanh",
    "Sigmoid": "math.sigmoid",
    "Softplus": "math.softplus",
    "Relu": "nn.relu",
    "Relu6": "nn.relu6",
    "Elu": "nn.elu",
    "Selu": "nn.selu",
    "LeakyRelu": "nn.leaky_relu",
    "Softmax": "nn.softmax",
    "BiasAdd": "nn.bias_add",
    "Mean": "math.reduce_mean",
    "Sum": "math.reduce_sum",
    "Max": "math.reduce_max",
    "Min": "math.reduce_min",
    "Prod": "math.reduce_prod",
    "Reshape": "reshape",
    "ExpandDims": "expand_dims",
    "Squeeze": "squeeze",
    "Transpose": "transpose",
    "ConcatV2": "concat",
    "Pack": "stack",
    "Tile": "tile",
    "Identity": "identity",
    "StopGradient": "stop_gradient",
    "Cast": "cast",
    "Pad": "pad",
    "MatMul": "linalg.matmul",
}
