"""Lessons of ways: what is kept of them, and what is not."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from regraft.core.depth import Way
from regraft.core.head_spec import HeadSpec, NewLayersSpec
from regraft.core.plan import Plan
from regraft.recipes.depth.answers import Kept
from regraft.recipes.depth.lessons import Lessons
from regraft.recipes.depth.timing import Pace
from regraft.recipes.depth.trying import Interrupted, Trier
from regraft.training.heads import layered


def test_new_layers_whose_training_was_ended_by_hand_answer_nothing_that_is_kept(tmp_path, monkeypatch):
    """Half-trained layers would be taken for what the way comes to, in this search and in all to come."""
    train = layered.train_phases
    monkeypatch.setattr(Trier, "_key", lambda self, way, fold, *_: f"{way.name} {fold}")
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(20, 4)).astype(np.float32), np.arange(20) % 2
    found = SimpleNamespace(pooled=lambda reads, rows: x[rows], points={"top": SimpleNamespace(flops_below=1)})
    plan = Plan("source", head=HeadSpec(hidden=(2,), learning=NewLayersSpec(epochs=1)))
    lessons = Lessons(np.arange(20), labels, 2, np.arange(20) % 5, (0, 1, 2, 3, 4), 0)
    trier = Trier(None, found, plan, lessons, Kept(tmp_path), Pace(), frozenset())
    way = Way("top", "top", (2,), 1)
    with monkeypatch.context() as patched:
        patched.setattr(
            layered, "train_phases", lambda *given, **more: dataclasses.replace(train(*given, **more), interrupted=True)
        )
        with pytest.raises(Interrupted):
            trier.answers(way, 0)
    assert not trier.kept.keys()
    trier.answers(way, 0)
    assert trier.kept.keys() == {"top + 2 0"}
