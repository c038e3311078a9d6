"""Small data with something to find in it, and networks to find it with."""

from typing import Any

import keras
import numpy as np

Array = np.ndarray[Any, Any]


class InMemory:
    def __init__(
        self, x: Array, labels: Array | None = None, groups: Array | None = None, pairs: Array | None = None
    ) -> None:
        self.x, self.labels, self.groups, self.pairs = x, labels, groups, pairs

    def __len__(self) -> int:
        return len(self.x)

    def take(self, indices: Array) -> Array:
        return self.x[indices]


def bits(count: int = 400, seed: int = 0) -> Array:
    """Four patterns of twelve bits, each bit wrong one time in twenty; float32."""
    patterns = np.array([[1] * 6 + [0] * 6, [0] * 6 + [1] * 6, [1, 0] * 6, [0, 1] * 6], np.float32)
    random = np.random.default_rng(seed)
    rows = patterns[random.integers(0, 4, count)]
    return np.where(random.random(rows.shape) < 0.05, 1 - rows, rows)


def clusters(count: int = 400, seed: int = 0) -> tuple[Array, Array]:
    """Five kinds that two of twelve numbers tell apart; the others say nothing."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 5, count)
    angle = labels * 2 * np.pi / 5
    x = random.standard_normal((count, 12))
    x[:, :2] = 3 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.2 * random.standard_normal((count, 2))
    return x.astype(np.float32), labels


def factors(count: int = 400, seed: int = 0) -> Array:
    """Ten numbers that say two things, five times each."""
    random = np.random.default_rng(seed)
    hidden = random.standard_normal((count, 2))
    return (np.repeat(hidden, 5, axis=1) + 0.1 * random.standard_normal((count, 10))).astype(np.float32)


def texts(count: int = 400, seed: int = 0) -> Array:
    """Words that follow one another by the number; int32 (count, 8), 0 after the end."""
    random = np.random.default_rng(seed)
    ids = 3 + (random.integers(0, 20, (count, 1)) + np.arange(8)) % 20
    return np.where(np.arange(8) < random.integers(4, 9, (count, 1)), ids, 0).astype(np.int32)


def dense_trunk(width: int, units: int = 16) -> keras.Model:
    inputs: Any = keras.Input((width,))
    start: Any = keras.initializers.HeNormal(1)
    return keras.Model(inputs, keras.layers.Dense(units, "relu", kernel_initializer=start, name="hidden")(inputs))


def text_trunk(words: int = 23) -> keras.Model:
    inputs: Any = keras.Input((8,), dtype="int32")
    x = keras.layers.Embedding(words, 12, embeddings_initializer=keras.initializers.RandomNormal(seed=1))(inputs)
    x = keras.layers.Conv1D(24, 3, padding="same", activation="relu", name="convolution")(x)
    return keras.Model(inputs, keras.layers.GlobalMaxPooling1D(name="highest")(x))


def array(tensor: Any) -> Array:
    """What a tensor of any backend holds."""
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def tensors(*arrays: Array) -> tuple[Any, ...]:
    """Arrays as the loop hands them on."""
    kinds = ("int32" if np.asarray(each).dtype.kind in "iub" else "float32" for each in arrays)
    return tuple(keras.ops.convert_to_tensor(each, kind) for each, kind in zip(arrays, kinds, strict=True))
