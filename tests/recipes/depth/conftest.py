"""A small source, and small examples that lower layers of it know more of than its upper ones."""

from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from regraft.surgery.copy import copy_model


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Files of a network that learnt digits 0 to 4, and of pictures of 5 to 9."""
    folder = tmp_path_factory.mktemp("depth")
    given = load_digits()
    x, y = (given.data / 16).astype(np.float32), given.target
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64,))
    low = keras.layers.Dense(32, activation="relu", name="low")(inputs)
    high = keras.layers.Dense(16, activation="relu", name="high")(low)
    model = keras.Model(inputs, keras.layers.Dense(5, name="top")(high), name="digits")
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x[y < 5], y[y < 5], batch_size=32, epochs=12, verbose=0)
    # Without what it was compiled with.
    copy_model(model).save(folder / "source.keras")
    rows = np.flatnonzero(y > 4)[:260]
    split = np.where(np.arange(len(rows)) < 180, "train", "test")
    learn, test = rows[split == "train"], rows[split == "test"]
    np.savez(folder / "data.npz", x_train=x[learn], y_train=y[learn] - 5, x_test=x[test], y_test=y[test] - 5)
    return folder / "source.keras", folder / "data.npz"
