"""Caffe models: files written by the tests' own encoder of `caffe.proto`, and real ones."""

import shutil
import struct

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, RegraftError, SourceError
from regraft.core.tensors import flat
from regraft.formats.caffe_schema import FIRST_TYPES, PARAMETERS
from regraft.formats.inspection import inspect


def _varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _field(number, value):
    if isinstance(value, (bool, int)):
        return _varint(number << 3) + _varint(int(value))
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, str):
        value = value.encode()
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _message(*fields):
    return b"".join(_field(number, value) for number, value in fields)


def _blob(array, legacy=False):
    values = np.asarray(array)
    raw = values.tobytes()
    if legacy:
        sizes = (1,) * (4 - values.ndim) + values.shape
        return _message(*enumerate(sizes, start=1), (5, raw))
    dims = b"".join(map(_varint, values.shape))
    return _message((8 if values.dtype == np.float64 else 5, raw), (7, _message((1, dims))))


def _layer(name, kind, bottoms=(), tops=(), blobs=(), *more):
    head = [(1, name), (2, kind), *((3, item) for item in bottoms), *((4, item) for item in tops)]
    return _message(*head, *((7, _blob(item)) for item in blobs), *more)


def _first_layer(name, kind, bottoms=(), tops=(), blobs=(), *more):
    head = [*((2, item) for item in bottoms), *((3, item) for item in tops), (4, name), (5, FIRST_TYPES.index(kind))]
    return _message(*head, *((6, _blob(item, legacy=True)) for item in blobs), *more)


GENERATOR = np.random.default_rng(0)
KERNEL = GENERATOR.normal(size=(4, 3, 3, 3)).astype("f4")
BIAS = GENERATOR.normal(size=4).astype("f4")
DENSE = GENERATOR.normal(size=(2, 100)).astype("f4")


def _network(layer, number):
    """A small network in both versions of the format."""
    convolution = _message((1, 4), (3, 1), (4, 3), (6, 2))
    pooling = _message((1, 1), (2, 3), (3, 2))
    second = number == 100
    return _message(
        (1, "small"),
        (number, layer("data", "Data", (), ("data", "label"))),
        (
            number,
            layer("conv", "Convolution", ("data",), ("conv",), (KERNEL, BIAS), (106 if second else 10, convolution)),
        ),
        (number, layer("relu", "ReLU", ("conv",), ("conv",))),
        (number, layer("pool", "Pooling", ("conv",), ("pool",), (), (121 if second else 19, pooling))),
        (number, layer("dense", "InnerProduct", ("pool",), ("dense",), (DENSE, BIAS[:2]))),
        (number, layer("split", "Split", ("dense",), ("dense_0", "dense_1"))),
        (number, layer("accuracy", "Accuracy", ("dense_0", "label"), ("accuracy",))),
        (number, layer("loss", "SoftmaxWithLoss", ("dense_1", "label"), ("loss",))),
    )


VERSIONS = pytest.mark.parametrize(("layer", "number"), [(_layer, 100), (_first_layer, 2)], ids=["second", "first"])


@VERSIONS
def test_both_versions_of_the_format(layer, number, tmp_path):
    (tmp_path / "m.caffemodel").write_bytes(_network(layer, number))
    archive = formats.read(tmp_path / "m.caffemodel")
    expected = {"conv/weights": KERNEL, "conv/bias": BIAS, "dense/weights": DENSE, "dense/bias": BIAS[:2]}
    assert list(archive.tensors) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(archive.tensors[name].read(), value)
        assert archive.tensors[name].shape == value.shape
    graph = formats.graph(archive)
    assert [(item.name, item.kind, item.inputs, item.outputs) for item in graph.operations] == [
        ("conv", "Convolution", ("data", "conv/weights", "conv/bias"), ("conv",)),
        ("relu", "ReLU", ("conv",), ("conv/relu",)),
        ("pool", "Pooling", ("conv/relu",), ("pool",)),
        ("dense", "InnerProduct", ("pool", "dense/weights", "dense/bias"), ("dense",)),
        ("loss", "Softmax", ("dense",), ("loss",)),
    ]
    assert graph.operations[0].attributes == {"num_output": 4, "pad": [1], "kernel_size": [3], "stride": [2]}
    assert graph.operations[2].attributes == {"pool": "AVE", "kernel_size": 3, "stride": 2}
    assert (graph.inputs, graph.outputs) == (("data",), ("loss",))
    assert archive.warnings == ("layer 'loss' (SoftmaxWithLoss) is drawn as Softmax: the loss is not needed",)


PROTOTXT = """
name: "small"
input: "data" input_dim: 1 input_dim: 3 input_dim: 10 input_dim: 10
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_h: 3 kernel_w: 5 pad: 1 bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" relu_param { negative_slope: 0.1 } }
layer { name: "noise" type: "Dropout" bottom: "conv" top: "conv" include { phase: TRAIN } }
layer { name: "dense" type: "InnerProduct" bottom: "conv" top: "dense" inner_product_param { num_output: 2 } }
layer { name: "prob" type: "Softmax" bottom: "dense" top: "prob" }
"""


def test_the_graph_is_that_of_the_text_beside_it(tmp_path):
    (tmp_path / "m.caffemodel").write_bytes(_network(_layer, 100))
    (tmp_path / "solver.prototxt").write_text('net: "train.prototxt" base_lr: 0.1')
    (tmp_path / "train.prototxt").write_text(PROTOTXT.replace("prob", "train"))
    (tmp_path / "deploy.prototxt").write_text(PROTOTXT)
    archive = formats.read(tmp_path / "m.caffemodel")
    assert archive.metadata["prototxt"] == "deploy.prototxt"
    graph = formats.graph(archive)
    assert graph.shapes == {"data": (3, 10, 10)}
    assert [(item.name, item.attributes) for item in graph.operations] == [
        ("conv", {"num_output": 4, "kernel_h": 3, "kernel_w": 5, "pad": [1], "bias_term": True}),
        ("relu", {"negative_slope": 0.1}),
        ("dense", {"num_output": 2}),
        ("prob", {}),
    ]
    (tmp_path / "m.prototxt").write_text(PROTOTXT.replace("prob", "same"))
    assert formats.read(tmp_path / "m.caffemodel").metadata["prototxt"] == "m.prototxt"


def test_the_first_version_of_the_text(tmp_path):
    (tmp_path / "m.caffemodel").write_bytes(_network(_first_layer, 2))
    text = PROTOTXT.replace("layer {", "layers {").replace('"Convolution"', "CONVOLUTION").replace('"ReLU"', "RELU")
    text = (
        text.replace('"InnerProduct"', "INNER_PRODUCT")
        .replace('"Softmax"', "SOFTMAX_LOSS")
        .replace('"Dropout"', "DROPOUT")
    )
    (tmp_path / "m.prototxt").write_text(text)
    graph = formats.graph(formats.read(tmp_path / "m.caffemodel"))
    assert [item.kind for item in graph.operations] == ["Convolution", "ReLU", "InnerProduct", "Softmax"]


def test_other_inputs_and_shapes(tmp_path):
    (tmp_path / "m.caffemodel").write_bytes(_network(_layer, 100))
    start = PROTOTXT.index("layer")
    for head in (
        'input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 8 }',
        'layer { name: "in" type: "Input" top: "data" input_param { shape: { dim: 1 dim: 3 dim: 9 dim: 8 } } }',
    ):
        (tmp_path / "m.prototxt").write_text(head + PROTOTXT[start:])
        graph = formats.graph(formats.read(tmp_path / "m.caffemodel"))
        assert (graph.inputs, graph.shapes) == (("data",), {"data": (3, 9, 8)})


def test_normalisation_has_its_parts_named(tmp_path):
    one = np.ones(4, "f4")
    layers = [
        _layer("bn", "BatchNorm", ("data",), ("bn",), (one, one * 2, one[:1]), (139, _message((1, True), (3, 0.001)))),
        _layer("scale", "Scale", ("bn",), ("bn",), (one, one), (142, _message((4, True)))),
        _layer("slope", "PReLU", ("bn",), ("bn",), (one,)),
        _layer("own", "Mine", ("bn",), ("own",), (one, one.astype("f8"))),
    ]
    (tmp_path / "m.caffemodel").write_bytes(_message((1, "n"), (3, "data"), *((100, layer) for layer in layers)))
    archive = formats.read(tmp_path / "m.caffemodel")
    assert list(archive.tensors) == [
        *("bn/mean", "bn/variance", "bn/factor", "scale/scale", "scale/bias", "slope/slope", "own/0", "own/1"),
    ]
    assert archive.tensors["own/1"].dtype == "float64"
    operations = formats.graph(archive).operations
    assert operations[0].attributes == {"use_global_stats": True, "eps": pytest.approx(0.001)}
    assert operations[1].attributes == {"bias_term": True}
    assert [item.outputs[0] for item in operations] == ["bn", "bn/scale", "bn/slope", "own"]


def test_numbers_of_fields_are_used_once():
    for version in (0, 1):
        numbers = [row[version] for row in PARAMETERS.values() if row[version] is not None]
        assert len(numbers) == len(set(numbers))
    for name, (_, _, fields) in PARAMETERS.items():
        assert len({field.number for field in fields}) == len({field.name for field in fields}) == len(fields), name


def test_a_weight_of_another_size_than_stored_is_refused_by_name(tmp_path):
    for blob in (
        _message((5, BIAS.tobytes()), (7, _message((1, _varint(1 << 40))))),
        _message((5, BIAS.tobytes()[:-4]), (7, _message((1, _varint(4))))),
        _message((7, _message((1, _varint(4))))),
    ):
        layer = _message((1, "fc"), (2, "InnerProduct"), (7, blob))
        (tmp_path / "m.caffemodel").write_bytes(_message((1, "n"), (100, layer), (100, layer)))
        with pytest.raises(CorruptFileError, match=r"'fc/weights' of shape \(\d+,\) and type float32 claims \d+ bytes"):
            formats.read(tmp_path / "m.caffemodel")


def test_an_impossible_shape_is_refused(tmp_path):
    blob = _message((5, b""), (7, _message((1, _varint(-1)))))
    layer = _message((1, "fc"), (2, "InnerProduct"), (7, blob))
    (tmp_path / "m.caffemodel").write_bytes(_message((1, "n"), (100, layer), (100, layer)))
    with pytest.raises(CorruptFileError, match="a weight of 'fc' has no possible shape"):
        formats.read(tmp_path / "m.caffemodel")


def test_a_network_without_weights_is_refused(tmp_path):
    (tmp_path / "m.caffemodel").write_bytes(_message((1, "n"), (100, _layer("a", "ReLU")), (100, _layer("b", "ReLU"))))
    with pytest.raises(SourceError, match="expected layers with weights, found none"):
        formats.read(tmp_path / "m.caffemodel")


def test_a_text_of_another_network_is_refused(shared_folder, tmp_path):
    folder = shared_folder / "nets/mtcnn_caffe/model"
    text = (folder / "det1.prototxt").read_text()
    (tmp_path / "m.caffemodel").write_bytes((folder / "det1.caffemodel").read_bytes())
    (tmp_path / "m.prototxt").write_text(text)
    assert formats.read(tmp_path / "m.caffemodel").metadata["prototxt"] == "m.prototxt"
    (tmp_path / "m.prototxt").write_text(text.replace("num_output: 10", "num_output: 11"))
    with pytest.raises(SourceError, match=r"m.prototxt' asks for 11 outputs of layer 'conv1', .* holds 10; expected"):
        formats.read(tmp_path / "m.caffemodel")


def test_layers_of_the_oldest_caffe_are_refused_by_name(tmp_path):
    layer = _message((1, _message((1, "conv1"), (2, "conv"))))
    (tmp_path / "m.caffemodel").write_bytes(_message((1, "net"), (2, layer), (2, layer)))
    with pytest.raises(
        CorruptFileError, match="of Caffe before 2014; upgrade it with Caffe's upgrade_net_proto_binary"
    ):
        formats.read(tmp_path / "m.caffemodel")


def test_a_damaged_text_beside_it_is_refused_by_name(tmp_path):
    (tmp_path / "m.caffemodel").write_bytes(_network(_layer, 100))
    (tmp_path / "m.prototxt").write_text(PROTOTXT[:-4])
    with pytest.raises(CorruptFileError, match=r"m.prototxt' is truncated or was altered \(expected a name"):
        formats.read(tmp_path / "m.caffemodel")


@VERSIONS
def test_a_truncated_file_is_refused_or_lacks_whole_layers(layer, number, tmp_path):
    content = _network(layer, number)
    path = tmp_path / "m.caffemodel"
    (tmp_path / "m.prototxt").write_text(PROTOTXT)
    refused = 0
    for length in range(0, len(content), 3):
        path.write_bytes(content[:length])
        try:
            archive = formats.read(path)
        except RegraftError as error:
            refused += "\n" not in str(error)
        else:
            # What is cut between two layers behind the last weights is a whole network.
            assert len(archive.tensors) == 4
    assert refused >= len(content) // 3 - 6


def test_whatever_is_altered_only_our_own_errors_come_out(tmp_path):
    content = _network(_layer, 100)
    path, refused = tmp_path / "m.caffemodel", 0
    for place in range(0, len(content), 4):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            archive = formats.read(path)
            for tensor in archive.tensors.values():
                tensor.read()
            flat(formats.graph(archive)).separating()
        except RegraftError:
            refused += 1
    assert refused > 10


@pytest.mark.shared
def test_lenet(shared_folder):
    found = inspect(shared_folder / "nets/caffe_lenet_mnist/lenet_iter_10000.caffemodel")
    assert found.metadata["prototxt"] == "lenet_train_test.prototxt"
    assert found.metadata["transform"] == {"scale": 0.00390625}
    assert [point.name for point in found.cut_points] == [
        *("conv1", "pool1", "conv2", "pool2", "ip1", "relu1", "ip2", "loss"),
    ]
    assert found.parameters == 431_080
    archive = formats.read(found.path)
    assert archive.tensors["ip2/weights"].shape == (10, 500)
    assert np.isfinite(archive.tensors["ip1/weights"].read()).all()


def _as_npy(value, name):
    """Caffe's weights in the order of caffe-tensorflow: height, width, inputs, outputs."""
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    if value.ndim == 2 and name in ("det2/conv4", "det3/conv5"):
        return value.reshape(len(value), -1, 3, 3).transpose(2, 3, 1, 0).reshape(-1, len(value))
    return value.T


def _as_pytorch(value, name):
    """Caffe's weights in the order of the PyTorch file: pictures lie on their side there."""
    if value.ndim == 4:
        return value.transpose(0, 1, 3, 2)
    if value.ndim == 2 and name in ("det2/conv4", "det3/conv5"):
        return value.reshape(len(value), -1, 3, 3).transpose(0, 2, 3, 1).reshape(len(value), -1)
    return value


DENSE_LAYERS = {"det1": (), "det2": ("conv4", "conv5"), "det3": ("conv5", "conv6")}


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "pytorch", "lacking"), [("det1", "pnet", 0), ("det2", "rnet", 2), ("det3", "onet", 0)]
)
def test_three_formats_hold_the_same_face_networks(name, pytorch, lacking, shared_folder):
    nets = shared_folder / "nets"
    left = formats.read(nets / f"mtcnn_caffe/model/{name}.caffemodel").tensors
    npy = formats.read(nets / f"mtcnn_npy/{name}.npy").tensors
    torch = formats.read(nets / f"mtcnn_pytorch/{pytorch}.pt").tensors
    compared = 0
    for key, tensor in left.items():
        layer, role = key.split("/")
        value = tensor.read()
        there = f"{layer}/{ {'weights': 'weights', 'bias': 'biases', 'slope': 'alpha'}[role] }"
        dense = layer.split("-")[0] in DENSE_LAYERS[name]
        module = (layer.replace("conv", "dense") if dense else layer.lower()).replace("-", "_")
        other = f"{module}.{'bias' if role == 'bias' else 'weight'}"
        if there in npy:
            np.testing.assert_array_equal(npy[there].read(), _as_npy(value, f"{name}/{layer}"), err_msg=key)
            np.testing.assert_array_equal(torch[other].read(), _as_pytorch(value, f"{name}/{layer}"), err_msg=key)
            compared += 1
    # The R-Net of the other two lacks `conv5-3`.
    assert compared == len(left) - lacking == len(npy) == len(torch)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["det1", "det2", "det3"])
def test_the_file_alone_gives_the_same_network(name, shared_folder, tmp_path):
    folder = shared_folder / "nets/mtcnn_caffe/model"
    shutil.copy(folder / f"{name}.caffemodel", tmp_path)
    alone = formats.graph(formats.read(tmp_path / f"{name}.caffemodel"))
    beside = formats.graph(formats.read(folder / f"{name}.caffemodel"))
    assert len(alone.inputs) == len(beside.inputs) == 1
    together = {item.name.lower(): item for item in beside.operations}
    shared = [item for item in alone.operations if item.name.lower() in together]
    assert len(shared) >= len(beside.operations) - 2
    for item in shared:
        other = together[item.name.lower()]
        assert item.kind == other.kind
        assert item.inputs[1:] == other.inputs[1:]
