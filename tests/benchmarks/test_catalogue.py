"""The benchmark of the catalogue, small: every figure is there, and what is lost breaks a bar."""

import dataclasses
from pathlib import Path

import pytest

from benchmarks import catalogue
from benchmarks.frame import Settings
from regraft.catalogue.verifying import Damage


def test_a_small_catalogue_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "WRITERS", 2)
    monkeypatch.setattr(catalogue, "EACH", 2)
    found = catalogue.measured(tmp_path, models=12, kills=1)
    assert (found.models, len(found.added), len(found.searches)) == (12, 12, catalogue.SEARCHES)
    assert (found.written, found.lost, found.verified.holds) == (4, 0, True)
    assert found.verified.cards >= 12 + 4 + found.said
    result = catalogue.summarise(found, Settings(per_class=12))
    assert [bar.holds for bar in result.bars[1:]] == [True, True]
    damaged = dataclasses.replace(found.verified, damage=(Damage("x", "is missing", ("a@1",)),))
    broken = dataclasses.replace(found, written=3, verified=damaged, searches=(0.001, 0.06))
    assert [bar.holds for bar in catalogue.summarise(broken, Settings()).bars] == [False, False, False]
