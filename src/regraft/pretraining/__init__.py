"""Objectives for when no source exists: each method one file, with the same names in the same order."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from regraft.core.errors import RequestError, nearest

if TYPE_CHECKING:
    from regraft.pretraining.learner import Method

# What each method learns by. Its module has the same name, with `_` for `-`; it is loaded when it is asked for, so that
# `--help` needs no framework.
METHODS: Mapping[str, str] = {
    "autoencoder": "to give back the input from a representation",
    "dbn": "which states of its input are probable, by layers of units one after the other",
    "rbm": "which states of its input are probable, by one layer of units",
}


def method(name: str) -> "Method":
    """The method of a name.

    Raises:
        RequestError: there is none.
    """
    if name not in METHODS:
        raise RequestError(f"expected a method of pretraining, found '{name}'{nearest(name, METHODS)}")
    return cast("Method", importlib.import_module(f"regraft.pretraining.{name.replace('-', '_')}"))
