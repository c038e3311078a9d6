"""New layers between the reused ones and the head: they learn from pooled activations before any reused layer does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core import metrics
from regraft.core.head_spec import NEW_LAYERS_REFIT
from regraft.core.plan import Plan
from regraft.core.progress import say, warn
from regraft.core.records import Baseline
from regraft.importers import Pretrained
from regraft.recipes import judging
from regraft.recipes.choosing import Chosen, fit
from regraft.recipes.fine_tuning import Branch, head_branch, labelled, lesson_for_all
from regraft.recipes.judging import Judged
from regraft.recipes.survey import Survey
from regraft.training.feeds import Feed
from regraft.training.heads import LayeredHead, fit_layers, phase_of

Array = np.ndarray[Any, Any]


def learn(pretrained: Pretrained, found: Survey, chosen: Chosen, checkpoint: Path | None) -> Chosen:
    """Put new layers that have learnt, all reused ones frozen, in the linear head's place, where the plan has any.

    They are what was asked for, as a cut point is: validation does not decide whether they are there, and the linear
    head stays the yardstick that the run is told against.

    Args:
        pretrained: the source.
        found: its survey.
        chosen: the resolved plan and the linear head.
        checkpoint: see `train_phases`.

    Returns:
        The same with the plan's `head.learning` written out; as it is where the plan has no new layers.
    """
    plan, linear = chosen.plan, chosen.branch
    if not plan.head.hidden:
        return chosen
    training, validation = found.examples.indices("train"), found.examples.indices("validation")
    made = fit_layers(
        pooled_feed(found, plan, training),
        pooled_feed(found, plan, validation),
        len(found.examples.classes),
        plan.head.hidden,
        phase_of(plan.head, len(training)),
        plan.seed,
        checkpoint=checkpoint,
    )
    trained = made.trained
    row = trained.history[trained.phases[0].best]
    plan = replace(plan, head=replace(plan.head, learning=made.phase))
    branch = replace(
        head_branch(pretrained, found, plan, made.head, row),
        # An untrained head answers by chance, which is no news.
        history=(*linear.history, *trained.history[1:]),
        phases=trained.phases,
        interrupted=trained.interrupted,
        found_rates=(made.found_rate,) if made.found_rate else (),
    )
    return replace(chosen, plan=plan, branch=branch, linear=linear)


def learn_from_all(pretrained: Pretrained, found: Survey, plan: Plan, alone: Branch, checkpoint: Path | None) -> Branch:
    """Let new layers learn from the validation examples too; they go on from what they had learnt, shorter and gentler.

    Trained anew they would end elsewhere, and there is no straight line from there to a branch that began with them.

    Args:
        pretrained: the source.
        found: its survey.
        plan: resolved.
        alone: new layers on frozen ones, as `learn` made them.
        checkpoint: see `train_phases`.
    """
    assert isinstance(alone.head, LayeredHead)
    assert plan.head.learning is not None
    everyone = labelled(found)
    made = fit_layers(
        pooled_feed(found, plan, everyone),
        pooled_feed(found, plan, everyone[:0]),
        len(found.examples.classes),
        plan.head.hidden,
        lesson_for_all(plan.head.learning, NEW_LAYERS_REFIT),
        plan.seed + 1,
        start=alone.head,
        checkpoint=checkpoint,
    )
    return replace(
        head_branch(pretrained, found, plan, made.head, alone.chosen),
        history=made.trained.history[1:],
        phases=made.trained.phases,
        interrupted=made.trained.interrupted,
    )


def tell(chosen: Chosen, selected: Branch) -> None:
    """Say how new layers do on validation beside the linear head; warn where that is better."""
    if chosen.linear is None or np.isnan(selected.chosen.validation_accuracy):
        return
    linear, ours = chosen.linear.chosen, selected.chosen
    figures = (
        f"with new layers: {ours.validation_accuracy:.1%} on validation, the linear head alone: "
        f"{linear.validation_accuracy:.1%} (log loss {ours.validation_loss:.3f} and {linear.validation_loss:.3f})"
    )
    if linear.validation_accuracy > ours.validation_accuracy and linear.validation_loss < ours.validation_loss:
        warn(f"{figures}; new layers do not help here, leave out hidden")
    else:
        say(figures)


def yardstick(found: Survey, chosen: Chosen, judged: Judged) -> dict[str, Baseline]:
    """The linear head as a baseline, learnt from what the run learnt from; empty where it is the run's own."""
    plan, linear = chosen.plan, chosen.linear
    if linear is None or linear.head is None or plan.baselines == "no":
        return {}
    refits = plan.refit != "no" and len(found.examples.indices("validation"))
    head = fit(found, plan, labelled(found)) if refits else linear.head
    answers = np.argmax(judging.of_head(found, head, plan, judged.indices), axis=1)
    right = answers == found.examples.labels[judged.indices]
    return {"linear_head": Baseline("linear head", metrics.accuracy(right), "on the same reused layers, all frozen")}


def pooled_feed(found: Survey, plan: Plan, indices: Array) -> Feed:
    """What the head of a resolved plan reads of examples, as they are (view 0)."""
    return Feed(
        lambda chosen, view: found.pooled(plan.reads, indices[chosen]).astype(np.float32, copy=False),
        found.examples.labels[indices],
    )
