"""Small sources for one task, from useful to useless, as files; and their examples."""

from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits

from regraft.surgery.copy import copy_model


def digits(target: tuple[int, int] = (5, 10)) -> tuple[np.ndarray, np.ndarray]:
    """Pictures float32 (n, 8, 8, 1) from 0 to 255 of digits of a range, and their classes from 0."""
    given = load_digits()
    chosen = (given.target >= target[0]) & (given.target < target[1])
    x = (given.images[chosen] * (255 / 16)).astype(np.float32)[..., None]
    return x, given.target[chosen] - target[0]


def learnt(labels: str, epochs: int = 8) -> keras.Model:
    """A network that learnt digits 0 to 4: their labels, shuffled ones, or nothing."""
    x, y = digits((0, 5))
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255, name="scale"),
            layers.Conv2D(16, 3, activation="relu", name="conv1"),
            layers.Conv2D(24, 3, activation="relu", name="conv2"),
            layers.Flatten(name="flat"),
            layers.Dense(32, activation="relu", name="hidden"),
            layers.Dense(5, name="top"),
        ],
        name=labels,
    )
    if labels != "nothing":
        y = np.random.default_rng(1).permutation(y) if labels == "shuffled" else y
        model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return copy_model(model)


def write(folder: Path) -> Path:
    """`labelled.keras`, `nothing.keras` and a poor `constant.keras` below `folder / nets`, with what is no network."""
    nets = folder / "nets"
    (nets / "deep" / "deeper").mkdir(parents=True)
    learnt("labelled").save(nets / "labelled.keras")
    learnt("nothing").save(nets / "deep" / "nothing.keras")
    poor = learnt("nothing")
    for variable in poor.get_layer("conv1").trainable_variables:
        variable.assign(np.zeros(variable.shape))
    poor.save(nets / "deep" / "deeper" / "constant.keras")
    (nets / "README.md").write_text("nothing to open")
    (nets / "cut.keras").write_bytes((nets / "labelled.keras").read_bytes()[:2000])
    return nets


def write_examples(folder: Path) -> Path:
    """Digits 5 to 9: 200 to learn from, 60 to choose by, 120 to judge by."""
    x, y = digits()
    ends = {"train": (0, 200), "val": (200, 260), "test": (260, 380)}
    arrays = {f"{kind}_{name}": each[a:b] for name, (a, b) in ends.items() for kind, each in (("x", x), ("y", y))}
    np.savez(folder / "digits.npz", **arrays)
    return folder / "digits.npz"
