"""Each operator of the table alone, in the variants that files have, against onnxruntime."""

import keras
import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT = onnx.TensorProto.FLOAT


def weights(*shape, seed=0, low=-1.0):
    return np.random.default_rng(seed).uniform(low, 1, shape).astype(np.float32)


def model(nodes, shape, tensors=None, outputs=1, opset=17, more=()):
    """A network of the nodes from `x` to `y` (`y0`, `y1`, ...); `tensors` are the initializers."""
    names = ["y"] if outputs == 1 else [f"y{number}" for number in range(outputs)]
    given = [helper.make_tensor_value_info(f"x{i or ''}", FLOAT, item) for i, item in enumerate((shape, *more))]
    wanted = [helper.make_tensor_value_info(name, FLOAT, None) for name in names]
    held = [numpy_helper.from_array(np.asarray(values), name) for name, values in (tensors or {}).items()]
    graph = helper.make_graph(nodes, "net", given, wanted, initializer=held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 8 if opset < 21 else 10
    return made


def one(kind, shape, *operands, opset=17, outputs=1, domain=None, **attributes):
    """A network of one operation: its first operand is the input, further ones are initializers (None: left out)."""
    tensors = {f"w{index}": values for index, values in enumerate(operands) if values is not None}
    reads = ["x", *(f"w{index}" if values is not None else "" for index, values in enumerate(operands))]
    names = ["y"] if outputs == 1 else [f"y{number}" for number in range(outputs)]
    return model([helper.make_node(kind, reads, names, "it", **attributes)], shape, tensors, outputs, opset)


def ints(*values):
    return np.array(values, np.int64)


PICTURE = ["N", 3, 9, 8]

CONVOLUTIONS = {
    "valid": {},
    "same by numbers": {"pads": [1, 1, 1, 1]},
    "uneven": {"pads": [0, 1, 2, 1]},
    "strided": {"pads": [1, 1, 1, 1], "strides": [2, 2]},
    "two strides": {"strides": [2, 1]},
    "dilated": {"dilations": [2, 2]},
    "dilated and padded": {"dilations": [2, 1], "pads": [2, 1, 2, 1]},
    "same upper": {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    "same lower": {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    "valid by word": {"auto_pad": "VALID"},
}


@pytest.mark.parametrize("name", list(CONVOLUTIONS))
def test_convolutions(name, proof):
    converted = proof.holds(one("Conv", PICTURE, weights(4, 3, 3, 3), weights(4), **CONVOLUTIONS[name]), batch=2)
    assert converted.report.renamed == (("w0", "it/kernel"), ("w1", "it/bias"))
    assert converted.built.model.input_shape == (None, 9, 8, 3)


@pytest.mark.parametrize(("inputs", "outputs", "group"), [(4, 4, 4), (4, 8, 4), (4, 6, 2)])
@pytest.mark.parametrize("strides", [[1, 1], [2, 2], [2, 1]])
def test_convolutions_in_groups(inputs, outputs, group, strides, proof):
    kernel = weights(outputs, inputs // group, 3, 3)
    proof.holds(one("Conv", ["N", inputs, 9, 8], kernel, group=group, strides=strides))


def test_convolutions_of_other_numbers_of_axes(proof):
    proof.holds(one("Conv", ["N", 3, 20], weights(4, 3, 5), weights(4), pads=[2, 2]))
    proof.holds(one("Conv", ["N", 4, 20], weights(4, 1, 5), group=4))
    proof.holds(one("Conv", ["N", 2, 5, 6, 7], weights(3, 2, 3, 3, 3), pads=[1] * 6))


TRANSPOSED = {
    "plain": {"strides": [2, 2]},
    "usual": {"strides": [2, 2], "pads": [1, 1, 1, 1]},
    "longer": {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    "longer than cropped": {"strides": [2, 2], "output_padding": [1, 1]},
    "wide stride": {"strides": [4, 4]},
    "uneven": {"strides": [2, 2], "pads": [0, 1, 2, 1]},
    "dilated": {"dilations": [2, 2]},
    "same": {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
}


@pytest.mark.parametrize("name", list(TRANSPOSED))
def test_transposed_convolutions(name, proof):
    proof.holds(one("ConvTranspose", ["N", 3, 5, 6], weights(3, 4, 3, 3), weights(4), **TRANSPOSED[name]))


def test_transposed_convolution_of_sequences(proof):
    proof.holds(one("ConvTranspose", ["N", 3, 9], weights(3, 4, 4), weights(4), strides=[2], pads=[1, 1]))


POOLS = {
    "plain": {"kernel_shape": [2, 2], "strides": [2, 2]},
    "padded": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    "padded on one side": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]},
    "ceil": {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    "ceil and padded": {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 1], "ceil_mode": 1},
    "ceil by a window in the padding": {
        "kernel_shape": [2, 2],
        "strides": [3, 3],
        "pads": [1, 1, 1, 1],
        "ceil_mode": 1,
    },
    "same upper": {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    "same lower": {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    "stride of one": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
}


@pytest.mark.parametrize("name", list(POOLS))
@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool", "counting"])
def test_pools(name, kind, proof):
    settings = dict(POOLS[name], count_include_pad=1) if kind == "counting" else POOLS[name]
    proof.holds(one("AveragePool" if kind == "counting" else kind, PICTURE, **settings, opset=19))


def test_pools_of_what_is_not_negative_need_no_lowest_number(proof):
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], "a"),
        helper.make_node("MaxPool", ["a"], ["y"], "pool", **POOLS["ceil and padded"]),
    ]
    converted = proof.holds(model(nodes, PICTURE))
    assert "ZeroPadding2D" in [type(layer).__name__ for layer in converted.built.model.layers]


def test_other_pools(proof):
    proof.holds(one("MaxPool", ["N", 3, 20], kernel_shape=[3], strides=[2], pads=[1, 1]))
    proof.holds(one("AveragePool", ["N", 3, 4, 6, 8], kernel_shape=[2, 2, 2], strides=[2, 2, 2]))
    proof.holds(one("GlobalAveragePool", PICTURE))
    proof.holds(one("GlobalMaxPool", ["N", 3, 20]))


ACTIVATIONS = {
    **{key: {} for key in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Selu", "HardSwish", "Mish", "Elu")},
    "LeakyRelu": {"alpha": 0.2},
    "HardSigmoid": {"alpha": 0.25, "beta": 0.4},
    "Celu": {},
    "Softmax": {"axis": 1},
    "LogSoftmax": {"axis": -1},
}


@pytest.mark.parametrize("kind", list(ACTIVATIONS))
def test_activations(kind, proof):
    proof.holds(one(kind, PICTURE, opset=18, **ACTIVATIONS[kind]), batch=2)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate, proof):
    proof.holds(one("Gelu", ["N", 5], opset=20, approximate=approximate))


@pytest.mark.parametrize(
    "kind", ["Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Neg", "Round", "Sign", "Sin", "Reciprocal"]
)
def test_functions(kind, proof):
    proof.holds(one(kind, ["N", 5, 4]))


@pytest.mark.parametrize("kind", ["Sqrt", "Log"])
def test_functions_of_positive_numbers(kind, proof):
    nodes = [helper.make_node("Exp", ["x"], ["a"]), helper.make_node(kind, ["a"], ["y"])]
    proof.holds(model(nodes, ["N", 5]))


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 6.0), (0.0, None), (-0.5, 0.5), (None, 0.2), (0.1, None), (None, None)]
)
def test_clip(low, high, proof):
    bounds = [None if bound is None else np.float32(bound) for bound in (low, high)]
    proof.holds(one("Clip", PICTURE, *bounds))
    if low is not None and high is not None:
        proof.holds(one("Clip", PICTURE, opset=7, min=low, max=high))


@pytest.mark.parametrize("shape", [(3, 1, 1), (1,), (3, 9, 8), (1, 3, 1, 1)])
def test_prelu(shape, proof):
    converted = proof.holds(one("PRelu", PICTURE, weights(*shape)))
    assert converted.built.model.count_params() == np.prod(shape)


def test_local_response_normalization(proof):
    proof.holds(one("LRN", ["N", 8, 6, 5], size=5, alpha=2e-2, beta=0.75, bias=2.0))


def test_batch_normalization_stays_one(proof):
    held = (weights(3), weights(3, seed=1), weights(3, seed=2), weights(3, seed=3, low=0.1))
    converted = proof.holds(one("BatchNormalization", PICTURE, *held, epsilon=1e-3, momentum=0.8))
    (layer,) = (item for item in converted.built.model.layers if item.weights)
    assert (type(layer).__name__, layer.momentum, len(layer.trainable_weights)) == ("BatchNormalization", 0.8, 2)
    proof.holds(one("BatchNormalization", ["N", 3], *held, opset=7))
    proof.holds(one("BatchNormalization", ["N", 3, 7], *held))


def test_other_normalizations(proof):
    proof.holds(one("InstanceNormalization", PICTURE, weights(3), weights(3, seed=1)))
    proof.holds(one("LayerNormalization", ["N", 5, 6], weights(6), weights(6, seed=1), axis=-1))
    proof.holds(one("LayerNormalization", ["N", 5, 6], weights(5, 6), weights(5, 6, seed=1), axis=1))
    proof.holds(one("GroupNormalization", ["N", 4, 5, 6], weights(4), weights(4, seed=1), opset=21, num_groups=2))


GEMMS = [{}, {"transB": 1}, {"alpha": 0.5, "beta": 2.0, "transB": 1}]


@pytest.mark.parametrize("settings", GEMMS)
def test_gemm(settings, proof):
    kernel = weights(4, 5) if settings.get("transB") else weights(5, 4)
    for bias in (weights(4), weights(1, 4), np.float32(0.3), None):
        proof.holds(one("Gemm", ["N", 5], kernel, bias, **settings), batch=3)


def test_products(proof):
    proof.holds(one("MatMul", ["N", 5], weights(5, 4)))
    proof.holds(one("MatMul", ["N", 3, 5], weights(5, 4)))
    proof.holds(model([helper.make_node("MatMul", ["w", "x"], ["y"])], ["N", 5, 6], {"w": weights(4, 5)}))
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "t"], ["a"]),
        helper.make_node("Softmax", ["a"], ["s"], axis=-1),
        helper.make_node("MatMul", ["s", "x"], ["y"]),
    ]
    proof.holds(model(nodes, ["N", 5, 6]), batch=2)


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"])
def test_arithmetic_of_two_values(kind, proof):
    nodes = [helper.make_node("Sigmoid", ["x"], ["a"]), helper.make_node(kind, ["a", "x1"], ["y"])]
    proof.holds(model(nodes, PICTURE, more=[["N", 3, 1, 1]]), batch=2)


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div", "Max", "Min"])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (3, 1, 1), (9, 8), (8,), (1, 3, 9, 8)])
def test_arithmetic_with_constants(kind, swapped, shape, proof):
    reads = ["w", "s"] if swapped else ["s", "w"]
    nodes = [helper.make_node("Softplus", ["x"], ["s"]), helper.make_node(kind, reads, ["y"])]
    proof.holds(model(nodes, PICTURE, {"w": weights(*shape, low=0.2)}))


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("swapped", [False, True])
def test_constants_that_are_larger_than_the_value(kind, swapped, proof):
    reads = ["w", "m"] if swapped else ["m", "w"]
    nodes = [
        helper.make_node("MatMul", ["x", "k"], ["a"], "head"),
        helper.make_node("ReduceMean", ["a"], ["m"], "mean", axes=[2]),
        helper.make_node(kind, reads, ["y"], "larger"),
    ]
    converted = proof.holds(model(nodes, ["N", 5, 3], {"w": weights(6), "k": weights(3, 2)}))
    assert "w" in dict(converted.report.renamed)


@pytest.mark.parametrize("exponent", [2.0, 0.5, 3.0])
def test_powers(exponent, proof):
    nodes = [helper.make_node("Exp", ["x"], ["a"]), helper.make_node("Pow", ["a", "e"], ["y"])]
    proof.holds(model(nodes, ["N", 4], {"e": np.float32(exponent)}))


def test_sums_of_many(proof):
    for kind in ("Sum", "Mean", "Max", "Min"):
        nodes = [helper.make_node("Tanh", ["x"], ["a"]), helper.make_node(kind, ["x", "a", "x1"], ["y"], "many")]
        proof.holds(model(nodes, ["N", 4], more=[["N", 4]]))
        proof.holds(one(kind, ["N", 4]))


def _after_convolution(*nodes, tensors=None, **settings):
    """Nodes on the result of a convolution, which stands in Keras' order of axes."""
    first = helper.make_node("Conv", ["x", "k"], ["c"], "first")
    return model([first, *nodes], ["N", 3, 6, 7], {"k": weights(4, 3, 3, 3), **(tensors or {})}, **settings)


def test_a_scale_that_is_reshaped_first_is_learned(proof):
    nodes = [
        helper.make_node("Reshape", ["s", "shape"], ["t"], "reshaped"),
        helper.make_node("Mul", ["c", "t"], ["y"], "scaled"),
    ]
    tensors = {"s": weights(4), "shape": np.array([1, 4, 1, 1], np.int64)}
    converted = proof.holds(_after_convolution(*nodes, tensors=tensors))
    assert sum(np.prod(item.shape) for item in converted.built.model.trainable_variables) == 4 * 27 + 4


def test_a_flattened_map_permutes_the_rows_of_the_next_layer(proof):
    flatten = helper.make_node("Flatten", ["c"], ["f"], "flat")
    head = helper.make_node("Gemm", ["f", "w", "b"], ["y"], "head")
    converted = proof.holds(_after_convolution(flatten, head, tensors={"w": weights(80, 2), "b": weights(2)}), batch=2)
    assert [type(layer).__name__ for layer in converted.built.model.layers] == [
        "InputLayer",
        "Conv2D",
        "Flatten",
        "Dense",
    ]


def test_a_flattened_map_that_is_normalised_and_scaled(proof):
    held = {f"n{index}": weights(80, seed=index, low=0.1) for index in range(4)}
    nodes = [
        helper.make_node("Flatten", ["c"], ["f"], "flat"),
        helper.make_node("BatchNormalization", ["f", "n0", "n1", "n2", "n3"], ["n"], "norm"),
        helper.make_node("Mul", ["n", "n0"], ["m"], "scaled"),
        helper.make_node("Dropout", ["m"], ["d"], "drop"),
        helper.make_node("MatMul", ["d", "w"], ["y"], "head"),
    ]
    converted = proof.holds(_after_convolution(*nodes, tensors={**held, "w": weights(80, 2)}))
    assert "Permute" not in [type(layer).__name__ for layer in converted.built.model.layers]
    assert "Dropout" in [type(layer).__name__ for layer in converted.built.model.layers]


def test_a_flattened_map_as_the_result_is_in_the_order_of_the_original(proof):
    proof.holds(_after_convolution(helper.make_node("Flatten", ["c"], ["y"], "flat")))


RESHAPES = {
    "to a vector": [[0, -1]],
    "of one example": [[1, 80]],
    "rest of one example": [[1, -1]],
    "space to a sequence": [[0, 4, -1]],
    "there and back": [[0, 4, -1], [0, 4, 4, 5]],
    "through a vector and back": [[0, -1], [0, 4, 4, 5]],
    "regrouped": [[0, 8, 10]],
    "channels apart": [[0, 2, 2, 4, 5]],
    "new axes of one": [[0, 1, 4, 1, 20]],
}


@pytest.mark.parametrize("name", list(RESHAPES))
def test_reshapes(name, proof):
    tensors = {f"s{index}": ints(*shape) for index, shape in enumerate(RESHAPES[name])}
    names = ["c", *(f"r{index}" for index in range(len(tensors) - 1)), "y"]
    nodes = [helper.make_node("Reshape", [names[i], f"s{i}"], [names[i + 1]], f"r{i}") for i in range(len(tensors))]
    built = _after_convolution(*nodes, tensors=tensors)
    if name.endswith("one example"):
        built.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    proof.holds(built)


def test_a_reshape_that_mixes_examples_is_named(proof):
    node = helper.make_node("Reshape", ["c", "s"], ["y"], "mixing")
    built = proof.convert(_after_convolution(node, tensors={"s": ints(-1, 40)})).built
    assert built.outputs == ("c",)
    assert "mixes the examples of a batch" in built.failed[0][1]


def test_transposes_are_written_down_and_not_done(proof):
    nodes = [
        helper.make_node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["t", "w"], ["m"], "head"),
        helper.make_node("Transpose", ["m"], ["y"], perm=[0, 3, 1, 2]),
    ]
    converted = proof.holds(_after_convolution(*nodes, tensors={"w": weights(4, 5)}))
    assert [type(layer).__name__ for layer in converted.built.model.layers] == ["InputLayer", "Conv2D", "Dense"]


def test_a_picture_that_comes_channels_last_stays_so(proof):
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "k"], ["y"], "first"),
    ]
    converted = proof.holds(model(nodes, ["N", 6, 7, 3], {"k": weights(4, 3, 3, 3)}))
    assert [type(layer).__name__ for layer in converted.built.model.layers] == ["InputLayer", "Conv2D"]


@pytest.mark.parametrize("opset", [7, 13])
def test_squeeze_and_unsqueeze(opset, proof):
    axes = {"axes": ints(2, 3)} if opset > 12 else {}
    named = {} if axes else {"axes": [2, 3]}
    nodes = [
        helper.make_node("GlobalAveragePool", ["c"], ["p"], "pool"),
        helper.make_node("Squeeze", ["p", *axes], ["s"], "s", **named),
        helper.make_node("Unsqueeze", ["s", *axes], ["u"], "u", **named),
        helper.make_node("Mul", ["c", "u"], ["y"], "scaled"),
    ]
    converted = proof.holds(_after_convolution(*nodes, tensors=axes, opset=opset), batch=2)
    assert len(converted.built.model.layers) == 5


def test_shapes_that_are_computed(proof):
    nodes = [
        helper.make_node("Shape", ["c"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"], axis=0),
        helper.make_node("Unsqueeze", ["batch", "axis"], ["first"]),
        helper.make_node("Concat", ["first", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["c", "target"], ["f"], "flat"),
        helper.make_node("ConstantOfShape", ["target2"], ["ones"], value=helper.make_tensor("v", FLOAT, [1], [0.5])),
        helper.make_node("Add", ["f", "ones"], ["y"]),
        helper.make_node("Slice", ["shape", "axis", "one"], ["n"]),
        helper.make_node("Concat", ["n", "eighty"], ["target2"], axis=0),
    ]
    nodes = [*nodes[:5], *nodes[7:], *nodes[5:7]]
    tensors = {"zero": np.int64(0), "axis": ints(0), "rest": ints(-1), "one": ints(1), "eighty": ints(80)}
    proof.holds(_after_convolution(*nodes, tensors=tensors), batch=3)


def test_joining_and_taking_apart(proof):
    split = helper.make_node("Split", ["c", "sizes"], ["a", "b"], "parts", axis=1)
    join = helper.make_node("Concat", ["b", "a"], ["y"], "joined", axis=1)
    proof.holds(_after_convolution(split, join, tensors={"sizes": ints(1, 3)}))
    older = helper.make_node("Split", ["c"], ["a", "b"], "parts", axis=1)
    proof.holds(_after_convolution(older, join, opset=11))
    flats = [helper.make_node("Flatten", ["c"], ["f"]), helper.make_node("Concat", ["f", "f"], ["y"], axis=-1)]
    proof.holds(_after_convolution(*flats))


def test_slices(proof):
    tensors = {
        "starts": ints(1, 0, -1),
        "ends": ints(4, 1 << 62, -(1 << 62)),
        "axes": ints(2, 1, 3),
        "steps": ints(1, 2, -2),
    }
    proof.holds(_after_convolution(helper.make_node("Slice", ["c", *tensors], ["y"], "part"), tensors=tensors))
    older = helper.make_node("Slice", ["c"], ["y"], "part", starts=[0, 1], ends=[3, 2147483647], axes=[1, 3])
    proof.holds(_after_convolution(older, opset=9))


def test_gather(proof):
    proof.holds(_after_convolution(helper.make_node("Gather", ["c", "i"], ["y"], axis=1), tensors={"i": ints(2, 0)}))
    proof.holds(_after_convolution(helper.make_node("Gather", ["c", "i"], ["y"], axis=2), tensors={"i": np.int64(1)}))


def test_a_table_of_weights_is_an_embedding(proof):
    built = model([helper.make_node("Gather", ["w", "x"], ["y"], "words")], ["N", 4], {"w": weights(5, 3)})
    built.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    converted = proof.holds(built)
    assert converted.report.renamed == (("w", "words/embeddings"),)


@pytest.mark.parametrize("pads", [[0, 0, 1, 2, 0, 0, 3, 0], [0, 1, 0, 0, 0, 2, 0, 0]])
@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_padding(pads, mode, proof):
    proof.holds(one("Pad", PICTURE, ints(*pads), None if mode == "reflect" else np.float32(0.7), mode=mode))
    proof.holds(one("Pad", PICTURE, ints(*pads), mode=mode))
    proof.holds(one("Pad", PICTURE, opset=7, pads=pads, mode=mode))


def test_repeating(proof):
    proof.holds(one("Expand", ["N", 3, 1, 4], ints(1, 3, 5, 4)))
    proof.holds(one("Tile", ["N", 3, 4], ints(1, 2, 3)))


@pytest.mark.parametrize("kind", ["Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "SumSquare"])
@pytest.mark.parametrize("axes", [[2, 3], [1], [-1, 1]])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions(kind, axes, keepdims, proof):
    node = helper.make_node(f"Reduce{kind}", ["c", "axes"], ["y"], "reduced", keepdims=keepdims)
    proof.holds(_after_convolution(node, tensors={"axes": ints(*axes)}, opset=18))


def test_reductions_of_older_opsets(proof):
    node = helper.make_node("ReduceMean", ["c"], ["y"], "reduced", axes=[2, 3], keepdims=0)
    converted = proof.holds(_after_convolution(node, opset=11))
    assert type(converted.built.model.layers[-1]).__name__ == "GlobalAveragePooling2D"


RESIZES = {
    "doubled": {
        "scales": [1, 1, 2, 2],
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    },
    "doubled by centres": {"scales": [1, 1, 2, 2], "mode": "nearest"},
    "nearest of odd sizes": {"sizes": [1, 3, 13, 5], "mode": "nearest"},
    "bilinear doubled": {"scales": [1, 1, 2, 2], "mode": "linear"},
    "bilinear to a size": {
        "sizes": [1, 3, 20, 11],
        "mode": "linear",
        "coordinate_transformation_mode": "pytorch_half_pixel",
    },
    "bilinear smaller": {"sizes": [1, 3, 4, 5], "mode": "linear"},
    "corners": {"sizes": [1, 3, 20, 11], "mode": "linear", "coordinate_transformation_mode": "align_corners"},
    "from the left": {"scales": [1, 1, 1.5, 2], "mode": "linear", "coordinate_transformation_mode": "asymmetric"},
}


@pytest.mark.parametrize("name", list(RESIZES))
def test_resizing(name, proof):
    settings = dict(RESIZES[name])
    scales, sizes = settings.pop("scales", None), settings.pop("sizes", None)
    operands = [None, None if scales is None else np.float32(scales), None if sizes is None else ints(*sizes)]
    converted = proof.holds(one("Resize", [1, 3, 9, 8], *operands, **settings))
    assert not converted.built.model.trainable_weights


def test_resizing_of_older_opsets(proof):
    proof.holds(one("Upsample", PICTURE, np.float32([1, 1, 2, 3]), opset=9, mode="nearest"))
    proof.holds(one("Upsample", PICTURE, opset=7, scales=[1.0, 1.0, 2.0, 2.0], mode="nearest"))
    proof.holds(one("Resize", PICTURE, np.float32([1, 1, 2, 2]), opset=10, mode="linear"))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space_and_back(mode, proof):
    proof.holds(one("DepthToSpace", ["N", 12, 4, 5], blocksize=2, mode=mode))
    proof.holds(one("SpaceToDepth", ["N", 3, 4, 6], blocksize=2))


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("wanted", ["all", "last", "both"])
def test_recurrent_layers(direction, kind, gates, wanted, proof):
    ways, units, features = 2 if direction == "bidirectional" else 1, 4, 3
    held = [weights(ways, gates * units, features), weights(ways, gates * units, units, seed=1)]
    tensors = {"w": held[0], "r": held[1], "b": weights(ways, 2 * gates * units, seed=2)}
    results = {"all": ["y", ""], "last": ["", "y"], "both": ["y0", "y1"]}[wanted]
    settings = dict(hidden_size=units, direction=direction, **({"linear_before_reset": 1} if kind == "GRU" else {}))
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node(kind, ["t", "w", "r", "b"], results, "memory", **settings),
    ]
    built = model(nodes, ["N", 6, features], tensors, 2 if wanted == "both" else 1)
    proof.holds(built, batch=2)


def test_the_memory_of_an_lstm_and_the_older_reset_of_a_gru(proof):
    held = {"w": weights(1, 16, 3), "r": weights(1, 16, 4, seed=1)}
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["t", "w", "r"], ["", "y0", "y1"], "memory", hidden_size=4),
    ]
    proof.holds(model(nodes, ["N", 6, 3], held, 2))
    gru = one("GRU", [6, "N", 3], weights(1, 12, 3), weights(1, 12, 4), weights(1, 24), hidden_size=4)
    converted = proof.holds(gru, batch=2)
    assert converted.built.model.input_shape == (None, 6, 3)


def test_choices(proof):
    nodes = [helper.make_node("Greater", ["x", "w"], ["c"]), helper.make_node("Where", ["c", "x", "w"], ["y"])]
    proof.holds(model(nodes, ["N", 4], {"w": np.float32(0.1)}))


def test_preprocessing_is_not_trained(proof):
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["s"], "minus"),
        helper.make_node("Div", ["s", "deviation"], ["d"], "by"),
        helper.make_node("Conv", ["d", "k"], ["y"], "first"),
    ]
    tensors = {"mean": weights(1, 3, 1, 1), "deviation": weights(1, 3, 1, 1, low=0.5), "k": weights(2, 3, 3, 3)}
    converted = proof.holds(model(nodes, PICTURE, tensors))
    assert [variable.path for variable in converted.built.model.trainable_weights] == ["first/kernel"]
    assert converted.report.skipped == ("mean", "deviation")


def test_learned_scales_and_offsets_are_trained(proof):
    nodes = [
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Mul", ["r", "scale"], ["m"], "scaled"),
        helper.make_node("Add", ["m", "offset"], ["y"], "shifted"),
    ]
    tensors = {"scale": weights(4, 1, 1), "offset": weights(4, 1, 1, seed=1)}
    converted = proof.holds(_after_convolution(*nodes, tensors=tensors))
    assert ("scale", "scaled/kernel") in converted.report.renamed
    assert ("offset", "scaled/bias") in converted.report.renamed
    assert converted.built.model.count_params() == 4 * 3 * 9 + 8


def test_what_nobody_needs_does_not_keep_a_bias_apart(proof):
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["a"], "conv"),
        helper.make_node("Add", ["a", "b"], ["y"], "added"),
        helper.make_node("Relu", ["a"], ["nowhere"], "unread"),
    ]
    converted = proof.holds(model(nodes, PICTURE, {"k": weights(4, 3, 3, 3), "b": weights(4, 1, 1)}), batch=2)
    assert [layer.name for layer in converted.built.model.layers] == ["x", "conv"]
    assert dict(converted.report.renamed) == {"k": "conv/kernel", "b": "conv/bias"}


def test_an_unknown_operation_on_constants_says_why(proof):
    nodes = [
        helper.make_node("Hardmax", ["k"], ["h"], "odd"),
        helper.make_node("Relu", ["x"], ["r"], "relu"),
        helper.make_node("Mul", ["r", "h"], ["y"], "scaled"),
    ]
    converted = proof.convert(model(nodes, PICTURE, {"k": weights(9, 8)}))
    assert [(node.name, reason) for node, reason in converted.built.failed if reason] == [
        ("odd", "no counterpart is known")
    ]


def test_types_are_taken_from_another_value(proof):
    nodes = [
        helper.make_node("CastLike", ["two", "x"], ["t"], "like"),
        helper.make_node("Mul", ["x", "t"], ["m"], "twice"),
        helper.make_node("CastLike", ["m", "x"], ["y"], "same"),
    ]
    converted = proof.holds(model(nodes, PICTURE, {"two": np.array(2, np.int64)}), batch=2)
    assert converted.built.model.count_params() == 0


@pytest.mark.parametrize("softmax", [False, True])
def test_a_batch_that_is_one_with_other_axes(softmax, proof):
    """(batch, 6, 8) as batch * 6 rows, through a layer, apart again: nothing of one example goes into another."""
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["r"], "rows"),
        helper.make_node("MatMul", ["r", "k"], ["m"], "dense"),
        helper.make_node("Add", ["m", "b"], ["a"], "biased"),
        helper.make_node("Softmax" if softmax else "Relu", ["a"], ["f"], "function"),
        helper.make_node("Mul", ["f", "half"], ["h"], "halved"),
        helper.make_node("Reshape", ["h", "apart"], ["y"], "apart"),
    ]
    held = {"rows": ints(-1, 8), "k": weights(8, 4), "b": weights(4), "half": np.float32(0.5), "apart": ints(-1, 6, 4)}
    converted = proof.holds(model(nodes, ["N", 6, 8], held), batch=3)
    assert [type(layer).__name__ for layer in converted.built.model.layers][:2] == ["InputLayer", "Dense"]
    assert converted.built.model.output_shape == (None, 6, 4)


def test_products_for_every_head_of_every_example(proof):
    """As PyTorch writes attention: time first, batch and heads one axis, products of matrices for each of them."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], "time", perm=[1, 0, 2]),
        helper.make_node("Shape", ["t"], ["s"], "size", start=1, end=2),
        helper.make_node("Mul", ["s", "two"], ["bh"], "both"),
        helper.make_node("Concat", ["six", "bh", "four"], ["shape"], "wanted", axis=0),
        helper.make_node("Reshape", ["t", "shape"], ["h"], "heads"),
        helper.make_node("Transpose", ["h"], ["q"], "query", perm=[1, 0, 2]),
        helper.make_node("Transpose", ["h"], ["k"], "key", perm=[1, 2, 0]),
        helper.make_node("MatMul", ["q", "k"], ["p"], "product"),
        helper.make_node("Softmax", ["p"], ["w"], "weights", axis=-1),
        helper.make_node("MatMul", ["w", "q"], ["o"], "attended"),
        helper.make_node("Transpose", ["o"], ["u"], "back", perm=[1, 0, 2]),
        helper.make_node("Concat", ["six", "s", "eight"], ["whole"], "as_before", axis=0),
        helper.make_node("Reshape", ["u", "whole"], ["v"], "joined"),
        helper.make_node("Transpose", ["v"], ["y"], "batch", perm=[1, 0, 2]),
    ]
    held = {name: ints(value) for name, value in {"two": 2, "four": 4, "six": 6, "eight": 8}.items()}
    converted = proof.holds(model(nodes, ["N", 6, 8], held), batch=3)
    assert sorted(converted.built.model.output_shape[1:]) == [6, 8]


def test_what_is_one_with_the_batch_cannot_be_worked_on_alone(proof):
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], "relu"),
        helper.make_node("Reshape", ["r", "rows"], ["m"], "rows"),
        helper.make_node("Softmax", ["m"], ["y"], "over_all", axis=0),
    ]
    converted = proof.convert(model(nodes, ["N", 6, 8], {"rows": ints(-1, 8)}))
    ((node, reason),) = converted.built.failed
    assert node.name == "over_all"
    assert "along an axis that is one with the examples of the batch" in reason


def test_a_token_before_every_sequence_learns(proof):
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], "size", start=0, end=1),
        helper.make_node("Concat", ["s", "rest"], ["shape"], "wanted", axis=0),
        helper.make_node("Expand", ["token", "shape"], ["t"], "for_each"),
        helper.make_node("Concat", ["t", "x"], ["y"], "joined", axis=1),
    ]
    converted = proof.holds(model(nodes, ["N", 6, 8], {"token": weights(1, 1, 8), "rest": ints(1, 8)}), batch=3)
    assert dict(converted.report.renamed) == {"token": "joined/embeddings"}
    assert converted.built.model.count_params() == 8


def test_a_tensor_that_two_nodes_read_is_one_layer(proof):
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["a"], "one", pads=[1] * 4),
        helper.make_node("Conv", ["a", "k"], ["y"], "two", pads=[1] * 4),
    ]
    converted = proof.holds(model(nodes, PICTURE, {"k": weights(3, 3, 3, 3)}))
    assert converted.built.model.count_params() == 81
    assert isinstance(converted.built.model, keras.Model)
