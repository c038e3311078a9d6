"""The table from Caffe's layers to neutral kinds.

Layers and their defaults: https://caffe.berkeleyvision.org/tutorial/layers.html and `caffe.proto`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from regraft import formats
from regraft.core.tensors import Operation, OperationGraph, TensorArchive, TensorEntry
from regraft.formats import caffe as caffe_format
from regraft.importers.graphs import caffe_sizes
from regraft.importers.graphs.neutral import Array, Graph, Input, Node, Tensor
from regraft.importers.pretrained import Convention

FORMAT = caffe_format.NAME
# What `sliced` takes for "up to the end".
_END = 1 << 31


def neutral(archive: TensorArchive) -> Graph:
    """The network of a Caffe model in neutral words.

    Raises:
        SourceError: the file holds no layers that compute something.
    """
    graph = formats.graph(archive)
    stated: Mapping[str, Sequence[int]] = (archive.config or {})["graph"]["inputs"]
    where = str(archive.metadata.get("path"))
    inputs = tuple(caffe_sizes.given(name, stated[name], graph, archive.tensors, where) for name in graph.inputs)
    translation = Translation(archive, graph, inputs)
    for operation in graph.operations:
        if operation.name not in translation.merged:
            ROWS.get(operation.kind, _unknown)(translation, operation)
    return Graph(graph.name, tuple(translation.nodes), inputs, graph.outputs, translation.tensors)


def convention(archive: TensorArchive) -> Convention | None:
    """How the data layer prepares pictures, (x - mean) * scale; None where it does not say, or has the mean in a file.

    Colours stand in OpenCV's order, which is what Caffe reads pictures with.
    """
    stated: Mapping[str, Any] = archive.metadata.get("transform") or {}
    means = stated.get("mean_value") or []
    means = tuple(float(mean) for mean in (means if isinstance(means, (list, tuple)) else [means]))
    if stated.get("mean_file") or not (means or "scale" in stated):
        return None
    scale = float(stated.get("scale", 1.0))
    inputs: Mapping[str, Sequence[int]] = (archive.config or {})["graph"]["inputs"]
    channels = {shape[1] for shape in inputs.values() if len(shape) == 4}
    gray = channels == {1} or (not channels and _reads_one_channel(archive))
    return Convention((scale,), tuple(-mean * scale for mean in means) or (0.0,), "rgb" if gray else "bgr")


def _reads_one_channel(archive: TensorArchive) -> bool:
    kernels = (entry.shape for entry in archive.tensors.values() if len(entry.shape) == 4)
    return next(kernels, (0, 0))[1] == 1


class Translation:
    """Collects the nodes and constants of a neutral graph.

    Attributes:
        ranks: how many axes each value has; Caffe's weights do not say which axes they go with.
        merged: names of layers that the layer below does already.
        stated: whether a text says how the network is used; else it is the network as it was trained.
    """

    def __init__(self, archive: TensorArchive, graph: OperationGraph, inputs: Sequence[Input]) -> None:
        """Begin with the tensors of the file."""
        self.graph = graph
        self.shapes = {name: entry.shape for name, entry in archive.tensors.items()}
        self.tensors: dict[str, Tensor] = {name: _tensor(entry) for name, entry in archive.tensors.items()}
        self.ranks: dict[str, int] = {item.name: len(item.shape) for item in inputs}
        self.nodes: list[Node] = []
        self.merged: set[str] = set()
        self.stated = archive.metadata.get("prototxt") is not None

    def operands(self, operation: Operation) -> tuple[list[str], list[str]]:
        """The values that a layer reads, and its weights, which stand behind them."""
        weights = [name for name in operation.inputs if name in self.shapes and name.startswith(f"{operation.name}/")]
        return list(operation.inputs[: len(operation.inputs) - len(weights)]), weights

    def rank(self, operation: Operation) -> int:
        """How many axes the first value has that a layer reads."""
        return self.ranks.get(operation.inputs[0], 4) if operation.inputs else 4

    def add(
        self,
        operation: Operation,
        kind: str,
        inputs: Sequence[str] | None = None,
        *,
        outputs: Sequence[str] | None = None,
        rank: int | None = None,
        part: str = "",
        **settings: Any,
    ) -> str:
        """Add the node that does what a layer does, or a part of it; returns the name of its first result.

        Args:
            operation: the layer.
            kind: of the node.
            inputs: what it reads, all that the layer reads where it is None.
            outputs: what it makes; where it is None what the layer makes, or a new value for a part.
            rank: of what it makes; None for that of what the layer reads.
            part: which part of the layer it is; empty for the one that the layer's name goes to.
            **settings: of the node.
        """
        reads = tuple(operation.inputs if inputs is None else inputs)
        name = f"{operation.name}:{part}" if part else operation.name
        made = tuple(outputs) if outputs is not None else ((name,) if part else operation.outputs)
        self.nodes.append(Node(name, kind, reads, made, settings, operation.kind))
        self.ranks.update(dict.fromkeys(made, self.rank(operation) if rank is None else rank))
        return made[0]

    def constant(self, operation: Operation, role: str, values: Any, dtype: str = "int64") -> str:
        """Add a constant that the layer has as a parameter; returns the name of the value."""
        name, array = f"{operation.name}:{role}", np.asarray(values, dtype)
        self.tensors[name] = Tensor(lambda: array)
        return name

    def weight(self, name: str, role: str, change: Callable[[Array], Array], learns: bool = True) -> str:
        """Add a weight in another form than the file has it in; returns the name of the value."""
        source = self.tensors[name]
        self.tensors[f"{name}:{role}"] = Tensor(lambda: change(source.read()), name, learns)
        return f"{name}:{role}"


Row = Callable[[Translation, Operation], None]


def _tensor(entry: TensorEntry) -> Tensor:
    return Tensor(lambda: entry.read().astype(np.float32), entry.name, learns=True)


def _unknown(translation: Translation, operation: Operation) -> None:
    _refused(translation, operation, "no counterpart is known")


def _refused(translation: Translation, operation: Operation, reason: str) -> None:
    translation.add(operation, "unknown", reason=reason)


# Rows that need no function of their own


def _plain(kind: str, **settings: Any) -> Row:
    return lambda translation, operation: _one(translation, operation, kind, **settings)


def _one(translation: Translation, operation: Operation, kind: str, **settings: Any) -> None:
    translation.add(operation, kind, operation.inputs[:1], **settings)


# Layers with weights


def _each(given: Mapping[str, Any], name: str, default: int) -> tuple[int, int]:
    """A size for height and width: said once, twice, or each under its own name."""
    stem = name.removesuffix("_size")
    if f"{stem}_h" in given or f"{stem}_w" in given:
        return int(given.get(f"{stem}_h", default)), int(given.get(f"{stem}_w", default))
    value = given.get(name, default)
    sizes = list(value) if isinstance(value, (list, tuple)) else [value]
    return int((sizes or [default])[0]), int((sizes or [default])[-1])


def _sliding(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of everything that slides over height and width."""
    padding = tuple((size, size) for size in _each(given, "pad", 0))
    strides, dilations = _each(given, "stride", 1), _each(given, "dilation", 1)
    return {"channels": 1, "strides": strides, "dilations": dilations, "padding": padding}


def _convolution(kind: str) -> Row:
    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        values, weights = translation.operands(operation)
        if len(values) != 1 or not weights or given.get("axis", 1) != 1:
            _refused(
                translation, operation, "other operands than one value and its own weights, or another axis than 1"
            )
            return
        # Outputs of all groups, inputs of one, height, width; the other way round where it is transposed.
        settings: dict[str, Any] = _sliding(given) | {"kernel_axes": (2, 3, 1, 0), "groups": given.get("group", 1)}
        translation.add(operation, kind, **settings)

    return row


def _inner_product(translation: Translation, operation: Operation) -> None:
    values, weights = translation.operands(operation)
    if len(values) != 1 or not weights or operation.attributes.get("axis", 1) != 1:
        _refused(translation, operation, "other operands than one value and its own weights, or another axis than 1")
        return
    flat = translation.add(operation, "flatten", values, part="flat", rank=2, axis=1)
    kernel = weights[0]
    if len(translation.shapes[kernel]) > 2:
        kernel = translation.weight(kernel, "matrix", lambda values: values.reshape(values.shape[-2:]))
    transposed = not operation.attributes.get("transpose", False)
    translation.add(operation, "dense", (flat, kernel, *weights[1:]), rank=2, transposed=transposed)


def _batch_norm(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    values, weights = translation.operands(operation)
    if len(weights) != 3 or (translation.stated and given.get("use_global_stats") is False):
        _refused(translation, operation, "it is used with the statistics of each batch, not with those of the file")
        return
    # The sums of means and variances are stored, and by what to divide them.
    factor = translation.weight(weights[2], "share", _share, learns=False)
    statistics = [
        translation.add(operation, "binary", (name, factor), part=part, rank=1, function="multiply")
        for name, part in zip(weights[:2], ("mean", "variance"), strict=True)
    ]
    follower = _scale_after(translation, operation)
    line = translation.operands(follower)[1] if follower else []
    settings = {"epsilon": given.get("eps", 1e-5), "momentum": given.get("moving_average_fraction", 0.999)}
    reads = (values[0], *(*line, "", "")[:2], *statistics)
    made = follower.outputs if follower else operation.outputs
    translation.add(operation, "batch_norm", reads, outputs=made, channels=1, **settings)
    if follower:
        translation.merged.add(follower.name)


def _share(factor: Array) -> Array:
    return np.where(factor == 0, np.float32(0), np.float32(1) / np.where(factor == 0, np.float32(1), factor))


def _scale_after(translation: Translation, operation: Operation) -> Operation | None:
    """The layer that scales every channel of what a batch normalisation makes, where nobody else reads that."""
    (made,) = operation.outputs
    readers = [other for other in translation.graph.operations if made in other.inputs]
    if len(readers) != 1 or made in translation.graph.outputs or readers[0].kind != "Scale":
        return None
    given = readers[0].attributes
    values, weights = translation.operands(readers[0])
    by_channel = len(values) == 1 and weights and given.get("axis", 1) == 1 and given.get("num_axes", 1) == 1
    return readers[0] if by_channel else None


def _scale(translation: Translation, operation: Operation) -> None:
    """A product with weights or with a second value, and a sum."""
    values, weights = translation.operands(operation)
    first = operation.attributes.get("axis", 1)
    biased = operation.kind == "Scale" and bool(operation.attributes.get("bias_term"))
    factors = weights[: len(weights) - biased]
    if len(values) == 2:
        missing = translation.ranks.get(values[1], 4) + first - translation.rank(operation)
        other = _opened(translation, operation, values[1], first, -missing)
    elif factors:
        other = _aligned(translation, operation, factors[0], first)
    else:
        _refused(translation, operation, "its weights are not in the file")
        return
    function = "multiply" if operation.kind == "Scale" else "add"
    if not biased:
        translation.add(operation, "binary", (values[0], other), function=function)
        return
    product = translation.add(
        operation, "binary", (values[0], other), outputs=(f"{operation.name}:product",), function=function
    )
    offset = _aligned(translation, operation, weights[-1], first)
    translation.add(operation, "binary", (product, offset), outputs=operation.outputs, part="offset", function="add")


def _aligned(translation: Translation, operation: Operation, name: str, first: int) -> str:
    """Weights with an axis for each of the value's from the first that they go with."""
    rank = translation.rank(operation)
    after = rank - first % rank - len(translation.shapes[name])
    return translation.weight(name, "aligned", lambda values: values.reshape(values.shape + (1,) * max(after, 0)))


def _opened(translation: Translation, operation: Operation, name: str, before: int, after: int) -> str:
    """A value with axes of size one before and behind, as many as it lacks."""
    rank = translation.rank(operation)
    if before == after == 0:
        return name
    new = [*range(before), *range(rank - after, rank)]
    axes = translation.constant(operation, "axes", new)
    return translation.add(operation, "unsqueeze", (name, axes), part="opened", rank=rank)


def _prelu(translation: Translation, operation: Operation) -> None:
    values, weights = translation.operands(operation)
    if not weights:
        _refused(translation, operation, "its weights are not in the file")
        return
    ones = (1,) * (translation.rank(operation) - 2)
    slope = translation.weight(weights[0], "aligned", lambda values: values.reshape(-1, *ones))
    translation.add(operation, "prelu", (values[0], slope))


# Functions with settings


def _pooling(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    mode = {"MAX": "max", "AVE": "average"}.get(given.get("pool", "MAX"))
    if mode is None or len(operation.outputs) > 1:
        _refused(translation, operation, "pooling at random, or the places of the largest elements are asked for")
        return
    if given.get("global_pooling"):
        translation.add(operation, "global_pool", mode=mode, channels=1)
        return
    settings: dict[str, Any] = _sliding(given) | {"window": _each(given, "kernel_size", 1), "dilations": (1, 1)}
    ceil = given.get("round_mode", "CEIL") == "CEIL"
    beyond = any(stride > size for stride, size in zip(settings["strides"], settings["window"], strict=True))
    if ceil and beyond and not any(map(any, settings["padding"])):
        _refused(translation, operation, "strides larger than windows, which Caffe lets begin beyond the border")
        return
    # The border counts as far as it is padded, not where a window reaches beyond that.
    translation.add(operation, "pool", mode=mode, ceil=ceil, count_padding=True, **settings)


def _relu(translation: Translation, operation: Operation) -> None:
    slope = operation.attributes.get("negative_slope", 0.0)
    settings: dict[str, Any] = {"function": "leaky_relu", "negative_slope": slope} if slope else {"function": "relu"}
    translation.add(operation, "activation", **settings)


def _elu(translation: Translation, operation: Operation) -> None:
    translation.add(operation, "activation", function="elu", alpha=operation.attributes.get("alpha", 1.0))


def _lrn(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    if given.get("norm_region", "ACROSS_CHANNELS") != "ACROSS_CHANNELS":
        _refused(translation, operation, "neighbours within a channel, not across channels")
        return
    settings = {"alpha": given.get("alpha", 1.0), "beta": given.get("beta", 0.75), "bias": given.get("k", 1.0)}
    translation.add(operation, "lrn", channels=1, size=given.get("local_size", 5), **settings)


def _softmax(translation: Translation, operation: Operation) -> None:
    translation.add(operation, "softmax", axis=operation.attributes.get("axis", 1), trailing=False)


def _dropout(translation: Translation, operation: Operation) -> None:
    translation.add(operation, "dropout", rate=operation.attributes.get("dropout_ratio", 0.5))


def _clip(translation: Translation, operation: Operation) -> None:
    bounds = [translation.constant(operation, name, operation.attributes[name], "float32") for name in ("min", "max")]
    translation.add(operation, "clip", (operation.inputs[0], *bounds))


def _swish(translation: Translation, operation: Operation) -> None:
    if operation.attributes.get("beta", 1.0) != 1:
        _refused(translation, operation, "another beta than 1")
        return
    translation.add(operation, "activation", function="silu")


def _power(translation: Translation, operation: Operation) -> None:
    """(shift + scale * x) ^ power."""
    given = operation.attributes
    stated = [("multiply", "scale", 1.0), ("add", "shift", 0.0), ("power", "power", 1.0)]
    steps = [step for step in stated if given.get(step[1], step[2]) != step[2]]
    reached = operation.inputs[0]
    for function, name, _ in steps[:-1]:
        number = translation.constant(operation, f"{name} given", given[name], "float32")
        reached = translation.add(operation, "binary", (reached, number), part=name, function=function)
    if not steps:
        translation.add(operation, "identity")
        return
    function, name, _ = steps[-1]
    number = translation.constant(operation, f"{name} given", given[name], "float32")
    translation.add(operation, "binary", (reached, number), function=function)


def _eltwise(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    function = {"SUM": "add", "PROD": "multiply", "MAX": "maximum"}.get(given.get("operation", "SUM"))
    factors = list(given.get("coeff") or [])
    if function is None or len(operation.inputs) < 2 or (factors and len(factors) != len(operation.inputs)):
        _refused(translation, operation, "an operation or a number of factors that is not known")
        return
    values = list(operation.inputs)
    for index, factor in enumerate(factors if function == "add" else []):
        if factor != 1:
            number = translation.constant(operation, f"factor {index}", factor, "float32")
            reads = (values[index], number)
            values[index] = translation.add(operation, "binary", reads, part=f"part{index}", function="multiply")
    reached = values[0]
    for index, other in enumerate(values[1:-1], start=1):
        reached = translation.add(operation, "binary", (reached, other), part=str(index), function=function)
    translation.add(operation, "binary", (reached, values[-1]), function=function)


# Shapes


def _axis(operation: Operation, older: str) -> int:
    return int(operation.attributes.get("axis", operation.attributes.get(older, 1)))


def _concat(translation: Translation, operation: Operation) -> None:
    translation.add(operation, "concat", axis=_axis(operation, "concat_dim"))


def _slice(translation: Translation, operation: Operation) -> None:
    axis, points = _axis(operation, "slice_dim"), list(operation.attributes.get("slice_point") or [])
    if not points:
        translation.add(operation, "split", axis=axis, count=len(operation.outputs))
        return
    along = translation.constant(operation, "axis", [axis])
    ends = [*points, _END]
    for number, (output, start, end) in enumerate(zip(operation.outputs, [0, *points], ends, strict=False)):
        stretch = [
            translation.constant(operation, f"{role} {number}", [at]) for role, at in (("from", start), ("to", end))
        ]
        reads = (operation.inputs[0], *stretch, along)
        translation.add(operation, "slice", reads, outputs=(output,), part=str(number))


def _flatten(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    if given.get("axis", 1) != 1 or given.get("end_axis", -1) not in (-1, translation.rank(operation) - 1):
        _refused(translation, operation, "some axes only")
        return
    translation.add(operation, "flatten", rank=2, axis=1)


def _reshape(translation: Translation, operation: Operation) -> None:
    given = operation.attributes
    wanted = list(given.get("shape") or [])
    if not wanted or given.get("axis", 0) != 0 or given.get("num_axes", -1) != -1:
        _refused(translation, operation, "some axes only")
        return
    shape = translation.constant(operation, "shape", wanted)
    translation.add(operation, "reshape", (operation.inputs[0], shape), rank=len(wanted), zero_copies=True)


def _permute(translation: Translation, operation: Operation) -> None:
    named = list(operation.attributes.get("order") or [])
    order = [*named, *(axis for axis in range(translation.rank(operation)) if axis not in named)]
    translation.add(operation, "transpose", (operation.inputs[0], translation.constant(operation, "order", order)))


ROWS: dict[str, Row] = {
    "AbsVal": _plain("unary", function="abs"),
    "BNLL": _plain("activation", function="softplus"),
    "BatchNorm": _batch_norm,
    "Bias": _scale,
    "Clip": _clip,
    "Concat": _concat,
    "Convolution": _convolution("conv"),
    "Deconvolution": _convolution("conv_transposed"),
    "Dropout": _dropout,
    "ELU": _elu,
    "Eltwise": _eltwise,
    "Flatten": _flatten,
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "PReLU": _prelu,
    "Permute": _permute,
    "Pooling": _pooling,
    "Power": _power,
    "ReLU": _relu,
    "Reshape": _reshape,
    "Scale": _scale,
    "Sigmoid": _plain("activation", function="sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax,
    "Swish": _swish,
    "TanH": _plain("activation", function="tanh"),
}
