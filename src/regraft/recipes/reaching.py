"""Whole activations where the trunk ends, once the head's place is known: for plans that name the layers that learn."""

from dataclasses import replace

import numpy as np

from regraft.activations import budget
from regraft.activations.compute import Activations, compute
from regraft.activations.engines import Wanted
from regraft.activations.memory import MemoryStore
from regraft.activations.store import Store
from regraft.core.plan import Plan
from regraft.core.progress import say, warn
from regraft.core.records import Kept
from regraft.importers import Pretrained
from regraft.recipes.choosing import Chosen
from regraft.recipes.keeping import decided, on_the_fly, rounding, spreads
from regraft.recipes.survey import Survey


def reach(pretrained: Pretrained, found: Survey, asked: Plan, chosen: Chosen, store: Store) -> tuple[Survey, Chosen]:
    """Add the whole activations at the plan's `from_cut` to a survey that has only averages.

    Args:
        pretrained: the source.
        found: its survey.
        asked: the plan as it was given: what it leaves open is decided here.
        chosen: where the head stands, and the plan resolved but for views and precision.
        store: where activations are kept.

    Returns:
        The survey with them, and what was chosen, its plan with what was decided; without fine-tuning where there is no
        room for them.
    """
    plan, item = chosen.plan, Wanted(chosen.plan.fine_tune.from_cut, pooled=False)
    if plan.fine_tune.enabled == "no" or item in found.activations.rows:
        return found, chosen
    averages = [found.points[name] for name in found.points if Wanted(name, True) in found.activations.rows]
    views = asked.views if pretrained.inputs.is_picture else 1
    wishing = replace(plan, views=views, dtype=asked.dtype, cache_budget=asked.cache_budget)
    kept = decided(pretrained, found.examples, wishing, averages, [found.points[item.cut_point]], store)
    kept = replace(kept, made=replace(kept.made, averages=found.budget.averages))
    made, text = kept.made, kept.text
    (warn if made.from_cut is None else say)(text)
    if made.from_cut is None:
        spec = replace(plan.fine_tune, enabled="no", from_cut=plan.cut_point)
        return found, replace(chosen, plan=replace(plan, fine_tune=spec))
    place = store if made.maps != "memory" else MemoryStore(store.folder.parent, store.limit)
    activations = _whole(pretrained, found, plan, item, made, place)
    kept = Kept(
        text,
        made.bytes,
        asked.budget,
        made.averages,
        made.maps,
        made.dtype,
        rounding(pretrained, found.examples, made, found.engine),
    )
    reached = replace(found, from_cut=item.cut_point, activations=activations, budget=made, kept=kept, store=place)
    return reached, replace(chosen, plan=replace(plan, views=made.views, dtype=made.dtype))


def _whole(
    pretrained: Pretrained, found: Survey, plan: Plan, item: Wanted, made: budget.Decision, place: Store
) -> Activations:
    """What the survey has, and the whole activations beside it."""
    before = found.activations
    if made.maps == "streamed":
        return replace(before, rows={**before.rows, **on_the_fly(pretrained, found.examples, [item], found.engine)})
    new = compute(
        pretrained.model,
        pretrained.inputs,
        found.examples,
        np.arange(len(found.examples)),
        [item],
        place,
        dtype=made.dtype,
        engine=found.engine,
        spread=spreads(plan, place),
        source=pretrained.source,
        description=f"activations at '{item.cut_point}'",
    )
    return Activations(
        {**before.rows, **new.rows},
        before.unreadable,
        before.hits + new.hits,
        before.computed + new.computed,
        before.bytes + new.bytes,
        before.from_lower + new.from_lower,
    )
