"""Progress and messages reach whoever shows them."""

import contextlib
import contextvars
import logging
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import pytest

from regraft.core import progress

T = TypeVar("T")


class _Recorder:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def track(self, items: Iterable[T], description: progress.Description, total: int | None) -> Iterator[T]:
        self.lines.append(f"{progress.described(description)} {total}")
        yield from items

    def say(self, message: str) -> None:
        self.lines.append(f"say {message}")

    def warn(self, message: str) -> None:
        self.lines.append(f"warn {message}")


def test_items_pass_through_whoever_shows_them() -> None:
    assert list(progress.track(iter("abc"), "letters")) == ["a", "b", "c"]
    with progress.shown_by(_Recorder()):
        assert list(progress.track(iter("abc"), "letters")) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("items", "total", "shown"),
    [
        ([1, 2], None, 2),
        (range(5), None, 5),
        ({1: 2}, None, 1),
        (np.zeros((3, 2)), None, 3),
        (iter([1]), None, None),
        (iter([1]), 9, 9),
        ([1, 2], 7, 7),
    ],
)
def test_the_total_is_known_where_items_have_a_length(items: Iterable[object], total: int | None, shown: int) -> None:
    recorder = _Recorder()
    with progress.shown_by(recorder):
        list(progress.track(items, "work", total))
    assert recorder.lines == [f"work {shown}"]


def test_items_are_taken_one_at_a_time() -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            taken.append(len(taken))
            yield taken[-1]

    with progress.shown_by(_Recorder()):
        items = progress.track(endless(), "endless")
        assert [next(items), next(items)] == [0, 1]
    assert taken == [0, 1]


def test_the_innermost_reporter_shows_and_the_outer_one_comes_back_even_after_an_error() -> None:
    outer, inner = _Recorder(), _Recorder()
    with progress.shown_by(outer):
        progress.say("one")
        with contextlib.suppress(KeyError), progress.shown_by(inner):
            progress.warn("two")
            raise KeyError
        progress.say("three")
    assert outer.lines == ["say one", "say three"]
    assert inner.lines == ["warn two"]


def test_without_a_reporter_messages_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="regraft"):
        progress.say("told")
        progress.warn("warned")
    assert caplog.record_tuples == [("regraft", logging.INFO, "told"), ("regraft", logging.WARNING, "warned")]


def test_a_warning_is_collected_and_shown_once() -> None:
    recorder = _Recorder()
    with progress.shown_by(recorder), progress.collecting_warnings() as kept:
        progress.warn("a")
        progress.say("not a warning")
        progress.warn("b")
        progress.warn("a")
    assert kept == ["a", "b"]
    assert recorder.lines == ["warn a", "say not a warning", "warn b"]


def test_nothing_is_collected_outside_the_block() -> None:
    recorder = _Recorder()
    with progress.shown_by(recorder):
        with progress.collecting_warnings() as kept:
            pass
        progress.warn("a")
        progress.warn("a")
    assert kept == []
    assert recorder.lines == ["warn a", "warn a"]


def test_nested_blocks_each_have_what_was_warned_of_inside_them() -> None:
    recorder = _Recorder()
    with progress.shown_by(recorder), progress.collecting_warnings() as outer:
        progress.warn("a")
        with progress.collecting_warnings() as inner:
            progress.warn("a")
            progress.warn("b")
        with progress.collecting_warnings() as second:
            progress.warn("b")
        progress.warn("c")
    assert (outer, inner, second) == (["a", "b", "c"], ["a", "b"], ["b"])
    assert recorder.lines == ["warn a", "warn b", "warn c"]


def test_a_thread_that_runs_in_a_copy_of_the_context_warns_into_the_same_block() -> None:
    with progress.shown_by(_Recorder()), progress.collecting_warnings() as kept:
        thread = threading.Thread(target=contextvars.copy_context().run, args=(progress.warn, "from a thread"))
        thread.start()
        thread.join()
    assert kept == ["from a thread"]


def test_what_is_tracked_is_stopped_between_two_steps() -> None:
    done: list[int] = []
    with progress.stopping(lambda: len(done) >= 3), pytest.raises(progress.Stopped):
        done.extend(progress.track(range(10), "steps"))
    assert done == [0, 1, 2]


def test_what_is_unsaid_is_collected_all_the_same() -> None:
    shown = _Recorder()
    with progress.shown_by(shown), progress.collecting_warnings() as warned:
        with progress.unsaid():
            progress.say("quiet")
            progress.warn("careful")
            list(progress.track([1, 2], "counting"))
        progress.say("loud")
    assert warned == ["careful"]
    assert shown.lines == ["counting 2", "say loud"]
