"""What the last Keras 2 saves, in each of its formats, computes the same here."""

import json
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from regraft import formats, importers
from tests.importers.keras_legacy.networks import NETWORKS, channels_first, examples, filled


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_it_computes_what_keras_2_computes(keras_2: Any, tmp_path: Path, network: Any, ending: str) -> None:
    import tensorflow as tf

    keras_2.backend.clear_session()
    model = filled(network(keras_2))
    path = tmp_path / f"model{ending}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    given, first = examples(model), network is channels_first
    # Compiled by XLA, Keras 2 computes with channels first on a processor too.
    expected = tf.function(model, jit_compile=True)(given) if first else model.predict(given, verbose=0)
    opened = importers.open(path)
    found = opened.model.predict(np.moveaxis(given, 1, -1) if first else given, verbose=0)
    for one, other in zip(_flat(expected), _flat(found), strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-5, atol=2e-5)
    assert not opened.report.missing
    assert not opened.report.unused
    stored = {name for name in formats.read(path).tensors if "seed" not in name}
    assert stored == {*opened.report.loaded, *(old for old, _ in opened.report.renamed)}


def _flat(value: Any) -> list[Any]:
    return [np.asarray(item) for item in (value if isinstance(value, (list, tuple)) else [value])]


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_weights_for_nvidias_library(keras_2: Any, tmp_path: Path, kind: str) -> None:
    """Keras 2 turns them into those of the ordinary layer when it loads them; so do we, from the same file."""
    gates, units, inputs = (4 if kind == "LSTM" else 3), 5, 4
    random = np.random.default_rng(0)
    shapes = {
        "kernel": (inputs, gates * units),
        "recurrent_kernel": (units, gates * units),
        "bias": (2 * gates * units,),
    }
    settings = {"name": "rnn", "trainable": True, "units": units, "return_sequences": True, "return_state": False,
                "go_backwards": False, "stateful": False, "batch_input_shape": [None, 6, inputs]}  # fmt: skip
    config = {"class_name": "Sequential", "config": [{"class_name": f"CuDNN{kind}", "config": settings}]}
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.1.5"
        file.create_group("model_weights/rnn").attrs["weight_names"] = [f"rnn/{part}:0" for part in shapes]
        file["model_weights"].attrs.update(layer_names=["rnn"], keras_version="2.1.5", backend="tensorflow")
        for part, shape in shapes.items():
            file[f"model_weights/rnn/rnn/{part}:0"] = random.normal(size=shape).astype("float32")
    layer = getattr(keras_2.layers, kind)
    more = {"reset_after": True} if kind == "GRU" else {}
    reference = keras_2.Sequential([layer(units, return_sequences=True, input_shape=(6, inputs), name="rnn", **more)])
    reference.load_weights(path)
    given = random.normal(size=(3, 6, inputs)).astype("float32")
    opened = importers.open(path)
    np.testing.assert_allclose(opened.model.predict(given, verbose=0), reference.predict(given, verbose=0), atol=1e-5)
    assert "NVIDIA's library" in opened.report.notes[0]
