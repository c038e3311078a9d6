"""Restoring residual networks of PyTorch and Lasagne, which compute what PyTorch's functions compute."""

import keras
import numpy as np
import pytest

import regraft
from regraft import formats
from regraft.core.errors import SelectorError
from regraft.recipes import restoring
from tests.recipes.comparing import assert_close, assert_every_name_has_one_row, values

layers = keras.layers


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
    assert_close(np.asarray(found.model.predict(_pictures(), verbose=0)), expected)
    said = regraft.restore(_resnet(3, 1e-5), path, _TORCH_RULES)
    assert said.report == found.report
    assert said.report.notes == ()
    # Keras' own default is another epsilon: every value would be in its place, and the answers wrong.
    (note,) = regraft.restore(_resnet(3, 1e-3), path).report.notes
    assert note.startswith("PyTorch's BatchNorm adds 1e-05 to a variance unless it is told otherwise, 'stem_bn' and 18")
    assert len(said.report.transformed) == 20
    assert_every_name_has_one_row(said.report, list(state), list(values(said.model)))


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
    assert_close(np.asarray(done.model.predict(_pictures(), verbose=0)), expected)
    assert_every_name_has_one_row(done.report, [f"arr_{n}" for n in range(157)], list(values(model)))
    assert len(done.report.notes) == 1
    assert "'stem_conv/kernel' and 30 more had the outputs first and were not turned" in done.report.notes[0]
    turned = _LASAGNE_RULES.replace(".*_conv/kernel ", ".*_conv/kernel | transpose | flip ")
    other = regraft.restore(model, path, turned)
    np.testing.assert_array_equal(
        values(other.model)["stem_conv/kernel"], values(done.model)["stem_conv/kernel"][::-1, ::-1]
    )
    assert other.report.notes == ()
    # Without rules the order of beta and gamma cannot be told; both are listed.
    with pytest.raises(SelectorError, match=r"in Keras' and PyTorch's order .* or in Lasagne's order \(beta, gamma"):
        regraft.restore(model, path)
    proposed = restoring.propose(model, path)
    assert "#   arr_4 -> stem_bn/moving_variance | inverse-std" in proposed.rules
    assert len(proposed.open) == 1
