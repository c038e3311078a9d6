"""Decoders with the trunk's own kernels, transposed: half the weights, and no way round the representation."""

from typing import Any

import keras

from regraft.core.errors import RequestError


class Transposed(keras.layers.Layer):
    """The way back through a dense layer: its kernel transposed, and a bias of its own."""

    def __init__(self, dense: Any, activation: Any = None, **named: Any) -> None:
        """Keep the layer whose kernel is used, and what is applied at the end."""
        super().__init__(**named)
        self.dense = dense
        self.activation: Any = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        """Make the bias."""
        self.bias = self.add_weight(shape=(self.dense.kernel.shape[0],), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """One batch, back."""
        ops: Any = keras.ops
        made = ops.matmul(inputs, ops.transpose(self.dense.kernel)) + self.bias
        return self.activation(made)


def tied_decoder(trunk: keras.Model, shape: tuple[int, ...], name: str = "decoder") -> keras.Model:
    """The way back through the dense layers of a trunk.

    Raises:
        RequestError: the trunk has other layers with weights.
    """
    dense: list[Any] = []
    for layer in trunk.layers:
        if isinstance(layer, keras.layers.Dense):
            dense.append(layer)
        elif layer.weights:
            raise RequestError(
                f"expected a network of dense layers for tied weights, found '{layer.name}' of class "
                f"{type(layer).__name__}; say --architecture mlp, or leave 'tied' out"
            )
    if not dense:
        raise RequestError(f"expected a network with dense layers for tied weights, found none in '{trunk.name}'")
    inputs: Any = keras.Input(trunk.output_shape[1:], name="representation")
    x: Any = inputs
    for number, layer in enumerate(reversed(dense), 1):
        last = number == len(dense)
        below = None if last else dense[-number - 1].activation
        x = Transposed(layer, below, name=f"back{number}")(x)
    if len(shape) > 1:
        x = keras.layers.Reshape(shape, name="given_back")(x)
    return keras.Model(inputs, x, name=name)
