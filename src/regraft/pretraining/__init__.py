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
    "denoising-autoencoder": "to give back the input from a disturbed one",
    "stacked-autoencoder": "to give back the input, layer by layer, then all at once",
    "rbm": "to know probable inputs from others, by one layer of units that are on or off",
    "dbn": "to know probable inputs from others, by such layers on top of each other",
    "masked": "to say what stood where a part of the input was taken away",
    "pairs": "to tell whether two examples belong together",
    "corrupted": "to tell good examples from corrupted ones, and where",
    "ranking": "to score a good example above its corrupted copy, a higher class above a lower one, or as pairs say",
    "barlow-twins": "to describe two views of an example alike, in numbers that say different things",
}


def method(name: str) -> "Method":
    """The method of a name.

    Raises:
        RequestError: there is none.
    """
    if name not in METHODS:
        raise RequestError(f"expected a method of pretraining, found '{name}'{nearest(name, METHODS)}")
    return cast("Method", importlib.import_module(f"regraft.pretraining.{name.replace('-', '_')}"))
