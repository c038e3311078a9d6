"""The state of live Keras optimizers by name."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from regraft.core.optimizer_state import OptimizerState, VariableState

_NO_SLOTS = ("_trainable_variables", "_variables")


def read(optimizer: Any, variables: Mapping[str, keras.Variable]) -> OptimizerState:
    """The state of a built optimizer, by the names of the variables, which are in the order that it was built with."""
    steps = int(np.asarray(keras.ops.convert_to_numpy(optimizer.iterations)))
    kind, found = type(optimizer).__name__.lower(), _slots(optimizer, len(variables))
    return OptimizerState(
        {
            name: VariableState(
                kind,
                steps,
                {slot: np.array(keras.ops.convert_to_numpy(members[place])) for slot, members in found.items()},
            )
            for place, name in enumerate(variables)
        }
    )


def assign(optimizer: Any, variables: Mapping[str, keras.Variable], state: OptimizerState) -> None:
    """Give a built optimizer a state, in place."""
    found = _slots(optimizer, len(variables))
    for place, name in enumerate(variables):
        for slot, members in found.items():
            members[place].assign(state.variables[name].slots[slot])
        optimizer.iterations.assign(state.variables[name].steps)


def _slots(optimizer: Any, count: int) -> dict[str, list[Any]]:
    return {
        name.strip("_"): members
        for name, members in vars(optimizer).items()
        if isinstance(members, list) and len(members) == count and name not in _NO_SLOTS
        if all(isinstance(member, keras.Variable) for member in members)
    }
