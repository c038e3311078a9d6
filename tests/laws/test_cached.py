"""Law 5: training on cached activations is training with the frozen trunk computed on the fly."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.activations.compute import compute
from regraft.activations.engines import BATCH, Wanted, compile_trunk
from regraft.activations.loading import batches
from regraft.activations.store import Store
from regraft.activations.streaming import Stream
from regraft.activations.tasks import Block
from regraft.core.input_spec import InputSpec
from regraft.core.phase import Phase, Rate
from regraft.core.records import Epoch
from regraft.data import Examples
from regraft.data import open as open_data
from regraft.graph import names
from regraft.graph.cut_points import cut_points
from regraft.graph.digest import of_variables
from regraft.surgery.cut import cut
from regraft.surgery.graft import HEAD, graft, set_head
from regraft.training.feeds import Feed
from regraft.training.loop import Trained, train
from tests.laws.networks import built, examples, parameters

Array = np.ndarray[Any, Any]

_EXAMPLES = 60
_CLASSES = 3
_VIEWS = 2
# Networks with layers whose kernels treat the rows of a batch differently, in the last bit; see `activations.engines`.
_BY_POSITION = {"torch": ("perceptron",)}
# Networks whose upper half learns, with random layers, statistics, nesting and recurrence in it, and where it starts.
_BRANCHES = {
    "chain": "relu0",
    "nested": "middle/base/norm1",
    "attention": "sum1",
    "recurrent": "both",
}


def _raw(name: str) -> Array:
    return np.asarray(examples(name, _EXAMPLES), "float32")


def _engine(model: keras.Model, shape: tuple[int, ...], wanted: list[Wanted]) -> Callable[[Array], list[Array]]:
    return compile_trunk(model, InputSpec(shape), 255.0, wanted)


def test_what_a_trunk_hands_on_is_left_alone_by_later_batches() -> None:
    """Batches are put together where earlier ones were, and backends do not copy what they need not."""
    x = np.random.default_rng(0).normal(size=(15 * BATCH + 3, 512)).astype("float32")
    inputs, data = keras.Input((512,)), open_data((x, np.arange(len(x)) % 2))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Activation("linear", name="same")(inputs)))
    for item in (Wanted("input", False), Wanted("same", True)):
        run = _engine(model, (512,), [item])
        given = batches(data, [Block(((0, np.arange(len(x))),))], [0], InputSpec((512,)), [])
        made = [run(one[2])[0] for one in given if one]
        assert np.concatenate(made).tobytes() == x.tobytes(), item


@pytest.mark.parametrize("name", parameters(slow=False, but=("several",)))
def test_activations_of_an_example_do_not_depend_on_its_neighbours(name: str) -> None:
    model, raw = built(name), _raw(name)
    wanted = [Wanted(point.name, pooled) for point in cut_points(model) for pooled in (False, True)]
    run = _engine(model, raw.shape[1:], wanted)

    def collect(indices: Array, size: int) -> list[Array]:
        parts = [run(raw[indices[start : start + size]]) for start in range(0, len(indices), size)]
        return [np.concatenate(rows) for rows in zip(*parts, strict=True)]

    everyone = np.arange(_EXAMPLES)
    shuffled = np.random.default_rng(0).permutation(_EXAMPLES)
    whole = collect(everyone, BATCH)
    for indices, size in ((everyone[49:52], 1), (everyone[::-1], BATCH), (shuffled, 19)):
        for item, found, rows in zip(wanted, collect(indices, size), whole, strict=True):
            right = rows[indices]
            if name in _BY_POSITION.get(keras.backend.backend(), ()):
                np.testing.assert_allclose(found, right, rtol=0, atol=2e-7 * np.abs(right).max())
            else:
                assert found.tobytes() == right.tobytes(), item


@pytest.mark.parametrize("name", _BRANCHES)
def test_training_on_cached_activations_is_training_on_the_fly(name: str, tmp_path: Path) -> None:
    """Twenty epochs, shuffled, a view drawn for each example: the same losses, bit for bit, and the same weights."""
    model, raw = built(name), _raw(name)
    data = _data(raw)
    wanted = [Wanted(_BRANCHES[name], False, view) for view in range(_VIEWS)]
    inputs = InputSpec(raw.shape[1:])
    kept = compute(model, inputs, data, range(_EXAMPLES), wanted, Store(tmp_path)).rows
    stream = Stream(model, inputs, data)
    made = {item: stream.rows(item) for item in wanted}

    def fetched(rows: Mapping[Wanted, Any]) -> Callable[[Array, int], Array]:
        return lambda indices, view: rows[wanted[view]].gather([data.ids[index] for index in indices])

    one, other = (_trained(model, _BRANCHES[name], fetched(rows), data) for rows in (kept, made))
    assert len(one.history) == 21
    assert _curve(one) == _curve(other)
    assert of_variables(names.variables(one.model)) == of_variables(names.variables(other.model))
    assert len({epoch.loss for epoch in one.history}) == len(one.history), "nothing was learned"
    if inputs.is_picture:
        first, second = (fetched(kept)(np.arange(4), view) for view in range(2))
        assert not np.array_equal(first, second), "the views are alike"


@pytest.mark.parametrize("name", _BRANCHES)
def test_the_rest_of_the_network_on_cached_activations_is_the_whole_network(name: str, tmp_path: Path) -> None:
    model, raw = built(name), _raw(name)
    data, item = _data(raw), Wanted(_BRANCHES[name], pooled=False)
    rows = compute(model, InputSpec(raw.shape[1:]), data, range(_EXAMPLES), [item], Store(tmp_path)).rows[item]
    _, rest = cut(model, item.cut_point)
    found, right = (
        np.asarray(keras.ops.convert_to_numpy(part(x, training=False)))
        for part, x in ((rest, rows.gather(data.ids)), (model, raw))
    )
    # Folded BatchNorm and another batch size round otherwise: a few units of the last place for each layer.
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-5 * np.abs(right).max())


def test_streamed_rows_come_in_the_order_and_as_often_as_they_are_asked_for() -> None:
    model, raw = built("chain"), _raw("chain")
    data, item = _data(raw), Wanted("relu1", pooled=True)
    rows = Stream(model, InputSpec(raw.shape[1:]), data).rows(item)
    everyone = rows.gather(data.ids)
    asked = [5, 39, 5, 0, 17]
    assert rows.gather([data.ids[index] for index in asked]).tobytes() == everyone[asked].tobytes()
    assert list(rows.holds([data.ids[3], "unknown"])) == [True, False]


def _data(raw: Array) -> Examples:
    return open_data((raw, np.arange(len(raw)) % _CLASSES))


def _trained(model: keras.Model, point: str, fetch: Callable[[Array, int], Array], data: Examples) -> Trained:
    branch = graft(cut(model, point)[1], _CLASSES)
    width = branch.get_layer(HEAD).kernel.shape[0]
    kernel = np.random.default_rng(0).normal(size=(width, _CLASSES))
    set_head(branch, kernel.astype("float32"), np.zeros(_CLASSES, "float32"))
    spec = Phase(rates=(Rate(".*kernel", 1e-2), Rate(".*", 1e-3)), epochs=20, batch_size=9, batch_norm="adapt")
    feed = Feed(fetch, data.labels, _VIEWS)
    return train(branch, spec, feed, feed, seed=7)


def _curve(trained: Trained) -> list[tuple[Any, ...]]:
    return [_figures(epoch) for epoch in trained.history]


def _figures(epoch: Epoch) -> tuple[Any, ...]:
    return (epoch.epoch, epoch.loss, epoch.rate, epoch.validation_accuracy, epoch.validation_loss)
