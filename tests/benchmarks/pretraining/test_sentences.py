import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.frame import Settings
from benchmarks.pretraining import sentences
from benchmarks.pretraining.sentences import Outcome


def test_labels_are_drawn_in_proportion() -> None:
    labels = np.repeat([0, 1, 2], [500, 390, 10])
    chosen = sentences.drawn(labels, 100, 0)
    assert np.bincount(labels[chosen]).tolist() == [54, 43, 3]
    assert len(set(chosen.tolist())) == 100
    assert (chosen == sentences.drawn(labels, 100, 0)).all()
    assert (chosen != sentences.drawn(labels, 100, 1)).any()


def test_the_bar_needs_a_gain_on_both_tasks() -> None:
    def made(task: str, gains: list[float]) -> list[Outcome]:
        return [Outcome(task, "masked", seed, 0.6 + gain, "head", 0.6, 1.0) for seed, gain in enumerate(gains)]

    both = [*made("questions", [0.05, 0.06, 0.04]), *made("messages", [0.02, 0.03, 0.025])]
    result = sentences.compare(both, Settings(splits=3))
    assert result.bars[0].holds
    assert result.tables[0].rows[0][:5] == ("questions", "masked", "60.0", "65.0", "+5.0 (+2.5 to +7.5)")
    one = [*made("questions", [0.05, 0.06, 0.04]), *made("messages", [0.02, -0.03, 0.025])]
    assert not sentences.compare(one, Settings(splits=3)).bars[0].holds
    assert not sentences.compare(both[:1], Settings(splits=1)).bars[0].holds
    # Counting words is no pretraining.
    words = [dataclasses.replace(item, method="words") for item in both]
    assert not sentences.compare(words, Settings(splits=3)).bars[0].holds


@pytest.mark.shared
def test_the_texts_are_those_that_it_speaks_of(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGRAFT_SHARED", str(shared_folder))
    # SST-2 and MR are of the same reviews: what is there twice is pretrained on once.
    assert len(sentences.pool()) == 20_341
    questions, messages = sentences.questions(), sentences.messages(0)
    assert (len(questions.texts), len(questions.judged)) == (5452, 500)
    assert np.bincount(questions.right).tolist() == [138, 94, 9, 65, 81, 113]
    assert len(messages.judged) == 1000
    assert not set(messages.texts) & set(messages.judged)
    assert 0.5 < sentences.counted_words(questions, 0) < 0.8
