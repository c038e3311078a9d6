"""TensorFlow Lite models against TensorFlow's own interpreter and schema."""

import re

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.core.tensors import flat
from regraft.formats import tflite_schema
from regraft.formats.inspection import inspect

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A small network of many kinds of layers, converted by TensorFlow."""
    layers = tf.keras.layers
    inputs = tf.keras.Input((12, 10, 3), batch_size=1)
    x = layers.Conv2D(4, 3, strides=(2, 1), padding="same", activation="relu")(inputs)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2, padding="same")(x)
    x = layers.LeakyReLU(negative_slope=0.25)(x)
    x = layers.Concatenate()([layers.MaxPooling2D(2)(x), layers.AveragePooling2D(2)(x)])
    x = layers.Add()([x, layers.Conv2D(16, 1, activation="relu6")(x)])
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    path = tmp_path_factory.mktemp("tflite") / "m.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(tf.keras.Model(inputs, x)).convert())
    return path


def _interpreter(path):
    # Without delegates and without what the interpreter adds to save memory, tensors can be looked at.
    made = tf.lite.Interpreter(
        str(path),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    made.allocate_tensors()
    return made


def _assert_as_the_interpreter_says(path):
    archive, reference = formats.read(path), _interpreter(path)
    details = {item["name"]: item for item in reference.get_tensor_details()}
    for name, tensor in archive.tensors.items():
        expected = reference.get_tensor(details[re.sub(r"#\d+$", "", name)]["index"])
        found = tensor.read()
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, err_msg=name)
    graph = formats.graph(archive)
    operators = reference._get_ops_details()
    assert [item.kind for item in graph.operations] == [item["op_name"] for item in operators]
    names = {item["index"]: item["name"] for item in reference.get_tensor_details()}
    for operation, operator in zip(graph.operations, operators, strict=True):
        assert list(operation.inputs) == [names.get(index, "") for index in operator["inputs"]]
        assert list(operation.outputs) == [names[index] for index in operator["outputs"]]
    assert list(graph.inputs) == [item["name"] for item in reference.get_input_details()]
    assert list(graph.outputs) == [item["name"] for item in reference.get_output_details()]
    return archive, graph


def test_tensors_and_operators_are_those_of_the_interpreter(converted):
    archive, graph = _assert_as_the_interpreter_says(converted)
    assert archive.format == "tflite"
    assert not archive.warnings
    settings = {}
    for operation in graph.operations:
        settings.setdefault(operation.kind, operation.attributes)
    assert settings["CONV_2D"] == {
        "padding": "SAME",
        "stride_w": 1,
        "stride_h": 2,
        "fused_activation_function": "RELU",
        "dilation_w_factor": 1,
        "dilation_h_factor": 1,
    }
    assert settings["DEPTHWISE_CONV_2D"]["depth_multiplier"] == 2
    assert settings["LEAKY_RELU"] == {"alpha": 0.25}
    assert settings["MAX_POOL_2D"]["padding"] == "VALID"
    assert settings["MAX_POOL_2D"]["filter_height"] == 2
    assert settings["CONCATENATION"]["axis"] in (-1, 3)
    assert settings["SOFTMAX"] == {"beta": 1.0}
    assert settings["RESIZE_BILINEAR"] == {"align_corners": False, "half_pixel_centers": True}
    assert graph.shapes[graph.inputs[0]] == (12, 10, 3)


def test_the_schema_is_that_of_tensorflow():
    from tensorflow.lite.python import schema_py_generated as schema

    known = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    count = len(tflite_schema.OPERATORS)
    assert [known[number] for number in range(count)] == list(tflite_schema.OPERATORS)
    types = {number: name.lower() for name, number in vars(schema.TensorType).items() if isinstance(number, int)}
    assert {number: types[number] for number in tflite_schema.DTYPES} == dict(tflite_schema.DTYPES)
    for members, enumeration in (
        (tflite_schema._PADDING, schema.Padding),
        (tflite_schema._ACTIVATION, schema.ActivationFunctionType),
        (tflite_schema._MIRROR, schema.MirrorPadMode),
    ):
        assert list(members) == [name for name, number in vars(enumeration).items() if isinstance(number, int)]


# Operators whose options are called otherwise than they themselves.
CALLED = {
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"), "Pool2D"),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL"), "Reducer"),
    "L2_NORMALIZATION": "L2Norm",
    "LSTM": "LSTM",
    "RNN": "RNN",
    "SPLIT_V": "SplitV",
    "BATCH_MATMUL": "BatchMatMul",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "SequenceRNN",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "BidirectionalSequenceLSTM",
}


@pytest.mark.parametrize("kind", list(tflite_schema.OPTIONS))
def test_options_are_those_of_tensorflow(kind):
    """Every field is written with a value of its own by TensorFlow's builder and read back."""
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    from regraft.formats.flatbuffer import Buffer

    word = "".join(part.capitalize() for part in kind.split("_"))
    name = f"{CALLED.get(kind, word.replace('2d', '2D').replace('3d', '3D'))}Options"
    written = getattr(schema, f"{name}T")()
    expected = {}
    for number, field in enumerate(item for item in tflite_schema.OPTIONS[kind] if item is not None):
        own = re.sub(r"_(\w)", lambda found: found[1].upper(), field)
        assert hasattr(written, own), field
        value = getattr(written, own)
        if field in ("new_shape", "squeeze_dims"):
            value = [number + 2, 3]
        elif isinstance(value, bool):
            value = not value
        elif isinstance(value, float):
            value = number + 1.5
        else:
            value = 1
        setattr(written, own, value)
        members = tflite_schema._MEMBERS.get(field)
        expected[field] = members[value] if members else "float16" if field.endswith("_type") else value
    builder = flatbuffers.Builder()
    builder.Finish(written.Pack(builder))
    table = Buffer(memoryview(bytes(builder.Output()))).root()
    assert tflite_schema.options(kind, table) == expected
    empty = flatbuffers.Builder()
    empty.Finish(getattr(schema, f"{name}T")().Pack(empty))
    default = getattr(schema, f"{name}T")()
    for field, value in tflite_schema.options(kind, Buffer(memoryview(bytes(empty.Output()))).root()).items():
        if not isinstance(value, (str, list)):
            assert value == getattr(default, re.sub(r"_(\w)", lambda found: found[1].upper(), field)), field


@pytest.mark.slow
def test_quantized_weights_are_given_as_stored_and_said(converted, tmp_path):
    inputs = tf.keras.Input((40,), batch_size=1)
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(30)(inputs))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    (tmp_path / "q.tflite").write_bytes(converter.convert())
    archive, _ = _assert_as_the_interpreter_says(tmp_path / "q.tflite")
    assert any(tensor.dtype == "int8" for tensor in archive.tensors.values())
    assert any(
        "tensors are quantized" in warning and "the stored integers are given" in warning
        for warning in archive.warnings
    )


def test_no_tensors_and_no_graph(tmp_path):
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT()
    for graphs, error in (
        (None, "expected a graph, found none"),
        ([schema.SubGraphT()], "holds tensors but no operations"),
    ):
        model.subgraphs = graphs
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), b"TFL3")
        (tmp_path / "m.tflite").write_bytes(bytes(builder.Output()))
        with pytest.raises(SourceError, match=error):
            formats.graph(formats.read(tmp_path / "m.tflite"))


def test_an_output_that_no_operator_makes_is_refused_by_name(tmp_path):
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    tensor, graph, model = schema.TensorT(), schema.SubGraphT(), schema.ModelT()
    tensor.name, tensor.shape = "y", [1, 2]
    graph.tensors, graph.outputs, model.subgraphs = [tensor], [0], [graph]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    (tmp_path / "m.tflite").write_bytes(bytes(builder.Output()))
    with pytest.raises(CorruptFileError, match="wants 'y', which no operator makes"):
        formats.read(tmp_path / "m.tflite")


def _outcome(path):
    try:
        archive = formats.read(path)
        values = {name: tensor.read() for name, tensor in archive.tensors.items()}
        flat(formats.graph(archive)).separating()
    except RegraftError:
        return None
    return values


def test_a_truncated_file_is_refused_or_lacks_nothing(converted, tmp_path):
    content, whole = converted.read_bytes(), _outcome(converted)
    cut, refused = tmp_path / "cut.tflite", 0
    for length in range(8, len(content), 37):
        cut.write_bytes(content[:length])
        found = _outcome(cut)
        refused += found is None
        assert found is None or all(np.array_equal(found[name], whole[name]) for name in whole)
    assert refused > len(content) // 37 * 0.95


def test_whatever_is_altered_only_our_own_errors_come_out(converted, tmp_path):
    content = converted.read_bytes()
    altered, refused = tmp_path / "altered.tflite", 0
    for place in range(8, len(content), 11):
        altered.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        refused += _outcome(altered) is None
    assert refused > 20


def test_a_tensor_of_another_size_than_stored_is_refused_by_name(tmp_path):
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    for shape, message in (
        ([3], r"tensor 'w' of shape \(3,\) and type float32 claims 12 bytes, 8 are stored"),
        ([1 << 30, 1 << 30, 1 << 30], "claims 4951760157141521099596496896 bytes, 8 are stored"),
        ([-2], "tensor 'w' has no possible shape"),
    ):
        tensor, graph, model = schema.TensorT(), schema.SubGraphT(), schema.ModelT()
        tensor.name, tensor.shape, tensor.buffer, tensor.type = "w", shape, 1, 0
        graph.tensors, model.subgraphs = [tensor], [graph]
        model.buffers = [schema.BufferT(), schema.BufferT()]
        model.buffers[1].data = list(b"\0" * 8)
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), b"TFL3")
        (tmp_path / "m.tflite").write_bytes(bytes(builder.Output()))
        with pytest.raises(CorruptFileError, match=message):
            formats.read(tmp_path / "m.tflite")


def test_a_file_that_points_at_its_tables_again_and_again_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("regraft.formats.flatbuffer._MOST_TABLES", 3)
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT()
    model.subgraphs = [schema.SubGraphT(), schema.SubGraphT(), schema.SubGraphT()]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    (tmp_path / "m.tflite").write_bytes(bytes(builder.Output()))
    with pytest.raises(CorruptFileError, match="more than 3 tables"):
        formats.read(tmp_path / "m.tflite")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mlperf_tiny_resnet8_cifar10/pretrainedResnet.tflite", 77_708),
        ("semg_m5_pt_onnx_tflite_savedmodel/saved_model/M5_recover_float32.tflite", None),
        ("semg_m5_pt_onnx_tflite_savedmodel/saved_model/M5_recover_float16.tflite", None),
        ("semg_m5_pt_onnx_tflite_savedmodel/pretrain_model/tf_lite_model/model.tflite", None),
    ],
)
def test_real_files(name, parameters, shared_folder):
    path = shared_folder / "nets" / name
    _assert_as_the_interpreter_says(path)
    found = inspect(path)
    assert len(found.cut_points) >= 7
    assert parameters in (None, found.parameters)


@pytest.mark.shared
def test_resnet_has_the_kernels_of_its_keras_file(shared_folder):
    folder = shared_folder / "nets/mlperf_tiny_resnet8_cifar10"
    keras, lite = (
        formats.read(folder / "pretrainedResnet.h5").tensors,
        formats.read(folder / "pretrainedResnet.tflite").tensors,
    )
    dense = keras["dense/kernel"].read()
    assert any(tensor.shape == (10, 64) and np.array_equal(tensor.read(), dense.T) for tensor in lite.values())
    # A convolution that no BatchNorm follows is stored as it was, outputs first.
    kernel = keras["conv2d_5/kernel"].read().transpose(3, 0, 1, 2)
    assert any(tensor.shape == kernel.shape and np.array_equal(tensor.read(), kernel) for tensor in lite.values())
