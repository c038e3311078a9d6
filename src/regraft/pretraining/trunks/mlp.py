"""Dense layers, one after the other."""

from dataclasses import dataclass
from typing import Any, Literal

import keras

from regraft.core.errors import RequestError
from regraft.core.pretraining import Kind

WHAT = "dense layers; units=N,N,..., activation=relu, sigmoid, tanh or selu"
KINDS: tuple[Kind, ...] = ("pictures", "numbers", "table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        units: of each layer, from the lowest upwards.
        activation: of all layers.
    """

    units: tuple[int, ...] = (512, 256)
    activation: Literal["relu", "sigmoid", "tanh", "selu"] = "relu"

    def __post_init__(self) -> None:
        """Refuse widths that no layer can have.

        Raises:
            RequestError: one is below 1, or there is none.
        """
        if not self.units or min(self.units) < 1:
            raise RequestError(f"expected units of 1 or more for at least one layer, found {self.units}")


def build(shape: tuple[int, ...], options: Options) -> keras.Model:
    """From inputs of any shape to the outputs of the last layer."""
    inputs: Any = keras.Input(shape, name="examples")
    x: Any = keras.layers.Flatten(name="flat")(inputs) if len(shape) > 1 else inputs
    for number, units in enumerate(options.units, 1):
        x = keras.layers.Dense(units, activation=options.activation, name=f"hidden{number}")(x)
    return keras.Model(inputs, x, name="mlp")
