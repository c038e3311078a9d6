"""A small problem for each kind of data that methods of pretraining take, and the same way of training for all."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core.pretraining import Kind, Stage
from regraft.graph.arithmetic import exactly
from regraft.pretraining import METHODS, greedy, loop, method, trunks
from regraft.pretraining.learner import Sample

Array = np.ndarray[Any, Any]

EPOCHS, SEED = 4, 3
# A Boltzmann machine begins by knowing how often each unit is on, and knows no more for some passes.
_SLOWER = {"rbm": 30, "dbn": 30}
# Every method with every kind that there are examples for here.
KINDS: tuple[Kind, ...] = ("numbers", "pictures")
CASES = [(name, kind) for name in METHODS for kind in method(name).KINDS if kind in KINDS]
# One kind is enough where every case is trained: compiling takes most of the time.
TRAINED = list({name: (name, kind) for name, kind in reversed(CASES)}.values())[::-1]
# Small networks; those that a method wants of another kind are made small by their options.
_SMALL = {"mlp": "mlp?units=12,8", "cnn": "cnn?filters=4&units=8"}


@dataclass(frozen=True, eq=False)
class Rows:
    """Prepared examples in memory."""

    x: Array
    labels: Array | None = None
    groups: Array | None = None
    pairs: Array | None = None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, indices: Array) -> Array:
        return self.x[indices]


def rows(kind: Kind) -> tuple[Rows, Rows]:
    """Examples of three classes from 0 to 1: 144 to learn from and 48 held out."""
    random = np.random.default_rng(1)
    labels = np.arange(192) % 3
    if kind == "pictures":
        x = random.uniform(0, 0.2, (192, 8, 8, 1))
        for index, label in enumerate(labels):
            row, column = random.integers(0, 3, 2)
            x[index, row : row + 5, column + 2 * (label % 2)] += 0.8 if label else 0.2
            x[index, row + 2, column : column + 5] += 0.8 if label != 1 else 0.0
        x = np.minimum(x, 1.0)
    else:
        ends = random.uniform(0, 1, (3, 10)).round()
        x = np.clip(ends[labels] + random.normal(0, 0.25, (192, 10)), 0, 1)
    x = x.astype(np.float32)
    return Rows(x[:144], labels[:144].astype(np.int64)), Rows(x[144:], labels[144:].astype(np.int64))


def trunk(name: str, kind: Kind, seed: int = SEED) -> keras.Model:
    """A small network of the sort that the method has for this kind of data."""
    text = method(name).ARCHITECTURES.get(kind) or trunks.USUAL[kind]
    sort, _, query = text.partition("?")
    options = [item for item in query.split("&") if item and not item.startswith(("units", "filters"))]
    small, _, own = _SMALL.get(sort, text).partition("?")
    # One layer where the method's own network has one.
    own = own.replace("12,8", "12") if sort == "mlp" and "units=" in query and "," not in query else own
    return trunks.build(f"{small}?{'&'.join([*filter(None, [own]), *options])}", rows(kind)[0].x.shape[1:], kind, seed)


def sample(kind: Kind) -> Sample:
    """What a method may look at."""
    given = rows(kind)[0]
    return Sample(
        kind=kind, x=given.x[:100], count=len(given), labels=None if given.labels is None else given.labels[:100]
    )


def trained(
    name: str, kind: Kind, folder: Path, *, seed: int = SEED, stop_after: int | None = None, epochs: int | None = None
) -> tuple[keras.Model, tuple[Stage, ...]]:
    """A trunk after the method, and its stages; checkpoints in the folder."""
    chosen = method(name)
    epochs = epochs or _SLOWER.get(name, EPOCHS)
    spec = replace(chosen.SPEC, epochs=epochs, batch_size=16, patience=0)
    learning, held_out = rows(kind)
    model, settings = trunk(name, kind), chosen.Settings()
    if chosen.GREEDY:
        made = greedy.pretrain(
            chosen, model, _below(learning, held_out), sample(kind), settings, spec, seed,
            checkpoint=lambda number: folder / f"{number}.npz", stop_after=stop_after,
        )  # fmt: skip
        return model, made.stages
    learner = chosen.learner(model, sample(kind), settings, seed)
    learned = loop.pretrain(learner, learning, held_out, spec, seed, path=folder / "1.npz", stop_after=stop_after)
    return model, (Stage("all", learned.history, learned.best, learned.stopped),)


def _below(learning: Rows, held_out: Rows) -> greedy.Below:
    def made(lower: keras.Model | None) -> tuple[Rows, Rows]:
        if lower is None:
            return learning, held_out
        # What is trained once for a whole module is made outside of the arithmetic of single laws.
        with exactly():
            one, other = (
                replace(given, x=np.asarray(lower.predict_on_batch(given.x), np.float32))
                for given in (learning, held_out)
            )
        return one, other

    return made
