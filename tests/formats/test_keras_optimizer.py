import keras
import numpy as np
import pytest

from regraft import formats

OPTIMIZERS = {
    "Adam": lambda: keras.optimizers.Adam(),
    "amsgrad": lambda: keras.optimizers.Adam(amsgrad=True),
    "SGD": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "plain": lambda: keras.optimizers.SGD(0.1),
    "RMSprop": lambda: keras.optimizers.RMSprop(momentum=0.5, centered=True),
    "Adadelta": lambda: keras.optimizers.Adadelta(),
    "Adagrad": lambda: keras.optimizers.Adagrad(),
    "Adamax": lambda: keras.optimizers.Adamax(),
    "Ftrl": lambda: keras.optimizers.Ftrl(),
    "Lion": lambda: keras.optimizers.Lion(),
    "average": lambda: keras.optimizers.AdamW(use_ema=True),
    "accumulating": lambda: keras.optimizers.Adam(gradient_accumulation_steps=2),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10)),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("kind", list(OPTIMIZERS))
def test_every_slot_finds_its_variable(kind, suffix, compiled, tmp_path):
    model = compiled(OPTIMIZERS[kind](), frozen=True)
    model.save(tmp_path / f"m{suffix}")
    archive = formats.read(tmp_path / f"m{suffix}")
    found = {f"{item.variable.replace('/', '_')}_{item.slot}": item.tensor for item in archive.optimizer.slots}
    held = {item.path.rpartition("/")[2]: item for item in model.optimizer.variables if len(item.shape)}
    assert set(found) == set(held)
    for name, variable in held.items():
        np.testing.assert_array_equal(found[name].read(), variable)
    assert archive.optimizer.iterations == 2
    assert archive.optimizer.class_name == type(model.optimizer).__name__
    assert not archive.warnings


def test_an_optimizer_that_is_not_known_is_listed_by_position(compiled, tmp_path):
    model = compiled(keras.optimizers.Adafactor())
    model.save(tmp_path / "m.keras")
    archive = formats.read(tmp_path / "m.keras")
    assert {item.variable for item in archive.optimizer.slots} == {None}
    assert archive.warnings == (
        f"optimizer Adafactor: {len(archive.optimizer.slots)} arrays that cannot be told apart by position",
    )


def test_no_optimizer(saved):
    assert formats.read(saved("nested", "keras")[1]).optimizer is None
