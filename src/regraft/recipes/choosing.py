"""Where the head stands, what it reads, and the head itself: probes and cross-validation on training examples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regraft.core.plan import AUTO, Plan
from regraft.core.progress import say, warn
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
# A probe's effect (see `_effect`) with the tap, as a multiple of that without. With MobileNet on flowers 1.10, where a
# tap gained nothing that could be told from chance; on hand signs 1.27 and on 50 characters of Omniglot 1.16, where it
# did.
_PROMISING = 1.1
# The head with a tap must lower the cross-validated log loss by this part. On hand signs it fell from 0.175 to 0.118,
# and accuracy on new examples rose from 94.0 to 95.9 % (MobileNet, five divisions).
_EARNED = 0.98
# What fine-tuning lowers log loss by where it helps: on flowers from 0.430 to 0.395.
_GIVES_UP = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The resolved plan, the probes that led to it, and the head alone.

    Attributes:
        plan: resolved.
        probes: by cut point.
        branch: what stands on frozen layers alone: the linear head, or new layers that have learnt.
        linear: the linear head, where `branch` has new layers.
    """

    plan: Plan
    probes: tuple[Probe, ...]
    branch: Branch
    linear: Branch | None = None


def choose(pretrained: Pretrained, found: Survey, plan: Plan) -> Chosen:
    """The cut point by the probes, what the head reads besides, and the linear head."""
    training = found.examples.indices("train")
    labels, classes = found.examples.labels[training], len(found.examples.classes)
    some = stratified(labels, PROBE_EXAMPLES, plan.seed)
    results = probe_many(found.each(found.candidates, training[some]), labels[some], classes, seed=plan.seed)
    cut_point = best_cut(results) if plan.cut_point == AUTO else plan.cut_point
    plan = resolved(pretrained.model, plan, found, cut_point)
    if not pretrained.inputs.is_picture:
        plan = replace(plan, views=1)
    plan, head = with_taps(found, plan, training, results[cut_point].error)
    plan = replace(plan, head=replace(plan.head, inverse_penalty=head.inverse_penalty))
    probes = tuple(
        Probe(name, found.points[name].depth, result.width, result.accuracy) for name, result in results.items()
    )
    share = results[cut_point].accuracy.value
    also = "".join(f"; the head reads '{name}' as well" for name in plan.head.taps or ())
    say(f"cut at '{cut_point}', chosen among {len(probes)}: {share:.1%} of training examples right when left out{also}")
    if share <= np.bincount(labels[some]).max() / len(some):
        _tell_if_dead(found, plan, training[some])
    row = judging.epoch_of_head(found, plan, head)
    linear = replace(plan, head=replace(plan.head, hidden=(), learning=None))
    return Chosen(plan, probes, head_branch(pretrained, found, linear, head, row))


def _tell_if_dead(found: Survey, plan: Plan, some: Array) -> None:
    """Say it where what the head reads is the same for every example: no head can tell them apart."""
    if (np.ptp(found.pooled(plan.reads, some), axis=0) == 0).all():
        read = " and ".join(f"'{name}'" for name in plan.reads)
        warn(
            f"the network makes the same of every example up to {read}: a head there can only guess; see "
            "whether its inputs are scaled as those it was trained on (--preprocessing), or cut lower"
        )


def with_taps(found: Survey, plan: Plan, training: Array, error: float) -> tuple[Plan, LinearHead]:
    """The plan with what the head reads written out, and the head on it.

    Features of a lower cut point add to those of the cut point most where the new task is far from the old one (Evci
    et al. 2022, Head2Toe). The tap that a quick probe likes best is taken if it lowers the cross-validated log loss.
    Layers can learn only above all that the head reads: a tap below them must gain more than fine-tuning would.

    Args:
        found: the survey.
        plan: resolved but for the head.
        training: indices.
        error: of the probe of the cut point alone.
    """
    alone = replace(plan, head=replace(plan.head, taps=plan.head.taps or ()))
    given = plan.head.taps is not None or plan.head.inverse_penalty
    options = [alone] if given else [alone, *tapped(found, alone, training, error)]
    labels = found.examples.labels[training]
    some = training[stratified(labels, _COMPARED_ON, plan.seed)]
    heads = [fit(found, option, some) for option in options] if len(options) > 1 else []
    best = 0
    for index in range(1, len(options)):
        gives_up = options[index].fine_tune.enabled != options[best].fine_tune.enabled
        if _loss(heads[index]) < (_GIVES_UP if gives_up else _EARNED) * _loss(heads[best]):
            best = index
    if options[best].fine_tune.enabled != plan.fine_tune.enabled:
        say(f"no fine-tuning: the head reads '{options[best].reads[0]}', and layers can learn only above it")
    return options[best], heads[best] if heads and len(some) == len(training) else fit(found, options[best], training)


def tapped(found: Survey, plan: Plan, training: Array, error: float) -> list[Plan]:
    """The same plan with one tap: the best that leaves fine-tuning as it is, and the best of all where it is another.

    A quick probe of a tap together with the cut point says which is best, and whether it is worth a closer look.
    """
    depth = found.points[plan.cut_point].depth
    names = [name for name in found.taps if found.points[name].depth < depth]
    some = _of_taps(found, training, plan.seed)
    errors = beside(found, plan.cut_point, names, training, plan.seed)
    share = np.bincount(found.examples.labels[some]) / len(some)
    nothing = float((share * (1 - share)).sum()) / len(found.examples.classes)
    least = _PROMISING * _effect(error, nothing)
    promising = [name for name in names if _effect(errors[name], nothing) > least]
    ranked = sorted(promising, key=errors.__getitem__)
    tunes = plan.fine_tune.enabled != "no"
    lowest = found.points[plan.fine_tune.from_cut].depth if tunes else 0
    above = [name for name in ranked if found.points[name].depth >= lowest]
    made = [replace(plan, head=replace(plan.head, taps=(name,))) for name in above[:1]]
    if ranked[:1] != above[:1] and plan.fine_tune.enabled != "yes":
        head = replace(plan.head, taps=(ranked[0],))
        spec = replace(plan.fine_tune, enabled="no", from_cut=plan.cut_point)
        made.append(replace(plan, head=head, fine_tune=spec, views=1))
    return made


def beside(found: Survey, cut_point: str, taps: Sequence[str], training: Array, seed: int) -> dict[str, float]:
    """What quick probes leave unexplained that see a cut point and a lower one together: mean squared error, by tap.

    Args:
        found: the survey.
        cut_point: where the head stands.
        taps: lower ones, each of which is looked at beside it.
        training: indices.
        seed: of which examples are looked at.
    """
    some = _of_taps(found, training, seed)
    alone = found.each([*taps, cut_point], some)
    both = {name: np.concatenate([alone[name], alone[cut_point]], axis=1) for name in taps}
    results = probe_many(both, found.examples.labels[some], len(found.examples.classes), seed=seed)
    return {name: result.error for name, result in results.items()}


def _of_taps(found: Survey, training: Array, seed: int) -> Array:
    """Indices of the examples that taps are compared on."""
    return training[stratified(found.examples.labels[training], _TAP_EXAMPLES, seed)]


def _effect(error: float, nothing: float) -> float:
    """What a regression explains of the variance as a multiple of what it leaves: Cohen's f squared (1988).

    It tells two regressions apart that are nearly right, by what they leave, and of many classes, where the error stays
    near that of knowing nothing, by what they explain.

    Args:
        error: mean squared error.
        nothing: that of who knows how frequent each class is, and no more.
    """
    return max(nothing - error, 0.0) / max(error, np.finfo(np.float64).tiny)


def _loss(head: LinearHead) -> float:
    return head.chosen.log_loss if head.chosen else np.inf


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
