"""A small recurrent network for texts: gated units that read each text forwards and backwards."""

from dataclasses import dataclass
from typing import Any

import keras

from regraft.pretraining.trunks import texts
from regraft.pretraining.trunks.texts import Vocabulary

WHAT = "gated recurrent units in both directions; width=N of an embedding, units=N each way, layers=N"
KINDS = ("text",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Vocabulary):
    """What can be chosen.

    Attributes:
        width: of what an id stands for.
        units: of each direction.
        layers: one above the other.
    """

    width: int = 64
    units: int = 64
    layers: int = 1

    def __post_init__(self) -> None:
        """Refuse what no layer can have.

        Raises:
            RequestError: a number is below 1.
        """
        for name in ("width", "units", "layers"):
            texts.require(name, getattr(self, name))


def build(shape: tuple[int, ...], options: Options) -> keras.Model:
    """From ids (tokens,) to a vector for the text.

    Raises:
        RequestError: the shape is none of a text.
    """
    inputs, x = texts.embedded(shape, options, options.width)
    for number in range(1, options.layers + 1):
        where = texts.present(x)
        # What fills a text up is passed over: read backwards a text begins at its last token.
        read: Any = keras.ops.squeeze(keras.ops.cast(where, "bool"), -1)
        unit = keras.layers.GRU(options.units, return_sequences=True, name="unit")
        x = keras.layers.Bidirectional(unit, name=f"layer{number}_units")(x, mask=read)
        x = texts.kept(x, where, texts.TOKENS if number == options.layers else f"layer{number}")
    return texts.said(inputs, x, "text_rnn")
