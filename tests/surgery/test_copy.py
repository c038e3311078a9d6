"""Copies: flags, what is shared, and what cannot be copied."""

from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import SourceError
from regraft.graph import names
from regraft.surgery.copy import copy_model
from tests.laws.networks import built

layers = keras.layers


def _flags(model: keras.Model) -> list[tuple[str, bool]]:
    return [(path, layer.trainable) for path, layer in names.layers(model)]


def test_every_flag_is_kept_inside_and_out() -> None:
    model = built("custom")
    model.get_layer("gated").gate.trainable = False
    model.get_layer("top").bias.trainable = False
    copied = copy_model(model)
    assert dict(_flags(copied))["gated/gate"] is False
    assert names.trainable(copied) == names.trainable(model)
    model = built("nested")
    model.get_layer("middle").trainable = False
    model.get_layer("middle").get_layer("relu2").trainable = True
    assert [flag for _, flag in _flags(copy_model(model))] == [flag for _, flag in _flags(model)]


def test_what_is_shared_stays_shared() -> None:
    copied = copy_model(built("towers"))
    assert len(copied.get_layer("tower")._inbound_nodes) >= 2
    assert len(copied.variables) == len(built("towers").variables)


def test_the_structure_of_inputs_and_outputs_is_kept() -> None:
    copied = copy_model(built("several"))
    made = copied({"left": np.ones((2, 4), "float32"), "right": np.ones((2, 3), "float32")})
    assert sorted(made) == ["a", "b"]


def test_a_layer_without_a_configuration_is_named() -> None:
    class Closed(layers.Layer):
        def __init__(self, function: Any) -> None:
            super().__init__(name="closed")
            self.function = function

        def call(self, x: Any) -> Any:
            return self.function(x)

        def get_config(self) -> dict[str, Any]:
            raise NotImplementedError("no way to say it")

    inputs = keras.Input((3,))
    model = keras.Model(inputs, Closed(lambda x: x)(inputs))
    with pytest.raises(SourceError) as caught:
        copy_model(model)
    assert str(caught.value) == (
        "layer 'closed' of class Closed cannot be copied: no way to say it; "
        "give the class a get_config() that returns its constructor's arguments"
    )


def test_a_layer_that_names_its_variables_anew_each_time_is_named() -> None:
    counter = iter(range(100))

    class Restless(layers.Layer):
        def build(self, shape: Any) -> None:
            self.it = self.add_weight(shape=(1,), name=f"number{next(counter)}")

        def call(self, x: Any) -> Any:
            return x * self.it

    inputs = keras.Input((3,))
    model = keras.Model(inputs, Restless(name="restless")(inputs))
    with pytest.raises(
        SourceError, match=r"layer '.*' .* cannot be copied: its copy has a variable '.*number1', it has none"
    ):
        copy_model(model)
