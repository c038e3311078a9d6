import keras
import numpy as np

from regraft.training.reach import without_gradient


def test_what_no_output_depends_on_is_named():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    used = keras.layers.Dense(3, name="used")(inputs)
    spread = keras.layers.Dense(3, name="rounded")(inputs)
    # The floor of a number has no slope: nothing below it learns.
    outputs = keras.layers.Add()([used, keras.ops.floor(spread)])
    model = keras.Model(inputs, outputs)
    before = [np.array(value) for value in model.get_weights()]
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    # PyTorch calls a slope of zero a slope.
    lost = () if keras.backend.backend() == "torch" else ("rounded/kernel", "rounded/bias")
    assert without_gradient(model, [x]) == lost
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_frozen_variable_is_not_asked_for():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.trainable = False
    assert without_gradient(model, [np.zeros((1, 4), np.float32)]) == ()
