"""The original of a file of Keras: the Keras that wrote it where it can be had, this one where it opens the file."""

import keras
import pytest

from regraft import importers
from regraft.core.errors import RequestError
from regraft.importers.originals import keras as originals

TEACHABLE = "nets/teachable_mobilenet_v2_0.35_keras_savedmodel/Keras/keras_model.h5"


def _saved(path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="dense")])
    model.save(path)
    return path


def test_what_keras_3_wrote_is_its_own_original(tmp_path):
    path = _saved(tmp_path / "m.keras")
    opened = importers.open(path).model
    found = originals.original(path, opened)
    assert found.model is opened
    assert found.runtime == f"keras {keras.__version__}"


def test_what_is_older_is_read_by_the_keras_of_its_time(keras_2, shared_folder):
    path = shared_folder / TEACHABLE
    found = originals.original(path, importers.open(path).model)
    assert found.runtime == f"tf_keras {keras_2.__version__}"
    assert len(found.model.weights) == 263


def test_where_there_is_none_it_says_what_to_install(shared_folder, monkeypatch):
    path = shared_folder / TEACHABLE
    opened = importers.open(path).model

    def absent(path):
        raise ImportError("No module named 'tf_keras'")

    monkeypatch.setattr(originals, "_old", absent)
    monkeypatch.setattr(originals.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        RequestError, match=r"expected a Keras that opens '.*' to compare with, found none .*pip install tf_keras"
    ) as caught:
        originals.original(path, opened)
    assert "\n" not in str(caught.value)
