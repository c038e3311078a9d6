"""Live modules of PyTorch: the same numbers, the same parameters under their names, and the module as it was."""

import functools
import importlib
import sys

import keras
import numpy as np
import pytest

import regraft
from regraft.core.errors import ProofError, SourceError
from regraft.importers.torch_module import exporting, modules

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

# Of float32, relative to the largest element of the answer.
TOLERANCE = 1e-5


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(8 * 4 * 6, 5)

    def forward(self, x):
        below = torch.relu(self.bn1(self.conv1(x)))
        joined = functional.max_pool2d(torch.relu(below + self.block(below)), 2)
        return self.fc(self.dropout(torch.flatten(joined, 1)))


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 3, 1), nn.ReLU6(), nn.Conv2d(3, 6, 1))
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = functional.hardswish(self.depthwise(x))
        x = x * functional.hardsigmoid(self.squeeze(x))
        return self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Attention(nn.Module):
    """With the module of PyTorch, which makes batch and heads one axis."""

    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm2 = nn.LayerNorm(16)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, x):
        h = self.norm1(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class Tokens(nn.Module):
    """With a token of classes before the sequence, and places that are learned."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 16))
        self.places = nn.Parameter(torch.zeros(1, 8, 16))
        self.qkv = nn.Linear(16, 48)
        self.out = nn.Linear(16, 16)

    def forward(self, x):
        batch = x.shape[0]
        x = torch.cat([self.token.expand(batch, -1, -1), x], 1) + self.places
        query, key, value = self.qkv(x).reshape(batch, 8, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        attended = functional.scaled_dot_product_attention(query, key, value)
        return self.out(attended.transpose(1, 2).reshape(batch, 8, 16))[:, 0]


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.lstm = nn.LSTM(8, 12, num_layers=2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(24, 3)

    def forward(self, words):
        return self.fc(self.lstm(self.words(words))[0][:, -1])


OF_TODAY = importlib.util.find_spec("onnxscript") is not None
SHAPES = {Residual: (3, 8, 12), Depthwise: (6, 8, 8), Attention: (7, 16), Tokens: (7, 16), Text: (9,)}
# An LSTM of Keras has one bias for each gate, which is the sum of PyTorch's two.
ADDED_UP = {Text: 2 * 2 * 4 * 12}
EXPORTERS = {
    "graph": pytest.param("_by_graph", id="graph", marks=pytest.mark.skipif(not OF_TODAY, reason="needs onnxscript")),
    "tracing": pytest.param("_by_tracing", id="tracing"),
}


@pytest.fixture(scope="module", autouse=True)
def operators():
    """PyTorch's exporter of today reads the table of its operators once, and not anew for every module."""
    with pytest.MonkeyPatch.context() as patched:
        if OF_TODAY:
            from torch.onnx._internal.exporter._registration import ONNXRegistry

            read_once = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
            patched.setattr(ONNXRegistry, "from_torchlib", read_once)
        yield


def _module(kind, seed=0):
    torch.manual_seed(seed)
    module = kind()
    with torch.no_grad():
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.3)
        for name, buffer in module.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 1.5)
    return module


def _examples(kind, count, seed=1):
    torch.manual_seed(seed)
    shape = (count, *SHAPES[kind])
    return torch.randint(0, 20, shape) if kind is Text else torch.randn(shape)


def _answer(module, x):
    with modules.evaluating(module), torch.no_grad():
        return module(x).numpy()


def _channels_last(x):
    values = x.numpy()
    return np.moveaxis(values, 1, -1) if values.ndim == 4 else values


def _elements(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


@functools.cache
def _opened(kind, exporter):
    """A module, exported with one example in one way, and what was opened of it."""
    module = _module(kind)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(exporting, "_exporters", lambda: [getattr(exporting, exporter)])
        return module, regraft.open(module, example=_examples(kind, 1), preprocessing="raw")


@pytest.mark.parametrize("exporter", EXPORTERS.values())
@pytest.mark.parametrize("kind", list(SHAPES))
def test_the_numbers_and_parameters_are_those_of_the_module(kind, exporter):
    module, opened = _opened(kind, exporter)
    # Another number of examples than it was exported with.
    x = _examples(kind, 5)
    theirs, ours = _answer(module, x), np.asarray(opened.model(_channels_last(x)))
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * np.abs(theirs).max())
    learned = sum(parameter.numel() for parameter in module.parameters())
    assert _elements(opened.model.trainable_variables) == learned - ADDED_UP.get(kind, 0)
    assert not opened.report.unused
    assert not opened.report.notes
    assert all(type(layer).__module__.startswith("keras.") for layer in opened.model.layers)


@pytest.mark.parametrize("exporter", EXPORTERS.values())
def test_variables_are_called_after_the_parameters(exporter):
    _, opened = _opened(Residual, exporter)
    assert list(regraft.variables(opened.model)) == [
        "conv1/kernel",
        *(f"bn1/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")),
        "block_0/kernel",
        "block_0/bias",
        *(f"block_1/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")),
        "fc/kernel",
        "fc/bias",
    ]
    renamed = dict(opened.report.renamed)
    assert renamed["block.1.running_var"] == "block_1/moving_variance"
    assert "module" not in " ".join(renamed)
    _, text = _opened(Text, exporter)
    renamed = dict(text.report.renamed)
    assert renamed["lstm.weight_hh_l1"] == "lstm_l1/forward_layer/cell/recurrent_kernel"
    assert renamed["lstm.weight_hh_l1_reverse"] == "lstm_l1/backward_layer/cell/recurrent_kernel"


def test_equal_parameters_stay_two(monkeypatch):
    """Fresh normalisations have the same ones and zeros; they are layers of their own all the same."""
    monkeypatch.setattr(exporting, "_exporters", lambda: [exporting._by_tracing])
    opened = regraft.open(Residual(), example=_examples(Residual, 2), preprocessing="raw")
    assert {"bn1/gamma", "block_1/gamma"} <= set(regraft.variables(opened.model))
    assert opened.model.get_layer("bn1") is not opened.model.get_layer("block_1")


def test_a_shared_part_stays_shared():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return self.fc(torch.relu(self.fc(x)))

    module = _module(Twice)
    opened = regraft.open(module, example=torch.randn(2, 4), preprocessing="raw")
    assert list(regraft.variables(opened.model)) == ["fc/kernel", "fc/bias"]
    x = torch.randn(3, 4)
    np.testing.assert_allclose(np.asarray(opened.model(x.numpy())), _answer(module, x), rtol=0, atol=TOLERANCE * 5)


def test_the_module_is_left_as_it_was():
    module = _module(Residual)
    module.train()
    module.bn1.eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    flags = {name: part.training for name, part in module.named_modules()}
    regraft.open(module, example=_examples(Residual, 2), preprocessing="raw")
    assert {name: part.training for name, part in module.named_modules()} == flags
    assert (flags[""], flags["bn1"]) == (True, False)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    with pytest.raises(SourceError):
        regraft.open(module, example=torch.randn(2, 5))
    assert {name: part.training for name, part in module.named_modules()} == flags


def test_buffers_do_not_learn_and_numbers_that_learn_do():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 6)
            self.register_buffer("places", torch.randn(6))
            self.share = nn.Parameter(torch.tensor(0.7))

        def forward(self, x):
            return x + self.share * self.fc(x) + self.places

    module = Mixed()
    opened = regraft.open(module, example=torch.randn(2, 6), preprocessing="raw")
    x = torch.randn(3, 6)
    theirs = _answer(module, x)
    np.testing.assert_allclose(np.asarray(opened.model(x.numpy())), theirs, rtol=0, atol=TOLERANCE * theirs.max())
    assert _elements(opened.model.trainable_variables) == 6 * 6 + 6 + 1
    assert ("share", "share/kernel") in opened.report.renamed
    assert opened.report.skipped == ("places",)


def test_several_inputs_and_outputs():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(4, 3), nn.Linear(5, 3)

        def forward(self, wide, long=None, scale=1.0):
            joined = self.left(wide) + self.right(long) * scale
            return {"sum": joined, "both": (joined, torch.relu(joined)), "none": None}

    module = _module(Pair)
    wide, long = torch.randn(2, 4), torch.randn(2, 5)
    for example in ((wide, long), {"wide": wide, "long": long}):
        opened = regraft.open(module, example=example, preprocessing="raw")
        assert [tensor.name for tensor in opened.model.inputs] == ["wide", "long"]
        with torch.no_grad():
            theirs = module(wide, long)
        sums, again, positive = opened.model([wide.numpy(), long.numpy()])
        np.testing.assert_allclose(np.asarray(sums), theirs["sum"].numpy(), rtol=0, atol=TOLERANCE * 3)
        np.testing.assert_array_equal(np.asarray(again), np.asarray(sums))
        np.testing.assert_allclose(np.asarray(positive), theirs["both"][1].numpy(), rtol=0, atol=TOLERANCE * 3)


def test_a_conversion_is_proven_by_the_module_itself(tmp_path):
    module = _module(Residual)
    module.train()
    done = regraft.convert(module, tmp_path / "module.keras", example=np.zeros((1, 3, 8, 12), "float32"), check=True)
    proof = done.parity
    assert proof is not None
    assert proof.holds
    assert proof.error <= TOLERANCE
    assert proof.runtime.startswith("torch ")
    assert proof.trainable_parameters == proof.original_parameters == sum(p.numel() for p in module.parameters())
    assert (done.source, done.format, done.whole) == ("module 'Residual'", "torch-module", True)
    assert module.training
    if importlib.util.find_spec("onnxruntime"):
        assert {"conv1", "bn1", "block_0", "fc"} <= {item.layer for item in proof.layers}
    x = _examples(Residual, 2)
    theirs = _answer(module, x)
    written = keras.saving.load_model(tmp_path / "module.keras")
    np.testing.assert_allclose(
        np.asarray(written(_channels_last(x))), theirs, rtol=0, atol=TOLERANCE * np.abs(theirs).max()
    )


def test_without_onnxruntime_the_answers_are_compared(tmp_path, monkeypatch):
    from regraft.importers.originals import torch_module

    monkeypatch.setattr(torch_module.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(exporting, "_exporters", lambda: [exporting._by_tracing])
    done = regraft.convert(_module(Text), tmp_path / "text.keras", example=_examples(Text, 2), check=True)
    assert done.parity is not None
    assert done.parity.holds
    assert [item.layer for item in done.parity.layers] == ["fc"]


def test_what_the_trace_takes_for_granted_is_said(tmp_path, caplog, monkeypatch):
    class Deciding(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(x) if x.sum() > -1e9 else x

    opened = regraft.open(Deciding(), example=torch.randn(2, 4), preprocessing="raw")
    assert opened.model.output_shape == (None, 2)
    assert "module 'Deciding' was traced with the example: Converting a tensor to a Python boolean" in caplog.text


def test_a_module_that_answers_otherwise_fails_the_proof(tmp_path, monkeypatch):
    """The proof asks the module, not the file that it was exported to."""

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return self.fc(x) * self.calls

    monkeypatch.setattr(exporting, "_exporters", lambda: [exporting._by_tracing])
    with pytest.raises(ProofError, match=r"expected the outputs of torch .* for 'module 'Counting''"):
        regraft.convert(Counting(), tmp_path / "x.keras", example=torch.randn(2, 4), check=True)
    assert not (tmp_path / "x.keras").exists()


def test_wrong_requests(tmp_path):
    module = nn.Linear(4, 2)
    with pytest.raises(SourceError, match="expected an example input for module 'Linear', found none"):
        regraft.open(module)
    with pytest.raises(SourceError, match=r"module 'Linear' does not take the example 'input' \(2, 5\): mat1 and mat2"):
        regraft.open(module, example=torch.zeros(2, 5))
    with pytest.raises(SourceError, match=r"expected an example of tensors or arrays .* found str as 'input'"):
        regraft.open(module, example="x")
    with pytest.raises(SourceError, match=r"one number of examples on their first axis .* found 'input' \(\)"):
        regraft.open(module, example=torch.tensor(1.0))
    with pytest.raises(SourceError, match="expected an architecture only for files"):
        regraft.open(module, example=torch.zeros(2, 4), architecture="keras:MobileNet")
    with pytest.raises(SourceError, match=r"expected an example only for a torch.nn.Module, found one for 'x.onnx'"):
        regraft.open("x.onnx", example=torch.zeros(2, 4))
    with pytest.raises(SourceError, match="to answer tensors, found none"):
        regraft.open(_Silent(), example=torch.zeros(2, 4))


class _Silent(nn.Module):
    def forward(self, x):
        return "nothing"


def test_kernels_for_graphics_cards_stay_out_of_a_process_with_tensorflow(monkeypatch):
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    with exporting._without_triton(), pytest.raises(ImportError):
        importlib.import_module("triton")
    assert "triton" not in sys.modules
    monkeypatch.delitem(sys.modules, "tensorflow")
    with exporting._without_triton():
        assert "triton" not in sys.modules
