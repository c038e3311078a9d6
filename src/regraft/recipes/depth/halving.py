"""Successive halving: a look at every way, more and longer ones at the better ways; nothing is tried twice.

A look is one lesson that is long enough to tell. Shorter ones at several rates cost as much and mislead: the harm that
high rates do in the first steps takes many more to make good, so that ways in which little learns, at rates at which
nothing happens, seem to be the best. Where few layers learn they have farther to go: such a way, which costs little, is
looked at at a higher rate too.

The bookkeeping is Optuna's: a study in a journal file says which way is waiting, under way, left or done, to any number
of processes, and its pruner ends a trial after a turn. Who goes on is found when no way waits for a turn any more
(Jamieson and Talwalkar 2016). Optuna's own pruners say it at once (Li et al. 2020, asynchronous successive halving):
whoever comes first, and each that is better than all before, would be taken to the end. Several processes do not wait
for each other either, and compare what has come.
"""

import contextlib
import itertools
import math
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from regraft.core import interruption, progress
from regraft.core.depth import Way
from regraft.recipes.depth.answers import Answers
from regraft.recipes.depth.tempering import tempered
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.depth.trying import Interrupted, Trier

# Of all that came so far, one in so many goes on.
FACTOR = 5
# More steps than those that a rate was found with are tried at a lower one too, by so much.
_LOWER = 4
# Few layers learn where it is at most this part of those that learn in the way in which most do.
_FEW = 1 / 3
# On how many folds a way is judged when its rate has been looked for; then on all.
_FOLDS = 3
# The fit of a way, with its other views and the refit, takes about as long as so many lessons of it.
LESSONS_OF_A_FIT = 2.0
_JOURNAL = "journal.log"
STOPPING = "ending the search with what is known; Ctrl-C again stops everything at once, and the same command goes on"
_WAY, _RATE, _OWNER = "way", "rate", "process"


@dataclass(frozen=True, slots=True)
class Ladder:
    """What there is to give.

    Attributes:
        steps: of training, rising.
        rates: that are tried with the fewest steps, in this order: at the first every way is looked at, at the second,
            which is higher, those in which few layers learn.
    """

    steps: tuple[int, ...]
    rates: tuple[float, ...]


LADDER = Ladder((256, 1024), (2e-3, 1e-2, 4e-4))


@dataclass(frozen=True, slots=True)
class Turn:
    """What ways are given that came so far.

    Attributes:
        steps: of training.
        folds: how many are left out in turn; None: all.
    """

    steps: int
    folds: int | None

    def of(self, everyone: Sequence[int]) -> Sequence[int]:
        """The folds that are left out."""
        return everyone[: self.folds]


@dataclass(frozen=True, slots=True)
class Rung:
    """What a way was given: so many steps at a rate, and the turn that it was in; None: it has a head only."""

    steps: int
    rate: float | None
    turn: Turn | None = None


class OneTurnMore(optuna.pruners.BasePruner):
    """Ends a trial after the first turn that its way has not had; not after the last one, when it is complete.

    A way that goes on gets a new trial, in which what it came to in the turns before is known.

    Args:
        turns: how many there are.
    """

    def __init__(self, turns: int) -> None:
        self._turns = turns

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """Whether this was the turn that the trial was for."""
        place = trial.last_step
        return place is not None and turns_had(study, _way_of(trial)) <= place < self._turns - 1


@dataclass(frozen=True, slots=True)
class Study:
    """The state of a search.

    Attributes:
        study: Optuna's.
        ways: that are tried, by name.
        ladder: what there is to give.
    """

    study: optuna.Study
    ways: dict[str, Way]
    ladder: Ladder

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What there is to be had, one after the other."""
        return turns_of(self.ladder)


def turns_of(ladder: Ladder) -> tuple[Turn, ...]:
    """One look, then the rate, then more steps if there are more, on all folds."""
    first, *more = ladder.steps
    return Turn(first, 1), Turn(first, _FOLDS), *(Turn(steps, None) for steps in more or (first,))


def begin(folder: Path, ways: Iterable[Way]) -> Study:
    """Open the study of a search, and let every way wait that is not done; what a process left behind waits again.

    Args:
        folder: of the study; another search has another one.
        ways: those that are expected to do best first.
    """
    made = attach(folder, ways, LADDER)
    for trial in made.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not _lives(trial.user_attrs.get(_OWNER)):
            made.study.tell(trial.number, state=TrialState.FAIL)
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.WAITING)
    taken = {_way_of(trial) for trial in made.study.get_trials(deepcopy=False, states=states)}
    for name in made.ways:
        if name not in taken:
            made.study.enqueue_trial({_WAY: name})
    return made


def attach(folder: Path, ways: Iterable[Way], ladder: Ladder) -> Study:
    """Open the study of a search as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        study = optuna.create_study(
            study_name="depth",
            storage=JournalStorage(JournalFileBackend(str(folder / _JOURNAL))),
            pruner=OneTurnMore(len(turns_of(ladder))),
            sampler=optuna.samplers.RandomSampler(seed=0),
            load_if_exists=True,
        )
    return Study(study, {way.name: way for way in ways}, ladder)


def work(made: Study, trier: Trier, deadline: Deadline) -> None:
    """Try ways until none is waiting or time is up.

    Raises:
        Interrupted: the user wants an answer now.
    """
    with interruption.noted(STOPPING) as stopping:
        _work(made, trier, deadline, stopping)
        before: list[tuple[str, int]] = []
        # Where none of them could go on there is no time for any.
        while _has_time(made, trier, deadline) and (best := _going_on(made)) not in ([], before):
            for name, _ in best:
                made.study.enqueue_trial({_WAY: name})
            _work(made, trier, deadline, stopping)
            before = best


def is_done(made: Study) -> bool:
    """Whether every way was given all that it was to be given."""
    return not waiting(made) and not _going_on(made)


def waiting(made: Study) -> int:
    """How many ways were not looked at yet."""
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    trials = made.study.get_trials(deepcopy=False, states=states)
    return len(set(made.ways) - {_way_of(trial) for trial in trials})


def _going_on(made: Study) -> list[tuple[str, int]]:
    """Ways that are among the best of all that had a turn, and the next one, which they have not had."""
    trials = made.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING))
    reached: dict[str, dict[int, float]] = {}
    for trial in trials:
        reached.setdefault(str(_way_of(trial)), {}).update(trial.intermediate_values)
    under_way = {_way_of(trial) for trial in trials if trial.state == TrialState.RUNNING}
    for this, following in itertools.pairwise(range(len(made.turns))):
        order = sorted((values[this], name) for name, values in reached.items() if this in values)
        best = [name for _, name in order[: max(1, len(order) // FACTOR)]]
        if left := [name for name in best if following not in reached[name] and name not in under_way]:
            return [(name, following) for name in left]
    return []


def _work(made: Study, trier: Trier, deadline: Deadline, stopping: Callable[[], bool]) -> None:
    count = len(made.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
    for _ in progress.track(_until_done(made, trier, deadline), "ways of reusing", total=count):
        if stopping():
            raise Interrupted
        with quiet():
            trial = made.study.ask()
            name = trial.suggest_categorical(_WAY, sorted(made.ways))
        trial.set_user_attr(_OWNER, os.getpid())
        if not _was_asked_for(made, trial.number):
            made.study.tell(trial, state=TrialState.FAIL)
            return
        try:
            _attempt(made, trial, trier, made.ways[str(name)], deadline)
        except Interrupted:
            made.study.tell(trial, state=TrialState.FAIL)
            raise


def _until_done(made: Study, trier: Trier, deadline: Deadline) -> Generator[None]:
    while _has_time(made, trier, deadline):
        following = made.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))[:1]
        if not following or not _is_affordable(made, trier, deadline, made.ways.get(str(_way_of(following[0])))):
            return
        yield


def _is_affordable(made: Study, trier: Trier, deadline: Deadline, way: Way | None) -> bool:
    """Whether a way would be done in time if it only has a head; those in which layers learn look for themselves."""
    # One is judged in any case: there is always an answer.
    if way is None or way.tuned or waiting(made) == len(made.ways):
        return True
    everyone = trier.lessons.judged_by
    return deadline.allows(len(everyone) * trier.expected(way, 0)) or trier.knew(way, everyone)


def _has_time(made: Study, trier: Trier, deadline: Deadline) -> bool:
    """Whether there is time for more than to bring to an end what is best so far."""
    return deadline.left > 0 and deadline.allows(closing(made, trier))


def closing(made: Study, trier: Trier) -> float:
    """Seconds that it takes to judge the best way so far on all folds, and to fit it.

    What is not judged on all of them is never recommended. So a search that is short of time does not try more and more
    ways until none of them can be judged.
    """
    reached = [
        (place, loss, str(_way_of(trial)))
        for trial in made.study.get_trials(deepcopy=False)
        for place, loss in trial.intermediate_values.items()
        if _way_of(trial) in made.ways
    ]
    if not reached:
        first = next(iter(made.ways.values()))
        # A head is solved in no time; new layers below it are trained.
        return len(trier.lessons.judged_by) * trier.expected(first, 0) if first.hidden else 0.0
    # Losses of different turns are of different examples: only those of the last one are compared.
    place, _, name = min(reached, key=lambda item: (-item[0], *item[1:]))
    turn, everyone = made.turns[place], trier.lessons.judged_by
    lacking = len(everyone) - len(turn.of(everyone))
    return (lacking + LESSONS_OF_A_FIT) * trier.expected(made.ways[name], turn.steps)


def fitting(trier: Trier, way: Way, steps: int) -> float:
    """Seconds that the fit of a way takes; that of a head alone takes next to none."""
    return LESSONS_OF_A_FIT * trier.expected(way, steps) if way.trained else 0.0


def _attempt(made: Study, trial: optuna.Trial, trier: Trier, way: Way, deadline: Deadline) -> None:
    """Give a way its next turn; what it came to in those before is known."""
    everyone = trier.lessons.judged_by
    if not way.tuned:
        loss = loss_of(trier, [trier.answers(way, fold) for fold in everyone], everyone)
        made.study.tell(trial, loss)
        return
    rate, loss = math.nan, math.nan
    try:
        for place, turn in enumerate(made.turns):
            folds = turn.of(everyone)
            # What it would take to bring the best so far to an end stays left.
            kept = closing(made, trier)
            rates = _rates(made, way, place, rate)
            rate, first = _best_rate(trier, way, turn.steps, rates, folds[0], deadline, kept)
            others = [_answers(trier, way, fold, turn.steps, rate, deadline, kept) for fold in folds[1:]]
            loss = loss_of(trier, [first, *others], folds)
            trial.set_user_attr(f"{_RATE} {place}", rate)
            trial.report(loss, place)
            if trial.should_prune():
                made.study.tell(trial, state=TrialState.PRUNED)
                return
    except _TimeIsUp:
        made.study.tell(trial, state=TrialState.FAIL)
        return
    made.study.tell(trial, loss)


def _rates(made: Study, way: Way, place: int, before: float) -> tuple[float, ...]:
    """The rates that a way is tried at in its turn of this place, after the best one of the turn before."""
    if place == 0:
        few = way.tuned <= _FEW * max(each.tuned for each in made.ways.values())
        return made.ladder.rates[: 2 if few else 1]
    if place == 1:
        return made.ladder.rates
    # What few steps must hurry to, more of them reach at a lower rate as well.
    return (before, before / _LOWER) if made.turns[place].steps > made.turns[place - 1].steps else (before,)


def rungs_of(ladder: Ladder) -> tuple[Rung, ...]:
    """Everything that a way in which layers learn can be given, whichever turn that is in."""
    first, *more = ladder.steps
    lower = (rate / _LOWER for rate in ladder.rates)
    rates = tuple(dict.fromkeys((*ladder.rates, *lower)))
    return tuple(
        Rung(steps, rate)
        for steps, some in ((first, ladder.rates), *((steps, rates) for steps in more))
        for rate in some
    )


def turns_had(study: optuna.Study, way: str | None) -> int:
    """How many turns the way of this name has had; it is given another one where it was among the best after them."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    return max((len(trial.intermediate_values) for trial in trials if _way_of(trial) == way), default=0)


class _TimeIsUp(Exception):  # noqa: N818 - no error
    """What was to be learnt next would not be done in time."""


def _best_rate(
    trier: Trier, way: Way, steps: int, rates: Sequence[float], fold: int, deadline: Deadline, kept: float
) -> tuple[float, Answers]:
    """The rate that does best on one fold, and its answers.

    Over rates the loss has one valley: where another is better than the first, none on its other side is tried. Where
    there is no time for one more, it is the best of those that were.
    """
    each: dict[float, tuple[float, Answers]] = {}
    first = best = rates[0]
    for rate in rates:
        if (rate - first) * (best - first) < 0:
            continue
        try:
            made = _answers(trier, way, fold, steps, rate, deadline, kept)
        except _TimeIsUp:
            if not each:
                raise
            break
        each[rate] = loss_of(trier, [made], [fold]), made
        best = min(each, key=lambda rate: each[rate][0])
    return best, each[best][1]


def _answers(trier: Trier, way: Way, fold: int, steps: int, rate: float, deadline: Deadline, kept: float) -> Answers:
    each = trier.expected(way, steps)
    # It may become what is recommended: then it is judged on all folds, and fitted.
    if not deadline.allows(each + max(kept, (len(trier.lessons.judged_by) - 1 + LESSONS_OF_A_FIT) * each)):
        raise _TimeIsUp
    return trier.answers(way, fold, steps=steps, rate=rate)


def rungs(made: Study) -> dict[str, tuple[Rung, ...]]:
    """What every way was given so far, by name; ways that only have a head were given no steps."""
    found: dict[str, tuple[Rung, ...]] = {}
    for trial in made.study.get_trials(deepcopy=False):
        name = _way_of(trial)
        if name not in made.ways:
            continue
        given = [
            Rung(turn.steps, trial.user_attrs.get(f"{_RATE} {place}"), turn) for place, turn in enumerate(made.turns)
        ]
        given = [rung for rung in given if rung.rate is not None]
        if not made.ways[name].tuned and trial.state == TrialState.COMPLETE:
            given = [Rung(0, None)]
        if len(given) > len(found.get(name, ())):
            found[name] = tuple(given)
    return found


def loss_of(trier: Trier, parts: Sequence[Answers], folds: Sequence[int]) -> float:
    """Mean log loss of the best average, once it is as sure as it should be, over what some folds left out."""
    lessons = trier.lessons
    labels = np.concatenate([lessons.labels[lessons.left_out(fold)] for fold in folds])
    made = np.concatenate([part.probabilities for part in parts], axis=1)
    return float(tempered(made, labels).losses.mean())


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Keep Optuna from telling of every trial, and leave its settings as they were."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _way_of(trial: optuna.trial.FrozenTrial) -> str | None:
    fixed = trial.system_attrs.get("fixed_params") or {}
    return trial.params.get(_WAY) or fixed.get(_WAY)


def _was_asked_for(made: Study, number: int) -> bool:
    """Whether a trial was waiting: Optuna draws one by itself where another process took the last."""
    trial = next(trial for trial in made.study.get_trials(deepcopy=False) if trial.number == number)
    return bool(trial.system_attrs.get("fixed_params"))


def _lives(process: object) -> bool:
    """Whether a process of this machine is at work."""
    if not isinstance(process, int) or process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
