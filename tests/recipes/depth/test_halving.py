"""Halving: who goes on, what is known is not done again, what a killed process left is taken up."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from regraft.core.depth import Way
from regraft.recipes.depth import halving
from regraft.recipes.depth.answers import Answers
from regraft.recipes.depth.lessons import Lessons
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.depth.trying import Interrupted

WAYS = [Way("top", "top", (), 4, 0), *(Way("top", f"cut{n}", (), 4, n) for n in range(1, 11))]


class Pretended:
    """A trier whose ways are as good as a table says; it notes what was asked for."""

    def __init__(self, losses, *, seconds=1.0, known=()):
        labels = np.zeros(50, np.int64)
        self.lessons = Lessons(np.arange(50), labels, 2, np.arange(50) % 5, (0, 1, 2, 3, 4), 0)
        self.losses, self.asked, self.seconds, self.known = losses, [], seconds, known

    def answers(self, way, fold, *, steps=0, rate=None, part=1.0):
        self.asked.append((way.name, fold, steps, rate))
        right = np.exp(-self.losses(way, steps, rate))
        made = np.full((1, 10, 2), [right, 1 - right], np.float32)
        return Answers((0.5,), made, self.seconds)

    def expected(self, way, steps):
        return self.seconds

    def knew(self, way, folds):
        return way.name in self.known


def _losses(way, steps, rate):
    """The more layers learn, the worse; more steps and the middle rate do better."""
    if not steps:
        return 0.5
    return 0.1 + 0.05 * way.tuned + 10.0 / steps + (0.0 if rate in (2e-3, 5e-4, 1.25e-4) else 0.2)


def test_every_way_is_given_few_steps_and_the_best_one_all(tmp_path):
    trier = Pretended(_losses)
    made = halving.begin(tmp_path, WAYS)
    halving.work(made, trier, Deadline(None))
    assert halving.is_done(made)
    given = {name: [rung.steps for rung in rungs] for name, rungs in halving.rungs(made).items()}
    assert given["top"] == [0]
    assert given["top < cut1"] == [256, 256, 1024]
    # A fifth of the ten that learn goes on, also where the first that came was the best of all.
    assert {name for name, steps in given.items() if len(steps) > 1} == {"top < cut1", "top < cut2"}
    assert all(rung.rate == 2e-3 for rungs in halving.rungs(made).values() for rung in rungs if rung.steps == 256)


def test_the_pruner_ends_a_trial_after_the_first_turn_that_its_way_has_not_had(tmp_path):
    made = halving.begin(tmp_path, WAYS[:3])
    halving.work(made, Pretended(_losses), Deadline(None))
    assert isinstance(made.study.pruner, halving.OneTurnMore)
    trials = [trial for trial in made.study.get_trials() if "cut1" in trial.params["way"]]
    ended = [(trial.state, sorted(trial.intermediate_values)) for trial in trials]
    assert ended == [(TrialState.PRUNED, [0]), (TrialState.PRUNED, [0, 1]), (TrialState.COMPLETE, [0, 1, 2])]


def _asked_of(trier, made):
    return {name: [(fold, steps, rate) for way, fold, steps, rate in trier.asked if way == name] for name in made.ways}


def test_every_way_is_looked_at_once_and_the_better_ones_at_more_rates(tmp_path):
    trier = Pretended(_losses)
    made = halving.begin(tmp_path, WAYS)
    halving.work(made, trier, Deadline(None))
    asked = _asked_of(trier, made)
    assert set(asked["top < cut8"]) == {(0, 256, 2e-3)}
    # The higher rate is no better, so that the lower one is tried as well.
    tuned = {(0, 256, rate) for rate in halving.LADDER.rates} | {(fold, 256, 2e-3) for fold in range(3)}
    assert set(asked["top < cut2"]) == tuned
    finished = {(0, 1024, 5e-4)} | {(fold, 1024, 2e-3) for fold in range(5)}
    # Both rates are equally good here, and the first one is taken.
    assert set(asked["top < cut1"]) == tuned | finished


def test_where_few_layers_learn_the_first_look_is_at_a_higher_rate_too(tmp_path):
    def losses(way, steps, rate):
        """Three of ten learn best, at a rate at which others do worse."""
        return 0.5 if not steps else 0.1 * abs(way.tuned - 3) + (0.1 if rate == 1e-2 else 0.15 + 0.1 * (rate == 4e-4))

    trier = Pretended(losses)
    made = halving.begin(tmp_path, WAYS)
    halving.work(made, trier, Deadline(None))
    asked = _asked_of(trier, made)
    both = {(0, 256, 2e-3), (0, 256, 1e-2)}
    assert set(asked["top < cut1"]) == both
    assert {name for name in made.ways if both <= set(asked[name])} == {f"top < cut{n}" for n in (1, 2, 3)}
    # Where the higher rate is better none is tried on the other side.
    assert not any(rate == 4e-4 for _, _, rate in asked["top < cut3"])
    assert halving.rungs(made)["top < cut3"][1].rate == 1e-2


def test_whatever_a_way_is_given_is_among_all_that_it_can_be_given(tmp_path):
    made = halving.begin(tmp_path, WAYS)
    halving.work(
        made, Pretended(lambda way, steps, rate: _losses(way, steps, rate) - 0.01 * (rate == 5e-4)), Deadline(None)
    )
    given = {(rung.steps, rung.rate) for rungs in halving.rungs(made).values() for rung in rungs if rung.steps}
    assert (1024, 5e-4) in given
    assert given <= {(rung.steps, rung.rate) for rung in halving.rungs_of(halving.LADDER)}


def test_who_comes_first_does_not_go_on_for_being_the_best_so_far(tmp_path):
    trier = Pretended(_losses)
    made = halving.begin(tmp_path, WAYS[::-1])
    halving.work(made, trier, Deadline(None))
    assert halving.is_done(made)
    given = {name: len(rungs) for name, rungs in halving.rungs(made).items()}
    assert {name for name, turns in given.items() if turns > 1} == {"top < cut1", "top < cut2"}
    # Ten looks, at another rate too where up to three learn; of two ways the third rate and two other folds; of one of
    # them another rate, and its five folds.
    assert len({asked for asked in trier.asked if asked[2]}) == 10 + 3 + 2 * 3 + 6


def test_the_best_way_goes_on_alone_turn_after_turn(tmp_path):
    made = halving.begin(tmp_path, WAYS[:4])
    halving.work(made, Pretended(_losses), Deadline(None))
    assert halving.is_done(made)
    assert [rung.steps for rung in halving.rungs(made)["top < cut1"]] == [256, 256, 1024]


def test_with_one_number_of_steps_the_best_way_is_judged_on_all_folds(tmp_path, monkeypatch):
    monkeypatch.setattr(halving, "LADDER", halving.Ladder((256,), halving.LADDER.rates))
    trier = Pretended(_losses)
    made = halving.begin(tmp_path, WAYS)
    halving.work(made, trier, Deadline(None))
    assert halving.is_done(made)
    asked = _asked_of(trier, made)
    judged = {name: {fold for fold, steps, _ in asked[name] if steps} for name in made.ways}
    assert judged["top < cut1"] == {0, 1, 2, 3, 4}
    assert judged["top < cut2"] == {0, 1, 2}
    assert judged["top < cut7"] == {0}
    # No steps more, no rate more.
    assert {rate for _, _, rate in asked["top < cut1"]} == set(halving.LADDER.rates)


class Counted:
    """A deadline of a trier that does nothing but lessons."""

    def __init__(self, trier, seconds):
        self.trier, self.seconds = trier, seconds

    @property
    def left(self):
        return self.seconds - self.trier.seconds * sum(steps > 0 for _, _, steps, _ in self.trier.asked)

    def allows(self, seconds):
        return seconds <= self.left


@pytest.mark.parametrize("lessons", [6, 7, 12, 20])
def test_what_is_best_when_time_is_short_can_still_be_judged_on_all_folds(tmp_path, lessons):
    trier = Pretended(_losses)
    deadline, made = Counted(trier, lessons), halving.begin(tmp_path, WAYS)
    halving.work(made, trier, deadline)
    assert not halving.is_done(made)
    turns = [rung.turn for rungs in halving.rungs(made).values() for rung in rungs if rung.turn]
    # Before a way is looked at, its five folds and the fit have to have a place.
    assert bool(turns) == (lessons > 6)
    last = max(turns, key=made.turns.index) if turns else None
    lacking = 5 - len(last.of(range(5))) if last else 0
    assert halving.closing(made, trier) == pytest.approx((lacking + halving.LESSONS_OF_A_FIT) if last else 0)
    assert deadline.left >= halving.closing(made, trier)


def test_a_study_that_is_done_asks_for_nothing(tmp_path):
    halving.work(halving.begin(tmp_path, WAYS), Pretended(_losses), Deadline(None))
    again = Pretended(_losses)
    halving.work(halving.begin(tmp_path, WAYS), again, Deadline(None))
    assert not again.asked


def test_what_a_killed_process_left_is_tried_again(tmp_path):
    made = halving.begin(tmp_path, WAYS)
    trial = made.study.ask()
    name = trial.suggest_categorical("way", sorted(made.ways))
    # No process has this number: Linux gives none above four million.
    trial.set_user_attr("process", 2**22 + 1)
    again = halving.begin(tmp_path, WAYS)
    trier = Pretended(_losses)
    halving.work(again, trier, Deadline(None))
    assert name in {asked[0] for asked in trier.asked}
    assert halving.is_done(again)


def test_what_another_living_process_does_is_left_to_it(tmp_path):
    made = halving.begin(tmp_path, WAYS)
    trial = made.study.ask()
    name = trial.suggest_categorical("way", sorted(made.ways))
    # The first process of the system lives.
    trial.set_user_attr("process", 1)
    trier = Pretended(_losses)
    again = halving.begin(tmp_path, WAYS)
    halving.work(again, trier, Deadline(None))
    assert name not in {asked[0] for asked in trier.asked}
    assert not halving.is_done(again)


def test_nothing_is_begun_that_would_not_be_done_in_time(tmp_path):
    trier = Pretended(_losses, seconds=100.0)
    made = halving.begin(tmp_path, WAYS)
    halving.work(made, trier, Deadline(250.0))
    # A lesson and a fit of two lessons are 300 seconds; heads are not asked about.
    assert {asked[0] for asked in trier.asked} == {"top"}
    assert not halving.is_done(made)
    later = Pretended(_losses)
    again = halving.begin(tmp_path, WAYS)
    halving.work(again, later, Deadline(None))
    assert halving.is_done(again)
    assert "top" not in {asked[0] for asked in later.asked}


def test_heads_that_would_not_be_done_in_time_wait_for_another_one(tmp_path):
    heads = [Way(name, name, (), 4, 0) for name in ("first", "known", "other")]
    trier = Pretended(_losses, seconds=100.0, known=("known",))
    made = halving.begin(tmp_path, heads)
    halving.work(made, trier, Deadline(250.0))
    # One is judged in any case, and one is known already.
    assert {asked[0] for asked in trier.asked} == {"first", "known"}
    halving.work(made, trier, Deadline(600.0))
    assert halving.is_done(made)


def test_the_user_ends_it_and_the_way_is_tried_another_time(tmp_path):
    class Ending(Pretended):
        def answers(self, way, fold, **options):
            if way.name == "top < cut3":
                raise Interrupted
            return super().answers(way, fold, **options)

    made = halving.begin(tmp_path, WAYS)
    with pytest.raises(Interrupted):
        halving.work(made, Ending(_losses), Deadline(None))
    states = {trial.state for trial in made.study.get_trials(deepcopy=False)}
    assert TrialState.RUNNING not in states
    again = halving.begin(tmp_path, WAYS)
    halving.work(again, Pretended(_losses), Deadline(None))
    assert halving.is_done(again)


def test_the_loss_is_that_of_the_best_average_over_all_examples_left_out():
    trier = Pretended(_losses)
    # Half of the answers are right where they are sure, and all of them where the other average is less so.
    sure = np.array([[0.99, 0.01], [0.01, 0.99]] * 5)
    right = np.full((10, 2), [0.6, 0.4])
    parts = [Answers((0.5, 1.0), np.stack([sure, right]).astype(np.float32), 0.0) for _ in range(2)]
    # 0.6 to the power of 2, beside 0.4 to the power of 2: the surest that is looked at.
    assert halving.loss_of(trier, parts, (0, 1)) == pytest.approx(-np.log(0.36 / 0.52), rel=1e-5)


def test_optuna_is_as_talkative_as_before():
    before = optuna.logging.get_verbosity()
    with halving.quiet():
        assert optuna.logging.get_verbosity() == optuna.logging.ERROR
    assert optuna.logging.get_verbosity() == before
