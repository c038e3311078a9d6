"""The one pass of the trunk over all examples: pooled activations at every cut point that a head could stand on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from regraft.activations.budget import Decision
from regraft.activations.compute import Activations, compute
from regraft.activations.engines import Wanted
from regraft.activations.memory import MemoryStore
from regraft.activations.store import Store
from regraft.activations.streaming import gathered
from regraft.core.errors import DataError, SourceError
from regraft.core.plan import AUTO, Plan
from regraft.core.progress import say, warn
from regraft.core.records import CutPoint, Kept
from regraft.data import Examples
from regraft.graph import flow
from regraft.graph.cut_points import INPUT, cut_points, find, input_point
from regraft.graph.linearity import is_linear
from regraft.importers import Pretrained
from regraft.recipes import phasing
from regraft.recipes.keeping import RAY, EngineName, decided, engine_for, on_the_fly, rounding, spreads
from regraft.surgery.graft import HEAD

Array = np.ndarray[Any, Any]

# What fine-tuning may cost, in forward passes of the whole network over the training examples, or in operations where
# that is nothing: networks as small as that may learn as a whole.
_PASSES = 1.5
ALWAYS_AFFORDABLE = 2e11
# A head may tap the upper half of the places worth probing: edges and colours are for the layers above them. Networks
# with so few places are small enough to look at all.
_TAPS = 12
# Above this, the validation examples would add little to what is learnt from.
_REFIT_UP_TO = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What the pass found.

    Attributes:
        examples: those that could be read.
        points: cut points of the network, by name, from the input upwards, which is the first.
        candidates: names of those that a head may stand on.
        taps: names of those that a head may read besides the one that it stands on.
        halfway: name of the one half-way up, where strange pictures are looked for.
        from_cut: where fine-tuning would start, unless the head stands lower; None where it will not be tried, or where
            that depends on where the head stands.
        activations: pooled at every candidate, and whole at `from_cut`.
        budget: what is kept of all that, where, and how.
        kept: the same in words, with what was given up for it.
        store: where further activations are to be kept.
        engine: what runs the frozen layers.
    """

    examples: Examples
    points: dict[str, CutPoint]
    candidates: tuple[str, ...]
    taps: tuple[str, ...]
    halfway: str
    from_cut: str | None
    activations: Activations
    budget: Decision
    kept: Kept
    store: Store
    engine: EngineName

    def pooled(self, cut_points: Sequence[str], indices: Array) -> Array:
        """Pooled activations of examples at candidates or taps, side by side (n, width)."""
        parts = list(self.each(cut_points, indices).values())
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def each(self, cut_points: Sequence[str], indices: Array) -> dict[str, Array]:
        """Pooled activations of examples (n, width) at each of several candidates or taps, from one pass at most."""
        items = [Wanted(name, pooled=True) for name in cut_points]
        made = gathered(self.activations.rows, items, self.examples.ids.take(indices))
        return dict(zip(cut_points, made, strict=True))


def survey(pretrained: Pretrained, examples: Examples, plan: Plan, store: Store) -> Survey:
    """Run the trunk once over all examples.

    Raises:
        SourceError: the network has no place to put a head on, or the plan's cut points do not exist.
        DataError: too few examples are left that can be read.
    """
    points = {point.name: point for point in cut_points(pretrained.model)}
    informative = informative_points(pretrained.model, points, plan)
    candidates = _candidates(pretrained.model, informative, plan)
    training = int((examples.split == "train").sum())
    lowest = _from_cut(pretrained.model, plan, points, informative, candidates[-1], training)
    points = {INPUT: input_point(pretrained.model), **points}
    taps = _taps(pretrained.model, points, informative, lowest, plan)
    halfway = _halfway(points, informative, candidates[-1])
    averages = [Wanted(name, pooled=True) for name in points if name in (*candidates, *taps, halfway)]
    starts = [points[name] for name in _starts(plan, points, informative, candidates[-1], lowest)]
    kept = decided(pretrained, examples, plan, [points[item.cut_point] for item in averages], starts, store)
    made, text = kept.made, kept.text
    (warn if kept.need.maps and made.from_cut is None else say)(text)
    wanted = averages + ([Wanted(made.from_cut, pooled=False)] if made.from_cut else [])
    streamed = [item for item in wanted if (made.averages if item.pooled else made.maps) == "streamed"]
    engine = engine_for(pretrained, examples, plan, wanted, store, made.dtype)
    place = MemoryStore(store.folder.parent, store.limit) if "memory" in (made.averages, made.maps) else store
    found = compute(
        pretrained.model,
        pretrained.inputs,
        examples,
        np.arange(len(examples)),
        [item for item in wanted if item not in streamed],
        place,
        dtype=made.dtype,
        engine=engine,
        spread=spreads(plan, place),
        source=pretrained.source,
    )
    readable = _readable(examples, found, plan.strict)
    rows = {**found.rows, **on_the_fly(pretrained, readable, streamed, engine)}
    said = Kept(
        text,
        made.bytes,
        plan.budget,
        made.averages,
        made.maps,
        made.dtype,
        rounding(pretrained, readable, made, engine),
    )
    found = replace(found, rows=rows)
    return Survey(readable, points, candidates, taps, halfway, made.from_cut, found, made, said, place, engine)


def _starts(
    plan: Plan, points: dict[str, CutPoint], informative: Sequence[str], upper: str, lowest: str | None
) -> list[str]:
    """Where fine-tuning may start, from the lowest place that it can afford upwards."""
    if lowest is None:
        return []
    if plan.fine_tune.from_cut != AUTO or phasing.waits(plan.fine_tune):
        return [lowest]
    depth, top = points[lowest].depth, points[upper]
    return [
        name
        for name in informative
        if depth <= points[name].depth < top.depth and _has_weights_above(points[name], top)
    ]


def epochs_for(plan: Plan, training: int) -> int:
    """How many epochs fine-tuning takes where the plan leaves it open: about 65 steps, at least 3 and at most 100."""
    return plan.fine_tune.epochs or int(np.clip(round(2000 / max(training, 1)), 3, 100))


def informative_points(model: keras.Model, points: dict[str, CutPoint], plan: Plan) -> tuple[str, ...]:
    """The cut points worth probing, and the last one that can be pooled whatever it is.

    Averaged over positions, what a linear layer makes is a linear function of what it is given, up to borders: a linear
    head on it can do no better than one below.
    """
    calls = {call.name: call for call in flow.read(model).separating()}
    taken = above_a_head(model, plan)
    usable = [
        name for name, point in points.items() if 1 <= len(point.shape) <= 4 and point.shape[-1] and name not in taken
    ]
    informative = [name for name in usable if not is_linear(calls[name].operation)]
    return tuple(informative + [name for name in usable[-1:] if name not in informative])


def above_a_head(model: keras.Model, plan: Plan) -> dict[str, str]:
    """The cut points that need a layer of the source that is called as a new one is, and that layer.

    Two layers cannot have one name.
    """
    opened, new = flow.read(model), set(plan.head.layers)
    if not any(call.path in new for call in opened.calls):
        return {}
    found: dict[str, str] = {}
    for call in opened.separating():
        needed = [below.path for below in opened.needed_for([call.makes[0]]) if below.path in new]
        found |= {call.name: needed[0]} if needed else {}
    return found


def _candidates(model: keras.Model, informative: tuple[str, ...], plan: Plan) -> tuple[str, ...]:
    if plan.cut_point != AUTO:
        find(flow.read(model), plan.cut_point)
        taken = above_a_head(model, plan)
        if plan.cut_point in taken:
            named = taken[plan.cut_point]
            whose = "the new head" if named == HEAD else "a new layer"
            raise SourceError(
                f"'{plan.cut_point}' is not below the source's own layer '{named}', whose name {whose} needs; "
                "cut below that layer"
            )
        return (plan.cut_point,)
    if not informative:
        raise SourceError(f"'{model.name}' has no tensor that a head could stand on; give a network with layers")
    return informative


def _halfway(points: dict[str, CutPoint], informative: Sequence[str], upper: str) -> str:
    """The cut point half-way up the network, or the highest that a head may stand on where that is lower.

    Of the network, not of the candidates: a plan that names its cut point has one, and must find the same again.
    """
    middle = informative[len(informative) // 2] if informative else upper
    return min(middle, upper, key=lambda name: points[name].depth)


def _taps(
    model: keras.Model, points: dict[str, CutPoint], informative: Sequence[str], from_cut: str | None, plan: Plan
) -> tuple[str, ...]:
    """What the head may read besides its cut point: what the plan says, else the upper of the informative ones.

    Tensors inside a nested model stay inside.
    """
    opened = flow.read(model)
    if plan.head.taps is not None:
        for name in plan.head.taps:
            find(opened, name)
        if from_cut:
            _require_taps_above(plan, points, from_cut)
        return plan.head.taps
    if plan.cut_point != AUTO:
        return ()
    outside = {call.name for call in opened.separating() if len(call.scope) == 1}
    upper = informative[-max(_TAPS, len(informative) // 2) :]
    return tuple(name for name in upper if name in outside)


def _require_taps_above(plan: Plan, points: dict[str, CutPoint], from_cut: str) -> None:
    for name in plan.head.taps or ():
        if points[name].depth < points[from_cut].depth:
            raise SourceError(
                f"the plan's head.taps '{name}' is below '{from_cut}', above which layers learn; "
                "give a lower fine_tune.from_cut, or a higher tap"
            )


def _from_cut(
    model: keras.Model,
    plan: Plan,
    points: dict[str, CutPoint],
    informative: Sequence[str],
    upper: str,
    training: int,
) -> str | None:
    """What the plan says, else the lowest cut point above which training is affordable."""
    # Here, so that a strategy or a rule that does not suit the network is refused before anything is computed.
    spec = phasing.phased(model, plan.fine_tune, upper, plan.head.layers)
    if spec.enabled == "no" or (phasing.waits(plan.fine_tune) and plan.cut_point == AUTO):
        return None
    if spec.from_cut != AUTO:
        if spec.from_cut not in (INPUT, *points):
            raise SourceError(f"the plan's fine_tune.from_cut '{spec.from_cut}' is not a cut point of the source")
        return spec.from_cut
    top = points[upper]
    if top.flops_below is None:
        return None
    epochs = epochs_for(plan, training)
    affordable = max(_PASSES * top.flops_below * training, ALWAYS_AFFORDABLE)
    flops = [points[name].flops_below or 0 for name in informative]
    for name, below, following in zip(informative, flops, [*flops[1:], top.flops_below], strict=True):
        # Forwards, and backwards to the weights and to the input; the lowest part needs no gradient of its input.
        step = 3 * (top.flops_below - below) - (following - below)
        if (
            points[name].depth < top.depth
            and step * training * epochs <= affordable
            and _has_weights_above(points[name], top)
        ):
            return name
    return None


def _has_weights_above(point: CutPoint, top: CutPoint) -> bool:
    return point.parameters_below < top.parameters_below


def _readable(examples: Examples, found: Activations, strict: bool) -> Examples:
    if not found.unreadable:
        return examples
    indices, reasons = zip(*found.unreadable, strict=True)
    if strict:
        raise DataError(reasons[0])
    warn(f"left out {len(indices)} example(s) that cannot be read, first: {reasons[0]}")
    left = examples.without(indices, reasons)
    present = np.unique(left.labels[left.split == "train"])
    if len(present) < 2:
        raise DataError(
            f"expected readable training examples of at least two classes, found {len(present)} in '{examples.origin}'"
        )
    return left


def resolved(model: keras.Model, plan: Plan, found: Survey, cut_point: str) -> Plan:
    """The plan with everything that the survey decided written out."""
    training = int((found.examples.split == "train").sum())
    spec = phasing.phased(model, plan.fine_tune, cut_point, plan.head.layers)
    if spec.enabled == "no" and plan.fine_tune.enabled != "no" and plan.fine_tune.strategy != "feature-extraction":
        say(f"no fine-tuning: nothing below the head at '{cut_point}' is to learn")
    if spec.enabled != "no":
        from_cut = found.from_cut if found.from_cut is not None else cut_point
        if found.from_cut is None and phasing.waits(plan.fine_tune) and plan.cut_point == AUTO:
            from_cut = spec.from_cut
            _require_taps_above(plan, found.points, from_cut)
        if found.points[from_cut].depth >= found.points[cut_point].depth:
            spec = replace(spec, enabled="no", from_cut=cut_point)
        else:
            epochs = epochs_for(plan, training)
            each = epochs if plan.fine_tune.phases or spec.epochs else phasing.shared(epochs, len(spec.phases))
            phases = tuple(replace(phase, epochs=phase.epochs or each) for phase in spec.phases)
            spec = replace(spec, from_cut=from_cut, epochs=epochs, phases=phases)
    views = found.budget.views if spec.enabled != "no" else plan.views or 1
    refit = plan.refit if plan.refit != AUTO else "yes" if training <= _REFIT_UP_TO else "no"
    return replace(
        plan,
        cut_point=cut_point,
        fine_tune=spec,
        views=views,
        refit=refit,
        dtype=found.budget.dtype,
        engine=plan.engine if plan.engine == RAY else found.engine,
    )
