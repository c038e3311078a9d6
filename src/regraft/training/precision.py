"""What a step is computed in: bfloat16 where the device gains by it; weights stay float32."""

import contextlib
from collections.abc import Generator
from typing import Any

import keras

from regraft.core.phase import Precision
from regraft.graph import names
from regraft.graph.arithmetic import on_gpu

HALF = "mixed_bfloat16"


@contextlib.contextmanager
def computing_in(model: keras.Model, precision: Precision) -> Generator[None]:
    """Let a model's layers compute in a precision while the block runs, in place.

    Args:
        model: layers that compute in anything but float32 are left alone.
        precision: `auto`: bfloat16 on a GPU, which multiplies it several times as fast; float32 elsewhere.
    """
    wanted = (HALF if on_gpu() else "float32") if precision == "auto" else precision
    before: list[tuple[Any, Any]] = []
    if wanted != "float32":
        before = [
            (layer, layer.dtype_policy) for _, layer in names.layers(model) if layer.dtype_policy.name == "float32"
        ]
    for layer, _ in before:
        layer.dtype_policy = keras.DTypePolicy(wanted)
    try:
        yield
    finally:
        for layer, policy in before:
            layer.dtype_policy = policy
