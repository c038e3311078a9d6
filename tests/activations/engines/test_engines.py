"""The compiled trunk: what it is given, what it gives, and what it refuses."""

import logging
import sys

import keras
import numpy as np
import pytest

from regraft.activations.engines import BATCH, Wanted, compile_trunk, openvino
from regraft.activations.engines import keras as keras_engine
from regraft.activations.engines.proving import relative
from regraft.core.errors import RequestError, SourceError, WorkError
from regraft.core.input_spec import InputSpec
from regraft.graph.cut_points import cut_points
from regraft.surgery.cut import cut
from tests.activations.engines.installed import OTHERS, require
from tests.laws.networks import built, examples, parameters

layers = keras.layers


def _identity(dtype: str = "float32") -> keras.Model:
    inputs = keras.Input((4, 4, 3), dtype=dtype)
    return keras.Model(inputs, layers.Activation("linear", name="same")(inputs))


def test_raw_values_are_brought_to_the_scale_and_order_of_the_network() -> None:
    spec = InputSpec((4, 4, 3), scale=(1.0, 2.0, 3.0), offset=(-1.0,), order="bgr")
    raw = np.random.default_rng(0).uniform(size=(5, 4, 4, 3)).astype("float32")
    for white in (255.0, 1.0):
        (found,) = compile_trunk(_identity(), spec, white, [Wanted("same", False)])(raw)
        expected = raw[..., ::-1] * (255.0 / white) * np.array([1, 2, 3]) - 1
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_network_that_takes_whole_numbers_gets_whole_numbers() -> None:
    raw = np.full((2, 4, 4, 3), 7.9, "float32")
    (found,) = compile_trunk(_identity("uint8"), InputSpec((4, 4, 3)), 255.0, [Wanted("same", False)])(raw)
    assert (found == 7).all()
    assert found.dtype == np.float32


def test_half_precision_comes_back_as_float32() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(3, dtype="mixed_float16", name="half")(inputs))
    (found,) = compile_trunk(model, InputSpec((4,)), 255.0, [Wanted("half", False)])(np.ones((2, 4), "float32"))
    assert (found.dtype, found.shape) == (np.float32, (2, 3))


@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH])
def test_as_many_rows_come_back_as_went_in(count: int) -> None:
    run = compile_trunk(built("chain"), InputSpec((12, 12, 3)), 255.0, [Wanted("relu0", False), Wanted("relu1", True)])
    whole, pooled = run(np.zeros((count, 12, 12, 3), "float32"))
    assert (whole.shape, pooled.shape) == ((count, 12, 12, 4), (count, 6))


def test_changed_weights_are_seen_by_the_next_function() -> None:
    model = built("perceptron")
    x = np.ones((2, 5), "float32")
    (before,) = compile_trunk(model, InputSpec((5,)), 255.0, [Wanted("third", False)])(x)
    model.get_layer("third").bias.assign(np.full(3, 10.0))
    (after,) = compile_trunk(model, InputSpec((5,)), 255.0, [Wanted("third", False)])(x)
    assert not np.allclose(before, after)


def test_weights_that_are_too_large_for_constants_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = built("perceptron"), np.ones((2, 5), "float32")
    (expected,) = compile_trunk(model, InputSpec((5,)), 255.0, [Wanted("third", False)])(x)
    monkeypatch.setattr(keras_engine, "_CONSTANT_BYTES", 0)
    (found,) = compile_trunk(model, InputSpec((5,)), 255.0, [Wanted("third", False)])(x)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_the_same_thing_wanted_twice_is_given_twice() -> None:
    run = compile_trunk(built("perceptron"), InputSpec((5,)), 255.0, [Wanted("third", False)] * 2)
    one, other = run(np.ones((2, 5), "float32"))
    assert np.array_equal(one, other)


def test_several_inputs_are_refused() -> None:
    with pytest.raises(SourceError, match="expected a network with one input, found 'several' with 2; cut it where"):
        compile_trunk(built("several"), InputSpec((4,)), 255.0, [Wanted("hidden", False)])


def test_the_part_above_several_inputs_is_taken() -> None:
    rest = cut(built("several"), "together")[1]
    (found,) = compile_trunk(rest, InputSpec((6,)), 255.0, [Wanted("hidden", False)])(np.ones((2, 6), "float32"))
    assert found.shape == (2, 5)


def test_a_sequence_network_is_run_as_it_is() -> None:
    x = np.asarray(examples("recurrent", 2), "float32")
    (found,) = compile_trunk(built("recurrent"), InputSpec((5, 3)), 255.0, [Wanted("distributed", True)])(x)
    assert found.shape == (2, 4)


def _outputs(model: keras.Model, x: np.ndarray, wanted: list[Wanted], engine: str, start: str | None = None) -> list:
    return compile_trunk(model, InputSpec(x.shape[1:]), 255.0, wanted, start=start, engine=engine)(x)


def _raw(name: str) -> np.ndarray:
    return np.asarray(examples(name, BATCH), "float32")


def _everything(model: keras.Model) -> list[Wanted]:
    """Both kinds of activations at every cut point, or at about every fifth of many."""
    names = [point.name for point in cut_points(model)]
    return [Wanted(name, pooled) for name in names[:: 1 + len(names) // 15] for pooled in (False, True)]


def _largest_difference(expected: list, found: list) -> float:
    return max(relative(one, other) for one, other in zip(expected, found, strict=True))


# Loops over a sequence are lists of tensors in TensorFlow, which OpenVINO does not take.
_NOT_BY = {"openvino": ("recurrent", "text"), "onnxruntime": ()}


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("name", parameters(but=("several",)))
def test_every_engine_computes_what_keras_does(name: str, engine: str) -> None:
    require(engine)
    model, x = built(name), _raw(name)
    wanted = _everything(model)
    if name in _NOT_BY[engine]:
        with pytest.raises(WorkError, match=f"the engine '{engine}' cannot run '{name}': .*; use the engine 'keras'"):
            _outputs(model, x, wanted, engine)
        # Its converter turned it down.
        assert logging.getLogger().level == logging.WARNING
        return
    found = _outputs(model, x, wanted, engine)
    # Rounding of float32, with BatchNorm folded or not: 1e-6 was measured; far below what a proof allows.
    assert _largest_difference(_outputs(model, x, wanted, "keras"), found) < 1e-5
    assert {rows.dtype for rows in found} == {np.dtype("float32")}


@pytest.mark.parametrize("engine", OTHERS)
def test_an_engine_scales_raw_pictures_and_fills_batches_up(engine: str) -> None:
    require(engine)
    spec = InputSpec((12, 12, 3), scale=(1 / 127.5,), offset=(-1.0,), order="bgr")
    raw = np.random.default_rng(0).uniform(0, 1, (5, 12, 12, 3)).astype("float32")
    model, wanted = built("chain"), [Wanted("relu0", False), Wanted("relu1", True)]
    expected, found = (compile_trunk(model, spec, 1.0, wanted, engine=name)(raw) for name in ("keras", engine))
    assert [rows.shape for rows in found] == [(5, 12, 12, 4), (5, 6)]
    assert _largest_difference(expected, found) < 1e-5


@pytest.mark.parametrize("engine", OTHERS)
def test_results_of_one_batch_are_left_alone_by_the_next(engine: str) -> None:
    require(engine)
    run = compile_trunk(built("chain"), InputSpec((12, 12, 3)), 255.0, [Wanted("relu0", False)], engine=engine)
    x = np.random.default_rng(0).uniform(size=(BATCH, 12, 12, 3)).astype("float32")
    (first,) = run(x)
    before = first.copy()
    run(x[::-1])
    assert np.array_equal(first, before)


@pytest.mark.parametrize("engine", OTHERS)
def test_batches_that_have_begun_together_are_the_same_as_one_after_the_other(engine: str) -> None:
    require(engine)
    wanted = [Wanted("relu0", False), Wanted("relu1", True)]
    run = compile_trunk(built("chain"), InputSpec((12, 12, 3)), 255.0, wanted, engine=engine)
    x = np.random.default_rng(0).uniform(size=(4, BATCH, 12, 12, 3)).astype("float32")
    expected = [run(batch) for batch in x]
    # Nobody else holds what they are given.
    begun = [run.begin(batch.copy()) for batch in x]
    found = {place: begun[place]() for place in (1, 3, 0, 2)}
    for place, results in enumerate(expected):
        assert all(np.array_equal(*pair) for pair in zip(found[place], results, strict=True))
    assert run.ahead == (1 if engine == "openvino" else 0)


@pytest.mark.parametrize("engine", OTHERS)
def test_an_engine_keeps_the_weights_that_it_was_made_with(engine: str) -> None:
    require(engine)
    model, x = built("perceptron"), np.ones((2, 5), "float32")
    run = compile_trunk(model, InputSpec((5,)), 255.0, [Wanted("third", False)], engine=engine)
    (before,) = run(x)
    model.get_layer("third").kernel.assign(np.zeros(model.get_layer("third").kernel.shape))
    (after,) = run(x)
    assert np.array_equal(before, after)


@pytest.mark.parametrize("engine", OTHERS)
def test_weights_that_are_too_large_for_constants_go_to_an_engine_too(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(engine)
    model, x, wanted = built("chain"), _raw("chain"), [Wanted("relu1", False)]
    expected = _outputs(model, x, wanted, "keras")
    monkeypatch.setattr(keras_engine, "_CONSTANT_BYTES", 0)
    assert _largest_difference(expected, _outputs(model, x, wanted, engine)) < 1e-5


@pytest.mark.parametrize("engine", ["keras", *OTHERS])
@pytest.mark.parametrize(
    ("name", "start"), [("chain", "relu0"), ("nested", "middle/base/norm1"), ("attention", "sum1")]
)
def test_the_part_above_a_cut_point_continues_from_its_activations(engine: str, name: str, start: str) -> None:
    if engine != "keras":
        require(engine)
    model = built(name)
    names = [point.name for point in cut_points(model)]
    wanted = [Wanted(point, pooled) for point in names[names.index(start) :] for pooled in (False, True)]
    whole = _outputs(model, _raw(name), wanted, engine)
    assert _largest_difference(whole, _outputs(model, whole[0], wanted, engine, start)) < 1e-5


def test_what_is_given_at_a_cut_point_is_not_scaled() -> None:
    spec = InputSpec((12, 12, 3), scale=(100.0,), offset=(7.0,))
    run = compile_trunk(built("chain"), spec, 1.0, [Wanted("relu0", False)], start="relu0")
    given = np.random.default_rng(0).uniform(size=(3, 12, 12, 4)).astype("float32")
    assert np.array_equal(run(given)[0], given)


def test_cut_points_below_the_start_are_refused() -> None:
    message = "expected cut points above 'relu1', whose activations are given, found 'relu0' below it"
    with pytest.raises(SourceError, match=message):
        compile_trunk(built("chain"), InputSpec((12, 12, 3)), 255.0, [Wanted("relu0", True)], start="relu1")


def test_an_unknown_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        RequestError, match="expected an engine named keras, openvino, onnxruntime, found 'openvin'; near"
    ):
        compile_trunk(built("chain"), InputSpec((12, 12, 3)), 255.0, [Wanted("relu0", True)], engine="openvin")


@pytest.mark.parametrize("engine", OTHERS)
def test_an_engine_that_is_not_installed_says_how_to_install_it(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, engine, None)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    message = f"the engine '{engine}' needs {engine}; install it with: pip install 'regraft\\[{engine}\\]'"
    with pytest.raises(RequestError, match=message):
        compile_trunk(built("chain"), InputSpec((12, 12, 3)), 255.0, [Wanted("relu0", True)], engine=engine)


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow has the graphs that engines take")
@pytest.mark.parametrize("engine", OTHERS)
def test_other_backends_have_no_graph_for_the_engines(engine: str) -> None:
    with pytest.raises(RequestError, match=f"'{engine}' takes the network as a graph of TensorFlow, found Keras on"):
        compile_trunk(built("chain"), InputSpec((12, 12, 3)), 255.0, [Wanted("relu0", True)], engine=engine)


def test_openvino_is_imported_without_what_reports_its_use() -> None:
    require("openvino")
    openvino.version()
    assert sys.modules.get("openvino_telemetry") is None
    assert "openvino_telemetry" not in sys.modules
