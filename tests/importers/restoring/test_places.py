"""What a model says about its variables before it gets values."""

import keras

from regraft.importers.restoring.places import places


def _by_name(model):
    return {place.name: place for place in places(model)}


def test_kinds_epsilons_and_flattened_maps_are_told():
    found = _by_name(
        keras.Sequential(
            [
                keras.Input((6, 5, 3)),
                keras.layers.Conv2D(4, 3, name="conv"),
                keras.layers.BatchNormalization(epsilon=1e-4, name="norm"),
                keras.layers.Dropout(0.5, name="drop"),
                keras.layers.Flatten(name="flat"),
                keras.layers.PReLU(name="slope"),
                keras.layers.Dense(7, name="dense"),
                keras.layers.Dense(7, name="top"),
            ]
        )
    )
    assert found["conv/kernel"].kind == "Conv2D"
    assert found["norm/moving_variance"].epsilon == 1e-4
    assert found["slope/alpha"].flattened == found["dense/kernel"].flattened == (4, 3, 4)
    assert found["dense/bias"].flattened == found["top/kernel"].flattened == ()
    assert not [name for name in found if "seed" in name]


def test_a_map_without_extent_has_nothing_to_be_put_in_order():
    model = keras.Sequential(
        [keras.Input((1, 1, 3)), keras.layers.Flatten(name="flat"), keras.layers.Dense(2, name="dense")]
    )
    assert _by_name(model)["dense/kernel"].flattened == ()


def test_layers_in_models_and_in_layers_have_their_own_kind():
    inner = keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(5, name="lstm")], name="inner")
    entry = keras.Input((4, 3))
    found = _by_name(keras.Model(entry, keras.layers.Dense(2, name="top")(inner(entry))))
    assert found["inner/lstm/cell/kernel"].kind == "LSTMCell"
