"""Law 3: no function changes a model that it was given."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.activations.compute import compute
from regraft.activations.engines import Wanted
from regraft.activations.store import Store
from regraft.core.errors import SourceError
from regraft.core.input_spec import InputSpec
from regraft.core.phase import Phase, Rate
from regraft.data import open as open_data
from regraft.graph import digest as model_digest
from regraft.graph import names
from regraft.graph.cut_points import cut_points
from regraft.recipes.restoring import restore
from regraft.surgery.copy import copy_model
from regraft.surgery.cut import between, cut
from regraft.surgery.freeze import freeze
from regraft.surgery.graft import graft, join
from regraft.surgery.resize import with_input_size
from regraft.training.certificates import certify, drift
from regraft.training.feeds import Feed
from regraft.training.loop import train
from regraft.training.predicting import predict
from tests.laws.networks import built, examples, parameters

Model = keras.Model


def _middle(model: Model) -> str:
    points = cut_points(model)
    return points[len(points) // 2].name


def _inputs(model: Model) -> InputSpec:
    return InputSpec(tuple(model.inputs[0].shape[1:]))


def _cut(model: Model, folder: Path) -> None:
    trunk, rest = cut(model, _middle(model))
    _disturb(trunk)
    _disturb(rest)
    between(model, cut_points(model)[0].name, _middle(model))


def _graft(model: Model, folder: Path) -> None:
    _disturb(graft(model, 3))


def _join(model: Model, folder: Path) -> None:
    inputs = _inputs(model)
    joined = join(model, graft(None, 3, shape=tuple(model.output_shape[1:])), inputs)
    certify(model, joined, model)
    _disturb(joined)


def _freeze(model: Model, folder: Path) -> None:
    _disturb(freeze(model, _middle(model)))
    _disturb(freeze(model, patterns=[".*kernel"]))


def _copy(model: Model, folder: Path) -> None:
    _disturb(copy_model(model))


def _restore(model: Model, folder: Path) -> None:
    target = _Kept(model)
    _disturb(restore(model, copy_model(model)).model)
    _disturb(restore(copy_model(model), model, {"(.*)": r"\1"}).model)
    target.require(model)


def _resize(model: Model, folder: Path) -> None:
    height, width = model.inputs[0].shape[1:3]
    _disturb(with_input_size(model, height + 4, width))


def _compute(model: Model, folder: Path) -> None:
    shape = _inputs(model).shape
    data = open_data((np.random.default_rng(0).integers(0, 9, (8, *shape)).astype("float32"), [0, 1] * 4))
    wanted = [Wanted(point.name, False) for point in cut_points(model)]
    compute(model, _inputs(model), data, range(8), wanted, Store(folder))
    model_digest.of_trunks(model, [_middle(model)])


def _train(model: Model, folder: Path) -> None:
    branch = graft(model, 2)
    kept = _Kept(branch)
    x, y = np.asarray(examples_of(model, 6), "float32"), np.arange(6) % 2
    feed = Feed(lambda chosen, view: x[chosen], y)
    spec = Phase(rates=(Rate(".*", 0.1),), epochs=1, batch_size=3, batch_norm="adapt")
    trained = train(branch, spec, feed, feed, seed=0)
    predict(branch, feed)
    drift(model, trained.model, trained.frozen)
    kept.require(branch)


_SINGLE = ("several",)
_PICTURES = ("perceptron", "branches", "residual", "attention", "custom", "recurrent", "text", "several", "twice")
# Training compiles; networks of each kind are enough.
_NOT_TRAINED = (
    *_SINGLE,
    "branches",
    "twice",
    "perceptron",
    "residual",
    "separable",
    "operations",
    "towers",
    "recurrent",
)

_DEEDS: dict[str, tuple[Callable[[Model, Path], None], tuple[str, ...]]] = {
    "copy": (_copy, ()),
    "cut": (_cut, ()),
    "freeze": (_freeze, ()),
    "restore": (_restore, ()),
    "graft": (_graft, _SINGLE),
    "join": (_join, (*_SINGLE, "text")),
    "with_input_size": (_resize, (*_PICTURES, "nested_sequential", "operations")),
    "compute": (_compute, _SINGLE),
    "train": (_train, _NOT_TRAINED),
}


def examples_of(model: Model, count: int) -> Any:
    return examples(_name_of(model), count)


def _name_of(model: Model) -> str:
    return {"outer": "nested", "stack": "nested_sequential"}.get(model.name, model.name)


def _disturb(model: Model) -> None:
    """Do to a result what would show in the original if they shared anything."""
    for variable in model.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    model.trainable = not model.trainable
    for _, layer in names.layers(model):
        if hasattr(layer, "rate"):
            layer.rate = 0.9


class _Kept:
    """All that a function could change: configuration, weights, flags, graph, compilation and outputs."""

    def __init__(self, model: Model) -> None:
        self._before = self._look(model)

    def require(self, model: Model) -> None:
        for name, value in self._look(model).items():
            assert value == self._before[name], f"{name} changed"

    @staticmethod
    def _look(model: Model) -> dict[str, Any]:
        entry = getattr(model, "_functional", model)._inputs_struct
        x = keras.tree.map_structure(lambda tensor: np.ones((3, *tensor.shape[1:]), tensor.dtype), entry)
        # Recurrent layers of Keras advance their seeds whenever they are called; looking must not.
        with keras.StatelessScope():
            outputs = keras.tree.flatten(model(x, training=False))
        layers = [layer for _, layer in names.layers(model)]
        return {
            "config": model.to_json(),
            "weights": model_digest.of_variables(names.variables(model)),
            "order": [id(variable) for variable in model.variables],
            "layer flags": [layer.trainable for layer in layers],
            "variable flags": [variable.trainable for variable in model.variables],
            "nodes": [len(layer._inbound_nodes) + len(layer._outbound_nodes) for layer in layers],
            "compiled": (model.compiled, id(getattr(model, "optimizer", None))),
            "outputs": [keras.ops.convert_to_numpy(tensor).tobytes() for tensor in outputs],
        }


def _cases() -> Iterator[Any]:
    for deed, (_, without) in _DEEDS.items():
        for row in parameters(slow=False, but=without):
            yield pytest.param(deed, row.values[0], id=f"{deed}-{row.values[0]}")


@pytest.mark.parametrize(("deed", "name"), list(_cases()))
def test_the_model_given_is_not_changed(deed: str, name: str, tmp_path: Path) -> None:
    model = built(name)
    if deed == "freeze" and name == "several":
        model.layers[2].trainable = False
    kept = _Kept(model)
    _DEEDS[deed][0](model, tmp_path)
    kept.require(model)


def test_a_model_that_is_being_trained_stays_compiled_and_keeps_its_optimizer() -> None:
    model = built("chain")
    model.compile("adam", "mse")
    model.fit(examples("chain", 4), np.zeros((4, 4)), verbose=0)
    kept = _Kept(model)
    cut(model, "relu0")
    freeze(model, "relu0")
    copy_model(model)
    graft(model, 2)
    kept.require(model)


def test_also_a_refused_request_changes_nothing() -> None:
    model = built("nested")
    kept = _Kept(model)
    for request in (lambda: cut(model, "middle/base/conv2"), lambda: freeze(model, "nowhere")):
        with pytest.raises(SourceError):
            request()
    kept.require(model)
