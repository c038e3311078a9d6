"""Where the head stands, what it reads, and the head itself: probes and cross-validation on training examples."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regraft.core.plan import AUTO, Plan
from regraft.core.progress import say
from regraft.core.records import Probe
from regraft.importers import Pretrained
from regraft.recipes import judging
from regraft.recipes.fine_tuning import Branch, head_branch
from regraft.recipes.survey import Survey, resolved
from regraft.training.heads import MINIBATCH_ABOVE, LinearHead, fit_head, fit_streamed
from regraft.training.probes import PROBE_EXAMPLES, best_cut, probe_many, stratified

Array = np.ndarray[Any, Any]

_STREAMED = 4096
# For telling which cut point goes best with another: the order of a handful, not a figure that anyone sees.
_TAP_EXAMPLES = 1000
# Heads of one and of two cut points are compared on so many examples at most.
_COMPARED_ON = 5000
# The head with a tap must lower the cross-validated log loss by this part. Over five divisions, a tap lowered it from
# 0.429 to 0.418 on flowers and from 0.175 to 0.137 on hand signs (MobileNet), and accuracy on new examples rose from
# 87.3 to 88.1 % and from 94.0 to 95.1 %.
_EARNED = 0.98


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The resolved plan, the probes that led to it, and the head alone."""

    plan: Plan
    probes: tuple[Probe, ...]
    branch: Branch


def choose(pretrained: Pretrained, found: Survey, plan: Plan) -> Chosen:
    """The cut point by the probes, what the head reads besides, and the head."""
    training = found.examples.indices("train")
    labels, classes = found.examples.labels[training], len(found.examples.classes)
    some = stratified(labels, PROBE_EXAMPLES, plan.seed)
    results = probe_many(
        {name: found.pooled([name], training[some]) for name in found.candidates}, labels[some], classes, seed=plan.seed
    )
    cut_point = best_cut(results) if plan.cut_point == AUTO else plan.cut_point
    plan, head = with_taps(found, resolved(plan, found, cut_point), training)
    plan = replace(plan, head=replace(plan.head, inverse_penalty=head.inverse_penalty))
    probes = tuple(
        Probe(name, found.points[name].depth, result.width, result.accuracy) for name, result in results.items()
    )
    share = results[cut_point].accuracy.value
    also = "".join(f", read together with '{name}'" for name in plan.head.taps or ())
    say(f"cut at '{cut_point}'{also}, chosen among {len(probes)}: {share:.1%} of the training examples right, left out")
    row = judging.epoch_of_head(found, plan, head)
    return Chosen(plan, probes, head_branch(pretrained, found, plan, head, row))


def with_taps(found: Survey, plan: Plan, training: Array) -> tuple[Plan, LinearHead]:
    """The plan with what the head reads written out, and the head on it.

    Features of a lower cut point add to those of the cut point most where the new task is far from the old one (Evci
    et al. 2022, Head2Toe). The tap that a quick probe likes best is taken if it lowers the cross-validated log loss.
    """
    alone = replace(plan, head=replace(plan.head, taps=plan.head.taps or ()))
    tap = best_tap(found, alone, training) if plan.head.taps is None and plan.head.inverse_penalty is None else None
    if tap is None:
        return alone, fit(found, alone, training)
    both = replace(alone, head=replace(alone.head, taps=(tap,)))
    labels = found.examples.labels[training]
    some = training[stratified(labels, _COMPARED_ON, plan.seed)]
    heads = [fit(found, option, some) for option in (alone, both)]
    losses = [head.chosen.log_loss if head.chosen else np.inf for head in heads]
    better = int(losses[1] < _EARNED * losses[0])
    chosen = (alone, both)[better]
    return chosen, heads[better] if len(some) == len(training) else fit(found, chosen, training)


def best_tap(found: Survey, plan: Plan, training: Array) -> str | None:
    """The lower cut point with which a probe of the cut point errs least; None where there is none to choose from."""
    depth = found.points[plan.cut_point].depth
    names = [name for name in found.taps if found.points[name].depth < depth]
    if not names:
        return None
    labels = found.examples.labels[training]
    some = stratified(labels, _TAP_EXAMPLES, plan.seed)
    pairs = {name: found.pooled((name, plan.cut_point), training[some]) for name in names}
    results = probe_many(pairs, labels[some], len(found.examples.classes), seed=plan.seed)
    return min(names, key=lambda name: results[name].error)


def fit(found: Survey, plan: Plan, training: Array) -> LinearHead:
    """The head on what the plan says; streamed from disk where the examples are many."""
    labels, classes, spec = found.examples.labels, len(found.examples.classes), plan.head
    if spec.solver == "lbfgs" or (spec.solver == "auto" and len(training) <= MINIBATCH_ABOVE):
        return fit_head(found.pooled(plan.reads, training), labels[training], classes, spec, seed=plan.seed)

    def batches() -> Iterator[tuple[Array, Array]]:
        for start in range(0, len(training), _STREAMED):
            chosen = training[start : start + _STREAMED]
            yield found.pooled(plan.reads, chosen), labels[chosen]

    return fit_streamed(batches, classes, spec, plan.seed)
