"""How a run keeps its activations, decided before anything runs: what budget, which place, rounded or not, by what."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, cast

import numpy as np

from regraft.activations import budget, coding, spreading
from regraft.activations.coding import DTYPES
from regraft.activations.compute import RowsLike, beside
from regraft.activations.engines import BATCH, Wanted, choosing
from regraft.activations.keys import Keys
from regraft.activations.loading import load_prepared
from regraft.activations.memory import MemoryStore
from regraft.activations.places import index, numbers_of
from regraft.activations.store import Store
from regraft.activations.streaming import Stream
from regraft.core.plan import AUTO, Plan, most_views
from regraft.core.records import CutPoint
from regraft.data import Examples
from regraft.graph import flow
from regraft.graph.cut_points import is_input
from regraft.importers import Pretrained

Array = np.ndarray[Any, Any]
EngineName = Literal["keras", "openvino", "onnxruntime"]

RAY = "ray"


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a run would keep, what there is for it, and what is kept."""

    need: budget.Need
    room: budget.Room
    made: budget.Decision

    @property
    def text(self) -> str:
        """The estimate and the decision in plain words."""
        return budget.sentence(self.need, self.room, self.made)


def decided(
    pretrained: Pretrained,
    examples: Examples,
    plan: Plan,
    averaged: Sequence[CutPoint],
    starts: Sequence[CutPoint],
    store: Store,
) -> Keeping:
    """What is kept of the activations that a run would like to keep; see `wish`."""
    room = budget.room(store, plan.budget)
    need = wish(plan, averaged, starts, examples, room)
    made = budget.decide(need, room)
    if made.averages != "disk" or made.maps != "disk" or made.bytes < budget.wished(need):
        # What this run finds there takes no more room. Looked at only now: it reads the whole network.
        names = dict.fromkeys(point.name for point in (*averaged, *starts))
        left = store.left(Keys(pretrained.model, pretrained.inputs, examples, names).owns, examples.ids)
        room = budget.room(store, plan.budget, left)
        need = wish(plan, averaged, starts, examples, room)
        made = budget.decide(need, room)
    return Keeping(need, room, made)


def wish(
    plan: Plan, averaged: Sequence[CutPoint], starts: Sequence[CutPoint], examples: Examples, space: budget.Room
) -> budget.Need:
    """What the run would like to keep, in numbers."""
    training = int((examples.split == "train").sum())
    learning = training + int((examples.split == "validation").sum())
    # Rounded only for a reason: somebody said how much there may be, or the disk is small.
    may_round = plan.budget is not None or space.of("disk") < budget.DEFAULT_BYTES
    dtypes = (plan.dtype,) if plan.dtype != AUTO else tuple(DTYPES) if may_round else ("float32",)
    views = views_for(plan, training) if starts else 1
    keys = len(averaged) + views * bool(starts)
    widths = [point.shape[-1] or 1 for point in averaged]
    beside_rows = [beside(len(examples), 4 * width * len(examples), keys) for width in widths]
    if starts:
        size = 4 * prod(side or 1 for side in starts[0].shape)
        beside_rows += [beside(rows, size * rows, keys) for rows in (len(examples), *[learning] * (views - 1))]
    return budget.Need(
        averages=sum(widths),
        examples=len(examples),
        learning=learning,
        maps=tuple(budget.Map(point.name, prod(side or 1 for side in point.shape)) for point in starts),
        views=views,
        dtypes=dtypes,
        fewer_views=plan.views is None,
        no_map=plan.fine_tune.enabled != "yes",
        beside=sum(beside_rows),
    )


def views_for(plan: Plan, training: int) -> int:
    """How many views of each training example where the plan leaves it open: fewer of many examples."""
    if plan.views is not None:
        return plan.views
    return min(3 if training <= 2_000 else 2 if training <= 20_000 else 1, most_views(plan.augment))


def require_engine(plan: Plan) -> None:
    """Refuse what the plan says is to run the frozen layers where it cannot, before anything is opened.

    Raises:
        RequestError: it is not installed, or does not go with Keras' backend.
    """
    if plan.engine == RAY:
        spreading.require()
    elif plan.engine != AUTO:
        choosing.require(plan.engine)


def engine_for(
    pretrained: Pretrained,
    examples: Examples,
    plan: Plan,
    wanted: Sequence[Wanted],
    store: Store,
    dtype: str = "float32",
) -> EngineName:
    """What runs the frozen layers: where the plan leaves it open, what has computed most of it before.

    Args:
        pretrained: the source.
        examples: what is computed for.
        plan: names it, or leaves it open.
        wanted: what is to be computed.
        store: what is there already.
        dtype: how whole activations are kept.

    Raises:
        RequestError: the plan names what is not installed, or does not go with Keras' backend.
    """
    require_engine(plan)
    if plan.engine in ("keras", RAY):
        return "keras"
    # What the network itself is given is no engine's to make.
    opened = flow.read(pretrained.model)
    wanted = [item for item in wanted if not is_input(opened, item.cut_point)]
    folder = store.folder.parent
    if not wanted or (plan.engine == AUTO and choosing.settled(len(examples), folder)):
        return "keras"
    network, left = (pretrained.model, pretrained.inputs, examples.full_intensity), len(examples)
    if plan.engine == AUTO:
        # What one engine has computed before is not to be computed anew because another is the default, or would pay.
        keys = Keys(pretrained.model, pretrained.inputs, examples, [item.cut_point for item in wanted], dtype=dtype)
        held = {
            name: _held(keys.by(name), wanted, examples, store) for name in choosing.proven(*network, wanted, folder)
        }
        most = max(held, key=lambda name: held[name])
        if held[most] > len(wanted) * len(index([(0, numbers_of(examples.ids))])) // 2:
            return cast(EngineName, most)
        left -= held["keras"] // len(wanted)

    def sample() -> Array:
        loaded = load_prepared(examples, examples.indices("train")[: 2 * BATCH], pretrained.inputs)
        return np.stack([each for _, each in loaded if isinstance(each, np.ndarray)][:BATCH])

    return cast(
        EngineName,
        choosing.consider(
            *network,
            wanted,
            sample,
            left,
            plan.engine,
            folder=folder,
        ).engine,
    )


def _held(keys: Keys, wanted: Sequence[Wanted], examples: Examples, store: Store) -> int:
    """How many rows of what is wanted are there."""
    return sum(store.held(keys.about(item)["key"], examples.ids) for item in wanted)


def spreads(plan: Plan, place: Store) -> bool:
    """Whether a Ray cluster computes activations: where the plan says so, and they go to files that all can reach."""
    return plan.engine == RAY and not isinstance(place, MemoryStore)


def on_the_fly(
    pretrained: Pretrained, examples: Examples, items: Sequence[Wanted], engine: str
) -> dict[Wanted, RowsLike]:
    """Rows that are kept nowhere; what is asked for together is computed in one pass."""
    stream = Stream(pretrained.model, pretrained.inputs, examples, engine)
    return {item: stream.rows(item) for item in items}


def rounding(pretrained: Pretrained, examples: Examples, made: budget.Decision, engine: str) -> float | None:
    """How far the whole activations are off where they are rounded, measured on one batch of examples."""
    if made.from_cut is None or made.dtype == "float32" or made.maps == "streamed":
        return None
    item = Wanted(made.from_cut, pooled=False)
    rows = on_the_fly(pretrained, examples, [item], engine)[item]
    return coding.error(rows.gather(examples.ids.take(examples.indices("train")[:BATCH])), made.dtype)
