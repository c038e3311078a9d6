"""Models are built without their variables taking memory, until it is known that the file has values for them.

A configuration of a hundred bytes can ask for terabytes. Keras can put off what a variable is made of; so the sizes are
summed up first, and compared with what the file holds.
"""

import contextlib
from collections.abc import Callable, Generator
from typing import Any

import keras
from keras.src.backend.common import global_state

from regraft.core.errors import CorruptFileError

_WAITING = "uninitialized_variables"
# States of random layers, counters: what a network may have beside what is in its file.
_BESIDE = 10_000


def built_within(elements: int, source: str, build: Callable[[], keras.Model]) -> keras.Model:
    """The model that `build` makes, its variables given memory only if a file of that size can have values for them.

    Args:
        elements: how many the file holds.
        source: the file, for messages.
        build: makes the model.

    Raises:
        CorruptFileError: the configuration asks for far more than the file holds.
    """
    with _deferred():
        model = build()
        asked = sum(_size(variable) for variable in model.variables)
        # The weights for NVIDIA's library have twice the biases, and a half-precision policy no more elements.
        if asked > 2 * elements + _BESIDE:
            raise CorruptFileError(
                f"'{source}': the configuration asks for {asked} weights, the file holds {elements}; get the file again"
            )
        waiting: list[Any] = list(global_state.get_global_attribute(_WAITING, []) or [])
    _initialize(waiting)
    return model


def _size(variable: Any) -> int:
    total = 1
    for side in variable.shape:
        total *= int(side)
    return total


@contextlib.contextmanager
def _deferred() -> Generator[None]:
    before = global_state.get_global_attribute(_WAITING, None)
    global_state.set_global_attribute(_WAITING, [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        # What was refused must not get its memory from whoever builds a model next.
        global_state.set_global_attribute(_WAITING, before)


def _initialize(waiting: list[Any]) -> None:
    """Let Keras give the variables their first values: it does so at the end of the outermost scope."""
    before = global_state.get_global_attribute(_WAITING, None)
    global_state.set_global_attribute(_WAITING, waiting)
    try:
        with keras.StatelessScope():
            pass
    finally:
        global_state.set_global_attribute(_WAITING, before)
