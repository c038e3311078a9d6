"""Restoring layers of PyTorch into their counterparts in Keras."""

import keras
import numpy as np
import pytest

import regraft
from tests.recipes.comparing import assert_close, same_values

layers = keras.layers


def test_a_small_pytorch_network_needs_no_rules(tmp_path):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    original = nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.Flatten()),
        *(nn.Linear(8 * 5 * 5, 16), nn.ReLU(), nn.Linear(16, 16), nn.Linear(16, 16)),
    )
    original(torch.randn(8, 3, 16, 16))  # So that the statistics are not those of a new layer.
    original.eval()
    torch.save({"model": original.state_dict()}, tmp_path / "net.pt")
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(8, 3, name="first"),
            layers.BatchNormalization(epsilon=1e-5, name="norm"),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Conv2D(8, 3, name="second"),
            layers.Flatten(),
            layers.Dense(16, "relu", name="dense_a"),
            layers.Dense(16, name="dense_b"),
            layers.Dense(16, name="dense_c"),
        ]
    )
    done = regraft.restore(model, tmp_path / "net.pt")
    x = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype(np.float32)
    with torch.no_grad():
        expected = original(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    assert_close(np.asarray(done.model.predict(x, verbose=0)), expected)
    assert done.report.skipped == ("1.num_batches_tracked",)
    # Square kernels lie as PyTorch's do, and the rows over the flattened map are in Keras' order, which is told.
    steps = {item.variables[0]: item.steps for item in done.report.transformed}
    assert steps["dense_b/kernel"] == steps["dense_c/kernel"] == "transpose 1 0"
    assert steps["dense_a/kernel"].startswith("transpose 1 0 | reshape 8 5 5 16 | transpose 1 2 0 3")
    assert ["first axis of 'dense_a/kernel'" in note for note in done.report.notes] == [True]
    again = regraft.restore(model, tmp_path / "net.pt", done.rules)
    same_values(again.model, done.model)


_RECURRENT = {
    "LSTM": r"""
    weight_(ih|hh)_l0 => lstm/cell/(recurrent_)?kernel
    bias_ih_l0, bias_hh_l0 -> lstm/cell/bias | add
    """,
    # PyTorch has the gates of a GRU in the order reset, update, new; Keras has the update first.
    "GRU": r"""
    weight_ih_l0 -> gru/cell/kernel | blocks 0 1 0 2 | transpose 1 0
    weight_hh_l0 -> gru/cell/recurrent_kernel | blocks 0 1 0 2 | transpose 1 0
    bias_ih_l0, bias_hh_l0 -> gru/cell/bias | blocks 0 1 0 2 | stack 0
    """,
}


@pytest.mark.parametrize("kind", _RECURRENT)
def test_recurrent_layers_of_pytorch_by_rules(tmp_path, kind):
    torch = pytest.importorskip("torch")
    original = getattr(torch.nn, kind)(3, 5, batch_first=True)
    torch.save(original.state_dict(), tmp_path / "net.pt")
    layer = getattr(layers, kind)(5, return_sequences=True, name=kind.lower())
    done = regraft.restore(keras.Sequential([keras.Input((7, 3)), layer]), tmp_path / "net.pt", _RECURRENT[kind])
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    with torch.no_grad():
        expected = original(torch.from_numpy(x))[0].numpy()
    assert_close(np.asarray(done.model.predict(x, verbose=0)), expected)


def test_attention_of_pytorch_by_rules(tmp_path):
    torch = pytest.importorskip("torch")
    original = torch.nn.MultiheadAttention(12, 3, batch_first=True)
    torch.nn.init.normal_(original.in_proj_bias)
    torch.save(original.state_dict(), tmp_path / "net.pt")
    entry = keras.Input((7, 12))
    q, k, v = (f"a/{part}_dense" for part in ("query", "key", "value"))
    model = keras.Model(entry, layers.MultiHeadAttention(3, 4, name="a")(entry, entry))
    done = regraft.restore(
        model,
        tmp_path / "net.pt",
        rf"""
        in_proj_weight -> {q}/kernel, {k}/kernel, {v}/kernel | split 0 | transpose 1 0 | reshape
        in_proj_bias -> {q}/bias, {k}/bias, {v}/bias | split 0 | reshape
        out_proj\.weight -> a/output_dense/kernel | transpose 1 0 | reshape
        out_proj\.bias -> a/output_dense/bias
        """,
    )
    x = np.random.default_rng(0).normal(size=(2, 7, 12)).astype(np.float32)
    with torch.no_grad():
        expected = original(*[torch.from_numpy(x)] * 3)[0].numpy()
    assert_close(np.asarray(done.model.predict(x, verbose=0)), expected)
