"""From the answers of all ways to the one to take, and to the plan that says so."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regraft.core import comparing, metrics
from regraft.core.comparing import Choice
from regraft.core.depth import Recommended, Trial, Way
from regraft.core.metric import Metric
from regraft.core.plan import Plan
from regraft.recipes.depth.halving import Rung, Study, rungs, rungs_of
from regraft.recipes.depth.tempering import tempered
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.depth.trying import Trier, head_spec, joined

Array = np.ndarray[Any, Any]

# Ways that are judged on all folds in the end, if they were not before and do better than the best of those that were.
_FINALISTS = 2
# Seconds that heads may take whatever is left.
_NEXT_TO_NONE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A way with so many steps: what came of it, and its answers.

    Attributes:
        trial: for the record.
        rung: what it was given.
        answers: (n, classes) of the best average, as sure as they should be; NaN where it was not judged.
        losses: (n,) log loss of each of these answers, likewise.
        complete: whether it was judged on all folds.
        known: whether all of that was known from before.
        again: what came of the same on other divisions of the examples into folds; its trial has the means of all.
    """

    trial: Trial
    rung: Rung
    answers: Array
    losses: Array
    complete: bool
    known: bool
    again: tuple["Tried", ...] = ()


def tried(made: Study, trier: Trier) -> list[Tried]:
    """Everything that was tried, way by way in the order of trying; its answers are known, nothing is learnt."""
    everyone = trier.lessons.judged_by
    # In its second turn a way may do best at the rate of its first.
    each = {(name, rung.steps, rung.rate): rung for name, given in rungs(made).items() for rung in given}
    return [
        weighed(made, trier, made.ways[name], rung, rung.turn.of(everyone) if rung.turn else everyone)
        for (name, _, _), rung in each.items()
    ]


def with_heads(made: Study, trier: Trier, found: Sequence[Tried], deadline: Deadline) -> list[Tried]:
    """The same with every way that only has a head, as far as there is time: one in any case, so there is an answer.

    On a few hundred small vectors a head takes next to no time, and is judged whatever is left. On a thousand features,
    or with new layers to train below it, it takes seconds.
    """
    known = {item.trial.way.name for item in found}
    everyone, results = trier.lessons.judged_by, list(found)
    for way in (way for name, way in made.ways.items() if not way.tuned and name not in known):
        answered = any(item.complete for item in results)
        seconds = len(everyone) * trier.expected(way, 0)
        has_time = seconds < _NEXT_TO_NONE or deadline.allows(seconds) or trier.knew(way, everyone)
        if answered and not has_time:
            continue
        results.append(weighed(made, trier, way, Rung(0, None), everyone))
    return results


def completed(made: Study, trier: Trier, found: Sequence[Tried], deadline: Deadline) -> list[Tried]:
    """The same, those that are ahead of what was judged on all folds judged on them too, as far as there is time."""
    everyone = trier.lessons.judged_by
    _, gaps = _beside_the_best(found, trier.lessons.labels)
    # What was looked at at a rate that another one has beaten is not.
    settled = {_asked(item) for item in found if item.complete}
    order = sorted(range(len(found)), key=lambda place: gaps[place])
    ahead = [place for place in order if gaps[place] < 0 and _asked(found[place]) not in settled]
    results = list(found)
    for place in ahead[:_FINALISTS]:
        item = found[place]
        lacking = len(everyone) - item.trial.folds
        if not deadline.allows(lacking * trier.expected(item.trial.way, item.rung.steps)):
            continue
        results[place] = weighed(made, trier, item.trial.way, item.rung, everyone)
    return results


def recalled(made: Study, trier: Trier, found: Sequence[Tried]) -> list[Tried]:
    """The same with whatever was judged on all folds before, in this search or in another one.

    It takes no time to look it up. So whoever has little time is not recommended less than what is known already.
    """
    everyone = trier.lessons.judged_by
    complete = {(*_asked(item), item.rung.rate) for item in found if item.complete}
    known = {
        (way.name, rung.steps, rung.rate): rung
        for way in made.ways.values()
        for rung in (rungs_of(made.ladder) if way.tuned else ())
        if (way.name, rung.steps, rung.rate) not in complete
        and trier.knew(way, everyone, steps=rung.steps, rate=rung.rate)
    }
    others = [item for item in found if (*_asked(item), item.rung.rate) not in known]
    again = [weighed(made, trier, made.ways[name], rung, everyone) for (name, _, _), rung in known.items()]
    return [*others, *again]


def _asked(item: Tried) -> tuple[str, int]:
    """What was tried, whatever the rate."""
    return item.trial.way.name, item.trial.steps


def levelled(found: Sequence[Tried], trier: Trier) -> list[Tried]:
    """The same, the figures of those that were judged on some folds as if it had been all of them.

    Folds are not equally hard. What a way does better or worse than the best of those that were judged on all, on the
    examples that both have answered, is taken for what it would do better or worse on all.
    """
    standard, gaps = _beside_the_best(found, trier.lessons.labels)
    rightly = right(standard, trier.lessons.labels)

    def moved(item: Tried, gap: float) -> Tried:
        own, trial = right(item, trier.lessons.labels), item.trial
        accuracy = standard.trial.accuracy.value + float(np.nanmean(own - rightly)) - trial.accuracy.value
        log_loss = standard.trial.log_loss.value + gap - trial.log_loss.value
        accuracy, log_loss = _moved(trial.accuracy, accuracy, 1.0), _moved(trial.log_loss, log_loss, math.inf)
        return replace(item, trial=replace(trial, accuracy=accuracy, log_loss=log_loss))

    return [item if item.complete else moved(item, gap) for item, gap in zip(found, gaps, strict=True)]


def _beside_the_best(found: Sequence[Tried], labels: Array) -> tuple[Tried, list[float]]:
    """The best that was judged on all folds, and by how much log loss each is worse on what both have answered."""
    best = min((item for item in found if item.complete), key=lambda item: item.trial.log_loss.value)

    def gap(item: Tried) -> float:
        rows = ~np.isnan(item.losses)
        # An exponent for few answers flatters them; the best gets one for the same few.
        level = best.losses if item.complete else tempered(best.answers[None, rows], labels[rows]).losses
        return float(np.mean(item.losses[rows] - level))

    return best, [gap(item) for item in found]


def right(item: Tried, labels: Array) -> Array:
    """1 where an answer is right, 0 where it is wrong, NaN where there is none."""
    return np.where(np.isnan(item.answers[:, 0]), np.nan, np.argmax(item.answers, axis=1) == labels)


def _moved(figure: Metric, by: float, most: float) -> Metric:
    """A figure and its interval, as far as they can be moved; a share is not above one."""
    low, high = (min(max(end + by, 0.0), most) for end in figure.interval)
    return Metric(min(max(figure.value + by, 0.0), most), (low, high))


def weighed(made: Study, trier: Trier, way: Way, rung: Rung, folds: Sequence[int]) -> Tried:
    """What a way comes to with so many steps on some folds; it learns what is not known yet.

    Args:
        made: the study, for how many steps there are to give.
        trier: lets ways learn and answer.
        way: that is tried.
        rung: what it is given.
        folds: those that are left out in turn.
    """
    parts = [trier.answers(way, fold, steps=rung.steps, rate=rung.rate) for fold in folds]
    together, labels = joined(parts, trier.lessons, folds), trier.lessons.labels
    rows = ~np.isnan(together[0, :, 0])
    found = tempered(together[:, rows], labels[rows])
    measured = metrics.measure(found.answers, labels[rows], trier.plan.seed)
    answers = np.full(together.shape[1:], np.nan, np.float32)
    answers[rows] = found.answers
    losses = np.full(len(labels), np.nan)
    losses[rows] = found.losses
    complete = len(folds) == len(trier.lessons.judged_by)
    trial = Trial(
        way,
        rung.steps,
        rung.rate,
        parts[0].averages[found.place] if rung.steps else None,
        len(folds),
        int(rows.sum()),
        measured.accuracy,
        measured.log_loss,
        sum(part.seconds for part in parts),
        rung.steps in (0, made.ladder.steps[-1]) and complete,
    )
    known = trier.knew(way, folds, steps=rung.steps, rate=rung.rate)
    return Tried(trial, rung, answers, losses, complete, known)


def choose(found: Sequence[Tried], trier: Trier) -> tuple[Tried, Choice, dict[str, Tried]]:
    """The one to take of those that were judged on all folds: the cheapest that cannot be told from the best.

    Of one way with different numbers of steps, the better one is compared with the others.
    """
    by_way = finalists(found)
    first = next(iter(by_way.values()))
    judged = [trier.lessons.judged, *(np.flatnonzero(~np.isnan(each.losses)) for each in first.again)]
    rows = np.concatenate(judged)
    answers = {name: _joined(item, judged) for name, item in by_way.items()}
    costs = {name: float(item.trial.way.trained) for name, item in by_way.items()}
    made = comparing.chosen(
        answers,
        trier.lessons.labels[rows],
        costs,
        # However often an example was judged, it tells no more than one.
        groups=rows if len(judged) > 1 else None,
        learnt=1 - 1 / (int(trier.lessons.fold.max()) + 1),
        seed=trier.plan.seed,
    )
    return by_way[made.name], made, by_way


def finalists(found: Sequence[Tried]) -> dict[str, Tried]:
    """Those that are chosen among, by the name of the way: judged on all folds, with the number of steps that is best.

    Where some were judged on several divisions it is they, and the others of the same way are not.
    """
    ready = [item for item in found if item.complete]
    by_way: dict[str, Tried] = {}
    for item in sorted(ready, key=lambda item: (-len(item.again), item.trial.log_loss.value), reverse=True):
        by_way[item.trial.way.name] = item
    return by_way


def _joined(item: Tried, judged: Sequence[Array]) -> Array:
    """The answers of each division in turn to the examples that it judges."""
    return np.concatenate([each.answers[rows] for each, rows in zip((item, *item.again), judged, strict=True)])


def recommended(item: Tried, choice: Choice, many: int) -> Recommended:
    """The answer, in numbers and in words.

    Args:
        item: the way to take.
        choice: how it was chosen.
        many: ways it was chosen from, itself among them.
    """
    way, trial = item.trial.way, item.trial
    return Recommended(
        way,
        way.cut_point,
        way.frozen,
        way.tuned,
        choice.accuracy.value,
        choice.accuracy.interval,
        trial.rate,
        trial.steps,
        trial.average,
        choice.indistinguishable,
        _sentence(way, choice, many),
    )


def plan_of(trial: Trial, plan: Plan, training: int) -> Plan:
    """The plan that does what was tried, and does it again with all labelled examples.

    Args:
        trial: what was tried.
        plan: what all ways have in common.
        training: how many training examples there are.
    """
    way = trial.way
    spec = replace(plan.fine_tune, strategy="auto", phases=(), rates=(), from_cut=way.trained_from)
    if not way.tuned or trial.rate is None:
        spec = replace(spec, enabled="no", from_cut=way.cut_point)
    else:
        epochs = math.ceil(trial.steps / math.ceil(training / (spec.batch_size * spec.accumulate)))
        spec = replace(
            spec,
            enabled="yes",
            rate=trial.rate,
            steps=trial.steps,
            epochs=epochs,
            keep="last",
            patience=None,
            average=trial.average or 1.0,
            # What the source's own optimizer had learnt of another task was not taken along.
            state="reset" if spec.state == "auto" else spec.state,
        )
    return replace(
        plan,
        cut_point=way.cut_point,
        head=head_spec(plan, way),
        fine_tune=spec,
        refit="anew" if way.tuned else "yes",
        # Pictures as they are were tried: whether other views of them do harm, such as mirrored digits, nobody knows.
        views=plan.views or 1,
    )


def _sentence(way: Way, choice: Choice, many: int) -> str:
    low, high = choice.accuracy.interval
    new = f", with new layers of {', '.join(map(str, way.hidden))} units on top" if way.hidden else ""
    also = f"; the head reads '{way.tap}' as well" if way.tap is not None else ""
    alike = _alike(len(choice.indistinguishable), many - 1)
    return (
        f"Reuse {_counted(way.reused)} up to '{way.cut_point}', {_learning(way)}{new}{also}: "
        f"{choice.accuracy.value:.1%} of new examples right (95 % interval {low:.1%} to {high:.1%}){alike}."
    )


def _alike(same: int, others: int) -> str:
    """How many of the ways that it was compared with are as good; those that were not judged to the end were not."""
    if not same:
        return ""
    if others == 1:
        return "; the other way that was judged to the end cannot be told from it on these examples"
    if same == others:
        return f"; none of the {others} other ways that were judged to the end can be told from it on these examples"
    return f"; {same} of the {others} other ways that were judged to the end cannot be told from it on these examples"


def _learning(way: Way) -> str:
    if not way.tuned:
        return "frozen"
    if not way.frozen:
        return "and let all of them learn"
    return f"let the upper {way.tuned} learn and freeze the {way.frozen} up to '{way.trained_from}'"


def _counted(layers: int) -> str:
    return f"{layers} layer{'' if layers == 1 else 's'}"


def table(chosen: Tried, by_way: Mapping[str, Tried], found: Sequence[Tried]) -> tuple[Trial, ...]:
    """One trial of every way, the chosen one first, those that were judged on all folds next, by how good they were."""
    last: dict[str, Tried] = {}
    for item in found:
        last[item.trial.way.name] = item
    last |= by_way
    others = [item for name, item in last.items() if name != chosen.trial.way.name]
    others.sort(key=lambda item: (not item.complete, item.trial.log_loss.value))
    return (chosen.trial, *(item.trial for item in others))
