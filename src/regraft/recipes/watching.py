"""What every layer of a model of any Keras makes of an example, by the layer's name."""

import contextlib
import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import keras
import numpy as np

Array = np.ndarray[Any, Any]


def watched(model: Any, taken: Sequence[Array]) -> tuple[list[Array], dict[str, tuple[str, Array]]]:
    """Run a model in inference.

    Args:
        model: of this Keras or of tf_keras; it is left as it was.
        taken: an array for each of its inputs.

    Returns:
        The outputs, and every layer's values in the order in which they were made: by a name that all versions of Keras
        agree on, the layer's own name and the values; a second call of a layer has `#2` appended.
    """
    made: dict[str, tuple[str, Array]] = {}
    with contextlib.ExitStack() as stack:
        for path, layer in leaves(model):
            stack.enter_context(_recorded(path, layer, made))
        answer = model(taken[0] if len(taken) == 1 else list(taken), training=False)
        return [array(item) for item in keras.tree.flatten(answer)], made


def leaves(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The layers that are no models themselves, with their path."""
    for layer in model.layers:
        path = f"{prefix}{layer.name}"
        if hasattr(layer, "layers"):
            yield from leaves(layer, f"{path}/")
        elif type(layer).__name__ != "InputLayer":
            yield path, layer


@contextlib.contextmanager
def _recorded(path: str, layer: Any, made: dict[str, tuple[str, Array]]) -> Generator[None]:
    """Let a layer tell what it makes, as long as this lasts."""
    call = layer.call
    calls = 0

    def telling(*given: Any, **named: Any) -> Any:
        nonlocal calls
        result = call(*given, **named)
        calls += 1
        name = path if calls == 1 else f"{path}#{calls}"
        for place, item in enumerate(keras.tree.flatten(result)):
            # Keras 3 took "/" out of names.
            key = re.sub(r"[^0-9A-Za-z#]+", "_", name)
            made[f"{key}:{place}"] = name, array(item)
        return result

    layer.call = telling
    try:
        yield
    finally:
        del layer.call


def array(tensor: Any) -> Array:
    """The values of a tensor of this Keras' backend, or of the TensorFlow of tf_keras."""
    return np.asarray(keras.ops.convert_to_numpy(tensor) if keras.ops.is_tensor(tensor) else tensor)
