"""Half precision is for the steps only: weights stay float32, and so does what is left."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from regraft.core.phase import Phase, Rate
from regraft.graph import names
from regraft.surgery.graft import graft
from regraft.training import precision
from regraft.training.feeds import Feed
from regraft.training.loop import train
from regraft.training.precision import computing_in
from tests.laws.networks import built, examples

_X = np.asarray(examples("chain", 40), "float32")
_FEED = Feed(lambda chosen, view: _X[chosen], np.arange(40) % 2)
_PHASE = Phase(rates=(Rate(".*", 0.01),), epochs=3, batch_size=8, keep="last")


def _branch() -> keras.Model:
    keras.utils.set_random_seed(3)
    return graft(built("chain"), 2)


def test_layers_compute_in_half_and_their_weights_stay_whole() -> None:
    model = _branch()
    with computing_in(model, "mixed_bfloat16"):
        half = keras.ops.convert_to_tensor(model(_X[:4]))
        assert keras.backend.standardize_dtype(half.dtype) == "bfloat16"
        assert {variable.dtype for variable in names.variables(model).values()} == {"float32"}
    whole = model(_X[:4])
    assert keras.backend.standardize_dtype(whole.dtype) == "float32"
    difference = keras.ops.convert_to_numpy(keras.ops.cast(half, "float32")) - keras.ops.convert_to_numpy(whole)
    # Bfloat16 has eight bits: 0.4 % a rounding, a handful of layers.
    assert 0 < np.abs(difference).max() < 0.05 * np.abs(keras.ops.convert_to_numpy(whole)).max()


def test_a_phase_in_half_learns_and_leaves_a_whole_model() -> None:
    whole = train(_branch(), replace(_PHASE, precision="float32"), _FEED, _FEED, seed=0)
    half = train(_branch(), replace(_PHASE, precision="mixed_bfloat16"), _FEED, _FEED, seed=0)
    losses = [[row.loss for row in made.history[1:]] for made in (whole, half)]
    assert losses[0] != losses[1]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.1)
    assert {layer.dtype_policy.name for _, layer in names.layers(half.model)} == {"float32"}
    assert keras.backend.standardize_dtype(half.model(_X[:1]).dtype) == "float32"


def test_by_itself_it_is_half_on_a_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _branch()
    for gpu, expected in ((False, "float32"), (True, "mixed_bfloat16")):
        monkeypatch.setattr(precision, "on_gpu", lambda gpu=gpu: gpu)
        with computing_in(model, "auto"):
            assert model.get_layer("conv0").dtype_policy.name == expected
