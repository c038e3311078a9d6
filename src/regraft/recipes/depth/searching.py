"""The search for how many layers to reuse, and how many of them to freeze."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from regraft.activations.store import Store
from regraft.core import digest, durations, memory, plain
from regraft.core import plan as plans
from regraft.core.depth import Forecast, Recommended, Stretch, Trial, Way
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.progress import say, warn
from regraft.core.records import Probe
from regraft.data import Examples
from regraft.importers import Pretrained
from regraft.recipes.choosing import beside
from regraft.recipes.depth import answers, halving, recommending, space
from regraft.recipes.depth.answers import Kept
from regraft.recipes.depth.comparing import kept_in_vain
from regraft.recipes.depth.forecasting import forecast
from regraft.recipes.depth.lessons import lessons
from regraft.recipes.depth.recommending import Tried
from regraft.recipes.depth.repeating import repeated
from regraft.recipes.depth.timing import Deadline, Pace
from regraft.recipes.depth.trying import Interrupted, Trier
from regraft.recipes.survey import Survey, survey
from regraft.training.probes import PROBE_EXAMPLES, probe_many, stratified

# Whoever changes what is tried raises it, so that a search of before is not taken for one of now.
_FORMAT = 4
# Lower cut points that are tried beside one that a head stands on.
_TAPS = 2


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


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What every process of a search begins with.

    Attributes:
        trier: lets ways learn and answer.
        ways: that are to be tried, those that are expected to do best first.
        probes: quick linear classifiers at every cut point.
        stretches: the source's blocks.
        study: the folder of the search's state.
    """

    trier: Trier
    ways: tuple[Way, ...]
    probes: tuple[Probe, ...]
    stretches: tuple[Stretch, ...]
    study: Path


def prepare(
    pretrained: Pretrained,
    examples: Examples,
    plan: Plan,
    store: Store,
    hidden: Sequence[tuple[int, ...]] = (),
    taps: bool = False,
) -> Prepared:
    """One pass of the trunk over all examples, and what is to be tried.

    Args:
        pretrained: the source.
        examples: their test split is not looked at.
        plan: what is the same for all ways, new upper layers of its head included.
        store: of activations; what ways answered is kept beside it.
        hidden: widths of new upper layers to try.
        taps: whether to try heads that read a lower cut point as well.
    """
    # Here, so that what cannot be judged is refused before anything is computed.
    lessons(examples, plan.seed)
    frozen = replace(plan, cut_point=plans.AUTO, fine_tune=FineTuneSpec(enabled="no"))
    found = survey(pretrained, examples, frozen, store)
    memory.release()
    probes, liked = _probed(found, plan)
    standing = space.worth_a_head(pretrained.model, found.candidates)
    stretches = space.stretches(pretrained.model, found.points, standing)
    below = space.layers_below(pretrained.model, found.points, standing)
    tapped = _tapped(found, stretches, space.favourites(stretches, liked), plan) if taps else []
    ways = space.ways(stretches, below, liked, hidden, tapped)
    if plan.head.hidden:
        # Asked for, and not only to be tried.
        ways = tuple(replace(way, hidden=plan.head.hidden) for way in ways)
    folder = answers.folder(store.folder.parent)
    kept = Kept(folder / "answers")
    trier = Trier(pretrained, found, plan, lessons(found.examples, plan.seed), kept, Pace(), kept.keys())
    about = [_FORMAT, trier.key_of_all(), [way.name for way in ways], plain.to_plain(halving.LADDER)]
    return Prepared(trier, ways, probes, stretches, folder / "studies" / digest.of_json(about))


def search(
    prepared: Prepared,
    deadline: Deadline,
    work: Callable[[halving.Study], None],
    *,
    forecasts: bool = True,
    repeats: int = 1,
) -> Found:
    """Find how many layers of a source to reuse, and how many of those to freeze.

    Args:
        prepared: what is to be tried.
        deadline: when to be done.
        work: tries what is waiting, here or in other processes.
        forecasts: whether to say what more labels would bring.
        repeats: on how many divisions into folds to judge what is chosen among.
    """
    trier = prepared.trier
    made = halving.begin(prepared.study, prepared.ways)
    interrupted = False
    try:
        work(made)
        if not halving.is_done(made) and kept_in_vain(made, trier, deadline):
            say("a network from scratch would take longer than there is time; its part goes to the search")
            deadline.release()
            work(made)
    except Interrupted:
        warn("the search was ended by hand; what is recommended is the best of what was tried")
        interrupted = True
    try:
        tried = _judged(made, trier, deadline)
    except Interrupted:
        warn("the search was ended by hand before all that was ahead was judged on all folds")
        interrupted = True
        tried = _known(made, trier)
    if repeats > 1 and not interrupted:
        tried, interrupted = repeated(made, trier, tried, repeats, deadline)
    tried = recommending.levelled(tried, trier)
    item, choice, by_way = recommending.choose(tried, trier)
    if deadline.reserved:
        deadline.keep(halving.fitting(trier, item.trial.way, item.trial.steps))
    ahead = None
    if forecasts and not interrupted:
        try:
            ahead = forecast(item, tried, made, trier, deadline)
        except Interrupted:
            warn("the search was ended by hand before it could be said what more labels would bring")
            interrupted = True
    if not interrupted and not halving.is_done(made):
        warn(_cut_short(halving.waiting(made), len(prepared.ways), deadline))
    return Found(
        recommending.recommended(item, choice, len(by_way)),
        recommending.plan_of(item.trial, trier.plan, len(trier.found.examples.indices("train"))),
        recommending.table(item, by_way, tried),
        tuple(each.trial for each in tried),
        prepared.probes,
        prepared.stretches,
        ahead,
        sum(each.known for each in tried),
        interrupted,
    )


def _judged(made: halving.Study, trier: Trier, deadline: Deadline) -> list[Tried]:
    """What was tried, every head, and on all folds what is ahead, as far as there is time."""
    found = recommending.with_heads(made, trier, recommending.tried(made, trier), deadline)
    found = recommending.completed(made, trier, found, deadline)
    # Where there was time for all that was to be tried, nothing hangs on what was tried before.
    return found if halving.is_done(made) else recommending.recalled(made, trier, found)


def _known(made: halving.Study, trier: Trier) -> list[Tried]:
    """The same of what is known already, and one way that is judged on all folds where none is.

    Raises:
        KeyboardInterrupt: the user does not want to wait for that one either.
    """
    try:
        return _judged(made, trier, Deadline(0.0))
    except Interrupted:
        raise KeyboardInterrupt from None


def _cut_short(waiting: int, many: int, deadline: Deadline) -> str:
    """What a search did not come to, and what the time that it leaves is for."""
    lacking = f"{waiting} of the {many} ways were tried" if waiting else "the best ways were tried to the end"
    left = 0.0 if deadline.seconds is None else deadline.seconds - deadline.spent
    scratch = ", to train a network from scratch beside it" if deadline.comparing else ""
    after = f", to fit it{scratch} and to report" if deadline.reserved else ""
    why = (
        f": to judge one more on all folds{after} may take longer than the {durations.words(left)} that were left"
        if left > 0
        else ""
    )
    return f"time was up before {lacking}{why}; the same command with more time goes on from here"


def _probed(found: Survey, plan: Plan) -> tuple[tuple[Probe, ...], dict[str, float]]:
    """Quick linear classifiers at every cut point, and how much each is liked."""
    training = found.examples.indices("train")
    labels = found.examples.labels[training]
    some = stratified(labels, PROBE_EXAMPLES, plan.seed)
    results = probe_many(
        found.each(found.candidates, training[some]),
        labels[some],
        len(found.examples.classes),
        seed=plan.seed,
    )
    probes = tuple(
        Probe(name, found.points[name].depth, result.width, result.accuracy) for name, result in results.items()
    )
    return probes, {name: -result.error for name, result in results.items()}


def _tapped(
    found: Survey, given: Sequence[Stretch], heads: Sequence[str], plan: Plan
) -> list[tuple[str, tuple[str, ...]]]:
    """Those of some heads that a block ends below, each with the ends that a quick probe likes best beside it."""
    training, points = found.examples.indices("train"), found.points
    ends = [stretch.cut_point for stretch in given if stretch.cut_point in found.taps]
    made: list[tuple[str, tuple[str, ...]]] = []
    for head in heads:
        lower = [name for name in ends if points[name].depth < points[head].depth]
        errors = beside(found, head, lower, training, plan.seed)
        if lower:
            made.append((head, tuple(sorted(lower, key=errors.__getitem__)[:_TAPS])))
    if not made:
        warn("no lower block ends where a head could read it as well, so that no way with a tap is tried")
    return made
