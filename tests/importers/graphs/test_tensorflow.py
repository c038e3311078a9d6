"""TensorFlow's graphs as trainable models: the same numbers as TensorFlow, every variable found again."""

from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import pytest

from regraft import importers
from regraft.core.errors import RegraftError, SourceError
from regraft.core.progress import collecting_warnings
from regraft.importers import graphs
from tests.importers.graphs.conftest import reloaded

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1

MOBILENET = "tf1_frozen_mobilenet_v1_0.25_224"
RANDOM = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype("float32")


def holds(
    path: Path, given: np.ndarray, expected: np.ndarray, folder: Path, tolerance: float = 1e-5
) -> graphs.Converted:
    """Convert, save, load, compare; the tolerance is relative to the largest element: float32 sums in another order."""
    converted = graphs.convert(path)
    assert not converted.built.failed, converted.built.failed
    found = np.asarray(keras.ops.convert_to_numpy(reloaded(converted.built.model, folder)(given)))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()
    return converted


def ran(definition, feed: Mapping[str, np.ndarray], wanted: str) -> np.ndarray:
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        tf.import_graph_def(definition, name="")
        return session.run(wanted, dict(feed))


def frozen(folder: Path, network: Callable, shape: tuple[int | None, ...] = (None, 8, 8, 4)) -> tuple[Path, object]:
    """A graph file of a function of TensorFlow 1, with its weights as constants."""
    with tf.Graph().as_default() as graph:
        tf.identity(network(v1.placeholder("float32", shape, name="x")), name="y")
        definition = graph.as_graph_def()
    path = folder / "graph.pb"
    path.write_bytes(definition.SerializeToString())
    return path, definition


def batch_norm(x, scale=True):
    mean, variance = tf.constant(weights(4)), tf.constant(np.abs(weights(4)) + 0.5)
    gamma, beta = (weights(4) if scale else None), weights(4)
    x = tf.nn.conv2d(x, weights(3, 3, 4, 4), 1, "SAME")
    return tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-3))


def fused(x):
    scale, offset, mean, variance = weights(4), weights(4), weights(4), np.abs(weights(4)) + 0.5
    x = tf.nn.conv2d(x, weights(1, 1, 4, 4), 1, "VALID")
    return v1.nn.fused_batch_norm(x, scale, offset, mean, variance, 0.01, is_training=False)[0]


def flattened(x):
    """A flattening that is computed with the size of the batch, as slim and Keras 1 wrote it."""
    shape = tf.shape(x)
    return tf.reshape(x, tf.stack([shape[0], tf.reduce_prod(shape[1:])])) @ weights(256, 5) + weights(5)


def taken_apart(x):
    first, second = tf.split(x, 2, axis=3)
    return tf.concat([second[:, ::2, 1:], first[:, ::2, :-1]], axis=-1)


NETWORKS: dict[str, Callable] = {
    "conv same stride": lambda x: tf.nn.conv2d(x, weights(3, 3, 4, 6), 2, "SAME"),
    "conv bias": lambda x: tf.nn.bias_add(tf.nn.conv2d(x, weights(3, 2, 4, 6), [1, 2], "VALID"), weights(6)),
    "conv explicit": lambda x: tf.nn.conv2d(x, weights(3, 3, 4, 6), 2, [[0, 0], [2, 1], [0, 3], [0, 0]]),
    "conv dilated": lambda x: v1.nn.conv2d(x, weights(3, 3, 4, 6), 1, "SAME", dilations=[1, 2, 2, 1]),
    "depthwise": lambda x: tf.nn.depthwise_conv2d(x, weights(3, 3, 4, 3), [1, 2, 2, 1], "SAME"),
    "batch norm": batch_norm,
    "batch norm without scale": lambda x: batch_norm(x, scale=False),
    "fused batch norm": fused,
    "max pool": lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"),
    "average pool": lambda x: tf.nn.avg_pool2d(x, 3, 2, "SAME"),
    "mean": lambda x: tf.reduce_mean(x, [1, 2]),
    "mean that keeps axes": lambda x: tf.squeeze(tf.reduce_mean(x, [1, 2], keepdims=True), [1, 2]) @ weights(4, 3),
    "matmul transposed": lambda x: tf.matmul(tf.reduce_max(x, [1, 2]), weights(3, 4), transpose_b=True),
    "activations": lambda x: tf.nn.elu(tf.nn.leaky_relu(x, 0.3)) + tf.nn.relu6(x) * tf.sigmoid(x) - tf.tanh(x),
    "softmax": lambda x: tf.nn.softmax(x) + tf.nn.log_softmax(x),
    "arithmetic": lambda x: tf.maximum(2 / (1 + x * x), tf.math.rsqrt(tf.abs(x) + 1)) - tf.square(x) / 3,
    "differences": lambda x: tf.add_n([x, tf.math.squared_difference(x, 2 * x), -x]),
    "pad": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]),
    "pad with a number": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], constant_values=1.5),
    "mirror": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], "REFLECT"),
    "flattened": flattened,
    "taken apart": taken_apart,
    "one row": lambda x: x[:, -1, 2],
    "backwards": lambda x: x[:, ::-1],
    "slice": lambda x: tf.slice(x, [0, 1, 0, 2], [-1, 3, 8, -1]),
    "transposed": lambda x: tf.transpose(x, [0, 2, 1, 3]),
    "stacked": lambda x: tf.reduce_max(
        tf.concat([tf.expand_dims(part, 1) for part in tf.unstack(x, axis=1)[:3]], 1), [1, 2]
    ),
    "lrn": lambda x: tf.nn.lrn(x, 2, 1.5, 0.3, 0.6),
    "bilinear": lambda x: v1.image.resize_bilinear(x, [12, 5]),
    "bilinear between corners": lambda x: v1.image.resize_bilinear(x, [12, 5], align_corners=True),
    "bilinear between centres": lambda x: v1.image.resize_bilinear(x, [12, 5], half_pixel_centers=True),
    "bilinear between centres of a larger picture": lambda x: v1.image.resize_bilinear(
        x, [16, 12], half_pixel_centers=True
    ),
    "nearest": lambda x: v1.image.resize_nearest_neighbor(x, [16, 5]),
    "nearest between corners": lambda x: v1.image.resize_nearest_neighbor(x, [13, 5], align_corners=True),
    "nearest between centres": lambda x: v1.image.resize_nearest_neighbor(x, [12, 5], half_pixel_centers=True),
    "depth to space": lambda x: tf.nn.depth_to_space(tf.nn.space_to_depth(x, 4), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_frozen_graphs_compute_what_tensorflow_computes(tmp_path: Path, name: str) -> None:
    path, definition = frozen(tmp_path, NETWORKS[name])
    given = np.random.default_rng(1).normal(size=(3, 8, 8, 4)).astype("float32")
    holds(path, given, ran(definition, {"x:0": given}, "y:0"), tmp_path)


def test_batch_normalisation_that_was_written_as_arithmetic_keeps_its_statistics(tmp_path: Path) -> None:
    model = graphs.convert(frozen(tmp_path, batch_norm)[0]).built.model
    (layer,) = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert layer.epsilon == pytest.approx(1e-3)
    assert len(layer.trainable_variables) == len(layer.non_trainable_variables) == 2


def test_a_factor_of_one_between_a_product_and_its_bias_is_no_layer(tmp_path: Path) -> None:
    def gemm(factor: float) -> Callable:
        return lambda x: tf.reduce_max(x, [1, 2]) @ weights(4, 3) * tf.constant(factor) + weights(3)

    model = graphs.convert(frozen(tmp_path, gemm(1.0))[0]).built.model
    assert [tuple(variable.shape) for variable in model.trainable_variables] == [(4, 3), (3,)]
    path, definition = frozen(tmp_path, gemm(2.0))
    given = weights(3, 8, 8, 4)
    holds(path, given, ran(definition, {"x:0": given}, "y:0"), tmp_path)


def test_dropout_in_a_graph_is_dropout_at_its_rate(tmp_path: Path) -> None:
    def old(x):
        noise = tf.floor(0.75 + tf.random.uniform(tf.shape(x)))
        return tf.identity(x / 0.75 * noise)

    for network in (old, lambda x: v1.nn.dropout(x, rate=0.25)):
        model = graphs.convert(frozen(tmp_path, network)[0]).built.model
        (layer,) = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
        assert layer.rate == pytest.approx(0.25)


def test_the_choice_of_a_class_is_left_out_and_an_answer_that_is_reshaped_for_a_loss_counts_once(
    tmp_path: Path,
) -> None:
    with tf.Graph().as_default() as graph:
        logits = v1.placeholder("float32", (None, 4), name="x") @ tf.constant(weights(4, 3), name="w")
        tf.argmax(logits, 1, name="chosen")
        tf.reshape(logits, [-1, 3], name="flat")
        (tmp_path / "g.pb").write_bytes(graph.as_graph_def().SerializeToString())
    converted = graphs.convert(tmp_path / "g.pb")
    assert converted.built.outputs == ("matmul:0",)
    assert converted.report.renamed == (("w", "matmul/kernel"),)


def test_channels_first_and_what_is_unknown_are_named_with_their_place(tmp_path: Path) -> None:
    networks = {
        "expected channels last, found NCHW": lambda x: tf.nn.max_pool2d(
            x, 2, 2, "VALID", data_format="NCHW", name="p"
        ),
        "Cumsum 'p': no counterpart is known": lambda x: tf.cumsum(x, 1, name="p"),
    }
    for message, network in networks.items():
        path, _ = frozen(tmp_path, network)
        with pytest.raises(SourceError, match=message) as caught:
            importers.open(path)
        assert "'p'" in str(caught.value)


def test_a_graph_that_normalises_by_its_batch_opens_up_to_there(tmp_path: Path) -> None:
    def training(x):
        x = tf.nn.relu(tf.nn.conv2d(x, weights(3, 3, 4, 4), 1, "SAME"), name="before")
        return v1.nn.fused_batch_norm(x, weights(4), weights(4), name="norm")[0]

    with collecting_warnings() as warned:
        converted = graphs.convert(frozen(tmp_path, training)[0])
    assert converted.built.outputs == ("before:0",)
    assert "FusedBatchNormV3 'norm': it normalises by the statistics of the batch" in warned[0]


def test_a_graph_that_takes_text_says_where_numbers_begin(shared_folder: Path) -> None:
    served = shared_folder / "nets/tf_serving_half_plus_two"
    bundle = served / "session_bundle/testdata/half_plus_two/00000123"
    message = (
        r"takes text at 'tf_example:0', expected numbers; ParseExample 'ParseExample/ParseExample' reads it: begin "
        r"behind that, with --inputs ParseExample/ParseExample \(inputs= in Python\)"
    )
    for ends in ({}, {"outputs": "y"}, {"inputs": "tf_example"}, {"inputs": {"tf_example": (1,)}}):
        with pytest.raises(SourceError, match=message):
            importers.open(bundle, **ends)
    x = np.float32([[0], [3], [-4]])
    for place in ("ParseExample/ParseExample", "x"):
        model = importers.open(bundle, inputs=place, outputs="y", preprocessing="raw").model
        # 2 and 0.5 have exact floats.
        assert np.asarray(model(x)).tolist() == [[2.0], [3.5], [0.0]]
    saved = served / "servables/tensorflow/testdata/saved_model_half_plus_two_cpu/00000123"
    # There `x` is an input of the graph by itself.
    with pytest.raises(SourceError, match=r"expected numbers; begin behind its parsing, with --inputs x \(inputs="):
        importers.open(saved, signature="classify_x_to_y")
    with pytest.raises(SourceError, match=r"that, with --inputs ParseExample/ParseExample:1 \(inputs="):
        importers.open(saved, inputs="tf_example", outputs="Add_2")


def test_a_meta_graph_without_its_checkpoint_says_what_is_not_there(shared_folder: Path, tmp_path: Path) -> None:
    meta = shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model/model.ckpt.meta"
    (tmp_path / "alone.meta").write_bytes(meta.read_bytes())
    with pytest.raises(SourceError, match="holds no values for 'wc1' and 9 more; expected the checkpoint"):
        importers.open(tmp_path / "alone.meta")


def test_a_variable_of_one_number_for_all_channels_becomes_one_for_each(tmp_path: Path) -> None:
    module = tf.Module()
    module.kernel, module.offset = tf.Variable(weights(4, 3), name="kernel"), tf.Variable(0.5, name="offset")
    serve = tf.function(lambda x: {"y": x @ module.kernel + module.offset}, autograph=False)
    concrete = serve.get_concrete_function(tf.TensorSpec([None, 4], name="x"))
    tf.saved_model.save(module, tmp_path / "saved", signatures=concrete)
    given = weights(5, 4)
    converted = holds(tmp_path / "saved", given, serve(given)["y"].numpy(), tmp_path)
    assert sorted(name for name, _ in converted.report.renamed) == ["kernel", "offset"]
    assert [tuple(variable.shape) for variable in converted.built.model.trainable_variables] == [(4, 3), (3,)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["conv bias", "batch norm", "max pool", "taken apart", "one row", "pad", "flattened"])
def test_altered_graphs_give_a_model_or_one_of_our_errors(tmp_path: Path, name: str) -> None:
    """Operands left out, settings left out or turned around: nothing of it is taken for granted."""
    path, definition = frozen(tmp_path, NETWORKS[name])
    outcomes = set[str]()
    for number, node in enumerate(definition.node):
        changes = [lambda own: own.input and own.input.pop(), lambda own: own.attr.clear()]
        changes += [
            lambda own: [own.attr[key].list.i.append(-9) for key in own.attr],
            lambda own: own.input.append("x"),
        ]
        for change in changes:
            altered = v1.GraphDef.FromString(definition.SerializeToString())
            change(altered.node[number])
            path.write_bytes(altered.SerializeToString())
            with collecting_warnings():
                try:
                    graphs.convert(path)
                    outcomes.add("model")
                except RegraftError as error:
                    outcomes.add("one line" if "\n" not in str(error) else f"several lines for {node.name}: {error}")
    assert outcomes == {"model", "one line"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "wanted", "tensors"),
    [
        # 27 batch normalisations of four tensors, 28 kernels, the bias of the last; 2 more after retraining.
        ("models/mobilenet_v1_0.25_224/frozen_graph.pb", "MobilenetV1/Predictions/Reshape_1:0", 137),
        ("retrained_graph.pb", "final_result:0", 139),
    ],
)
def test_mobilenet_of_2017(shared_folder: Path, tmp_path: Path, file: str, wanted: str, tensors: int) -> None:
    path = shared_folder / "nets" / MOBILENET / file
    given = np.random.default_rng(2).uniform(-1, 1, (2, 224, 224, 3)).astype("float32")
    definition = v1.GraphDef.FromString(path.read_bytes())
    # The retrained graph takes one picture at a time.
    expected = np.concatenate([ran(definition, {"input:0": picture[None]}, wanted) for picture in given])
    converted = holds(path, given, expected, tmp_path)
    assert len(converted.report.renamed) == tensors
    assert not converted.report.unused
    assert len(converted.built.model.trainable_variables) == tensors - 2 * 27


@pytest.mark.slow
def test_teachable_mobilenet(shared_folder: Path, tmp_path: Path) -> None:
    folder = shared_folder / "nets/teachable_mobilenet_v2_0.35_keras_savedmodel/model.savedmodel"
    given = np.random.default_rng(3).uniform(-1, 1, (2, 224, 224, 3)).astype("float32")
    expected = served(folder, given)
    converted = holds(folder, given, expected, tmp_path)
    assert len(converted.report.renamed) == 263
    assert len(converted.built.model.trainable_variables) == 263 - 2 * 52


def test_an_output_keeps_the_axes_that_tensorflow_gives_it(tmp_path: Path) -> None:
    """Axes that were exchanged, and one added behind them, come out in TensorFlow's order, none left out."""
    networks = {
        "exchanged": lambda x: tf.expand_dims(tf.transpose(tf.reduce_sum(x, 3), [0, 2, 1]), -1),
        "channels first": lambda x: tf.transpose(tf.nn.conv2d(x, weights(1, 1, 4, 2), 1, "VALID"), [0, 3, 1, 2]),
        "kept": lambda x: tf.reduce_mean(tf.nn.conv2d(x, weights(1, 1, 4, 2), 1, "VALID"), [1, 2], keepdims=True),
    }
    given = weights(2, 8, 6, 4)
    for number, network in enumerate(networks.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path, definition = frozen(folder, network, (None, 8, 6, 4))
        holds(path, given, ran(definition, {"x:0": given}, "y:0"), folder)


@pytest.mark.slow
def test_lenet_between_its_placeholder_and_its_logits(shared_folder: Path, tmp_path: Path) -> None:
    prefix = shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model/model.ckpt"
    given = np.random.default_rng(4).uniform(0, 1, (3, 32, 32, 3)).astype("float32")
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(f"{prefix}.meta").restore(session, str(prefix))
        expected = session.run("Add_2:0", {"Placeholder_2:0": given, "Placeholder:0": 1.0, "Placeholder_1:0": 1.0})
    converted = holds(Path(f"{prefix}.meta"), given, expected, tmp_path)
    learned = ["bOut", "bc1", "bc2", "bd1", "bd2", "wOut", "wc1", "wc2", "wd1", "wd2"]
    assert sorted(name for name, _ in converted.report.renamed) == learned
    assert len(converted.built.model.trainable_variables) == 10


@pytest.mark.parametrize("version", ["saved_model_half_plus_two_tf2_cpu", "saved_model_half_plus_two_cpu"])
def test_half_plus_two(shared_folder: Path, tmp_path: Path, version: str) -> None:
    folder = shared_folder / "nets/tf_serving_half_plus_two/servables/tensorflow/testdata" / version / "00000123"
    given = np.arange(4, dtype="float32")
    given = given if "tf2" in version else given[:, None]
    converted = holds(folder, given, given / 2 + 2, tmp_path, tolerance=0)
    assert set(converted.report.skipped) == {"a", "b"}


@pytest.mark.slow
def test_a_saved_model_with_its_weights_as_constants(shared_folder: Path, tmp_path: Path) -> None:
    folder = shared_folder / "nets/semg_m5_pt_onnx_tflite_savedmodel/saved_model"
    given = np.random.default_rng(5).normal(size=(1, 3840)).astype("float32")
    converted = holds(folder, given, served(folder, given), tmp_path)
    assert len(converted.report.renamed) == 8


def served(folder: Path, given: np.ndarray) -> np.ndarray:
    with tf.Graph().as_default(), v1.Session() as session:
        signature = v1.saved_model.load(session, ["serve"], str(folder)).signature_def["serving_default"]
        (taken,), (answered,) = signature.inputs.values(), signature.outputs.values()
        return session.run(answered.name, {taken.name: given})
