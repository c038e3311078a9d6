"""A small convolutional network for texts: windows of several widths beside each other, as Kim 2014 has them."""

from dataclasses import dataclass
from typing import Any

import keras

from regraft.core.errors import RequestError
from regraft.pretraining.trunks import texts
from regraft.pretraining.trunks.texts import Vocabulary

WHAT = "windows over tokens side by side; width=N of an embedding, filters=N for each of windows=N,N,..., layers=N"
KINDS = ("text",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Vocabulary):
    """What can be chosen.

    Attributes:
        width: of what an id stands for.
        filters: of each window.
        windows: how many tokens each sees.
        layers: how often that is done, each time on what was made before.
    """

    width: int = 64
    filters: int = 64
    windows: tuple[int, ...] = (2, 3, 5)
    layers: int = 1

    def __post_init__(self) -> None:
        """Refuse what no layer can have.

        Raises:
            RequestError: a number is below 1, or there is no window.
        """
        if not self.windows or min(self.windows) < 1:
            raise RequestError(f"expected windows of 1 token or more, found {self.windows}")
        for name in ("width", "filters", "layers"):
            texts.require(name, getattr(self, name))


def build(shape: tuple[int, ...], options: Options) -> keras.Model:
    """From ids (tokens,) to a vector for the text.

    Raises:
        RequestError: the shape is none of a text.
    """
    inputs, x = texts.embedded(shape, options, options.width)
    for number in range(1, options.layers + 1):
        where = texts.present(x)
        seen: list[Any] = [
            keras.layers.Conv1D(
                options.filters, window, padding="same", activation="relu", name=f"layer{number}_window{window}"
            )(x)
            for window in options.windows
        ]
        joined = seen[0] if len(seen) == 1 else keras.layers.Concatenate(name=f"layer{number}_windows")(seen)
        x = texts.kept(joined, where, texts.TOKENS if number == options.layers else f"layer{number}")
    return texts.said(inputs, x, "text_cnn")
