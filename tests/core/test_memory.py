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
        memory.release()
        assert gone() is None
    finally:
        gc.enable()


def test_a_c_library_that_cannot_trim_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_WORTH", 0)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    memory.release()


def test_what_a_process_takes_is_some_megabytes_at_least() -> None:
    assert memory.resident() > 1e6
