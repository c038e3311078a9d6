"""Halving: who is looked at with how many examples, who is left, and what time that is up does."""

import logging
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from regraft.core.errors import SourceError, StorageError
from regraft.core.input_spec import InputSpec
from regraft.core.progress import track
from regraft.core.records import CutPoint
from regraft.recipes.depth import timing
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.ranking import rounds
from regraft.recipes.ranking.candidates import Candidate
from regraft.recipes.ranking.looking import Look


class Clock:
    """Time that passes where something is pretended to take some, and nowhere else."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=made.perf_counter))
    Pretended.clock = made
    return made


class Pretended:
    """Looks at sources that are right about the first examples of a fixed order: `a` about most, `z` about few."""

    strict = False

    def __init__(self, most=4000, seconds=0.0, failing=()):
        self.most, self.seconds, self.failing = most, seconds, dict(failing)
        self.seen = []
        self.examples = type("Examples", (), {"classes": ("x", "y")})

    def look(self, candidate, size):
        for _ in track(range(10), "pass"):
            self.clock.now += self.seconds / 10
        if candidate.name in self.failing:
            raise self.failing[candidate.name]
        self.seen.append((candidate.name, size))
        accuracy = 0.95 - 0.03 * (ord(candidate.name[0]) - ord("a"))
        right = np.arange(size) < accuracy * size
        return Look(
            candidate, np.arange(size), InputSpec((8, 8, 3)), None, None, CutPoint("top", 1, (4,), 9, 9), 4, right,
            right,
            1 - accuracy, {"probe": accuracy, "neighbours": accuracy}, self.seconds, self.seconds, size, (), (),
        )  # fmt: skip


def run(looker, names="abcdefgh", budget=None, heard=lambda: False):
    return rounds.run([Candidate(name, name) for name in names], looker, Deadline(budget), heard)


def test_the_better_half_goes_on_and_scores_of_one_round_are_compared():
    looker = Pretended()
    found = run(looker, "hgfedcba")
    assert found.sizes == (200, 800, 4000)
    assert [item.source for item in found.ranked] == list("abcdefgh")
    assert [item.dropped_at for item in found.ranked] == [None, None, None, 800, 200, 200, 200, 200]
    assert [size for _, size in looker.seen] == [200] * 8 + [800] * 4 + [4000] * 3


def test_one_source_that_is_left_behind_is_counted_as_one(caplog):
    with caplog.at_level(logging.INFO, logger="regraft"):
        run(Pretended(), "abcd")
    assert "1 of 4 sources is left behind at 200 examples" in caplog.messages


def test_few_sources_are_looked_at_once():
    looker = Pretended()
    run(looker, "abc")
    assert [size for _, size in looker.seen] == [4000] * 3


def test_one_network_in_several_files_takes_one_place():
    found = run(Pretended(), ["a1", "a2", "a3", "b", "c", "d"])
    assert {item.source for item in found.ranked if item.dropped_at is None} == {"a1", "b", "c"}


def test_what_cannot_be_used_is_refused_and_unforeseen_errors_too():
    failing = {"b": SourceError("takes something else"), "c": ZeroDivisionError("by zero")}
    found = run(Pretended(failing=failing), "abcd")
    assert [item.source for item in found.ranked] == ["a", "d"]
    assert [each.reason for each in found.refused] == ["takes something else", "unexpected ZeroDivisionError: by zero"]


def test_a_full_disk_ends_it():
    with pytest.raises(StorageError, match="no space"):
        run(Pretended(failing={"b": StorageError("no space")}))


def test_time_that_is_up_ends_the_look_under_way_and_names_what_was_not_looked_at(clock):
    found = run(Pretended(seconds=20), budget=50)
    # A look is ended between two of its steps of 2 seconds.
    assert 50 <= clock.now <= 54
    assert [item.source for item in found.ranked] == ["a", "b"]
    assert [(each.source, each.reason) for each in found.refused] == [
        (name, "time was up before this was looked at") for name in "cdefgh"
    ]


def test_a_round_that_there_is_no_time_for_is_left_out():
    # 200 examples of 8 sources take 16 s; 800 of 4 would take as long and more.
    looker = Pretended(seconds=2)
    found = run(looker, budget=20)
    assert found.sizes == (200,)
    assert len(found.ranked) == 8


def test_what_the_user_ends_leaves_the_round_before():
    looker = Pretended()
    found = run(looker, heard=lambda: len(looker.seen) >= 10)
    assert found.stopped
    assert found.sizes == (200,)
    assert {item.examples for item in found.ranked} == {200}
    assert sum(item.dropped_at is None for item in found.ranked) == 4


def test_worse_is_told_on_the_same_examples():
    looker = Pretended()
    best, far = looker.look(Candidate("a", "a"), 400), looker.look(Candidate("p", "p"), 400)
    assert rounds.worse(far, best)
    assert not rounds.worse(best, far)
    # The first 100 examples, which both are right about, are all that a smaller look has in common with it.
    fewer = replace(best, indices=best.indices[:100], right=best.right[:100])
    assert not rounds.worse(far, fewer)
