"""A small transformer for texts: attention and dense layers, normalised before each, as Xiong et al. 2020 have them."""

from dataclasses import dataclass
from typing import Any

import keras

from regraft.core.errors import RequestError
from regraft.pretraining.trunks import texts
from regraft.pretraining.trunks.texts import Vocabulary

WHAT = "self-attention; width=N throughout, heads=N, inner=N of the dense layers, layers=N"
KINDS = ("text",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Vocabulary):
    """What can be chosen.

    Attributes:
        width: of every tensor that has a row for each token.
        heads: that attend side by side; they share the width out.
        inner: units of the dense layer after each attention.
        layers: of attention.
    """

    width: int = 96
    heads: int = 4
    inner: int = 192
    layers: int = 2

    def __post_init__(self) -> None:
        """Refuse what no layer can have.

        Raises:
            RequestError: a number is below 1, or the width cannot be shared out.
        """
        for name in ("width", "heads", "inner", "layers"):
            texts.require(name, getattr(self, name))
        if self.width % self.heads:
            raise RequestError(f"expected a width that {self.heads} heads can share, found {self.width}")


def build(shape: tuple[int, ...], options: Options) -> keras.Model:
    """From ids (tokens,) to a vector for the text.

    Raises:
        RequestError: the shape is none of a text.
    """
    inputs, x = texts.embedded(shape, options, options.width)
    where = texts.present(x)
    place: Any = keras.ops.squeeze(keras.ops.cast(keras.ops.cumsum(where, axis=1), "int32"), -1)
    places = keras.layers.Embedding(shape[0] + 1, options.width, name="place")(place)
    x = texts.kept(keras.layers.Add(name="placed")([x, places]), where, "embedded_in_place")
    for number in range(1, options.layers + 1):
        x = _block(x, options, number)
    return texts.said(inputs, x, "text_transformer")


def _block(x: Any, options: Options, number: int) -> Any:
    name, where = f"layer{number}", texts.present(x)
    seen: Any = keras.ops.cast(keras.ops.transpose(where, (0, 2, 1)), "bool")
    normal = keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_attention_norm")(x)
    attention = keras.layers.MultiHeadAttention(options.heads, options.width // options.heads, name=f"{name}_attention")
    x = keras.layers.Add(name=f"{name}_attended")([x, attention(normal, normal, attention_mask=seen)])
    normal = keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_dense_norm")(x)
    inner = keras.layers.Dense(options.inner, activation="gelu", name=f"{name}_inner")(normal)
    x = keras.layers.Add(name=f"{name}_added")([x, keras.layers.Dense(options.width, name=f"{name}_outer")(inner)])
    return texts.kept(x, where, texts.TOKENS if number == options.layers else name)
