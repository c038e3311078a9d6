"""Activations of known quality."""

import numpy as np


def examples(n: int, d: int, k: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Activations float32 (n, d) around a centre for each class, and labels (n,) of all of which there are some."""
    draw = np.random.default_rng(seed)
    labels = draw.permutation(np.arange(n) % k)
    centres = draw.standard_normal((k, d))
    return (centres[labels] + noise * draw.standard_normal((n, d)) + 0.5).astype(np.float32), labels
