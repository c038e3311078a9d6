"""The rows of ONNX's table: each reads an operation's settings, whatever the opset, and adds a neutral node."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from regraft.core.tensors import Operation
from regraft.formats.onnx_tensors import DTYPES
from regraft.importers.graphs.neutral import Node, Padding, Tensor
from regraft.importers.graphs.onnx_translation import Row, Translation, refused, unknown

# Rows that need no function of their own


def plain(kind: str, **settings: Any) -> Row:
    """A row whose operands and meaning are those of the neutral kind."""
    return lambda translation, operation: translation.add(operation, kind, **settings)


def activation(function: str, **renamed: tuple[str, float]) -> Row:
    """A function, with the attributes that Keras calls otherwise, and ONNX's defaults for them."""

    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        settings: dict[str, Any] = {ours: given.get(name, default) for ours, (name, default) in renamed.items()}
        translation.add(operation, "activation", function=function, **settings)

    return row


def only_usual(function: str, **usual: float) -> Row:
    """A function that Keras has with the usual constants only."""

    def row(translation: Translation, operation: Operation) -> None:
        odd = [name for name, value in usual.items() if abs(operation.attributes.get(name, value) - value) > 1e-6]
        if odd:
            refused(translation, operation, f"another {odd[0]} than {usual[odd[0]]}")
        else:
            translation.add(operation, "activation", function=function)

    return row


def many(function: str) -> Row:
    """An operation on any number of values as a chain of operations on two."""

    def row(translation: Translation, operation: Operation) -> None:
        if len(operation.inputs) == 1:
            translation.add(operation, "identity")
            return
        chain(translation, operation, function, operation.outputs[0])

    return row


def chain(translation: Translation, operation: Operation, function: str, result: str) -> None:
    """Add an operation on two values for every operand but the first."""
    reached = operation.inputs[0]
    for number, other in enumerate(operation.inputs[1:], start=1):
        last = number == len(operation.inputs) - 1
        made = result if last else f"{operation.name}:{number}"
        name = operation.name if last else f"{operation.name}_{number}"
        node = Node(name, "binary", (reached, other), (made,), {"function": function}, operation.kind)
        translation.nodes.append(node)
        reached = made


def mean(translation: Translation, operation: Operation) -> None:
    """The mean of any number of values: their sum, and a factor."""
    if len(operation.inputs) == 1:
        translation.add(operation, "identity")
        return
    total = f"{operation.name}:total"
    chain(translation, operation, "add", total)
    share = translation.constant(operation, "share", 1 / len(operation.inputs), "float32")
    settings = {"function": "multiply"}
    node = Node(f"{operation.name}mean", "binary", (total, share), operation.outputs, settings, operation.kind)
    translation.nodes.append(node)


# Layers with weights


def windows(translation: Translation, operation: Operation) -> dict[str, Any]:
    """The settings of everything that slides over axes of space."""
    given = operation.attributes
    kernel = translation.shapes.get(operation.inputs[1], ()) if len(operation.inputs) > 1 else ()
    window = tuple(given.get("kernel_shape") or kernel[2:])
    return {
        "channels": 1,
        "strides": tuple(given.get("strides") or (1,) * len(window)),
        "dilations": tuple(given.get("dilations") or (1,) * len(window)),
        "padding": padding(given, len(window)),
        "window": window,
    }


def padding(given: Mapping[str, Any], axes: int) -> Padding:
    """The padding of a window, by a word or in numbers."""
    automatic = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}.get(
        given.get("auto_pad", "NOTSET")
    )
    pads = given.get("pads") or [0] * (2 * axes)
    return automatic or tuple(zip(pads[:axes], pads[axes:], strict=True))


def conv(translation: Translation, operation: Operation) -> None:
    """`Conv` and `ConvTranspose`; kernels are (outputs, inputs, space ...) and (inputs, outputs, space ...)."""
    settings = windows(translation, operation)
    space = tuple(range(2, len(settings.pop("window")) + 2))
    settings |= {"kernel_axes": (*space, 1, 0), "groups": operation.attributes.get("group", 1)}
    if operation.kind == "Conv":
        translation.add(operation, "conv", **settings)
    elif operation.attributes.get("output_shape"):
        refused(translation, operation, "the size of the result is said, not the padding")
    else:
        further = tuple(operation.attributes.get("output_padding") or ())
        translation.add(operation, "conv_transposed", output_padding=further, **settings)


def gemm(translation: Translation, operation: Operation) -> None:
    """`Gemm`: a dense layer with factors."""
    given = operation.attributes
    if given.get("transA"):
        refused(translation, operation, "the first matrix is transposed")
        return
    settings: dict[str, Any] = {"transposed": bool(given.get("transB")), "factor": given.get("alpha", 1.0)}
    translation.add(operation, "dense", bias_factor=given.get("beta", 1.0), **settings)


def batch_norm(translation: Translation, operation: Operation) -> None:
    """`BatchNormalization`; before opset 9 it could keep statistics for every place."""
    given = operation.attributes
    if given.get("spatial", 1) == 0:
        refused(translation, operation, "statistics for every place")
        return
    settings = {"epsilon": given.get("epsilon", 1e-5), "momentum": given.get("momentum", 0.9)}
    translation.add(operation, "batch_norm", channels=1, **settings)


def group_norm(translation: Translation, operation: Operation) -> None:
    """`InstanceNormalization` and `GroupNormalization`, whose scales are for channels since opset 21."""
    groups = operation.attributes.get("num_groups", 0)
    if groups and translation.opset < 21:
        refused(translation, operation, "scales for groups, not for channels (opset 18 to 20)")
        return
    epsilon = operation.attributes.get("epsilon", 1e-5)
    translation.add(operation, "group_norm", channels=1, groups=groups, epsilon=epsilon)


def layer_norm(translation: Translation, operation: Operation) -> None:
    """`LayerNormalization`, from the axis on."""
    given = operation.attributes
    translation.add(operation, "layer_norm", axis=given.get("axis", -1), epsilon=given.get("epsilon", 1e-5))


def recurrent(cell: str) -> Row:
    """A recurrent layer, where its functions are the usual ones."""

    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        odd = [name for name in ("activations", "clip", "input_forget", "layout") if given.get(name)]
        usual = {"lstm": ["Sigmoid", "Tanh", "Tanh"], "gru": ["Sigmoid", "Tanh"], "rnn": ["Tanh"]}[cell]
        if given.get("activations") in (usual, usual * 2):
            odd.remove("activations")
        if odd:
            refused(translation, operation, f"the setting '{odd[0]}'")
            return
        settings = {"direction": given.get("direction", "forward"), "units": given["hidden_size"]}
        translation.add(
            operation, "recurrent", cell=cell, reset_after=bool(given.get("linear_before_reset")), **settings
        )

    return row


# Functions with settings


def pool(mode: str) -> Row:
    """A pool of a kind."""

    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        settings = {"ceil": bool(given.get("ceil_mode")), "count_padding": bool(given.get("count_include_pad"))}
        translation.add(operation, "pool", mode=mode, **settings, **windows(translation, operation))

    return row


def lrn(translation: Translation, operation: Operation) -> None:
    """`LRN`; its alpha is of the mean of squares, as in the neutral kind."""
    given = operation.attributes
    settings = {"alpha": given.get("alpha", 1e-4), "beta": given.get("beta", 0.75), "bias": given.get("bias", 1.0)}
    translation.add(operation, "lrn", channels=1, size=given["size"], **settings)


def hard_sigmoid(translation: Translation, operation: Operation) -> None:
    """`HardSigmoid`, whose slope and offset may be any."""
    given = operation.attributes
    translation.add(operation, "hard_sigmoid", slope=given.get("alpha", 0.2), offset=given.get("beta", 0.5))


def gelu(translation: Translation, operation: Operation) -> None:
    """`Gelu`, exact or by the tanh."""
    approximate = operation.attributes.get("approximate", "none") == "tanh"
    translation.add(operation, "unary", function="gelu", approximate=approximate)


def clip(translation: Translation, operation: Operation) -> None:
    """`Clip`: the bounds are attributes before opset 11."""
    bounds = [""] * 2
    for index, name in enumerate(("min", "max")):
        if name in operation.attributes:
            bounds[index] = translation.constant(operation, name, operation.attributes[name], "float32")
        elif len(operation.inputs) > index + 1:
            bounds[index] = operation.inputs[index + 1]
    translation.add(operation, "clip", (operation.inputs[0], *bounds))


def softmax(kind: str) -> Row:
    """A softmax; before opset 13 over all axes from one on, since then over one."""

    def row(translation: Translation, operation: Operation) -> None:
        newer = translation.opset >= 13
        axis = operation.attributes.get("axis", -1 if newer else 1)
        translation.add(operation, kind, axis=axis, trailing=not newer)

    return row


def dropout(translation: Translation, operation: Operation) -> None:
    """`Dropout`: the rate is an attribute before opset 12."""
    rate = operation.attributes.get("ratio", 0.5)
    translation.add(operation, "dropout", operation.inputs[:2], rate=rate)


def cast(translation: Translation, operation: Operation) -> None:
    """`Cast` to a type by its number."""
    translation.add(
        operation, "cast", operation.inputs[:1], dtype=DTYPES.get(operation.attributes.get("to", 1), "object")
    )


def reduce(mode: str) -> Row:
    """A reduction: the axes are an attribute before opset 13 (sums) and 18 (others)."""

    def row(translation: Translation, operation: Operation) -> None:
        axes = translation.operand_or_attribute(operation, 1, "axes")
        if not axes and operation.attributes.get("noop_with_empty_axes"):
            translation.add(operation, "identity", operation.inputs[:1])
            return
        keepdims = bool(operation.attributes.get("keepdims", 1))
        translation.add(operation, "reduce", (operation.inputs[0], axes), mode=mode, keepdims=keepdims)

    return row


# Shapes


def reshape(translation: Translation, operation: Operation) -> None:
    """`Reshape`, in which 0 takes over a size unless it may be one."""
    shape = translation.operand_or_attribute(operation, 1, "shape")
    copies = not operation.attributes.get("allowzero")
    translation.add(operation, "reshape", (operation.inputs[0], shape), zero_copies=copies)


def with_axes(kind: str) -> Row:
    """A row whose axes are an attribute before opset 13."""

    def row(translation: Translation, operation: Operation) -> None:
        translation.add(operation, kind, (operation.inputs[0], translation.operand_or_attribute(operation, 1, "axes")))

    return row


def transpose(translation: Translation, operation: Operation) -> None:
    """`Transpose`; without an order all axes are turned round."""
    translation.add(
        operation, "transpose", (operation.inputs[0], translation.operand_or_attribute(operation, 1, "perm"))
    )


def with_axis(kind: str, default: int) -> Row:
    """A row with one axis."""
    return lambda translation, operation: translation.add(
        operation, kind, axis=operation.attributes.get("axis", default)
    )


def split(translation: Translation, operation: Operation) -> None:
    """`Split`: the sizes are an attribute before opset 13."""
    sizes = translation.operand_or_attribute(operation, 1, "split")
    settings = {"axis": operation.attributes.get("axis", 0), "count": len(operation.outputs)}
    translation.add(operation, "split", (operation.inputs[0], sizes), **settings)


def sliced(translation: Translation, operation: Operation) -> None:
    """`Slice`: everything is an attribute before opset 10."""
    operands = [
        translation.operand_or_attribute(operation, index, name)
        for index, name in enumerate(("starts", "ends", "axes", "steps"), start=1)
    ]
    translation.add(operation, "slice", (operation.inputs[0], *operands))


def pad(translation: Translation, operation: Operation) -> None:
    """`Pad`: everything is an attribute before opset 11."""
    given = operation.attributes
    pads = translation.operand_or_attribute(operation, 1, "pads")
    x, _, value, axes = (*operation.inputs, "", "", "")[:4]
    if "value" in given:
        value = translation.constant(operation, "value", given["value"], "float32")
    translation.add(operation, "pad", (x, pads, value, axes), mode=given.get("mode", "constant"))


def resize(translation: Translation, operation: Operation) -> None:
    """`Resize` and `Upsample`: before opset 11 always from the left."""
    given = operation.attributes
    inputs: list[str] = [*operation.inputs, "", "", ""]
    if operation.kind == "Upsample" or translation.opset < 11:
        scales, sizes, coordinates, rounding = inputs[1], "", "asymmetric", "floor"
        if given.get("scales"):
            scales = translation.constant(operation, "scales", given["scales"], "float32")
    else:
        scales, sizes = inputs[2], inputs[3]
        coordinates = given.get("coordinate_transformation_mode", "half_pixel")
        rounding = given.get("nearest_mode", "round_prefer_floor")
    if given.get("antialias") or given.get("axes"):
        refused(translation, operation, "antialiasing, or only some axes")
        return
    mode = {"bilinear": "linear"}.get(given.get("mode", "nearest"), given.get("mode", "nearest"))
    settings = {"mode": mode, "coordinates": coordinates, "rounding": rounding}
    translation.add(operation, "resize", (operation.inputs[0], scales, sizes), channels=1, **settings)


def blocks(kind: str) -> Row:
    """Exchange between space and channels."""

    def row(translation: Translation, operation: Operation) -> None:
        given = operation.attributes
        translation.add(operation, kind, channels=1, block=given["blocksize"], order=given.get("mode", "DCR"))

    return row


def shape(translation: Translation, operation: Operation) -> None:
    """`Shape`, of some axes since opset 15."""
    given = operation.attributes
    translation.add(operation, "shape", start=given.get("start"), end=given.get("end"))


def constant(translation: Translation, operation: Operation) -> None:
    """`Constant` that is small enough to stand in the graph; no node, but a tensor."""
    name, value = next(iter(operation.attributes.items()), ("value", None))
    if isinstance(value, dict) and "values" in value:
        array = np.array(value["values"], value["dtype"]).reshape(value["shape"])
    elif name.startswith("value_"):
        array = np.array(value, "float32" if "float" in name else "int64" if "int" in name else object)
    else:
        unknown(translation, operation)
        return
    translation.tensors[operation.outputs[0]] = Tensor(lambda: array)


def constant_of_shape(translation: Translation, operation: Operation) -> None:
    """`ConstantOfShape`, zeros where no value is said."""
    value = operation.attributes.get("value") or {"values": [0.0], "dtype": "float32"}
    if "values" not in value:
        unknown(translation, operation)
        return
    translation.add(operation, "constant_of_shape", value=value["values"][0], dtype=value["dtype"])
