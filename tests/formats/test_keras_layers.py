"""The table of variables agrees with Keras, class by class."""

import keras
import pytest

from regraft.formats.keras_layers import (
    VARIABLES,
    described,
    guessed_variables,
    own_variables,
    snake_case,
    stored_names,
)

layers = keras.layers

LAYERS = [
    layers.Dense(2),
    layers.Dense(2, use_bias=False),
    layers.EinsumDense("ab,bc->ac", 3),
    layers.EinsumDense("ab,bc->ac", 3, bias_axes="c"),
    layers.Conv1D(2, 1),
    layers.Conv2D(2, 1, use_bias=False),
    layers.Conv3D(2, 1),
    layers.Conv1DTranspose(2, 1),
    layers.Conv2DTranspose(2, 1, use_bias=False),
    layers.Conv3DTranspose(2, 1),
    layers.DepthwiseConv1D(1),
    layers.DepthwiseConv2D(1, use_bias=False),
    layers.SeparableConv1D(2, 1),
    layers.SeparableConv2D(2, 1, use_bias=False),
    layers.BatchNormalization(),
    layers.BatchNormalization(scale=False),
    layers.BatchNormalization(center=False),
    layers.BatchNormalization(renorm=True),
    layers.LayerNormalization(),
    layers.LayerNormalization(scale=False),
    layers.GroupNormalization(2),
    layers.RMSNormalization(),
    layers.Normalization(),
    layers.Normalization(mean=0.0, variance=1.0),
    layers.Embedding(3, 2),
    layers.PReLU(),
    layers.LSTMCell(2),
    layers.GRUCell(2, use_bias=False),
    layers.SimpleRNNCell(2),
]
_RANKS = {"1D": 3, "2D": 4, "3D": 5}


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_variables_of_a_layer(layer):
    kind = type(layer).__name__
    rank = next((rank for end, rank in _RANKS.items() if end in kind), 2)
    layer.build((None, *[4] * (rank - 1)))
    known = own_variables(described({"class_name": kind, "config": layer.get_config()}))
    held = layer._trainable_variables + layer._non_trainable_variables
    assert [(item.name, item.learns) for item in known] == [(item.name, item.trainable) for item in held]


def test_every_class_of_the_table_is_tried():
    tried = {type(layer).__name__ for layer in LAYERS}
    elsewhere = {"ConvLSTMCell", "LayerScale", "Attention", "AdditiveAttention"}
    assert set(VARIABLES) == tried | elsewhere


@pytest.mark.parametrize("kind", [layers.Attention, layers.AdditiveAttention])
def test_attention(kind):
    layer = kind(use_scale=True)
    layer.build([(None, 3, 4), (None, 3, 4)])
    known = own_variables(described({"class_name": kind.__name__, "config": layer.get_config()}))
    assert [item.name for item in known] == [item.name for item in layer.variables if "seed" not in item.name]


def test_guesses_are_made_only_where_there_is_one_possibility():
    assert [item.name for item in guessed_variables("SeparableConv2D", 2)] == ["depthwise_kernel", "pointwise_kernel"]
    assert guessed_variables("BatchNormalization", 3) is None
    assert guessed_variables("Unheard", 1) is None


def test_stored_names_are_those_of_keras():
    kinds = ["Dense", "PReLU", "Conv2D", "Dense", "LSTMCell", "Dense"]
    items = [described({"class_name": kind, "config": {}}) for kind in kinds]
    assert stored_names(items) == ["dense", "p_re_lu", "conv2d", "dense_1", "lstm_cell", "dense_2"]
    assert snake_case("BatchNormalization") == keras.src.utils.naming.to_snake_case("BatchNormalization")
