"""What the networks for texts have in common: where a text ends, and what is said of it as a whole.

A position that is filled up is all zeros, at every height: whatever stands above tells it by that, so that nothing but
one tensor goes from layer to layer and a network can be cut between any two of its parts. The highest tensor that has
a row for each token is called `tokens` in all of them, what is said of the text as a whole `text`.
"""

from dataclasses import dataclass
from typing import Any

import keras

from regraft.core.errors import RequestError

TOKENS, TEXT = "tokens", "text"

_FAR = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What every network for texts must know of its ids.

    Attributes:
        vocabulary: how many ids there are; the spec of the texts says it where it is 0.
        padding: the id that fills texts up.
    """

    vocabulary: int = 0
    padding: int = 0


def embedded(shape: tuple[int, ...], ids: Vocabulary, width: int) -> tuple[Any, Any]:
    """The input of ids (tokens,), and what each stands for (tokens, width), zeros where texts are filled up.

    Raises:
        RequestError: the input is no row of ids, or it is not known how many there are.
    """
    if len(shape) != 1 or shape[0] < 1:
        raise RequestError(f"expected texts as rows of ids (tokens,), found inputs of shape {shape}")
    if ids.vocabulary < 2:
        raise RequestError(f"expected a vocabulary of 2 ids or more, found {ids.vocabulary}; say vocabulary=N")
    inputs: Any = keras.Input(shape, name="ids")
    read: Any = keras.ops.expand_dims(keras.ops.cast(keras.ops.not_equal(inputs, ids.padding), "float32"), -1)
    x: Any = keras.layers.Embedding(ids.vocabulary, width, name="embedding")(inputs)
    return inputs, keras.layers.Multiply(name="embedded")([x, read])


def present(x: Any) -> Any:
    """Which positions (tokens, 1) hold a token: 1 where any value is not zero, else 0."""
    return keras.ops.cast(keras.ops.any(keras.ops.not_equal(x, 0.0), axis=-1, keepdims=True), "float32")


def kept(x: Any, where: Any, name: str) -> Any:
    """The same with zeros where there is no token: a place to cut."""
    return keras.layers.Multiply(name=name)([x, where])


def said(inputs: Any, x: Any, name: str) -> keras.Model:
    """A network that ends in one vector for a text: the largest of each feature, and the average over its tokens."""
    where = present(x)
    count: Any = keras.ops.sum(where, axis=1)
    total: Any = keras.ops.sum(x, axis=1)
    # What fills a text up is never the largest, not even where all features of its tokens are negative.
    largest: Any = keras.ops.max(x + (where - 1.0) * _FAR, axis=1)
    both = [largest * keras.ops.minimum(count, 1.0), total / keras.ops.maximum(count, 1.0)]
    return keras.Model(inputs, keras.layers.Concatenate(name=TEXT)(both), name=name)


def require(name: str, value: int, least: int = 1) -> None:
    """Refuse a number that no layer can have.

    Raises:
        RequestError: it is below the least.
    """
    if value < least:
        raise RequestError(f"expected {name} of {least} or more, found {value}")
