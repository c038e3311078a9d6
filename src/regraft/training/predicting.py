"""What a branch answers, and how good that is."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from regraft.core.records import Epoch
from regraft.graph.arithmetic import exact
from regraft.training.feeds import Feed, originals
from regraft.training.step import Stepper, stepper

Array = np.ndarray[Any, Any]


def predictor(model: keras.Model) -> Callable[[Feed], Array]:
    """`predict` for one model, compiled once."""
    machine = stepper(model)
    return lambda feed: probabilities(machine, feed)


def predict(model: keras.Model, feed: Feed) -> Array:
    """The probabilities (n, classes) that a branch gives to the examples of a feed, as they are (view 0)."""
    return probabilities(stepper(model), feed)


def judge(model: keras.Model, validation: Feed, phase: str) -> Epoch:
    """How a branch does on validation, as a row of a history of its own."""
    started = time.perf_counter()
    row = evaluated(stepper(model), validation, Epoch(phase, 1, None, 0.0, float("nan"), float("nan"), 0.0))
    return replace(row, seconds=time.perf_counter() - started)


def evaluated(machine: Stepper, feed: Feed, row: Epoch) -> Epoch:
    """A row of a history with accuracy and log loss on a feed filled in; as it is where the feed is empty."""
    if not len(feed):
        return row
    found = probabilities(machine, feed)
    right = found[np.arange(len(feed)), feed.labels]
    accuracy = float(np.mean(np.argmax(found, axis=1) == feed.labels))
    loss = float(-np.log(np.maximum(right, 1e-12)).mean())
    return replace(row, validation_accuracy=accuracy, validation_loss=loss)


@exact
def probabilities(machine: Stepper, feed: Feed) -> Array:
    """Float64 (n, classes)."""
    logits = [machine.logits(rows) for rows in originals(feed)]
    return softmax(np.concatenate(logits).astype(np.float64), axis=1)
