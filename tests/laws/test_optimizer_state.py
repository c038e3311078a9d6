"""Optimizer state belongs to names: carried onto the same names it is the identity, and the next step is the same."""

import numpy as np
import pytest

from regraft.training import slots
from tests.training.keras_optimizers import MADE, SHAPES, copied, take, values, variables

_SEEN = range(4)
_AFTER = range(4, 6)
_ORDERS = {
    "the same order": tuple(SHAPES),
    "another order": ("top/bias", "low/bias", "top/kernel", "low/kernel"),
    "one is frozen": ("top/bias", "low/kernel", "top/kernel"),
}


@pytest.mark.parametrize("kind", MADE)
def test_a_state_that_is_read_and_assigned_is_the_same(kind: str) -> None:
    optimizer, chosen = MADE[kind](), variables()
    optimizer.build(list(chosen.values()))
    take(optimizer, chosen, _SEEN)
    before = slots.read(optimizer, chosen)
    slots.assign(optimizer, chosen, before)
    after = slots.read(optimizer, chosen)
    for name, state in before.variables.items():
        assert (state.kind, state.steps) == (after.variables[name].kind, after.variables[name].steps)
        assert state.settings == after.variables[name].settings
        assert state.scalars == after.variables[name].scalars
        assert set(state.slots) == set(after.variables[name].slots)
        assert all(np.array_equal(value, after.variables[name].slots[slot]) for slot, value in state.slots.items())


@pytest.mark.parametrize("kind", MADE)
def test_variables_that_are_kept_take_the_same_next_steps_to_the_bit(kind: str) -> None:
    optimizer, chosen = MADE[kind](), variables()
    optimizer.build(list(chosen.values()))
    take(optimizer, chosen, _SEEN)
    state = slots.read(optimizer, chosen)
    carried = {order: copied(chosen, order) for order in _ORDERS.values()}
    take(optimizer, chosen, _AFTER)
    expected = values(chosen)
    for order, own in carried.items():
        # Clipping by the norm of all gradients together is the one thing in which a variable depends on its neighbours.
        if kind == "adam, clipped" and len(order) < len(SHAPES):
            continue
        other = MADE[kind]()
        other.build(list(own.values()))
        slots.assign(other, own, state)
        take(other, own, _AFTER)
        for name, value in values(own).items():
            # The norm sums squares in the variables' order: it alone may differ in the last bit.
            np.testing.assert_allclose(value, expected[name], rtol=1e-6 if kind == "adam, clipped" else 0, err_msg=name)
