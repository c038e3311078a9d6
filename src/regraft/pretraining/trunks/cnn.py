"""A small convolutional network: pairs of 3 x 3 convolutions, each pair followed by halving, and a dense layer."""

from dataclasses import dataclass
from typing import Any

import keras

from regraft.core.errors import RequestError
from regraft.core.pretraining import Kind

WHAT = "3 x 3 convolutions in pairs, halved after each; filters=N,N,..., units=N of a dense layer above (0: none)"
KINDS: tuple[Kind, ...] = ("pictures",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        filters: of each pair of convolutions, from the lowest upwards.
        units: of the dense layer above them; 0: the averages of the highest maps.
    """

    filters: tuple[int, ...] = (32, 64)
    units: int = 128

    def __post_init__(self) -> None:
        """Refuse widths that no layer can have.

        Raises:
            RequestError: one is below 1, or there is none.
        """
        if not self.filters or min(self.filters) < 1 or self.units < 0:
            raise RequestError(
                f"expected filters of 1 or more, and units of 0 or more, found {self.filters} and {self.units}"
            )


def build(shape: tuple[int, ...], options: Options) -> keras.Model:
    """From pictures (height, width, channels) to a vector.

    Raises:
        RequestError: the pictures are too small to be halved so often.
    """
    if min(shape[:2]) < 2 ** len(options.filters):
        raise RequestError(
            f"expected pictures of at least {2 ** len(options.filters)} pixels a side for "
            f"{len(options.filters)} halvings, found {shape[0]} x {shape[1]}; say fewer filters"
        )
    inputs: Any = keras.Input(shape, name="pictures")
    x: Any = inputs
    for block, filters in enumerate(options.filters, 1):
        for number in (1, 2):
            x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"block{block}_conv{number}")(x)
        x = keras.layers.MaxPooling2D(name=f"block{block}_pool")(x)
    if options.units:
        x = keras.layers.Flatten(name="flat")(x)
        x = keras.layers.Dense(options.units, activation="relu", name="hidden")(x)
    else:
        x = keras.layers.GlobalAveragePooling2D(name="averages")(x)
    return keras.Model(inputs, x, name="cnn")
