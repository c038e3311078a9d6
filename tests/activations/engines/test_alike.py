"""Rows of a batch come out alike in whatever place they stand: here as on a processor whose matrix product differs."""

import keras
import numpy as np
import pytest

from regraft.activations.engines import BATCH, Wanted, alike, compile_trunk
from regraft.core.input_spec import InputSpec
from regraft.graph import flow
from regraft.graph.cut_points import cut_points
from tests.laws.networks import built, examples

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's matrix product")


@pytest.mark.parametrize("name", ["perceptron", "chain", "attention", "recurrent", "text", "custom", "operations"])
def test_with_more_rows_the_same_is_computed_whatever_the_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, raw = built(name), np.asarray(examples(name, BATCH), "float32")
    wanted = [Wanted(point.name, pooled) for point in cut_points(model) for pooled in (False, True)]

    def compiled(rows_are_alike: bool) -> list[np.ndarray]:
        monkeypatch.setattr(alike, "rows_are_alike", lambda: rows_are_alike)
        run = compile_trunk(model, InputSpec(raw.shape[1:]), 255.0, wanted)
        whole, turned = run(raw), run(raw[::-1])
        if not rows_are_alike:
            for item, rows, other in zip(wanted, whole, turned, strict=True):
                assert rows.tobytes() == other[::-1].tobytes(), item
        return whole

    for item, plain, more in zip(wanted, compiled(True), compiled(False), strict=True):
        assert plain.shape == more.shape, item
        np.testing.assert_allclose(more, plain, rtol=0, atol=2e-6 * max(1.0, np.abs(plain).max()), err_msg=str(item))


def test_only_what_may_multiply_a_batch_of_rows_gets_more(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, int] = {}

    def counted(call: flow.Call, values: dict[flow.Value, object]) -> list[object]:
        given[call.name] = values[call.reads[0]].shape[0]
        return evaluate_call(call, values)

    evaluate_call = flow.evaluate_call
    monkeypatch.setattr(flow, "evaluate_call", counted)
    inputs = keras.Input((6, 4))
    x = keras.layers.Dense(5, name="at_once")(inputs)
    x = keras.layers.MultiHeadAttention(2, 3, name="heads")(x, x)
    x = keras.layers.LSTM(7, name="in_steps")(x)
    x = keras.layers.Dense(3, name="alone")(x)
    model = keras.Model(inputs, keras.layers.Softmax(name="last")(x))
    monkeypatch.setattr(alike, "rows_are_alike", lambda: False)
    run = compile_trunk(model, InputSpec((6, 4)), 255.0, [Wanted("last", False)])
    assert run(np.zeros((3, 6, 4), "float32"))[0].shape == (3, 3)
    assert given == {"at_once": 32, "heads": 32, "in_steps": 48, "alone": 48, "last": 48}


def test_looking_finds_a_row_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    multiply = tf.matmul

    def otherwise(left: np.ndarray, right: np.ndarray) -> object:
        return multiply(left, right) + np.eye(1, BATCH, BATCH - 1, dtype="float32").T * 1e-6

    found = alike.rows_are_alike.__wrapped__()
    monkeypatch.setattr(tf, "matmul", otherwise)
    assert not alike.rows_are_alike.__wrapped__()
    monkeypatch.undo()
    assert found == alike.rows_are_alike.__wrapped__()
