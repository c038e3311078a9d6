"""Shapes from settings, also where an altered file has none that could be."""

from typing import Any

import pytest

from regraft.formats.keras_layers import described
from regraft.formats.keras_shapes import inferred


@pytest.mark.parametrize(
    ("units", "shape"), [(3, (3,)), (None, (None,)), ([None, 4], None), ("3", None), (-1, None), (True, None)]
)
def test_a_setting_that_is_no_size_leaves_the_shape_open(units: Any, shape: Any) -> None:
    layer = described({"class_name": "Dense", "config": {"name": "low", "units": units}})
    assert inferred(layer, [(4,)]) == shape
