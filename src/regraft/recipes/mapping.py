"""Where the judged examples are among each other, as the source represents them and as the result does."""

from typing import Any

import numpy as np

from regraft.activations.engines import Wanted
from regraft.core.evidence import EmbeddingMap, Method
from regraft.core.plan import Plan
from regraft.recipes.fine_tuning import Branch, feed
from regraft.recipes.inside import below_head, portions
from regraft.recipes.survey import Survey
from regraft.training.embedding import NEIGHBOURS, view
from regraft.training.probes import stratified

Array = np.ndarray[Any, Any]

# More points than this are a cloud, on paper and in memory.
EXAMPLES = 10_000
# Up to so many, t-SNE is next to nothing beside the fit; `regraft report --map tsne` does it for more.
BY_NEIGHBOURS = 400
_LEAST = 5
_BATCH = 64


def mapped(found: Survey, plan: Plan, branch: Branch, indices: Array) -> EmbeddingMap | None:
    """The map of what a run is judged by: what nothing learnt from, so that classes lie apart only as far as they do.

    Args:
        found: the survey.
        plan: resolved.
        branch: what is delivered.
        indices: of the examples that the run is judged by.

    Returns:
        None where there are too few examples, or activations that are not finite.
    """
    rows = stratified(found.examples.labels[indices], EXAMPLES, plan.seed)
    some = indices[rows]
    if len(some) < _LEAST:
        return None
    before = found.pooled(plan.reads, some)
    after = _after(found, branch, some)
    if not all(np.isfinite(made).all() for made in (before, after) if made is not None):
        return None
    labels = found.examples.labels[some]
    method: Method = "t-SNE" if len(some) <= BY_NEIGHBOURS else "PCA"
    source = view(before, labels, method, plan.seed)
    result = None if after is None else view(after, labels, method, plan.seed, source)
    return EmbeddingMap(rows, source, result, method, min(NEIGHBOURS, len(some) - 1))


def _after(found: Survey, branch: Branch, indices: Array) -> Array | None:
    """What the head of a fine-tuned branch is given (m, features)."""
    if branch.head is not None:
        return None
    given = feed(found, [found.activations.rows[Wanted(branch.from_cut, pooled=False)]], indices)
    run = below_head(branch.model)
    return np.concatenate([run(given.fetch(portion, 0)) for portion in portions(len(indices), _BATCH)])
