"""Graph models of TensorFlow.js as trainable models: the numbers of the graph that they were made from."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.core.errors import RequestError, SourceError
from regraft.importers import graphs
from tests.formats.tfjs_files import written
from tests.importers.graphs.test_tensorflow import holds, ran, weights

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1


def network(x):
    """Convolutions, depthwise too, and a product, each with a bias and a function, as a browser's network has them."""
    x = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(x, tf.constant(weights(3, 3, 4, 6)), 2, "SAME"), weights(6)))
    x = tf.nn.depthwise_conv2d(x, tf.constant(weights(3, 3, 6, 2)), [1, 1, 1, 1], "SAME", name="wide")
    x = tf.nn.relu(tf.nn.bias_add(x, weights(12), name="shifted"), name="cut")
    x = tf.nn.bias_add(tf.nn.conv2d(x, tf.constant(weights(1, 1, 12, 5)), 1, "VALID"), weights(5))
    x = tf.reduce_mean(tf.nn.leaky_relu(x, 0.3), [1, 2])
    return tf.nn.softmax(tf.nn.tanh(tf.nn.bias_add(x @ tf.constant(weights(5, 3)), weights(3))))


def frozen(network: Callable, shape: tuple = (None, 8, 8, 4)) -> tuple[object, object]:
    """The graph of a function, with its weights as constants."""
    with tf.Graph().as_default() as graph:
        tf.identity(network(v1.placeholder("float32", shape, name="x")), name="y")
    return graph, graph.as_graph_def()


def remapped(graph):
    """The graph as TensorFlow's own optimiser joins operations, which is what the converter calls."""
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.grappler import tf_optimizer

    with graph.as_default():
        graph.add_to_collection("train_op", graph.get_operation_by_name("y"))
        meta = v1.train.export_meta_graph(graph=graph, graph_def=graph.as_graph_def())
    for node in meta.graph_def.node:
        node.device = "/device:CPU:0"
    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.optimizers[:] = ["remap", "constfold", "arithmetic", "dependency"]
    config.graph_options.rewrite_options.min_graph_nodes = -1
    return tf_optimizer.OptimizeGraph(config, meta)


def joined(definition, last: str, first: str, kind: str, words: list[bytes], extra: Mapping[str, str]):
    """What the converter itself joins: the operations from `first` to `last` as one, called as the first is.

    It counts a function as an operand in `num_args`.
    """
    nodes = {node.name: node for node in definition.node}
    nodes[first].op = kind
    nodes[first].input.extend(extra.values())
    nodes[first].attr["fused_ops"].list.s.extend(words)
    nodes[first].attr["num_args"].i = len(words)
    for node in definition.node:
        node.input[:] = [first if name == last else name for name in node.input]
    gone = {last, *extra} - {first}
    kept = [node for node in definition.node if node.name not in gone]
    return v1.GraphDef(node=kept, versions=definition.versions)


def test_what_tensorflows_optimiser_joined_computes_what_the_graph_computes(tmp_path: Path) -> None:
    graph, definition = frozen(network)
    optimised = remapped(graph)
    kinds = {node.op for node in optimised.node}
    assert {"_FusedConv2D", "_FusedMatMul"} <= kinds
    given = weights(3, 8, 8, 4)
    converted = holds(written(tmp_path / "js", optimised), given, ran(definition, {"x:0": given}, "y:0"), tmp_path)
    shapes = sorted(tuple(variable.shape) for variable in converted.built.model.trainable_variables)
    assert shapes == sorted([(3, 3, 4, 6), (6,), (3, 3, 6, 2), (12,), (1, 1, 12, 5), (5,), (5, 3), (3,)])


def test_a_depthwise_convolution_that_the_converter_joined(tmp_path: Path) -> None:
    _, definition = frozen(network)
    given = weights(3, 8, 8, 4)
    expected = ran(definition, {"x:0": given}, "y:0")
    bias = next(node.input[1] for node in definition.node if node.name == "shifted")
    words, extra = [b"BiasAdd", b"Relu"], {"shifted": bias}
    definition = joined(definition, "cut", "wide", "FusedDepthwiseConv2dNative", words, extra)
    converted = holds(written(tmp_path / "js", definition), given, expected, tmp_path)
    assert "wide/kernel" in regraft.variables(converted.built.model)


@pytest.mark.parametrize("inside", [False, True])
def test_slopes_that_are_learned(tmp_path: Path, inside: bool) -> None:
    """`Prelu` is no operation of TensorFlow: by itself, or joined with a convolution, it is the converter's."""
    slope = weights(1, 1, 6)
    kernel, bias = weights(3, 3, 4, 6), weights(6)

    def shifted(x):
        return tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME", name="conv"), bias, name="b")

    def network(x):
        x = shifted(x)
        return tf.nn.relu(x) - slope * tf.nn.relu(-x)

    given = weights(3, 8, 8, 4)
    expected = ran(frozen(network)[1], {"x:0": given}, "y:0")
    with tf.Graph().as_default() as graph:
        tf.constant(slope, name="slope")
        tf.identity(shifted(v1.placeholder("float32", (None, 8, 8, 4), name="x")), name="y")
    definition = graph.as_graph_def()
    nodes = {node.name: node for node in definition.node}
    if inside:
        definition = joined(
            definition, "b", "conv", "_FusedConv2D", [b"BiasAdd", b"Prelu"], {"b": nodes["b"].input[1], "": "slope"}
        )
    else:
        definition.node.add(name="p", op="Prelu", input=["b", "slope"])
        nodes["y"].input[:] = ["p"]
    converted = holds(written(tmp_path / "js", definition), given, expected, tmp_path)
    shapes = sorted(tuple(variable.shape) for variable in converted.built.model.trainable_variables)
    assert shapes == sorted([(3, 3, 4, 6), (6,), (1, 1, 6)])


def test_a_joined_batch_normalisation_and_what_is_not_known(tmp_path: Path) -> None:
    scale, offset, mean, variance = weights(4), weights(4), weights(4), np.abs(weights(4)) + 0.5

    def network(x):
        x = tf.nn.conv2d(x, tf.constant(weights(3, 3, 4, 4)), 1, "SAME", name="conv")
        x = v1.nn.fused_batch_norm(x, scale, offset, mean, variance, 0.01, is_training=False)[0]
        return tf.nn.elu(x)

    graph, definition = frozen(network)
    optimised = remapped(graph)
    (node,) = [node for node in optimised.node if node.op == "_FusedConv2D"]
    assert list(node.attr["fused_ops"].list.s) == [b"FusedBatchNorm", b"Elu"]
    given = weights(3, 8, 8, 4)
    converted = holds(written(tmp_path / "js", optimised), given, ran(definition, {"x:0": given}, "y:0"), tmp_path)
    (layer,) = [layer for layer in converted.built.model.layers if "Batch" in type(layer).__name__]
    assert layer.epsilon == pytest.approx(0.01)
    name = node.name
    node.attr["fused_ops"].list.s[1] = b"Swirl"
    with pytest.raises(SourceError, match=f"_FusedConv2D '{name}': joined with Swirl, for which no counterpart"):
        graphs.convert(written(tmp_path / "js", optimised))
    node.attr["fused_ops"].list.s[1] = b"Prelu"
    with pytest.raises(SourceError, match="FusedBatchNorm, Prelu have 5 operands, found 4"):
        graphs.convert(written(tmp_path / "js", optimised))


@pytest.mark.parametrize(("bits", "tolerance"), [(16, 1e-3), ("float16", 5e-3), (8, 0.2)])
def test_quantised_weights_are_the_numbers_that_they_stand_for(tmp_path: Path, bits, tolerance: float) -> None:
    graph, definition = frozen(network)
    given = weights(3, 8, 8, 4)
    expected = ran(definition, {"x:0": given}, "y:0")
    # As far as a quantised weight is from what it was made of, summed over some fifty products.
    holds(written(tmp_path / "js", remapped(graph), bits=bits), given, expected, tmp_path, tolerance)


def test_parts_of_a_graph_and_its_signature(tmp_path: Path) -> None:
    _, definition = frozen(network)
    shape = {"dim": [{"size": "-1"}, {"size": "8"}, {"size": "8"}, {"size": "4"}]}
    # A resource that was frozen stays listed, and is in no graph.
    signature = {
        "inputs": {
            "picture": {"name": "x:0", "dtype": "DT_FLOAT", "tensorShape": shape},
            "unknown": {"name": "unknown:0", "dtype": "DT_RESOURCE", "tensorShape": {}},
        },
        "outputs": {"map": {"name": "cut:0", "dtype": "DT_FLOAT", "tensorShape": shape}},
    }
    given = weights(2, 8, 8, 4)
    expected = ran(definition, {"x:0": given}, "cut:0")
    for old in (False, True):
        folder = written(tmp_path / "js", definition, signature=signature, old=old)
        holds(folder, given, expected, tmp_path)
        found = regraft.open(folder, outputs="map", inputs="picture", preprocessing="raw")
        assert found.model.output_shape == (None, 4, 4, 12)
    without = written(tmp_path / "js", definition)
    opened = regraft.open(without, inputs={"cut": (4, 4, 12)}, preprocessing="raw")
    half = np.asarray(opened.model(expected))
    whole = ran(definition, {"x:0": given}, "y:0")
    assert np.abs(half - whole).max() <= 1e-5 * np.abs(whole).max()


def test_a_conversion_and_a_proof_that_nothing_can_give(tmp_path: Path) -> None:
    folder = written(tmp_path / "js", frozen(network)[1])
    done = regraft.convert(folder, tmp_path / "out.keras")
    assert done.format == "tfjs-graph"
    # What the shape of a depthwise kernel was computed from once is of no use to anybody.
    assert set(done.load.unused) == {"wide/Shape", "wide/dilation_rate"}
    with pytest.raises(RequestError, match="found tfjs-graph; leave --check out"):
        regraft.convert(folder, tmp_path / "out.keras", check=True)
