"""How alike the source and the result represent what the run is judged by, at each cut point above the frozen trunk."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from regraft.activations.engines import Wanted
from regraft.core.plan import Plan
from regraft.core.similarity import Similarity
from regraft.graph import flow
from regraft.graph.cut_points import is_input, value_of
from regraft.graph.linearity import is_linear
from regraft.importers import Pretrained
from regraft.recipes.fine_tuning import Branch, feed
from regraft.recipes.inside import inside, portions
from regraft.recipes.survey import Survey
from regraft.training.probes import stratified
from regraft.training.similarity import LEAST, cka, terms

Array = np.ndarray[Any, Any]

# Whole maps of a batch are held at once.
EXAMPLES = 256
_BATCH = 64
# As many places as a plot can name; deeper branches are looked at in even steps.
_MOST = 24


def similarities(
    pretrained: Pretrained, found: Survey, plan: Plan, branch: Branch, indices: Array
) -> tuple[Similarity, ...]:
    """Linear CKA between the source and the result, from the lowest cut point above the trunk up to the head's.

    Both start from the activations at the branch's cut, which are the same; below it nothing moved, and CKA is 1.

    Args:
        pretrained: the source.
        found: its survey.
        plan: resolved.
        branch: what is delivered; where it is the head alone, nothing of the source moved and nothing is measured.
        indices: of the examples that the run is judged by.
    """
    if branch.head is not None or len(indices) < LEAST:
        return ()
    source, result = flow.read(pretrained.model), flow.read(branch.model)
    places = looked_at(source, branch.from_cut, plan.cut_point)
    some = indices[stratified(found.examples.labels[indices], EXAMPLES, plan.seed)]
    rows = feed(found, [found.activations.rows[Wanted(branch.from_cut, pooled=False)]], some)
    before = inside(source, value_of(source, branch.from_cut), places)
    after = inside(result, result.inputs[0], places)
    sums: dict[str, list[Array]] = {place: [] for place in places}
    for portion in portions(len(some), _BATCH):
        batch = rows.fetch(portion, 0)
        old, new = before(batch), after(batch)
        for place in places:
            sums[place].append(terms(old[place], new[place]))
    return tuple(Similarity(place, cka(sums[place]), len(some)) for place in places)


def looked_at(source: flow.Flow, lower: str, upper: str) -> Sequence[str]:
    """The cut points above one and up to another at which something new is represented, the upper one among them.

    What a linear layer makes has the information of what it is given, and the layer above it is about to be compared.
    """
    separating = source.separating()
    order = [call.name for call in separating]
    start = 0 if is_input(source, lower) else order.index(lower) + 1
    part = separating[start : order.index(upper) + 1]
    names = [call.name for call in part if not is_linear(call.operation) or call.name == upper]
    steps = np.unique(np.linspace(0, len(names) - 1, min(len(names), _MOST)).round().astype(int))
    return [names[step] for step in steps]
