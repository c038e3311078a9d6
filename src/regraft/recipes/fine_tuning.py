"""The phase after the head: the upper reused layers learn from cached activations; kept if that is better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.activations.compute import RowsLike, compute
from regraft.activations.engines import Wanted
from regraft.activations.views import numbers
from regraft.core.found_rate import FoundRate
from regraft.core.optimizer_state import OptimizerState
from regraft.core.phase import Phase, Rate
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.progress import say
from regraft.core.records import Epoch, PhaseRecord
from regraft.graph import flow, names
from regraft.graph.cut_points import find as find_cut
from regraft.graph.cut_points import is_input
from regraft.importers import Pretrained
from regraft.recipes.averaging import Line, average, best_average
from regraft.recipes.half_trained import learnt_before
from regraft.recipes.keeping import on_the_fly, spreads
from regraft.recipes.phasing import narrowed
from regraft.recipes.survey import Survey
from regraft.surgery.cut import between
from regraft.surgery.graft import HEAD, graft, of_source, set_values
from regraft.training import predicting
from regraft.training.feeds import Feed
from regraft.training.heads import LayeredHead, LinearHead
from regraft.training.phases import drawn_in, train_phases
from regraft.training.rate_finder import find, with_found
from regraft.training.rates import with_rates

Array = np.ndarray[Any, Any]


# The last lesson, from training and validation examples together, starts from what was learnt: shorter and gentler.
REFIT = "refit"
_REFIT_EPOCHS = 0.4
_REFIT_RATE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """What stands on the frozen trunk.

    Attributes:
        model: from the activations at `from_cut` to logits.
        from_cut: the cut point that it starts at.
        history: learning curves of the phases that led to it.
        chosen: the row of the history that it is from; before any refit.
        head: where no reused layer learnt: what stands on the frozen ones.
        frozen: canonical names of its variables that did not learn.
        learnt: of those that did.
        phases: what each phase of its training did.
        state: of the optimizers at the end of the last.
        interrupted: whether the user ended its training before its time.
        found_rates: range tests of the phases whose rate was to be found.
        end: its values where training ended, of which `model` is an average; a refit goes on from there.
        spec: what its training obeyed, its rates written out; None where there was none.
        computed: activations computed for it beyond the survey's.
        hits: activations found in the store for it.
        bytes: of those.
        views: what it learnt from; of the validation examples too, where a refit is to come.
        from_lower: how many of those computed were made of activations of a lower cut point.
    """

    model: keras.Model
    from_cut: str
    history: tuple[Epoch, ...]
    chosen: Epoch
    head: LinearHead | LayeredHead | None = None
    frozen: tuple[str, ...] = ()
    learnt: tuple[str, ...] = (f"{HEAD}/kernel", f"{HEAD}/bias")
    phases: tuple[PhaseRecord, ...] = ()
    state: OptimizerState | None = None
    interrupted: bool = False
    found_rates: tuple[FoundRate, ...] = ()
    end: Mapping[str, Array] = field(default_factory=dict[str, Array])
    spec: FineTuneSpec | None = None
    computed: int = 0
    hits: int = 0
    bytes: int = 0
    views: Sequence[RowsLike] = ()
    from_lower: int = 0


def head_branch(
    pretrained: Pretrained, found: Survey, plan: Plan, head: LinearHead | LayeredHead, row: Epoch
) -> Branch:
    """The head alone, standing on the cut point; it takes whole activations and pools them itself.

    Where it reads lower cut points too, the reused layers from the lowest of them on are below it, and frozen.
    """
    classes, new = len(found.examples.classes), plan.head.layers
    model = reused(pretrained, plan.reads[0], plan, classes)
    if model is None:
        model = graft(None, classes, shape=found.points[plan.cut_point].shape)
    for layer in model.layers:
        layer.trainable = layer.name in new
    set_values(model, head.values)
    frozen = tuple(of_source(names.variables(model), names.variables(pretrained.model), new))
    return Branch(model, plan.reads[0], (row,), row, head, frozen, tuple(head.values))


def reused(pretrained: Pretrained, from_cut: str, plan: Plan, classes: int, dropout: float = 0.0) -> keras.Model | None:
    """The layers between a cut point and the plan's, and a head on them as the plan has it, new layers included.

    None where there would be nothing but a linear head. New layers begin with values of the plan's seed.

    Args:
        pretrained: the source.
        from_cut: a cut point not above what the head reads, or the input.
        plan: resolved.
        classes: of the head.
        dropout: part of what the head reads that may be dropped while training.
    """
    lower = None if is_input(flow.read(pretrained.model), from_cut) else from_cut
    rest = between(pretrained.model, lower, plan.cut_point)
    taps = [None if name == from_cut else name for name in plan.head.taps or ()]
    hidden = plan.head.hidden
    if rest is not None:
        return graft(rest, classes, taps=taps, dropout=dropout, hidden=hidden, seed=plan.seed)
    if not hidden:
        return None
    opened = flow.read(pretrained.model)
    shape = tuple(opened.tensors[find_cut(opened, from_cut).makes[0]].shape[1:])
    return graft(None, classes, shape=shape, dropout=dropout, hidden=hidden, seed=plan.seed)


def fine_tune(pretrained: Pretrained, found: Survey, plan: Plan, start: Branch, checkpoint: Path | None) -> Branch:
    """Train the reused layers between the plan's two cut points, from the trained head on.

    The plan must be resolved. Each training example is seen in one of its true views per epoch, all of them computed
    once.

    Args:
        pretrained: the source.
        found: its survey.
        plan: resolved.
        start: the head alone, or with new layers that have learnt.
        checkpoint: see `train_phases`.
    """
    assert start.head is not None
    model = _grafted(pretrained, found, plan, plan.fine_tune)
    set_values(model, start.head.values)
    training, validation = found.examples.indices("train"), found.examples.indices("validation")
    seen = views_of(pretrained, found, plan, plan.fine_tune)
    spec = fitted(plan.fine_tune, model, pretrained.model)
    spec, found_rates = with_rates_found(spec, model, feed(found, seen.rows, training), plan.seed)
    spec = written_out(spec, model)
    trained = train_phases(
        model,
        spec.sequence,
        feed(found, seen.rows, training),
        feed(found, seen.rows[:1], validation),
        seed=plan.seed,
        kept=learnt_before(pretrained, spec.sequence[0]),
        anchors=_anchors(pretrained, model, plan),
        checkpoint=checkpoint,
    )
    line = Line(names.values(model), names.values(trained.model), trained.learnt)
    judged = feed(found, seen.rows[:1], validation)
    spec = replace(spec, average=best_average(trained.model, line, spec.average, judged))
    average(trained.model, line, _settled(spec))
    row = predicting.judge(trained.model, judged, "average")
    # A layer's random seed moves with every draw, and is no weight.
    kept = [name for name in trained.frozen if "seed_generator" not in name]
    # New layers have learnt before, whatever these phases let learn.
    new = start.learnt if plan.head.hidden else ()
    return Branch(
        trained.model,
        spec.from_cut,
        (*start.history, *trained.history, row),
        row,
        frozen=tuple(of_source(kept, names.variables(pretrained.model), plan.head.layers)),
        learnt=(*(name for name in new if name not in trained.learnt), *trained.learnt),
        phases=(*start.phases, *trained.phases),
        state=trained.state,
        interrupted=trained.interrupted,
        found_rates=(*start.found_rates, *found_rates),
        end=line.end,
        spec=spec,
        computed=seen.computed,
        from_lower=seen.from_lower,
        hits=seen.hits,
        bytes=seen.bytes,
        views=seen.rows,
    )


def _settled(spec: FineTuneSpec) -> float:
    assert not isinstance(spec.average, str)
    return spec.average


def refit(
    pretrained: Pretrained,
    found: Survey,
    plan: Plan,
    branch: Branch,
    head: LinearHead | LayeredHead,
    checkpoint: Path | None,
) -> Branch:
    """Let a fine-tuned branch learn from the validation examples too, once they have chosen all there was to choose.

    It goes on from where training ended, for fewer epochs and at lower rates, or does all of its phases again from the
    trained head on, where the plan says `anew`; then the average is taken anew.

    Args:
        pretrained: the source.
        found: its survey.
        plan: resolved.
        branch: what `fine_tune` made; not changed.
        head: the head alone, fitted to training and validation examples: the start of the average.
        checkpoint: see `train_phases`.
    """
    assert branch.spec is not None
    everyone = labelled(found)
    model = _grafted(pretrained, found, plan, branch.spec)
    set_values(model, head.values)
    start = names.values(model)
    if plan.refit != "anew":
        for name, variable in names.variables(model).items():
            variable.assign(branch.end[name])
    phases = lessons_for_all(branch.spec.sequence, plan)
    trained = train_phases(
        model,
        phases,
        feed(found, branch.views, everyone),
        feed(found, branch.views[:1], everyone[:0]),
        seed=_refit_seed(plan),
        kept=learnt_before(pretrained, phases[0]) if plan.refit == "anew" else branch.state,
        anchors=_anchors(pretrained, model, plan),
        checkpoint=checkpoint,
    )
    learnt = tuple(dict.fromkeys([*branch.learnt, *trained.learnt]))
    average(trained.model, Line(start, names.values(trained.model), learnt), _settled(branch.spec))
    return replace(
        branch,
        model=trained.model,
        history=(*branch.history, *trained.history[1:]),
        learnt=learnt,
        phases=(*branch.phases, *trained.phases),
        state=trained.state,
        interrupted=trained.interrupted,
    )


def _grafted(pretrained: Pretrained, found: Survey, plan: Plan, spec: FineTuneSpec) -> keras.Model:
    """What the phases train: the layers above the lower cut point, and the head."""
    dropout = max(phase.dropout for phase in spec.sequence)
    model = reused(pretrained, spec.from_cut, plan, len(found.examples.classes), dropout)
    assert model is not None
    return model


def _anchors(pretrained: Pretrained, branch: keras.Model, plan: Plan) -> dict[str, Array]:
    """The source's weights of the layers that a branch reuses."""
    source = names.variables(pretrained.model)
    own = of_source(names.variables(branch), source, plan.head.layers)
    return names.arrays({name: source[name] for name in own if "seed_generator" not in name})


def with_rates_found(
    spec: FineTuneSpec, branch: keras.Model, training: Feed, seed: int
) -> tuple[FineTuneSpec, tuple[FoundRate, ...]]:
    """The same with a number for every rate that is to be found, by a range test from the trained head on."""
    tests = {phase.name: find(branch, phase, training, seed) for phase in spec.sequence if phase.rate == "find"}
    phases = tuple(with_found(phase, tests[phase.name]) if phase.name in tests else phase for phase in spec.phases)
    spec = replace(spec, phases=phases)
    if not phases and spec.name in tests:
        spec = with_found(spec, tests[spec.name])
    return spec, tuple(tests.values())


def fitted(spec: FineTuneSpec, branch: keras.Model, source: keras.Model) -> FineTuneSpec:
    """The same, the rules of its phases about what is in the branch.

    Raises:
        SelectorError: rules do not suit the branch; see `phasing.narrowed`.
    """
    phases = [narrowed(phase, branch, source, spec.from_cut) if phase.rates else phase for phase in spec.phases]
    return replace(spec, phases=tuple(phases))


def written_out(spec: FineTuneSpec, branch: keras.Model) -> FineTuneSpec:
    """The same with a rate for every variable in every phase."""
    phases = tuple(with_rates(phase, branch) for phase in spec.phases)
    return replace(spec, phases=phases) if phases else with_rates(spec, branch)


def lessons_for_all(phases: Sequence[Phase], plan: Plan) -> tuple[Phase, ...]:
    """What is learnt from training and validation examples together, once these have chosen all there was to choose."""
    if plan.refit != "anew":
        return (lesson_for_all(phases[-1], REFIT),)
    names_of = [REFIT] if len(phases) == 1 else [f"{REFIT}, {phase.name}" for phase in phases]
    return tuple(
        replace(Phase.of(phase), name=name, keep="last", patience=None)
        for phase, name in zip(phases, names_of, strict=True)
    )


def lesson_for_all(phase: Phase, name: str) -> Phase:
    """The last phase, after the one that is given: shorter, and at lower rates."""
    return replace(
        Phase.of(phase),
        name=name,
        keep="last",
        state="keep",
        epochs=max(1, round(_REFIT_EPOCHS * (phase.epochs or 1))),
        rates=tuple(Rate(rule.pattern, _REFIT_RATE * rule.rate) for rule in phase.rates),
    )


def labelled(found: Survey) -> Array:
    """The indices of the training and the validation examples."""
    return np.sort(np.concatenate([found.examples.indices("train"), found.examples.indices("validation")]))


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Activations of views of examples, by view, and what getting them took."""

    rows: list[RowsLike]
    computed: int
    hits: int
    bytes: int
    from_lower: int = 0


def views_of(pretrained: Pretrained, found: Survey, plan: Plan, spec: FineTuneSpec) -> Views:
    """The activations at the plan's lower cut point of all views that training will draw; view 0 is the survey's.

    Those that the refit will draw are among them, so that one pass serves both.
    """
    original = Wanted(plan.fine_tune.from_cut, pooled=False)
    others = [replace(original, view=number) for number in numbers(plan.augment, plan.views or 1)[1:]]
    rows = found.activations.rows[original]
    if not others:
        return Views([rows], 0, 0, 0)
    if found.budget.maps == "streamed":
        streamed = on_the_fly(pretrained, found.examples, others, found.engine)
        return Views([rows, *(streamed[item] for item in others)], 0, 0, 0)
    asked = {item.view: _asked(found, plan, spec, place) for place, item in enumerate(others, start=1)}
    seen = compute(
        pretrained.model,
        pretrained.inputs,
        found.examples,
        asked,
        others,
        found.store,
        dtype=found.budget.dtype,
        engine=found.engine,
        spread=spreads(plan, found.store),
        source=pretrained.source,
        description="activations, view 2" + (f" to {plan.views}" if len(others) > 1 else ""),
    )
    return Views([rows, *(seen.rows[item] for item in others)], seen.computed, seen.hits, seen.bytes, seen.from_lower)


def _asked(found: Survey, plan: Plan, spec: FineTuneSpec, place: int) -> Array:
    """The indices of the examples of which the two lessons will draw the view at this place of the plan's list."""
    views = plan.views or 1
    training, everyone = found.examples.indices("train"), labelled(found)
    asked = training[drawn_in(spec.sequence, plan.seed, len(training), views)[:, place]]
    if plan.refit not in ("yes", "anew"):
        return asked
    last = lessons_for_all(spec.sequence, plan)
    return np.union1d(asked, everyone[drawn_in(last, _refit_seed(plan), len(everyone), views)[:, place]])


def _refit_seed(plan: Plan) -> int:
    return plan.seed + 1


def feed(found: Survey, views: Sequence[RowsLike], indices: Array) -> Feed:
    """Examples for a branch, from rows that are kept on disk."""
    ids = found.examples.ids

    def fetch(chosen: Array, view: int) -> Array:
        return views[view].gather(ids.take(indices[chosen]))

    return Feed(fetch, found.examples.labels[indices], len(views))


def better(head: Branch, tuned: Branch, always: bool) -> bool:
    """Whether the fine-tuned branch is to be kept: more right answers on validation, or as many with less log loss."""
    before, after = head.chosen, tuned.chosen
    wins = (after.validation_accuracy, -after.validation_loss) > (before.validation_accuracy, -before.validation_loss)
    layered = isinstance(head.head, LayeredHead)
    alone = "new layers alone" if layered else "head alone"
    say(
        f"fine-tuned: {after.validation_accuracy:.1%} on validation, {alone}: {before.validation_accuracy:.1%}; "
        + ("the fine-tuned layers are kept" if wins or always else f"the {alone} {'are' if layered else 'is'} kept")
    )
    return wins or always
