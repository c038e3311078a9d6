"""Freed memory goes back to the system."""

import gc
import weakref

import pytest

from regraft.core import memory


class _Ring:
    def __init__(self) -> None:
        self.own = self


def test_what_nobody_refers_to_is_collected_in_a_large_process(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.disable()
    try:
        gone = weakref.ref(_Ring())
        monkeypatch.setattr(memory, "_WORTH", float("inf"))
        memory.release()
        assert gone() is not None
        monkeypatch.setattr(memory, "_WORTH", 0)
        monkeypatch.setattr(memory, "_after_the_last", -float("inf"))
        memory.release()
        assert gone() is None
    finally:
        gc.enable()


def test_a_large_process_is_looked_through_again_when_it_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = list[int]()
    takes = iter([2.6e9, 2.3e9, 2.7e9, 2.9e9, 2.6e9, 3.05e9])
    monkeypatch.setattr(memory, "_after_the_last", 0.0)
    monkeypatch.setattr(memory, "resident", lambda: next(takes))
    monkeypatch.setattr(memory.gc, "collect", lambda: looks.append(1))
    # 2.6 falls to 2.3: looked through. 2.7 is little more. 2.9 falls to 2.6: again. 3.05 is little more.
    for seen in (1, 1, 2, 2):
        memory.release()
        assert len(looks) == seen


def test_a_c_library_that_cannot_trim_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_WORTH", 0)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    memory.release()


def test_what_a_process_takes_is_some_megabytes_at_least() -> None:
    assert memory.resident() > 1e6
