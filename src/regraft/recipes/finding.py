"""A learning rate for any Keras model and arrays, by a range test."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core import storage
from regraft.core.errors import RequestError
from regraft.core.found_rate import FoundRate
from regraft.core.phase import Phase
from regraft.report import rate_page
from regraft.surgery.copy import copy_model
from regraft.surgery.seeding import seed_layers
from regraft.training.kinds import make
from regraft.training.rate_curve import FEWEST, HIGHEST, LOWEST, STEPS, climb, read, rising
from regraft.training.rate_finder import Rising, batches, growth

Array = np.ndarray[Any, Any]


def find_rate(
    model: keras.Model,
    x: Any,
    y: Any,
    *,
    optimizer: str | keras.optimizers.Optimizer | None = None,
    loss: Any = None,
    batch_size: int = 32,
    steps: int = STEPS,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    seed: int = 0,
    picture: str | os.PathLike[str] | None = None,
) -> FoundRate:
    """A learning rate for a model, by letting a copy of it learn at rising rates until the loss explodes (Smith 2017).

    Args:
        model: with a graph, on any backend; neither it nor its optimizer is changed. What is not trainable stays.
        x: an array of examples (n, ...), or a list or dictionary of such, as the model takes them.
        y: what is to be learnt, likewise.
        optimizer: a name, such as `adam` or `nesterov`, or a Keras optimizer; by default the model's own.
        loss: as `compile` takes it; by default the model's own.
        batch_size: examples per step.
        steps: at most.
        lowest: the rate of the first step.
        highest: the rate of the last.
        seed: of the order of examples, and of dropout.
        picture: an HTML file to draw the curve into.

    Returns:
        The rates, losses and readings; `suggested` is the rate.

    Raises:
        RequestError: no loss or optimizer is known, or the arrays do not fit each other.
        SourceError: the model has no graph that could be copied.
        WorkError: the loss is no number, or explodes at once.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.random.default_rng(0).normal(size=(256, 3))
        >>> bool(0.001 < find_rate(model, x, x.sum(axis=1, keepdims=True)).suggested < 0.5)
        True
    """
    x, y = _arrays(x), _arrays(y)
    examples = _count(x, y)
    if not 0 < lowest < highest or steps < FEWEST:
        raise RequestError(
            f"expected 0 < lowest < highest and {FEWEST} steps or more, found {lowest:g}, {highest:g} and {steps} steps"
        )
    rates = rising(steps, lowest, highest)
    copied = copy_model(model)
    seed_layers(copied, seed)
    made = _optimizer(model, optimizer)
    made.learning_rate = Rising(lowest, growth(rates))
    copied.compile(made, **_losses(model, loss))
    chosen = batches(examples, batch_size, steps, seed)
    first = {indices: _loss(copied, copied.test_on_batch, x, y, indices) for indices in dict.fromkeys(chosen)}
    before = np.array([first[indices] for indices in chosen])
    losses, exploded = climb(rates, before, lambda step: _loss(copied, copied.train_on_batch, x, y, chosen[step]))
    found = read(model.name, type(made).__name__, rates, before, losses, exploded)
    if picture is not None:
        storage.write_text(Path(picture), rate_page(found))
    return found


def _arrays(given: Any) -> Any:
    """A plain list of numbers is one array, and not as many as it has."""
    numbers = isinstance(given, list | tuple) and all(np.ndim(item) == 0 for item in given)
    return np.asarray(given) if numbers else given


def _count(x: Any, y: Any) -> int:
    lengths = {len(array) for array in [*keras.tree.flatten(x), *keras.tree.flatten(y)] if hasattr(array, "__len__")}
    if len(lengths) != 1 or 0 in lengths:
        raise RequestError(
            f"expected arrays of as many examples in x and y, found {sorted(lengths) or 'none'}; "
            "give arrays, or lists or dictionaries of arrays"
        )
    return lengths.pop()


def _losses(model: Any, loss: Any) -> dict[str, Any]:
    if loss is not None:
        return {"loss": loss}
    if getattr(model, "loss", None) is None:
        raise RequestError("expected a compiled model or a loss, found neither; give loss, such as loss='mse'")
    several = isinstance(model.loss, list | tuple | dict)
    return {"loss": model.loss, "loss_weights": model.get_compile_config()["loss_weights"] if several else None}


def _optimizer(model: Any, asked: str | keras.optimizers.Optimizer | None) -> Any:
    """A new one of the same kind and settings, without the state."""
    if isinstance(asked, str):
        return make(Phase(optimizer=asked), LOWEST)
    own: Any = asked or getattr(model, "optimizer", None)
    if own is None:
        raise RequestError("expected a compiled model or an optimizer, found neither; give optimizer, such as 'adam'")
    # Mixed precision wraps what was given; the copy's own is wrapped anew.
    own = getattr(own, "inner_optimizer", own)
    return type(own).from_config({**own.get_config(), "learning_rate": LOWEST})


def _loss(model: Any, on_batch: Any, x: Any, y: Any, indices: tuple[int, ...]) -> float:
    """The loss of one batch alone: Keras' is a mean over all since the last reset."""

    def rows(array: Any) -> Any:
        return np.asarray(array)[list(indices)]

    model.reset_metrics()
    return float(
        on_batch(keras.tree.map_structure(rows, x), keras.tree.map_structure(rows, y), return_dict=True)["loss"]
    )
