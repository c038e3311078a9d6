"""Passes as CUDA graphs; what needs a GPU and Keras on PyTorch is skipped elsewhere."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

torch = pytest.importorskip("torch")

# PyTorch is there from here on.
from regraft.activations.engines import Wanted, compile_trunk, cuda_graph  # noqa: E402
from regraft.activations.engines import keras as engine  # noqa: E402
from regraft.activations.engines.trunk import BATCH, Array, Compiled, trunk_of  # noqa: E402
from regraft.core.input_spec import InputSpec  # noqa: E402
from regraft.graph.arithmetic import exactly  # noqa: E402

on_gpu = pytest.mark.skipif(
    keras.backend.backend() != "torch" or not torch.cuda.is_available(), reason="needs a GPU, with Keras on PyTorch"
)
L = keras.layers


def test_what_comes_from_the_processor_is_made_once_and_given_in_its_order() -> None:
    constants = cuda_graph.Constants()

    def run() -> list[Any]:
        return [torch.as_tensor(1.5), torch.tensor([1, 2]), torch.as_tensor(np.arange(3.0)).to(torch.float32)]

    made = []
    for _ in range(3):
        with constants.in_order():
            made.append(run())
    for again in made[1:]:
        assert all(one is other for one, other in zip(again, made[0], strict=True))
    assert [one.tolist() for one in made[0]] == [1.5, [1, 2], [0.0, 1.0, 2.0]]
    assert torch.as_tensor(1.5) is not made[0][0]


@pytest.mark.parametrize(("count", "message"), [(1, "1 tensors come .* first time 2"), (3, "more tensors .* time, 2")])
def test_a_run_that_is_another_is_refused(count: int, message: str) -> None:
    constants = cuda_graph.Constants()

    def run(numbers: int) -> None:
        with constants.in_order():
            for number in range(numbers):
                assert torch.as_tensor(number).item() == number

    run(2)
    run(2)
    with pytest.raises(RuntimeError, match=message):
        run(count)


def _waits(x: Any) -> list[Any]:
    return [x * 2 if x.sum().item() > 0 else x]


def _chooses(x: Any) -> list[Any]:
    return [x[x > 0]]


@on_gpu
@pytest.mark.parametrize("run", [_waits, _chooses])
def test_what_cannot_be_recorded_leaves_everything_as_it_was(run: Callable[[Any], list[Any]]) -> None:
    stream, generator = torch.cuda.current_stream(), torch.cuda.get_rng_state()
    given = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            cuda_graph.recorded(run, given)
    assert torch.cuda.current_stream() == stream
    assert torch.equal(torch.cuda.get_rng_state(), generator)
    assert not torch.cuda.is_current_stream_capturing()
    torch.cuda.manual_seed(0)
    one = torch.rand(4, device="cuda")
    torch.cuda.manual_seed(0)
    assert torch.equal(torch.rand(4, device="cuda"), one)
    # Memory goes back, and what is recorded next works.
    before = torch.cuda.memory_allocated()
    for _ in range(50):
        torch.empty(1_000_000, device="cuda").mul_(2)
    torch.cuda.synchronize()
    assert torch.cuda.memory_allocated() == before
    replay = cuda_graph.recorded(lambda x: [x * 2], given)
    np.testing.assert_array_equal(replay(given + 1)[0], 2 * (given + 1))
    # Kept after the graph has been replayed with something else.
    kept = replay(given)[0]
    replay(given + 5)
    np.testing.assert_array_equal(kept, 2 * given)


def _networks() -> dict[str, tuple[keras.Model, str]]:
    """Networks of layers of many kinds, and the cut point that is wanted."""
    keras.utils.set_random_seed(0)
    inputs: Any = keras.Input((16, 16, 3))
    x: Any = L.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    x = L.ReLU(6.0)(L.BatchNormalization()(x))
    x = L.Add()([L.DepthwiseConv2D(3, padding="same")(x), x])
    x = L.GroupNormalization(2)(L.Resizing(8, 8)(x))
    x = L.Dropout(0.5)(L.UpSampling2D()(x))
    made = {"pictures": (keras.Model(inputs, L.Conv2D(4, 1, name="top")(x)), "top")}
    inputs = keras.Input((10, 6))
    x = L.Bidirectional(L.GRU(5, return_sequences=True))(inputs)
    x = L.MultiHeadAttention(2, 4)(x, x)
    made["series"] = (keras.Model(inputs, L.LayerNormalization(name="top")(x)), "top")
    inputs = keras.Input((12,), dtype="int32")
    x = L.LSTM(7)(L.Embedding(30, 6, mask_zero=True)(inputs))
    made["texts"] = (keras.Model(inputs, L.Dense(3, name="top")(x)), "top")
    return made


@on_gpu
@pytest.mark.parametrize(
    ("kind", "pooled"),
    [("pictures", True), ("pictures", False), ("series", True), ("series", False), ("texts", False)],
)
def test_replayed_is_the_same_to_the_bit(kind: str, pooled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, top = _networks()[kind]
    inputs = InputSpec(tuple(model.inputs[0].shape[1:]))
    random = np.random.default_rng(0)
    shape = (12 * BATCH, *inputs.shape)
    rows = random.integers(0, 30, shape).astype(np.float32) if kind == "texts" else random.random(shape, np.float32)
    replays: list[bool] = []
    made_by = cuda_graph.recorded

    def counted(run: Any, given: Array) -> Compiled:
        replay = made_by(run, given)

        def once(batch: Array) -> list[Array]:
            replays.append(True)
            return replay(batch)

        return once

    monkeypatch.setattr(cuda_graph, "recorded", counted)
    run = compile_trunk(model, inputs, 255.0, [Wanted(top, pooled)])
    found = [run(rows[start : start + BATCH])[0] for start in range(0, len(rows), BATCH)]
    # Three as they are, then all of them.
    assert len(replays) == 9
    monkeypatch.setattr(engine, "replayed", lambda plain, record: plain)
    plain = compile_trunk(model, inputs, 255.0, [Wanted(top, pooled)])
    for index, one in enumerate(found):
        np.testing.assert_array_equal(one, plain(rows[index * BATCH : (index + 1) * BATCH])[0])


@on_gpu
def test_weights_that_are_assigned_are_those_of_the_next_batch() -> None:
    model, _ = _networks()["pictures"]
    inputs = InputSpec((16, 16, 3))
    trunk = trunk_of(model, inputs, 255.0, [Wanted("top", False)], None)
    given = np.random.default_rng(0).random((BATCH, 16, 16, 3), np.float32)
    run = engine.compile(trunk)
    for _ in range(8):
        before = run(given)[0]
    kernel, bias = model.get_layer("top").get_weights()
    model.get_layer("top").set_weights([kernel * 0, bias * 0 + 3])
    with exactly():
        after = run(given)[0]
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, 3)
