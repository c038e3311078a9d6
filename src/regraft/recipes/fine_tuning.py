"""The phase after the head: the upper reused layers learn from cached activations; kept if that is better."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.activations.compute import compute
from regraft.activations.engine import Wanted
from regraft.activations.store import Rows, Store
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.progress import say
from regraft.core.records import Epoch
from regraft.graph import names
from regraft.importers import Pretrained
from regraft.recipes.survey import Survey
from regraft.surgery.cut import between
from regraft.surgery.graft import graft, set_head
from regraft.training import loop
from regraft.training.heads import LinearHead
from regraft.training.optimizers import with_rates

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """What stands on the frozen trunk.

    Attributes:
        model: from the activations at `from_cut` to logits.
        from_cut: the cut point that it starts at.
        history: learning curves of the phases that led to it.
        frozen: canonical names of its variables that did not learn.
        spec: what its training obeyed, its rates written out; None where there was none.
        computed: activations computed for it beyond the survey's.
        hits: activations found in the store for it.
        bytes: of those.
    """

    model: keras.Model
    from_cut: str
    history: tuple[Epoch, ...]
    frozen: tuple[str, ...] = ()
    spec: FineTuneSpec | None = None
    computed: int = 0
    hits: int = 0
    bytes: int = 0


def head_branch(found: Survey, cut_point: str, head: LinearHead, history: tuple[Epoch, ...]) -> Branch:
    """The head alone, standing on the cut point; it takes whole activations and pools them itself."""
    model = graft(None, len(found.examples.classes), shape=found.points[cut_point].shape)
    set_head(model, head.kernel, head.bias)
    return Branch(model, cut_point, history)


def fine_tune(
    pretrained: Pretrained, found: Survey, plan: Plan, head: LinearHead, store: Store, checkpoint: Path | None
) -> Branch:
    """Train the reused layers between the plan's two cut points, from the trained head on.

    The plan must be resolved. Each training example is seen in one of its true views per epoch, all of them computed
    once.
    """
    examples = found.examples
    model = graft(between(pretrained.model, plan.fine_tune.from_cut, plan.cut_point), len(examples.classes))
    set_head(model, head.kernel, head.bias)
    spec = with_rates(plan.fine_tune, model)
    wanted = Wanted(spec.from_cut, pooled=False)
    training, validation = examples.indices("train"), examples.indices("validation")
    views: list[Rows] = [found.activations.rows[wanted]]
    computed, hits, size = 0, 0, 0
    for view in range(1, (plan.views or 1) if pretrained.inputs.is_picture else 1):
        description = f"activations, view {view + 1} of {plan.views}"
        seen = compute(
            pretrained.model, pretrained.inputs, examples, training, [wanted], store, view=view, description=description
        )
        views.append(seen.rows[wanted])
        computed, hits, size = computed + seen.computed, hits + seen.hits, size + seen.bytes
    trained = loop.train(
        model,
        spec,
        feed(found, views, training),
        feed(found, views[:1], validation),
        seed=plan.seed,
        checkpoint=checkpoint,
    )
    # A layer's random seed moves with every draw, and is no weight.
    kept = [name for name in trained.frozen if "seed_generator" not in name]
    frozen = tuple(name for name in kept if name in names.variables(pretrained.model))
    return Branch(trained.model, spec.from_cut, trained.history, frozen, spec, computed, hits, size)


def feed(found: Survey, views: list[Rows], indices: Array) -> loop.Feed:
    """Examples for a branch, from rows that are kept on disk."""
    ids = found.examples.ids

    def fetch(chosen: Array, view: int) -> Array:
        return views[view].gather([ids[index] for index in indices[chosen]])

    return loop.Feed(fetch, found.examples.labels[indices], len(views))


def better(head: Epoch, tuned: Branch, always: bool) -> bool:
    """Whether the fine-tuned branch is to be kept: more right answers on validation, or as many with less log loss."""
    best = max(tuned.history, key=lambda row: (row.validation_accuracy, -row.validation_loss))
    wins = (best.validation_accuracy, -best.validation_loss) > (head.validation_accuracy, -head.validation_loss)
    if always:
        return True
    say(
        f"fine-tuned: {best.validation_accuracy:.1%} on validation, head alone: {head.validation_accuracy:.1%}; "
        + ("the fine-tuned layers are kept" if wins else "the head alone is kept")
    )
    return wins
