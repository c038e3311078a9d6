"""Random layers begin where a seed says, in every process."""

import contextlib
import random
from collections.abc import Generator

import keras
import numpy as np

from regraft.graph import names


def seed_layers(model: keras.Model, seed: int) -> None:
    """Set the state of all random layers of a model, in place."""
    for _, layer in names.layers(model):
        for generator in vars(layer).values():
            if isinstance(generator, keras.random.SeedGenerator):
                # Dropout on PyTorch ignores the generator's state unless it was made with a seed.
                vars(generator)["_initial_seed"] = seed
    for index, (name, variable) in enumerate(names.variables(model).items()):
        if is_seed(name):
            variable.assign(np.asarray([seed, index], dtype=variable.dtype))


def is_seed(name: str) -> bool:
    """Whether this is a random layer's state, which differs from process to process; training sets it by its seed."""
    return "seed_generator" in name


@contextlib.contextmanager
def drawing(seed: int) -> Generator[None]:
    """Initialisers without a seed draw theirs from Python's generator, which is the user's: it is put back."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
