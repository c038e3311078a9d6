"""The search for how many layers to reuse, and how many of them to freeze."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from regraft.activations.store import Store
from regraft.core import digest, memory
from regraft.core import plan as plans
from regraft.core.depth import Forecast, Recommended, Stretch, Trial, Way
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.progress import say, warn
from regraft.core.records import Probe
from regraft.data import Examples
from regraft.importers import Pretrained
from regraft.recipes.clock import Clock
from regraft.recipes.depth import forecasting, halving, recommending, space
from regraft.recipes.depth.answers import Kept
from regraft.recipes.depth.lessons import lessons
from regraft.recipes.depth.recommending import Tried
from regraft.recipes.depth.timing import Deadline, Pace
from regraft.recipes.depth.trying import Interrupted, Trier
from regraft.recipes.survey import Survey, survey
from regraft.recipes.transfer import check_inputs
from regraft.training.probes import PROBE_EXAMPLES, probe_many, stratified

# Whoever changes what is tried raises it, so that a search of before is not taken for one of now.
_FORMAT = 1
# What follows the search: the fit of what was recommended takes about as long as so many lessons of it, and some more.
_LESSONS_OF_A_FIT, _AROUND = 2.5, 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search came to.

    Attributes:
        recommended: the answer.
        plan: that does it.
        table: see `DepthRecord`.
        trials: likewise.
        probes: likewise.
        stretches: likewise.
        forecast: likewise.
        reused_trials: likewise.
        interrupted: whether the user ended it before its time.
    """

    recommended: Recommended
    plan: Plan
    table: tuple[Trial, ...]
    trials: tuple[Trial, ...]
    probes: tuple[Probe, ...]
    stretches: tuple[Stretch, ...]
    forecast: Forecast | None
    reused_trials: int
    interrupted: bool


def search(
    pretrained: Pretrained,
    examples: Examples,
    plan: Plan,
    store: Store,
    deadline: Deadline,
    clock: Clock,
    *,
    hidden: Sequence[tuple[int, ...]] = (),
    fits: bool = True,
    forecasts: bool = True,
) -> Found:
    """Find how many layers of a source to reuse for some examples, and how many of those to freeze.

    Args:
        pretrained: the source.
        examples: their test split is not looked at.
        plan: what is the same for all ways.
        store: of activations; what ways answered is kept beside it.
        deadline: when to be done, with what follows the search.
        clock: of the stages.
        hidden: widths of new upper layers to try.
        fits: whether a fit of what is recommended is to follow: time is kept for it.
        forecasts: whether to say what more labels would bring.
    """
    with clock.stage("activations"):
        check_inputs(pretrained, examples)
        frozen = replace(plan, cut_point=plans.AUTO, fine_tune=FineTuneSpec(enabled="no"))
        found = survey(pretrained, examples, frozen, store)
        memory.release()
    with clock.stage("search"):
        probes, liked = _probed(found, plan)
        given = space.stretches(pretrained.model, found.points, found.candidates)
        below = space.layers_below(pretrained.model, found.points, found.candidates)
        ways = space.ways(given, below, liked, hidden)
        trier = Trier(pretrained, found, plan, lessons(found.examples, plan.seed), _kept(store), Pace())
        made = halving.begin(_folder(store, trier, ways), ways)
        interrupted = _work(made, trier, deadline, fits)
        tried = recommending.completed(made, trier, recommending.tried(made, trier), deadline)
        item, choice, by_way = recommending.choose(tried, trier)
        forecast = _forecast(item, by_way, trier, deadline) if forecasts and not interrupted else None
    answer = recommending.recommended(item, choice, len(ways))
    if len(by_way) < len(ways):
        say(f"{len(by_way)} of {len(ways)} ways were judged on all folds, the others did worse with few steps")
    table = recommending.table(item, by_way, tried)
    return Found(
        answer,
        recommending.plan_of(item, plan),
        table,
        tuple(each.trial for each in tried),
        probes,
        given,
        forecast,
        trier.kept.found,
        interrupted,
    )


def _work(made: halving.Study, trier: Trier, deadline: Deadline, fits: bool) -> bool:
    """Try ways; True where the user did not want to wait for all of them."""
    everyone = made.ways.values()
    # Until it is known what will be fitted, what the longest lesson takes is kept for the fit.
    longest = max((trier.expected(way, made.steps[0]) for way in everyone if way.trained), default=0.0)
    deadline.reserved = _AROUND + _LESSONS_OF_A_FIT * longest if fits else 0.0
    try:
        halving.work(made, trier, deadline)
    except Interrupted:
        warn("the search was ended by hand; what is recommended is the best of what was tried")
        return True
    return False


def _probed(found: Survey, plan: Plan) -> tuple[tuple[Probe, ...], dict[str, float]]:
    """Quick linear classifiers at every cut point, and how much each is liked."""
    training = found.examples.indices("train")
    labels = found.examples.labels[training]
    some = stratified(labels, PROBE_EXAMPLES, plan.seed)
    results = probe_many(
        {name: found.pooled([name], training[some]) for name in found.candidates},
        labels[some],
        len(found.examples.classes),
        seed=plan.seed,
    )
    probes = tuple(
        Probe(name, found.points[name].depth, result.width, result.accuracy) for name, result in results.items()
    )
    return probes, {name: -result.error for name, result in results.items()}


def _forecast(item: Tried, by_way: dict[str, Tried], trier: Trier, deadline: Deadline) -> Forecast | None:
    deeper = [each for each in by_way.values() if each.trial.way.trained > item.trial.way.trained]
    best = min(deeper, key=lambda each: each.trial.log_loss.value, default=None)
    return forecasting.forecast(item, best, trier, deadline)


def _kept(store: Store) -> Kept:
    return Kept(store.folder.parent / "depth" / "answers")


def _folder(store: Store, trier: Trier, ways: Sequence[Way]) -> Path:
    """Of the study: another search has another one, the same one goes on."""
    about = [_FORMAT, trier.key_of_all(), [way.name for way in ways], halving.STEPS, halving.RATES]
    return store.folder.parent / "depth" / "studies" / digest.of_json(about)
