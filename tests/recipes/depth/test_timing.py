"""How much of a search's time is kept for what comes after it."""

import pytest

from regraft.core import durations
from regraft.recipes.depth.timing import Deadline


@pytest.mark.parametrize(
    ("budget", "opened", "compared", "kept"),
    [
        # What is opened in no time leaves most of a short search to the search.
        (20.0, 0.2, True, 3.0 + 4.0),
        (20.0, 0.5, False, 5.0),
        # A second is enough for all that there is to keep.
        (20.0, 1.0, False, 10.0),
        (60.0, 7.0, True, 10.0 + 12.0),
        (600.0, 100.0, True, 10.0 + 120.0),
    ],
)
def test_what_is_kept_for_the_report_goes_by_how_long_opening_took(monkeypatch, budget, opened, compared, kept):
    deadline = Deadline(budget)
    monkeypatch.setattr(Deadline, "spent", opened)
    monkeypatch.setattr(Deadline, "opening", opened)
    deadline.reserve(compared)
    assert deadline.reserved == pytest.approx(kept)
    assert deadline.left == pytest.approx(budget - opened - kept)


def test_what_the_fit_will_take_is_kept_once_it_is_known(monkeypatch):
    deadline = Deadline(60.0)
    monkeypatch.setattr(Deadline, "spent", 7.0)
    monkeypatch.setattr(Deadline, "opening", 7.0)
    deadline.reserve(compared=False)
    deadline.keep(8.0)
    assert deadline.left == pytest.approx(60 - 7 - 10 - 8)


def test_what_is_kept_for_a_network_from_scratch_is_given_back_once(monkeypatch):
    deadline = Deadline(60.0)
    monkeypatch.setattr(Deadline, "spent", 7.0)
    monkeypatch.setattr(Deadline, "opening", 7.0)
    deadline.reserve(compared=True)
    assert deadline.comparing == pytest.approx(12.0)
    deadline.keep(8.0)
    for _ in range(2):
        deadline.release()
        assert deadline.comparing == 0
        assert deadline.left == pytest.approx(60 - 7 - 10 - 8)


def test_what_a_process_of_before_spent_is_not_given_again():
    assert Deadline(60.0, spent=50.0).left == pytest.approx(10.0, abs=0.5)


def test_without_a_bound_nothing_is_kept_back():
    deadline = Deadline(None)
    deadline.reserve(compared=True)
    assert deadline.left == float("inf")


def test_a_command_counts_what_passes_before_its_work_begins(monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    with durations.counted_from_here():
        now += 6.0
        deadline = Deadline(60.0)
        now += 0.2
        assert deadline.spent == pytest.approx(6.2)
        # How long the report will take goes by the work alone.
        deadline.reserve(compared=False)
        assert deadline.reserved == pytest.approx(3.0)
    assert Deadline(60.0).spent == 0
